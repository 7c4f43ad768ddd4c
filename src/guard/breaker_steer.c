/* breaker_steer.c - what operators do to a breaker, and what they see of it. */
#include "guard/breaker.h"

#include <string.h>

void sp_breaker_trip(const struct sp_call *call)
{
    for (;;) {
        uint64_t word = atomic_load(&breaker_cell(call)->word);
        struct sp_breaker b = sp_breaker_unpack(word);
        b.hold = SP_HOLD_NONE;
        if (breaker_move(call, word, breaker_opened(call, b)))
            return;
    }
}

void sp_breaker_hold(const struct sp_call *call, enum sp_hold hold, uint64_t until)
{
    atomic_store(&breaker_cell(call)->hold_until, until);
    for (;;) {
        uint64_t word = atomic_load(&breaker_cell(call)->word);
        struct sp_breaker b = sp_breaker_unpack(word);
        b.hold = (uint8_t)hold;
        b.state = hold == SP_HOLD_OPEN ? SP_STATE_OPEN : SP_STATE_CLOSED;
        if (breaker_move(call, word, b))
            return;
    }
}

void sp_breaker_reset(const struct sp_call *call)
{
    for (;;) {
        uint64_t word = atomic_load(&breaker_cell(call)->word);
        struct sp_breaker b = {.epoch = sp_breaker_unpack(word).epoch};
        if (breaker_move(call, word, b))
            return;
    }
}

void sp_breaker_look(const struct sp_call *call, struct sp_breaker_view *view)
{
    struct sp_breaker b = sp_breaker_unpack(atomic_load(&breaker_cell(call)->word));
    uint32_t now = breaker_ms(call->now);
    memset(view, 0, sizeof *view);
    view->state = b.state < SP_STATE_COUNT ? b.state : SP_STATE_CLOSED;
    view->hold = b.hold < SP_HOLD_COUNT ? b.hold : SP_HOLD_NONE;
    view->backoff = b.backoff;
    view->needed = call->guards->breaker.close;
    if (view->hold != SP_HOLD_NONE) {
        uint64_t until = atomic_load(&breaker_cell(call)->hold_until);
        if (breaker_hold_over(call))
            view->hold = SP_HOLD_NONE;
        else
            view->until = until ? until - call->now : 0;
    } else if (view->state == SP_STATE_OPEN && !breaker_time_over(call, b)) {
        view->until = (uint64_t)(b.until - now) * SP_MS;
    }
    if (view->state == SP_STATE_HALF_OPEN)
        view->successes = b.streak;
    else
        view->streak = b.streak;
    for (unsigned i = 0; i < SP_PROBES && view->state == SP_STATE_HALF_OPEN; i++) {
        uint64_t seen = atomic_load(&breaker_cell(call)->probes[i]);
        view->probes += seen != 0 && breaker_probe_current(call, seen, b.epoch);
    }
}
