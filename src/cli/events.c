#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/event.h"
#include "cli/look.h"

#define EVENTS_PAUSE (50 * SP_MS)
#define EVENTS_LAST  10 /* where -f begins */

static volatile sig_atomic_t events_over;

static void events_stop(int signal)
{
    (void)signal;
    events_over = 1;
}

static void events_drain(const struct cli *cli, const struct sp_segment *segment,
                         uint64_t *sequence, uint64_t since)
{
    struct sp_event event;
    while (event_next(segment, sequence, &event)) {
        if (event.wall < since)
            continue;
        if (cli->json)
            event_write_json(stdout, &event);
        else
            event_print(&event);
        if (cli->follow)
            fflush(stdout);
    }
}

int events_main(struct cli *cli)
{
    struct sp_segment segment;
    int status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    uint64_t sequence = event_first(&segment), last = sp_event_last(&segment);
    uint64_t wall = sp_wall();
    uint64_t since = cli->since && cli->since < wall ? wall - cli->since : 0;
    if (cli->follow) {
        /* no SA_RESTART: the pause ends with the signal */
        struct sigaction stop = {.sa_handler = events_stop};
        sigaction(SIGINT, &stop, NULL);
        sigaction(SIGTERM, &stop, NULL);
        if (!cli->since && last > EVENTS_LAST && sequence + EVENTS_LAST <= last)
            sequence = last - EVENTS_LAST + 1;
    }
    events_drain(cli, &segment, &sequence, since);
    while (cli->follow && !events_over && !ferror(stdout)) {
        look_sleep(EVENTS_PAUSE);
        events_drain(cli, &segment, &sequence, since);
    }
    return CLI_OK;
}
