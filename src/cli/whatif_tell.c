/* whatif_tell.c - what would have happened beside what did, for people and for machines. */
#include "cli/whatif.h"

#include <stdio.h>
#include <string.h>

#include "cli/event.h"
#include "cli/json.h"
#include "cli/look.h"
#include "cli/say.h"
#include "cli/where.h"

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

void whatif_print(struct whatif *w)
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

void whatif_json(const struct whatif *w)
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
