/* objective.h - the `slo` lines of a destination and how they stand: for slo, status, top, health.
 */
#ifndef SHEARPIN_CLI_OBJECTIVE_H
#define SHEARPIN_CLI_OBJECTIVE_H

#include "cli/json.h"
#include "cli/look.h"

struct objective {
    struct sp_condition condition;
    struct sp_measured measured;
    uint64_t over; /* ns: the time that it was measured over */
    const char *file;
};

/* The i-th of a destination. False: it has no more. */
bool objective_at(const struct look *look, const struct look_dest *d, size_t i,
                  struct objective *out);

/* The first that is broken. */
bool objective_broken(const struct look *look, const struct look_dest *d, struct objective *out);

/* `errors < 1%`, or `payments errors < 1%`: then `dest` is the name before it, else "". -1 with
 * `error` set. */
int objective_parse(const char *text, char dest[SP_NAME_SIZE], struct sp_condition *out,
                    struct sp_error *error);

/* "812ms", "4.1%", "31/s", "timed out", "-". */
const char *objective_value(const struct sp_condition *condition, const struct sp_measured *m,
                            char *out, size_t size);
#define OBJECTIVE_VALUE(c, m) objective_value(c, m, (char[32]){0}, 32)

/* In seconds, as a share of 1 or in calls a second; NAN: nothing was measured, INFINITY: it is a
 * timeout. And the limit. */
double objective_number(const struct sp_condition *condition, const struct sp_measured *m);
double objective_limit(const struct sp_condition *condition);

/* "kept", "broken", "too few calls". */
const char *objective_verdict(const struct sp_measured *measured);

/* "61 of 1203 calls took longer, 60 may": "" when the value says all. */
void objective_why(const struct sp_condition *condition, const struct sp_measured *measured,
                   char *out, size_t size);

/* "slo", "verdict", "value", "limit", "calls" and so on, into an object that is open. */
void objective_json(struct json *json, const struct sp_condition *condition,
                    const struct sp_measured *measured);

#endif
