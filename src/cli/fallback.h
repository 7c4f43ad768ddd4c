/* fallback.h - lines `fallback`: how they are shown, and the names in them looked up. */
#ifndef SHEARPIN_CLI_FALLBACK_H
#define SHEARPIN_CLI_FALLBACK_H

#include "cli/look.h"
#include "cli/setting.h"

/* The nth line of a row, NULL behind the last. */
const struct sp_fallback *fallback_at(const struct sp_policy *policy, const struct sp_row *row,
                                      size_t nth);
/* "pay-dr.example.com:443", "respond answers/503.http"; made harmless. */
const char *fallback_target(const struct sp_policy *policy, const struct sp_fallback *fallback,
                            char *out, size_t size);
/* The target of the line with this sp_fallback_id() in the row `name`; false: no line has it. */
bool fallback_named(const struct sp_policy *policy, const char *name, uint64_t id, char *out,
                    size_t size);

/* The lines of a row as `match` and `show` print them, and in one line for comparison. */
void fallback_print(const struct setting_view *view);
void fallback_join(const struct sp_policy *policy, const struct sp_row *row, char *out,
                   size_t size);

/* Where the connections of a destination went last, if that tells anything about now: "2/s on
 * fallback unix:/run/x.sock"; "" if not. */
void fallback_why(const struct look *look, const struct look_dest *d, char *out, size_t size);
void fallback_depth(const struct look *look, const struct look_dest *d);
/* How many connections went to the nth line of a destination; false: it has no such line. */
bool fallback_total(const struct look *look, const struct look_dest *d, size_t nth, char *to,
                    size_t size, uint64_t *total);
struct json;
void fallback_json(struct json *json, const struct look *look, const struct look_dest *d);

/* Looks up every name in the fallbacks of the policy in force that was not looked up within the
 * last minute (`anew`: all), for the programs of the segment. What cannot be is said, unless
 * `quiet`; what was found earlier then stands. */
void fallback_resolve(struct sp_segment *segment, bool anew, bool quiet);
/* Findings about names that cannot be looked up. */
void fallback_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context);
/* Prints what is no mistake, and yet does not work under a bare LD_PRELOAD. */
void fallback_notes(const struct sp_policy *policy);

#endif
