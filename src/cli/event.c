/* event.c - reading events, and the words for what is in them. */
#include "cli/event.h"

#include <bsd/pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/say.h"

uint64_t event_first(const struct sp_segment *segment)
{
    uint64_t last = sp_event_last(segment);
    return last > SP_EVENTS ? last - SP_EVENTS + 1 : 1;
}

/* How many connections went to a fallback from this event up to the next of its kind, or now. */
static uint64_t event_spell(const struct sp_segment *segment, const struct sp_event *e)
{
    const struct sp_dest *dest = sp_segment_dest_named(segment, e->destination, NULL);
    uint64_t total = e->a, sequence = atomic_load(&e->sequence) + 1;
    struct sp_event next;
    for (int got; (got = sp_event_read(segment, &sequence, &next)) != 0; sequence += got > 0) {
        if (got > 0 && next.kind == SP_EVENT_FALLBACK && next.b == e->b &&
            strncmp(next.destination, e->destination, SP_NAME_SIZE) == 0)
            return next.a > e->a ? next.a - e->a : 0;
    }
    for (size_t i = 0; dest && i < SP_SPILLS; i++) {
        if (atomic_load(&dest->spills[i].of) == e->b)
            total = atomic_load(&dest->spills[i].total);
    }
    return total > e->a ? total - e->a : 0;
}

bool event_next(const struct sp_segment *segment, uint64_t *sequence, struct sp_event *out)
{
    for (unsigned tries = 0; tries < 4 * SP_EVENTS; tries++) {
        int got = sp_event_read(segment, sequence, out);
        if (got == 0)
            return false;
        if (got > 0) {
            ++*sequence;
            if (out->kind == SP_EVENT_FALLBACK)
                out->b = event_spell(segment, out);
            return true;
        }
    }
    return false;
}

/* --- words --- */

const char *event_kind(const struct sp_event *e)
{
    static const char *const kinds[SP_EVENT_KINDS] = {
        [SP_EVENT_NONE] = "none",     [SP_EVENT_BREAKER] = "breaker",
        [SP_EVENT_TRIP] = "trip",     [SP_EVENT_HOLD] = "hold",
        [SP_EVENT_RESET] = "reset",   [SP_EVENT_DISABLE] = "disable",
        [SP_EVENT_ENABLE] = "enable", [SP_EVENT_POLICY] = "policy",
        [SP_EVENT_RETRY] = "retry",   [SP_EVENT_STALE] = "stale",
        [SP_EVENT_CHAOS] = "chaos",   [SP_EVENT_FALLBACK] = "fallback",
        [SP_EVENT_SHIFT] = "shift",
    };
    return e->kind < SP_EVENT_KINDS && kinds[e->kind] ? kinds[e->kind] : "?";
}

const char *event_who(uint32_t uid)
{
    static char text[48];
    const char *name = user_from_uid(uid, 1);
    if (name)
        snprintf(text, sizeof text, "%s", name);
    else
        snprintf(text, sizeof text, "uid %u", uid);
    return text;
}

const char *event_errno(uint64_t outcome)
{
    switch (outcome) {
    case SP_OUTCOME_REFUSED:
        return "ECONNREFUSED";
    case SP_OUTCOME_CONNECT_TIMEOUT:
    case SP_OUTCOME_RESPONSE_TIMEOUT:
        return "ETIMEDOUT";
    case SP_OUTCOME_RESET:
        return "ECONNRESET";
    case SP_OUTCOME_UNREACHABLE:
        return "EHOSTUNREACH";
    default:
        return sp_outcome_word(outcome < SP_OUTCOME_COUNT ? (unsigned)outcome : SP_OUTCOME_COUNT);
    }
}

static const char *event_outcome(uint64_t outcome)
{
    return sp_outcome_word(outcome < SP_OUTCOME_COUNT ? (unsigned)outcome : SP_OUTCOME_COUNT);
}

const char *event_state(unsigned state)
{
    return state < SP_STATE_COUNT ? sp_state_words[state] : "?";
}

void event_reason(const struct sp_event *e, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    unsigned long long a = e->a, b = e->b;
    switch (e->reason) {
    case SP_TRIP_STREAK:
        sp_text_put(&text, "%llu %s in a row", a, event_outcome(b));
        break;
    case SP_TRIP_RATE:
        sp_text_put(&text, "%llu of %llu calls failed", a, b);
        break;
    case SP_TRIP_SLOW:
        sp_text_put(&text, "%llu of %llu calls were slow", a, b);
        break;
    case SP_TRIP_PROBE:
        sp_text_put(&text, b == SP_OUTCOME_OK ? "a probe was slow" : "a probe failed: %s",
                    event_outcome(b));
        break;
    case SP_TRIP_TIME:
        sp_text_put(&text, "%s",
                    e->to == SP_STATE_HALF_OPEN ? "time to probe" : "the hold is over");
        break;
    case SP_TRIP_PROVED:
        sp_text_put(&text, "%s succeeded", SAY_COUNT(a, "probe"));
        break;
    case SP_TRIP_OPERATOR:
        sp_text_put(&text, "by an operator");
        break;
    default:
        break;
    }
}

bool event_address(const struct sp_event *e, char *out, size_t size)
{
    struct sp_addr address;
    if (e->kind != SP_EVENT_BREAKER || e->arm != 0 ||
        !sp_addr_parse(e->text, strnlen(e->text, sizeof e->text), &address))
        return false;
    sp_addr_format(&address, out, size);
    return true;
}

/* --- times --- */

uint64_t event_on_wall(uint64_t monotonic)
{
    uint64_t now = sp_now(), wall = sp_wall();
    return monotonic >= now ? wall + (monotonic - now) : wall - (now - monotonic);
}

void event_clock(uint64_t wall, char *out, size_t size)
{
    time_t at = (time_t)(wall / SP_SECOND), now = time(NULL);
    struct tm t = {0}, today = {0};
    localtime_r(&at, &t);
    localtime_r(&now, &today);
    bool same = t.tm_yday == today.tm_yday && t.tm_year == today.tm_year;
    if (strftime(out, size, same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &t) == 0)
        *out = 0;
}
