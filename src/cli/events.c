#include <stdio.h>
#include <syslog.h>

#include "base/clock.h"
#include "cli/event.h"
#include "cli/follow.h"
#include "cli/look.h"
#include "cli/record.h"
#include "cli/say.h"

#define EVENTS_LAST 10 /* where -f begins */
#define EVENTS_MAX  (10u << 20)

static void events_print(void *context, const struct sp_event *event)
{
    const struct cli *cli = context;
    if (cli->json)
        event_write_json(stdout, event);
    else
        event_print(event);
    if (cli->follow)
        fflush(stdout);
}

/* A breaker that opens is a warning; the rest is news. */
static void events_syslog(void *context, const struct sp_event *event)
{
    char line[EVENT_LINE];
    (void)context;
    bool opened = event->kind == SP_EVENT_BREAKER && event->to == SP_STATE_OPEN;
    event_news(event, line, sizeof line);
    syslog(opened ? LOG_WARNING : LOG_NOTICE, "%s", line);
}

static void events_record(void *context, const struct sp_event *event)
{
    record_event(context, event);
}

static void events_begin(const struct cli *cli, struct follow *f)
{
    uint64_t last = sp_event_last(f->segment), wall = sp_wall();
    f->sequence = event_first(f->segment);
    if (cli->since)
        f->since = cli->since < wall ? wall - cli->since : 0;
    else if (cli->follow && last > EVENTS_LAST && f->sequence + EVENTS_LAST <= last)
        f->sequence = last - EVENTS_LAST + 1;
}

static int events_recorded(const struct cli *cli, const struct follow *from)
{
    struct record record;
    struct follow f = *from;
    if (record_open(&record, cli->record, cli->max ? cli->max : EVENTS_MAX) != 0)
        return CLI_SYSTEM;
    f.sequence = record_next(&record, f.segment);
    f.tell = events_record;
    f.context = &record;
    follow_events(&f);
    record_close(&record);
    return record.failed ? CLI_SYSTEM : CLI_OK;
}

int events_main(struct cli *cli)
{
    struct sp_segment segment;
    struct follow f = {.segment = &segment, .on = cli->follow, .tell = events_print};
    int status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    f.context = cli;
    events_begin(cli, &f);
    if (cli->record)
        return events_recorded(cli, &f);
    if (cli->syslog) {
        openlog("shearpin", LOG_PID, LOG_DAEMON);
        f.tell = events_syslog;
    }
    follow_events(&f);
    return CLI_OK;
}
