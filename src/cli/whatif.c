/* whatif.c - what another policy would have done with the calls that the journal tells of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/calls.h"
#include "cli/event.h"
#include "cli/look.h"
#include "cli/memory.h"
#include "cli/replay.h"
#include "cli/say.h"
#include "cli/where.h"

struct whatif {
    struct cli *cli;
    const char *from;          /* the file that the calls are from; NULL: the segment's journal */
    struct calls_file file;    /* what stands in it */
    struct sp_segment segment; /* the real one; with a file and a policy there is none */
    struct sp_policy *policy;  /* the one that is tried */
    char source[600];          /* where it is from */
    struct replay replay;
    struct replay_counts *did; /* by place in the private segment */
    uint64_t *did_trip;
    uint64_t first, last; /* times of the journal */
    uint64_t offset;      /* from these to the wall's */
    uint64_t foreign;     /* calls of destinations that the policy does not name */
};

/* --- the policy --- */

/* Everything may be tried, what processes share too. */
static int whatif_override(struct whatif *w)
{
    struct sp_override over[SP_OVERRIDES_MAX];
    struct sp_error error;
    if (!w->cli->set)
        return CLI_OK;
    int count = sp_override_parse_any(w->cli->set, w->policy, over, SP_OVERRIDES_MAX, &error);
    if (count < 0) {
        say_error("-o %s", error.text);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < w->policy->row_count; i++) {
        struct sp_row *row = (struct sp_row *)(void *)((char *)w->policy + w->policy->rows) + i;
        sp_override_apply_any(over, (size_t)count, row->name, &row->guards);
    }
    return CLI_OK;
}

/* -p FILE, else the one in force. */
static int whatif_policy(struct whatif *w, const char *file)
{
    struct rules rules;
    uint64_t generation;
    char summary[96];
    if (!file) {
        w->policy = look_policy(&w->segment, &generation);
        if (!w->policy) {
            say_error("the policy in force in segment %s is damaged", where_name(&w->segment));
            return CLI_SYSTEM;
        }
        snprintf(w->source, sizeof w->source, "generation %llu", (unsigned long long)generation);
        return whatif_override(w);
    }
    rules_read(&rules, file, stderr, RULES_ERRORS);
    if (!rules.policy) {
        rules_summary(&rules, summary, sizeof summary);
        say_error("%s: %s", file, summary);
        return CLI_NO;
    }
    w->policy = memory_new(1, rules.policy->size);
    memcpy(w->policy, rules.policy, rules.policy->size);
    snprintf(w->source, sizeof w->source, "%s", file);
    return whatif_override(w);
}

/* --- the journal --- */

static int whatif_place(const struct whatif *w, const char *name)
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

static int whatif_read(struct whatif *w)
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

/* --- telling --- */

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

static void whatif_really(struct whatif *w, bool print)
{
    if (w->from)
        whatif_happened_file(w, print);
    else
        whatif_happened(w, print);
}

static uint64_t whatif_trips(const struct replay *replay, const char *name)
{
    uint64_t trips = 0;
    for (size_t i = 0; i < replay->change_count; i++) {
        const struct sp_event *e = &replay->changes[i].event;
        trips += e->to == SP_STATE_OPEN && strncmp(e->destination, name, SP_NAME_SIZE) == 0;
    }
    return trips;
}

static void whatif_pair(uint64_t would, uint64_t did)
{
    char text[48];
    snprintf(text, sizeof text, "%llu/%llu", (unsigned long long)would, (unsigned long long)did);
    printf("%13s", text);
}

static void whatif_row(const struct whatif *w, uint32_t index)
{
    const struct replay_counts *would = &w->replay.counts[index], *did = &w->did[index];
    char name[4 * SP_NAME_SIZE + 1];
    const struct sp_dest *d = sp_segment_dest(&w->replay.segment, index);
    unsigned long long calls = did->calls + look_sum(did->refused, 3);
    if (calls == 0)
        return;
    printf("%-15s%9llu", say_safe(name, sizeof name, d->name, SP_NAME_SIZE), calls);
    whatif_pair(whatif_trips(&w->replay, d->name), w->did_trip[index]);
    whatif_pair(would->refused[0], did->refused[0]);
    whatif_pair(would->refused[1], did->refused[1]);
    whatif_pair(would->cut, did->cut);
    printf("%10llu%10llu\n", (unsigned long long)would->unmade, (unsigned long long)would->unknown);
}

static void whatif_change(const struct whatif *w, const struct replay_change *change)
{
    const struct sp_event *e = &change->event;
    char clock[32], reason[160], name[4 * SP_NAME_SIZE + 1], states[32];
    uint64_t wall = change->at + w->offset;
    event_clock(wall, clock, sizeof clock);
    snprintf(states, sizeof states, "%s -> %s", sp_state_words[e->from % SP_STATE_COUNT],
             sp_state_words[e->to % SP_STATE_COUNT]);
    event_reason(e, reason, sizeof reason);
    printf("%s.%03u  %s  %-14s   %s\n", clock, (unsigned)(wall % SP_SECOND / SP_MS),
           say_safe(name, sizeof name, e->destination, SP_NAME_SIZE), states, reason);
}

static void whatif_print(struct whatif *w)
{
    printf("%s   %s of journal, %s   %s%s%s\n\n", w->from ? w->from : where_name(&w->segment),
           SAY_TOOK(w->last - w->first), SAY_COUNT(w->replay.count, "line"), w->source,
           w->cli->set ? " with " : "", w->cli->set ? w->cli->set : "");
    printf("%-15s%9s%13s%13s%13s%13s%10s%10s\n", "WOULD/DID", "CALLS", "TRIPS", "BREAKER", "CAP",
           "CUT", "NOT MADE", "UNKNOWN");
    for (uint32_t i = 0; i < w->replay.segment.dest_max; i++)
        whatif_row(w, i);
    if (w->foreign > 0)
        printf("%s of destinations that this policy does not name\n",
               SAY_COUNT(w->foreign, "line"));
    if (w->file.lost > 0)
        printf("%s of that time are missing: the ring was overwritten before they were recorded\n",
               SAY_COUNT(w->file.lost, "call"));
    if (w->cli->quiet)
        return;
    printf("\nwould have happened%s\n", w->replay.change_count ? "" : ": no breaker would change");
    for (size_t i = 0; i < w->replay.change_count; i++)
        whatif_change(w, &w->replay.changes[i]);
    printf("\nhappened\n");
    whatif_really(w, true);
}

static void whatif_json_counts(struct json *json, const char *key,
                               const struct replay_counts *counts, uint64_t trips)
{
    json_open(json, key, '{');
    json_count(json, "calls", counts->calls);
    json_count(json, "trips", trips);
    json_count(json, "refused_by_breaker", counts->refused[0]);
    json_count(json, "refused_by_cap", counts->refused[1]);
    json_count(json, "cut", counts->cut);
    json_count(json, "not_made", counts->unmade);
    json_count(json, "unknown", counts->unknown);
    json_close(json, '}');
}

static void whatif_json_changes(struct json *json, const struct whatif *w, const char *name)
{
    json_open(json, "changes", '[');
    for (size_t i = 0; i < w->replay.change_count; i++) {
        const struct replay_change *c = &w->replay.changes[i];
        if (strncmp(c->event.destination, name, SP_NAME_SIZE) != 0)
            continue;
        json_open(json, NULL, '{');
        json_time(json, "time_s", c->at + w->offset);
        json_count(json, "monotonic_ns", c->at);
        json_word(json, "from", sp_state_words[c->event.from % SP_STATE_COUNT]);
        json_word(json, "to", sp_state_words[c->event.to % SP_STATE_COUNT]);
        event_json_reason(json, &c->event);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void whatif_json(const struct whatif *w)
{
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_word(&json, "policy", w->source);
    json_number(&json, "span_s", (double)(w->last - w->first) / (double)SP_SECOND);
    json_count(&json, "lost", w->file.lost);
    json_open(&json, "destinations", '[');
    for (uint32_t i = 0; i < w->replay.segment.dest_max; i++) {
        const struct sp_dest *d = sp_segment_dest(&w->replay.segment, i);
        if (d->name[0] == 0)
            continue;
        json_open(&json, NULL, '{');
        json_text(&json, "name", d->name, SP_NAME_SIZE);
        whatif_json_counts(&json, "would", &w->replay.counts[i], whatif_trips(&w->replay, d->name));
        whatif_json_counts(&json, "did", &w->did[i], w->did_trip[i]);
        whatif_json_changes(&json, w, d->name);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_end();
}

/* The calls of a file under a policy of a file need no segment. */
static int whatif_source(struct whatif *w, const char *policy)
{
    uint64_t wall = sp_wall(), since = w->cli->since;
    if (w->from && calls_read(&w->file, w->from, since && since < wall ? wall - since : 0) != 0)
        return CLI_SYSTEM;
    int status = w->from && policy ? CLI_OK : where_attach(w->cli, &w->segment);
    if (status != CLI_OK || w->from || w->segment.journal_max > 0)
        return status;
    say_error("segment %s has no journal; with `journal 1MiB` in defaults a new one gets one",
              where_name(&w->segment));
    return CLI_NO;
}

static void whatif_say(struct whatif *w)
{
    replay_run(&w->replay);
    whatif_really(w, false);
    if (w->cli->json)
        whatif_json(w);
    else
        whatif_print(w);
}

int whatif_main(struct cli *cli)
{
    struct whatif w = {.cli = cli, .from = cli->from};
    struct sp_error error;
    const char *file = cli->policy;
    cli->policy = NULL; /* it is tried: it does not say which segment */
    int status = whatif_source(&w, file);
    if (status == CLI_OK)
        status = whatif_policy(&w, file);
    if (status != CLI_OK)
        return status;
    if (sp_segment_private(&w.replay.segment, w.policy, &error) != 0) {
        say_error("%s", error.text);
        return CLI_SYSTEM;
    }
    w.did = memory_new(w.replay.segment.dest_max, sizeof *w.did);
    w.did_trip = memory_new(w.replay.segment.dest_max, sizeof *w.did_trip);
    status = whatif_read(&w);
    if (status == CLI_OK)
        whatif_say(&w);
    free(w.replay.notes);
    free(w.did);
    free(w.did_trip);
    return status;
}
