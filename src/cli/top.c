/* top.c - the keys of the live table, and what they do. top_page.c draws it, screen.c has the
 * terminal. */
#include "cli/top.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/say.h"
#include "cli/screen.h"
#include "cli/status.h"

#define TOP_INTERVAL SP_SECOND

const char *const top_orders[TOP_ORDERS] = {"policy", "calls", "errors", "refused"};

/* --- the table --- */

static enum top_order top_by; /* qsort brings nothing along */

static double top_key(const struct look_dest *d)
{
    return top_by == TOP_CALLS    ? d->calls_per_s
           : top_by == TOP_ERRORS ? (d->calls ? (double)d->errors / (double)d->calls : 0)
                                  : d->refused_per_min;
}

static int top_compare(const void *a, const void *b)
{
    const struct look_dest *x = a, *y = b;
    double p = top_key(x), q = top_key(y);
    if (p != q)
        return p < q ? 1 : -1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

void top_sort(struct top *top)
{
    top_by = top->order;
    if (top->order != TOP_POLICY && top->look.count > 1)
        qsort(top->look.dests, top->look.count, sizeof *top->look.dests, top_compare);
}

uint32_t top_place(const struct top *top)
{
    for (uint32_t i = 0; i < top->look.count; i++) {
        if (top->look.dests[i].index == top->chosen)
            return i;
    }
    return 0;
}

static void top_remember(struct top *top)
{
    for (uint32_t i = 0; i < top->look.count; i++) {
        const struct look_dest *d = &top->look.dests[i];
        struct top_spark *s = &top->sparks[d->index];
        if (strncmp(s->name, d->name, SP_NAME_SIZE) != 0)
            *s = (struct top_spark){0};
        memcpy(s->name, d->name, SP_NAME_SIZE);
        memmove(s->rates, s->rates + 1, sizeof s->rates - sizeof *s->rates);
        s->rates[TOP_SPARKS - 1] = d->calls_per_s;
    }
}

static void top_look(struct top *top)
{
    if (top->looked)
        look_free(&top->look);
    look_since(&top->look, &top->steer.segment, &top->mark, true);
    look_mark(&top->mark, &top->steer.segment);
    top_remember(top);
    if (!top->looked && top->look.count > 0)
        top->chosen = top->look.dests[0].index;
    top->looked = true;
    top_sort(top);
}

/* --- keys --- */

static void top_move(struct top *top, int by)
{
    int64_t to = (int64_t)top_place(top) + by;
    if (to >= 0 && to < (int64_t)top->look.count)
        top->chosen = top->look.dests[to].index;
}

static void top_steer(struct top *top)
{
    struct steer *steer = &top->steer;
    steer_dest(steer, top->chosen);
    bool trip = top->asks == 't';
    if (trip)
        sp_breaker_trip(&steer->call);
    else
        sp_breaker_reset(&steer->call);
    steer_note(top->cli, steer, trip ? SP_EVENT_TRIP : SP_EVENT_RESET,
               trip ? SP_STATE_OPEN : SP_STATE_CLOSED, 0);
    snprintf(top->said, sizeof top->said, "%s  %s -> %s", steer_name(steer),
             sp_state_words[steer->before], trip ? "open" : "closed");
}

static void top_key_pressed(struct top *top, int key)
{
    if (top->asks) {
        if (key == 'y' || key == 'Y')
            top_steer(top);
        else
            snprintf(top->said, sizeof top->said, "nothing done");
        top->asks = 0;
        return;
    }
    top->said[0] = 0;
    if (key == SCREEN_UP || key == 'k')
        top_move(top, -1);
    else if (key == SCREEN_DOWN || key == 'j')
        top_move(top, 1);
    else if (key == 's')
        top->order = (top->order + 1) % TOP_ORDERS;
    else if (key == ' ')
        top->paused = !top->paused;
    else if ((key == 't' || key == 'r') && top->look.count > 0)
        top->asks = (char)key;
    top_sort(top);
}

/* Until the next look is due, or somebody wants to go. */
static bool top_wait(struct top *top, uint64_t until)
{
    for (;;) {
        uint64_t now = sp_now();
        if (now >= until)
            return true;
        int key = screen_key(until - now);
        if (key == SCREEN_OVER || (key == 'q' && !top->asks))
            return false;
        if (key != SCREEN_NOTHING && key != SCREEN_CHANGED)
            top_key_pressed(top, key);
        if (key != SCREEN_NOTHING)
            top_page(top);
    }
}

static int top_live(struct top *top, uint64_t interval)
{
    uint64_t frames = top->cli->frames;
    if (!screen_open()) {
        say_error("this terminal cannot be taken over; shearpin top --batch");
        return CLI_SYSTEM;
    }
    look_mark(&top->mark, &top->steer.segment);
    uint64_t due = sp_now() + LOOK_INTERVAL; /* the first page soon */
    top_look(top);
    top_page(top);
    while (top_wait(top, due)) {
        if (!top->paused)
            top_look(top);
        top_page(top);
        due = sp_now() + interval;
        if (frames > 0 && --frames == 0)
            break;
    }
    screen_close();
    if (screen_signal()) { /* as it would have ended us */
        signal(screen_signal(), SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        raise(screen_signal());
    }
    return CLI_OK;
}

/* --- where there is no screen --- */

static int top_batch(struct top *top, uint64_t interval)
{
    uint64_t frames = top->cli->frames;
    look_mark(&top->mark, &top->steer.segment);
    do {
        look_sleep(interval);
        top_look(top);
        status_head(&top->look);
        status_table_head();
        for (uint32_t i = 0; i < top->look.count; i++)
            status_row(&top->look, &top->look.dests[i]);
        status_other(&top->look);
        putchar('\n');
        if (fflush(stdout) != 0)
            return CLI_OK; /* the reader has gone */
    } while (frames == 0 || --frames > 0);
    return CLI_OK;
}

int top_main(struct cli *cli)
{
    static struct top top;
    uint64_t interval = cli->interval ? cli->interval : TOP_INTERVAL;
    top.cli = cli;
    int status = where_attach(cli, &top.steer.segment);
    if (status != CLI_OK)
        return status;
    if (!cli->batch && screen_possible())
        return top_live(&top, interval);
    return top_batch(&top, interval);
}
