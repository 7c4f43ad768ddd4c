#include "cli/event.h"

#include <bsd/pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/say.h"
#include "shearpin/chaos.h"

/* --- reading --- */

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

/* "3 tries failed in 120ms: 3 refused" */
static void event_retry(const struct sp_event *e, struct sp_text_out *text)
{
    static const char *const ends[SP_RETRY_ENDS] = {[SP_RETRY_TIME] = "no time is left",
                                                    [SP_RETRY_BUDGET] = "the budget is spent",
                                                    [SP_RETRY_REFUSED] = "a guard refused the next",
                                                    [SP_RETRY_UNNAMED] =
                                                        "the last is none to retry on"};
    char safe[sizeof e->text * 4 + 1];
    sp_text_put(text, "retry gave up   %llu %s failed in %s: %s", (unsigned long long)e->a,
                e->a == 1 ? "try" : "tries", SAY_TOOK(e->b),
                say_safe(safe, sizeof safe, e->text, sizeof e->text));
    if (e->reason < SP_RETRY_ENDS && ends[e->reason])
        sp_text_put(text, "; %s", ends[e->reason]);
}

/* A monotonic time of this boot on the clock of the wall. */
static uint64_t event_on_wall(uint64_t monotonic)
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

/* --- one line --- */

static void event_steered(const struct sp_event *e, const char *verb, struct sp_text_out *text)
{
    char until[32], safe[sizeof e->text * 4 + 1];
    sp_text_put(text, "%s by %s", verb, event_who(e->uid));
    if (e->a != 0) {
        event_clock(event_on_wall(e->a), until, sizeof until);
        sp_text_put(text, " until %s", until);
    }
    if (e->text[0])
        sp_text_put(text, ": %s", say_safe(safe, sizeof safe, e->text, sizeof e->text));
}

/* Of an address that has a breaker of its own. */
static bool event_address(const struct sp_event *e, char *out, size_t size)
{
    struct sp_addr address;
    if (e->kind != SP_EVENT_BREAKER || e->arm != 0 ||
        !sp_addr_parse(e->text, strnlen(e->text, sizeof e->text), &address))
        return false;
    sp_addr_format(&address, out, size);
    return true;
}

static void event_sentence(const struct sp_event *e, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    char part[160], safe[sizeof e->text * 4 + 1];
    switch (e->kind) {
    case SP_EVENT_BREAKER:
        snprintf(part, sizeof part, "%s -> %s", event_state(e->from), event_state(e->to));
        sp_text_put(&text, "%-14s", part);
        event_reason(e, part, sizeof part);
        sp_text_put(&text, "   %s", part);
        if (event_address(e, part, sizeof part))
            sp_text_put(&text, " at %s", part);
        if (e->arm != 0)
            sp_text_put(&text, " on arm %s", say_safe(safe, sizeof safe, e->text, sizeof e->text));
        break;
    case SP_EVENT_TRIP:
        event_steered(e, "tripped", &text);
        break;
    case SP_EVENT_HOLD:
        event_steered(e, e->to == SP_HOLD_OPEN ? "held open" : "held closed", &text);
        break;
    case SP_EVENT_RESET:
        event_steered(e, "reset", &text);
        break;
    case SP_EVENT_DISABLE:
        event_steered(e, "disabled", &text);
        break;
    case SP_EVENT_ENABLE:
        event_steered(e, "enabled", &text);
        break;
    case SP_EVENT_POLICY:
        sp_text_put(&text, "policy generation %llu in force: %s", (unsigned long long)e->a,
                    say_safe(safe, sizeof safe, e->text, sizeof e->text));
        break;
    case SP_EVENT_RETRY:
        event_retry(e, &text);
        break;
    case SP_EVENT_STALE:
        sp_text_put(&text, "look-ups of %s fail: the addresses of %s ago answer",
                    say_safe(safe, sizeof safe, e->text, sizeof e->text), SAY_AGE(e->a));
        break;
    case SP_EVENT_CHAOS:
        sp_text_put(&text, "chaos %s: %s", sp_chaos_state_word(e->to),
                    say_safe(safe, sizeof safe, e->text, sizeof e->text));
        break;
    case SP_EVENT_FALLBACK:
        sp_text_put(&text, "fallback %s", say_safe(safe, sizeof safe, e->text, sizeof e->text));
        if (e->b > 1)
            sp_text_put(&text, " (first of %llu)", (unsigned long long)e->b);
        break;
    case SP_EVENT_SHIFT:
        event_shift(e, &text);
        break;
    default:
        sp_text_put(&text, "event %u", (unsigned)e->kind);
    }
}

void event_news(const struct sp_event *e, char *out, size_t size)
{
    char sentence[600], dest[4 * SP_NAME_SIZE + 1], command[4 * 16 + 1];
    event_sentence(e, sentence, sizeof sentence);
    say_safe(dest, sizeof dest, e->destination, SP_NAME_SIZE);
    say_safe(command, sizeof command, e->command, sizeof e->command);
    snprintf(out, size, "%s  %s (pid %u%s%s)", *dest ? dest : "(all)", sentence, e->pid,
             *command ? " " : "", command);
}

void event_line(const struct sp_event *e, char *out, size_t size)
{
    char clock[32], news[EVENT_LINE - 40];
    event_clock(e->wall, clock, sizeof clock);
    event_news(e, news, sizeof news);
    snprintf(out, size, "%s  %s", clock, news);
}

void event_write(FILE *out, const struct sp_event *e)
{
    char line[EVENT_LINE];
    event_line(e, line, sizeof line);
    fprintf(out, "%s\n", line);
}

/* --- for machines --- */

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
