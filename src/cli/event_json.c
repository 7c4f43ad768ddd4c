/* event_json.c - an event as programs read it. */
#include "cli/event.h"

#include "base/addr.h"
#include "shearpin/chaos.h"

void event_json_reason(struct json *json, const struct sp_event *e)
{
    static const char *const kinds[SP_TRIP_COUNT] = {
        [SP_TRIP_NONE] = "none",     [SP_TRIP_STREAK] = "streak",    [SP_TRIP_RATE] = "rate",
        [SP_TRIP_SLOW] = "slow",     [SP_TRIP_PROBE] = "probe",      [SP_TRIP_TIME] = "time",
        [SP_TRIP_PROVED] = "proved", [SP_TRIP_OPERATOR] = "operator"};
    json_open(json, "reason", '{');
    json_word(json, "kind", e->reason < SP_TRIP_COUNT ? kinds[e->reason] : "?");
    if (e->reason == SP_TRIP_STREAK || e->reason == SP_TRIP_RATE)
        json_count(json, "failures", e->a);
    if (e->reason == SP_TRIP_SLOW)
        json_count(json, "slow", e->a);
    if (e->reason == SP_TRIP_RATE || e->reason == SP_TRIP_SLOW)
        json_count(json, "calls", e->b);
    if (e->reason == SP_TRIP_STREAK || e->reason == SP_TRIP_PROBE)
        json_word(json, "last", event_errno(e->b));
    if (e->reason == SP_TRIP_PROVED)
        json_count(json, "probes", e->a);
    json_close(json, '}');
}

static void event_json_retry(struct json *json, const struct sp_event *e)
{
    static const char *const ends[SP_RETRY_ENDS] = {
        [SP_RETRY_UNNAMED] = "outcome", [SP_RETRY_TRIES] = "tries",     [SP_RETRY_TIME] = "time",
        [SP_RETRY_BUDGET] = "budget",   [SP_RETRY_REFUSED] = "refused",
    };
    const char *end = e->reason < SP_RETRY_ENDS ? ends[e->reason] : NULL;
    json_word(json, "end", end ? end : "?");
    json_count(json, "tries", e->a);
    json_number(json, "took_s", (double)e->b / (double)SP_SECOND);
}

static void event_json_chaos(struct json *json, const struct sp_event *e)
{
    json_word(json, "status", sp_chaos_state_word(e->to));
    json_count(json, "seed", e->b);
    if (e->a)
        json_time(json, "until_s", event_on_wall(e->a));
}

void event_json(struct json *json, const struct sp_event *e)
{
    char address[SP_ADDR_TEXT_SIZE], arm[SP_ARM_NAME_SIZE];
    bool steered = e->kind == SP_EVENT_TRIP || e->kind == SP_EVENT_HOLD;
    json_open(json, NULL, '{');
    json_count(json, "sequence", atomic_load(&e->sequence));
    json_time(json, "time_s", e->wall);
    json_word(json, "kind", event_kind(e));
    json_text(json, "destination", e->destination, SP_NAME_SIZE);
    if (event_address(e, address, sizeof address))
        json_text(json, "endpoint", address, sizeof address);
    if (event_arm(e, arm))
        json_text(json, "arm", arm, sizeof arm);
    if (e->kind == SP_EVENT_BREAKER) {
        json_word(json, "from", event_state(e->from));
        json_word(json, "to", event_state(e->to));
        event_json_reason(json, e);
    }
    if (e->kind == SP_EVENT_HOLD)
        json_word(json, "to", e->to == SP_HOLD_OPEN ? "open" : "closed");
    if (steered && e->a)
        json_time(json, "until_s", event_on_wall(e->a));
    if (e->kind == SP_EVENT_RETRY)
        event_json_retry(json, e);
    if (e->kind == SP_EVENT_POLICY)
        json_count(json, "generation", e->a);
    if (e->kind == SP_EVENT_STALE)
        json_number(json, "age_s", (double)e->a / (double)SP_SECOND);
    if (e->kind == SP_EVENT_CHAOS)
        event_json_chaos(json, e);
    if (e->kind == SP_EVENT_FALLBACK)
        json_count(json, "connections", e->b);
    if (e->kind == SP_EVENT_SHIFT)
        json_word(json, "step", event_step(e));
    json_text(json, "text", e->text, sizeof e->text);
    json_count(json, "pid", e->pid);
    json_count(json, "uid", e->uid);
    json_text(json, "command", e->command, sizeof e->command);
    json_close(json, '}');
}

void event_write_json(FILE *out, const struct sp_event *e)
{
    struct json json = {.out = out};
    event_json(&json, e);
    putc('\n', out);
}
