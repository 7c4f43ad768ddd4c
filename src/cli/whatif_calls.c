/* whatif_calls.c - what happened: the calls of the journal or of a recorded file, and the changes
 * of breakers in their time. */
#include "cli/whatif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/event.h"
#include "cli/look.h"
#include "cli/memory.h"
#include "cli/say.h"
#include "cli/where.h"

int whatif_place(const struct whatif *w, const char *name)
{
    uint32_t index;
    return sp_segment_dest_named(&w->replay.segment, name, &index) ? (int)index : -1;
}

static int whatif_by_time(const void *a, const void *b)
{
    const struct replay_note *x = a, *y = b;
    return x->note.time != y->note.time ? x->note.time < y->note.time ? -1 : 1 : 0;
}

static void whatif_did(struct whatif *w, const struct replay_note *n)
{
    struct replay_counts *did = &w->did[n->dest];
    unsigned outcome = n->note.outcome;
    if (n->note.kind == SP_ENTRY_CLOSED)
        return;
    if (outcome >= SP_OUTCOME_REJECTED_BREAKER)
        did->refused[outcome - SP_OUTCOME_REJECTED_BREAKER]++;
    else
        did->calls += n->note.kind == SP_ENTRY_EXCHANGE || outcome != SP_OUTCOME_OK;
    did->cut += outcome == SP_OUTCOME_CONNECT_TIMEOUT || outcome == SP_OUTCOME_RESPONSE_TIMEOUT;
}

static void whatif_note(struct whatif *w, const struct sp_note *note, const char *destination)
{
    struct replay_note *n = &w->replay.notes[w->replay.count++];
    n->note = *note;
    n->dest = *destination ? whatif_place(w, destination) : -1;
    w->foreign += n->dest < 0;
}

static void whatif_read_segment(struct whatif *w)
{
    uint64_t oldest, count = sp_journal_count(&w->segment, &oldest), now = sp_now();
    uint64_t since = w->cli->since && w->cli->since < now ? now - w->cli->since : 0;
    w->offset = sp_wall() - now;
    w->replay.notes = memory_new(count - oldest, sizeof *w->replay.notes);
    for (uint64_t i = oldest; i < count; i++) {
        struct sp_note note;
        char name[SP_NAME_SIZE];
        if (sp_journal_read(&w->segment, i, &note) != 1 || note.time < since)
            continue;
        const struct sp_dest *d = sp_segment_dest(&w->segment, note.dest);
        look_name(name, d ? d->name : "");
        whatif_note(w, &note, name);
    }
}

/* Guards know times from some boot on, not those of the wall: the file begins an hour after one. */
static void whatif_read_file(struct whatif *w)
{
    const struct calls_file *file = &w->file;
    uint64_t first = SP_NEVER;
    for (size_t i = 0; i < file->count; i++) {
        if (file->lines[i].wall < first)
            first = file->lines[i].wall;
    }
    w->offset = first > 3600 * SP_SECOND ? first - 3600 * SP_SECOND : 0;
    w->replay.notes = memory_new(file->count, sizeof *w->replay.notes);
    for (size_t i = 0; i < file->count; i++) {
        struct sp_note note = file->lines[i].note;
        note.time = file->lines[i].wall - w->offset;
        whatif_note(w, &note, file->lines[i].destination);
    }
}

static int whatif_none(const struct whatif *w)
{
    const char *when = w->cli->since ? " in that time" : w->from ? "" : " yet";
    if (w->from)
        say_error("%s has no call%s", w->from, when);
    else
        say_error("the journal of segment %s has no call%s", where_name(&w->segment), when);
    return CLI_NO;
}

int whatif_read(struct whatif *w)
{
    if (w->from)
        whatif_read_file(w);
    else
        whatif_read_segment(w);
    if (w->replay.count == 0)
        return whatif_none(w);
    qsort(w->replay.notes, w->replay.count, sizeof *w->replay.notes, whatif_by_time);
    w->first = w->replay.notes[0].note.time;
    w->last = w->replay.notes[w->replay.count - 1].note.time;
    for (size_t i = 0; i < w->replay.count; i++) {
        if (w->replay.notes[i].dest >= 0)
            whatif_did(w, &w->replay.notes[i]);
    }
    return CLI_OK;
}

/* The breaker's real changes in the time of the journal. */
static void whatif_happened(struct whatif *w, bool print)
{
    struct sp_event event;
    uint64_t sequence = event_first(&w->segment), from = w->first + w->offset - SP_SECOND;
    while (event_next(&w->segment, &sequence, &event)) {
        int index;
        if (event.kind != SP_EVENT_BREAKER || event.wall < from ||
            (index = whatif_place(w, event.destination)) < 0)
            continue;
        if (print)
            event_print(&event);
        else
            w->did_trip[index] += event.to == SP_STATE_OPEN;
    }
}

static void whatif_happened_file(struct whatif *w, bool print)
{
    for (size_t i = 0; i < w->file.change_count; i++) {
        const struct calls_change *c = &w->file.changes[i];
        char clock[32], states[32];
        int index = whatif_place(w, c->destination);
        if (index < 0)
            continue;
        w->did_trip[index] += !print && strcmp(c->to, event_state(SP_STATE_OPEN)) == 0;
        event_clock(c->wall, clock, sizeof clock);
        snprintf(states, sizeof states, "%s -> %s", c->from, c->to);
        if (print)
            printf("%s.%03u  %s  %-14s   %s\n", clock, (unsigned)(c->wall % SP_SECOND / SP_MS),
                   say_safe(SAY_SAFE(c->destination)), say_safe(SAY_SAFE(states)),
                   say_safe(SAY_SAFE(c->why)));
    }
}

void whatif_really(struct whatif *w, bool print)
{
    if (w->from)
        whatif_happened_file(w, print);
    else
        whatif_happened(w, print);
}
