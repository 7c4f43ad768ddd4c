/* event_line.c - an event as people read it: one line. */
#include "cli/event.h"

#include <string.h>

#include "base/text.h"
#include "cli/say.h"
#include "shearpin/chaos.h"

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

/* What an operator did; NULL: it was none. */
static const char *event_verb(const struct sp_event *e)
{
    switch (e->kind) {
    case SP_EVENT_TRIP:
        return "tripped";
    case SP_EVENT_HOLD:
        return e->to == SP_HOLD_OPEN ? "held open" : "held closed";
    case SP_EVENT_RESET:
        return "reset";
    case SP_EVENT_DISABLE:
        return "disabled";
    case SP_EVENT_ENABLE:
        return "enabled";
    default:
        return NULL;
    }
}

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

static void event_breaker(const struct sp_event *e, struct sp_text_out *text)
{
    char part[160], safe[sizeof e->text * 4 + 1];
    snprintf(part, sizeof part, "%s -> %s", event_state(e->from), event_state(e->to));
    sp_text_put(text, "%-14s", part);
    event_reason(e, part, sizeof part);
    sp_text_put(text, "   %s", part);
    if (event_address(e, part, sizeof part))
        sp_text_put(text, " at %s", part);
    if (e->arm != 0)
        sp_text_put(text, " on arm %s", say_safe(safe, sizeof safe, e->text, sizeof e->text));
}

static void event_told(const struct sp_event *e, struct sp_text_out *text)
{
    char safe[sizeof e->text * 4 + 1];
    say_safe(safe, sizeof safe, e->text, sizeof e->text);
    if (e->kind == SP_EVENT_POLICY)
        sp_text_put(text, "policy generation %llu in force: %s", (unsigned long long)e->a, safe);
    else if (e->kind == SP_EVENT_STALE)
        sp_text_put(text, "look-ups of %s fail: the addresses of %s ago answer", safe,
                    SAY_AGE(e->a));
    else if (e->kind == SP_EVENT_CHAOS)
        sp_text_put(text, "chaos %s: %s", sp_chaos_state_word(e->to), safe);
    else if (e->kind == SP_EVENT_FALLBACK)
        sp_text_put(text, "fallback %s", safe);
    else
        sp_text_put(text, "event %u", (unsigned)e->kind);
    if (e->kind == SP_EVENT_FALLBACK && e->b > 1)
        sp_text_put(text, " (first of %llu)", (unsigned long long)e->b);
}

static void event_sentence(const struct sp_event *e, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    const char *verb = event_verb(e);
    if (verb)
        event_steered(e, verb, &text);
    else if (e->kind == SP_EVENT_BREAKER)
        event_breaker(e, &text);
    else if (e->kind == SP_EVENT_RETRY)
        event_retry(e, &text);
    else if (e->kind == SP_EVENT_SHIFT)
        event_shift(e, &text);
    else
        event_told(e, &text);
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
