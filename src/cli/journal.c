/* journal.c - the calls of the journal: printed, or written to a file before the ring forgets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/calls.h"
#include "cli/event.h"
#include "cli/follow.h"
#include "cli/look.h"
#include "cli/record.h"
#include "cli/say.h"

#define JOURNAL_MAX   (64u << 20)
#define JOURNAL_PAUSE (50 * SP_MS)
#define JOURNAL_HURRY (2 * SP_MS)
#define JOURNAL_GRACE SP_SECOND /* for whoever is writing an entry */

struct journal {
    const struct cli *cli;
    struct sp_segment *segment;
    struct record *record; /* NULL: to stdout */
    uint64_t number;       /* of the next call */
    uint64_t sequence;     /* of the next event */
    uint64_t offset;       /* from the monotonic clock to the wall's */
    uint64_t since;        /* wall ns */
    uint64_t late;         /* since when the next one has been half written; 0: it is not */
    uint64_t begun;        /* up to here they had been begun by then */
    uint64_t waited;       /* up to here they have had their time */
    uint64_t lost;
};

static void journal_tell(struct journal *j, const struct sp_note *note)
{
    const struct sp_dest *dest = sp_segment_dest(j->segment, note->dest);
    struct calls_line line = {.number = j->number, .wall = note->time + j->offset, .note = *note};
    char text[CALLS_LINE];
    look_name(line.destination, dest ? dest->name : "");
    if (line.wall < j->since)
        return;
    if (!j->record && !j->cli->json) {
        calls_text(text, &line);
        puts(text);
        return;
    }
    size_t size = calls_json(text, &line);
    if (j->record)
        record_line(j->record, text, size);
    else
        fputs(text, stdout);
}

/* Breakers' changes stand beside the calls, so that a file tells by itself what was. */
static void journal_events(struct journal *j)
{
    struct sp_event event;
    while (j->record && event_next(j->segment, &j->sequence, &event)) {
        if (event.wall >= j->since)
            record_event(j->record, &event);
    }
}

static void journal_lose(struct journal *j, uint64_t to)
{
    j->lost += to - j->number;
    j->number = to;
    j->late = 0;
}

/* False: somebody is writing it, so it is asked for again. */
static bool journal_pass(struct journal *j)
{
    uint64_t oldest, now = sp_now(), count = sp_journal_count(j->segment, &oldest);
    if (j->number < oldest) {
        journal_lose(j, oldest);
        return true;
    }
    if (j->late == 0) {
        j->late = now;
        j->begun = count;
    }
    if (now - j->late >= JOURNAL_GRACE)
        j->waited = j->begun;
    if (j->number >= j->waited)
        return false;
    journal_lose(j, j->number + 1); /* its writer died, or two wrote it at once */
    return true;
}

/* Returns how many it took. */
static uint64_t journal_drain(struct journal *j)
{
    struct sp_note note;
    uint64_t oldest, count = sp_journal_count(j->segment, &oldest), begun = j->number;
    journal_events(j);
    if (j->number < oldest)
        journal_lose(j, oldest);
    while (j->number < count) {
        if (sp_journal_read(j->segment, j->number, &note) == 1) {
            journal_tell(j, &note);
            j->number++;
            j->late = 0;
        } else if (!journal_pass(j)) {
            break;
        }
    }
    if (j->record)
        record_flush(j->record);
    else if (j->cli->follow)
        fflush(stdout);
    if (j->lost > 0)
        say_error("%s overwritten before they could be read; a larger `journal` holds more",
                  SAY_COUNT(j->lost, "call"));
    j->lost = 0;
    return j->number - begun;
}

static void journal_follow(struct journal *j)
{
    uint64_t looked = sp_now(), took = 0;
    while (!follow_over() && !ferror(stdout) && !(j->record && j->record->failed)) {
        look_sleep(took > j->segment->journal_max / 8 ? JOURNAL_HURRY : JOURNAL_PAUSE);
        took = journal_drain(j);
        if (sp_now() - looked < SP_SECOND)
            continue;
        if (follow_successor(j->segment) && j->segment->journal_max > 0)
            j->number = j->late = j->waited = 0, j->sequence = 1;
        looked = sp_now();
    }
    journal_drain(j);
}

/* What is being written at this moment is waited for. */
static void journal_once(struct journal *j)
{
    journal_drain(j);
    while (j->late != 0) {
        look_sleep(JOURNAL_HURRY);
        journal_drain(j);
    }
}

/* Where an earlier run ended, if that was in this segment and the ring still knows. */
static void journal_resume(struct journal *j)
{
    char *line = record_last(j->record, "number");
    struct sp_note note;
    uint64_t oldest, count = sp_journal_count(j->segment, &oldest);
    j->sequence = record_next(j->record, j->segment);
    j->number = oldest;
    if (!line)
        return;
    uint64_t number = (uint64_t)record_number(line, "number");
    double time = record_number(line, "time_s"), found = 0;
    free(line);
    if (number >= count || time * 1e9 < (double)j->segment->head->created)
        return;
    if (number >= oldest && sp_journal_read(j->segment, number, &note) == 1)
        found = (double)(note.time + j->offset) / 1e9;
    if (found == 0 || (found - time < 1 && time - found < 1)) /* the clocks drift */
        j->number = number + 1;
}

static int journal_record(struct journal *j)
{
    const struct cli *cli = j->cli;
    struct record record;
    if (record_open(&record, cli->record, cli->max ? cli->max : JOURNAL_MAX) != 0)
        return CLI_SYSTEM;
    j->record = &record;
    journal_resume(j);
    if (cli->follow)
        journal_follow(j);
    else
        journal_once(j);
    record_close(&record);
    j->record = NULL;
    return record.failed ? CLI_SYSTEM : CLI_OK;
}

int journal_main(struct cli *cli)
{
    struct sp_segment segment;
    struct journal j = {.cli = cli, .segment = &segment, .sequence = 1};
    int status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    if (segment.journal_max == 0) {
        say_error("segment %s has no journal; with `journal 1MiB` in defaults a new one gets one",
                  where_name(&segment));
        return CLI_NO;
    }
    j.offset = sp_wall() - sp_now();
    j.since = cli->since && cli->since < sp_wall() ? sp_wall() - cli->since : 0;
    if (cli->follow)
        follow_until_told();
    if (cli->record)
        return journal_record(&j);
    uint64_t oldest, count = sp_journal_count(&segment, &oldest);
    j.number = cli->follow && !cli->since ? count : oldest;
    if (cli->follow)
        journal_follow(&j);
    else
        journal_once(&j);
    return CLI_OK;
}
