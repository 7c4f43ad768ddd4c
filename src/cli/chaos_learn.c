/* chaos_learn.c - what the figures of an experiment show that nobody sees at a glance: what was
 * multiplied, what reacted, and what should have and did not. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/chaos_report.h"
#include "cli/say.h"

#define LEARN_ERRORS 10 /* of 100 calls: so many that a breaker is missed */

__attribute__((format(printf, 2, 3))) static void learn(struct chaos_view *view, const char *format,
                                                        ...)
{
    va_list list;
    if (view->learned_count == REPORT_LEARNED)
        return;
    va_start(list, format);
    vsnprintf(view->learned[view->learned_count++], sizeof view->learned[0], format, list);
    va_end(list);
}

static bool learn_during(const struct chaos_view *view, const struct sp_event *e,
                         const struct report_target *target)
{
    return e->wall <= view->end_wall &&
           strncmp(e->destination, target->target->name, SP_NAME_SIZE) == 0;
}

static const struct sp_event *learn_first(const struct chaos_view *view,
                                          const struct report_target *target,
                                          enum sp_event_kind kind, int what)
{
    for (size_t i = 0; i < view->event_count; i++) {
        const struct sp_event *e = &view->events[i];
        int is = kind == SP_EVENT_BREAKER ? e->to : e->reason;
        if (e->kind == kind && (what < 0 || is == what) && learn_during(view, e, target))
            return e;
    }
    return NULL;
}

static const char *learn_clock(uint64_t wall)
{
    static char text[16];
    time_t at = (time_t)(wall / SP_SECOND);
    struct tm t = {0};
    strftime(text, sizeof text, "%H:%M:%S", localtime_r(&at, &t));
    return text;
}

/* Every try is a call of its own to the destination. */
static void learn_retries(struct chaos_view *view, const struct report_target *target)
{
    const struct sp_chaos_sum *s = &target->sums[REPORT_DURING];
    const struct sp_event *spent = learn_first(view, target, SP_EVENT_RETRY, SP_RETRY_BUDGET);
    if (s->retried > 0 && s->calls > s->retried &&
        s->retried * 20 >= s->calls - s->retried) /* else by 1.0 */
        learn(view, "retries multiplied calls to %s by %.1f", target->target->name,
              (double)s->calls / (double)(s->calls - s->retried));
    if (spent)
        learn(view, "the budget of retries of %s (%g%%) was reached at %s", target->target->name,
              (double)target->guards.retry_budget / 100, learn_clock(spent->wall));
}

static void learn_breaker(struct chaos_view *view, const struct report_target *target)
{
    const struct sp_chaos_sum *s = &target->sums[REPORT_DURING];
    const struct sp_breaker_policy *b = &target->guards.breaker;
    const struct sp_event *first = learn_first(view, target, SP_EVENT_BREAKER, SP_STATE_OPEN);
    bool bad = s->calls >= 20 && s->errors * 100 > LEARN_ERRORS * s->calls;
    double share = s->calls ? 100 * (double)s->errors / (double)s->calls : 0;
    const char *name = target->target->name;
    uint64_t after =
        first && first->wall > view->chaos.start_wall ? first->wall - view->chaos.start_wall : 0;
    if (s->opened > 0 && first)
        learn(view, "the breaker of %s opened %s, first %s after the start", name,
              SAY_COUNT(s->opened, "time"), VIEW_TOOK(after));
    else if (s->opened > 0)
        learn(view, "the breaker of %s opened %s", name, SAY_COUNT(s->opened, "time"));
    else if (bad && !b->streak && !b->rate && !b->slow)
        learn(view, "%.0f%% of the calls to %s failed, and it has no breaker", share, name);
    else if (bad)
        learn(view, "%.0f%% of the calls to %s failed, and its breaker did not open", share, name);
}

/* How long after the faults had gone the breaker closed again. */
static void learn_recovery(struct chaos_view *view, const struct report_target *target)
{
    bool open = false;
    for (size_t i = 0; i < view->event_count; i++) {
        const struct sp_event *e = &view->events[i];
        if (e->kind != SP_EVENT_BREAKER ||
            strncmp(e->destination, target->target->name, SP_NAME_SIZE) != 0)
            continue;
        if (e->wall <= view->end_wall) {
            open = e->to != SP_STATE_CLOSED;
        } else if (open && e->to == SP_STATE_CLOSED) {
            learn(view, "the breaker of %s closed %s after the end", target->target->name,
                  VIEW_TOOK(e->wall - view->end_wall));
            return;
        }
    }
}

static void learn_waits(struct chaos_view *view, const struct report_target *target)
{
    const struct sp_chaos_sum *s = &target->sums[REPORT_DURING],
                              *before = &target->sums[REPORT_BEFORE];
    uint64_t limit = target->guards.deadline[SP_DEADLINE_RESPONSE];
    const char *name = target->target->name;
    if (s->timeouts > 0)
        learn(view, "deadlines ended %s to %s", SAY_COUNT(s->timeouts, "call"), name);
    else if (limit == 0 && before->p99 > 0 && s->p99 != SP_NEVER && s->p99 > 5 * before->p99 &&
             s->p99 > 500 * SP_MS)
        learn(view, "%s has no response deadline: one call in a hundred took %s or longer", name,
              SAY_TOOK(s->p99));
}

static void learn_elsewhere(struct chaos_view *view, const struct report_target *target)
{
    for (size_t i = 0; i < view->event_count; i++) {
        const struct sp_event *e = &view->events[i];
        char safe[4 * sizeof e->text + 1];
        if (e->kind == SP_EVENT_FALLBACK && learn_during(view, e, target))
            learn(view, "%s went to the fallback %s instead of %s",
                  SAY_COUNT(e->b ? e->b : 1, "connection"),
                  say_safe(safe, sizeof safe, e->text, sizeof e->text), target->target->name);
    }
}

static void learn_idle(struct chaos_view *view)
{
    uint64_t injected = 0;
    for (unsigned i = 0; i < view->chaos.fault_count; i++)
        injected += view_injected(view, i);
    if (injected > 0 || view->end == view->chaos.start)
        return;
    if (view_calls(view) == 0)
        learn(view, "nothing was injected, for nobody called");
    else
        learn(view, "nothing was injected into %s; a larger share hits more",
              SAY_COUNT(view_calls(view), "call"));
}

void chaos_learn(struct chaos_view *view)
{
    learn_idle(view);
    for (unsigned t = 0; t < view->chaos.target_count; t++) {
        const struct report_target *target = &view->targets[t];
        learn_retries(view, target);
        learn_breaker(view, target);
        learn_recovery(view, target);
        learn_waits(view, target);
        learn_elsewhere(view, target);
    }
}
