/* event.h - events of a segment: reading them, telling them. */
#ifndef SHEARPIN_CLI_EVENT_H
#define SHEARPIN_CLI_EVENT_H

#include "cli/json.h"
#include "shearpin/segment.h"

/* The oldest sequence that may still be there. */
uint64_t event_first(const struct sp_segment *segment);
/* Copies the event at *sequence or the next that is there, and moves on; `b` of a fallback is then
 * how many connections its spell has had. False: no more yet. */
bool event_next(const struct sp_segment *segment, uint64_t *sequence, struct sp_event *out);

/* The time of the day, with the date when that is not today's. */
void event_clock(uint64_t wall, char *out, size_t size);

/* "5 refused in a row": why a breaker changed. */
void event_reason(const struct sp_event *event, char *out, size_t size);

/* "breaker", "trip", "policy"; and a state of a breaker. Never NULL. */
const char *event_kind(const struct sp_event *event);
const char *event_state(unsigned state);

/* `payments  closed -> open   5 refused in a row (pid 4121 billing-worker)` */
#define EVENT_LINE 1024
void event_news(const struct sp_event *event, char *out, size_t size);
/* `10:41:56  payments  closed -> open   5 refused in a row (pid 4121 billing-worker)` */
void event_line(const struct sp_event *event, char *out, size_t size);
void event_write(FILE *out, const struct sp_event *event);
void event_write_json(FILE *out, const struct sp_event *event);
static inline void event_print(const struct sp_event *event)
{
    event_write(stdout, event);
}
/* The event as an object in a list. */
void event_json(struct json *json, const struct sp_event *event);
/* "reason":{...} of a breaker event. */
void event_json_reason(struct json *json, const struct sp_event *event);

/* event_shift.c: which step of a shift, the rest of its line, and the arm that an event is about.
 */
struct sp_text_out;
const char *event_step(const struct sp_event *event);
void event_shift(const struct sp_event *event, struct sp_text_out *text);
bool event_arm(const struct sp_event *event, char out[SP_ARM_NAME_SIZE]);

/* The address that a breaker's event is about; false: none, its destination or an arm. */
bool event_address(const struct sp_event *event, char *out, size_t size);
/* A monotonic time of this boot, ns, on the clock of the wall. */
uint64_t event_on_wall(uint64_t monotonic);

/* "root", or "uid 1000" for a uid without a name. */
const char *event_who(uint32_t uid);
/* "ECONNREFUSED" where an outcome is that errno, else its word. */
const char *event_errno(uint64_t outcome);

#endif
