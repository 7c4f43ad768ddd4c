/* replay.c - every call is asked for at its beginning and settled at its end, by the clock of the
 * journal. Durations are known to a bin, so a call counts as slow or late from the bin's edge on.
 */
#include "cli/replay.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "cli/memory.h"
#include "cli/say.h"

struct replay_step {
    uint64_t at;
    uint32_t note;
    bool end;
};

/* A connection of the journal. */
struct replay_conn {
    uint64_t key;
    struct sp_admission admission;
    bool fresh; /* the permit of the connect still waits for the first answer */
    bool gone;  /* it would have been refused or cut */
    UT_hash_handle hh;
};

struct replay_state {
    struct replay *replay;
    struct replay_step *steps;
    struct sp_admission *admissions; /* of exchanges, by note */
    uint8_t *verdicts;               /* by note */
    struct replay_conn *conns;
};
enum { REPLAY_MADE, REPLAY_INHERITS, REPLAY_NOT_MADE };

static uint64_t replay_key(const struct sp_note *note)
{
    return (uint64_t)note->dest << 32 | (uint64_t)note->slot << 16 | note->conn;
}

static struct replay_conn *replay_conn(struct replay_state *state, const struct sp_note *note)
{
    uint64_t key = replay_key(note);
    struct replay_conn *conn;
    HASH_FIND(hh, state->conns, &key, sizeof key, conn);
    return conn;
}

static const struct sp_admission replay_nothing = {
    .places = {SP_NO_LEASE, SP_NO_LEASE, SP_NO_LEASE},
};

static struct replay_conn *replay_conn_new(struct replay_state *state, const struct sp_note *note)
{
    struct replay_conn *conn = replay_conn(state, note);
    if (conn)
        return conn;
    conn = memory_new(1, sizeof *conn);
    conn->key = replay_key(note);
    conn->admission = replay_nothing;
    HASH_ADD(hh, state->conns, key, sizeof conn->key, conn);
    return conn;
}

/* --- one question --- */

static void replay_call(const struct replay_state *state, const struct replay_note *n, uint64_t now,
                        struct sp_call *call, struct sp_guards *guards)
{
    struct sp_segment *segment = &state->replay->segment;
    sp_segment_guards(segment, (uint32_t)n->dest, guards);
    guards->mode = SP_MODE_ENFORCE;
    guards->share = guards->journal = guards->fallback = 0;
    *call = (struct sp_call){.segment = segment,
                             .dest = sp_segment_dest(segment, (uint32_t)n->dest),
                             .index = (uint32_t)n->dest,
                             .guards = guards,
                             .now = now,
                             .conn = (uint32_t)n->note.slot << 11 | n->note.conn};
}

/* Events know the time of the wall only; what has just happened happened at `now`. */
static void replay_events(struct replay *replay, uint64_t before, uint64_t now)
{
    uint64_t last = sp_event_last(&replay->segment);
    for (uint64_t sequence = before + 1; sequence <= last; sequence++) {
        size_t n = replay->change_count;
        if ((n & (n - 1)) == 0)
            replay->changes =
                memory_got(reallocarray(replay->changes, n ? 2 * n : 1, sizeof *replay->changes));
        replay->changes[n].at = now;
        replay->change_count +=
            sp_event_read(&replay->segment, &sequence, &replay->changes[n].event) == 1;
    }
}

/* Refused by us, or cut: nothing more happens on it. */
static void replay_lose(const struct sp_call *call, struct replay_conn *conn)
{
    if (!conn || conn->gone)
        return;
    if (conn->fresh)
        sp_order_return(call, &conn->admission.permit);
    sp_cap_release(call, &conn->admission);
    conn->fresh = false;
    conn->gone = true;
}

/* --- beginnings --- */

static void replay_connect(struct replay_state *state, const struct sp_call *call,
                           const struct replay_note *n)
{
    struct replay_counts *counts = &state->replay->counts[n->dest];
    struct replay_conn *conn = replay_conn_new(state, &n->note);
    replay_lose(call, conn); /* its end is not in the journal */
    conn->gone = false;
    enum sp_verdict verdict = sp_order_admit(call, true, NULL, &conn->admission);
    conn->fresh = verdict == SP_PASS;
    conn->gone = !conn->fresh;
    if (verdict != SP_PASS)
        counts->refused[verdict - SP_REFUSED_BREAKER]++;
}

static void replay_exchange(struct replay_state *state, const struct sp_call *call,
                            const struct replay_note *n, uint32_t index)
{
    struct replay_counts *counts = &state->replay->counts[n->dest];
    struct replay_conn *conn = replay_conn(state, &n->note);
    state->verdicts[index] = REPLAY_MADE;
    if (conn && conn->gone) {
        state->verdicts[index] = REPLAY_NOT_MADE;
        counts->unmade++;
        return;
    }
    struct sp_admission *admission = &state->admissions[index];
    bool first = conn && conn->fresh;
    enum sp_verdict verdict = first ? sp_order_first(call, NULL, admission)
                                    : sp_order_admit(call, false, NULL, admission);
    if (verdict != SP_PASS) {
        state->verdicts[index] = REPLAY_NOT_MADE;
        counts->refused[verdict - SP_REFUSED_BREAKER]++;
        replay_lose(call, conn);
    } else if (first) {
        state->verdicts[index] = REPLAY_INHERITS;
        admission->permit = conn->admission.permit;
        conn->fresh = false;
    }
}

/* --- ends --- */

/* How a call ends under the limits of this policy. What was cut then may have gone on for long. */
static enum sp_outcome replay_outcome(const struct sp_call *call, const struct sp_note *note,
                                      uint64_t *duration)
{
    bool connecting = note->kind == SP_ENTRY_CONNECT;
    uint64_t limit =
        call->guards->deadline[connecting ? SP_DEADLINE_CONNECT : SP_DEADLINE_RESPONSE];
    *duration = sp_bin_low(note->duration) + 1;
    if (limit == 0 || *duration <= limit)
        return (enum sp_outcome)note->outcome;
    *duration = limit;
    return connecting ? SP_OUTCOME_CONNECT_TIMEOUT : SP_OUTCOME_RESPONSE_TIMEOUT;
}

static bool replay_timeout(enum sp_outcome outcome)
{
    return outcome == SP_OUTCOME_CONNECT_TIMEOUT || outcome == SP_OUTCOME_RESPONSE_TIMEOUT;
}

static void replay_settle(struct replay_state *state, const struct sp_call *call,
                          const struct replay_note *n, const struct sp_permit *permit,
                          struct replay_conn *conn)
{
    struct replay_counts *counts = &state->replay->counts[n->dest];
    bool connecting = n->note.kind == SP_ENTRY_CONNECT;
    uint64_t duration;
    enum sp_outcome outcome = replay_outcome(call, &n->note, &duration);
    if (n->note.outcome >= SP_OUTCOME_REJECTED_BREAKER) {
        counts->unknown++;
        sp_order_return(call, permit);
    } else {
        counts->calls += !connecting || outcome != SP_OUTCOME_OK;
        if (!sp_order_settle(call, permit, connecting, outcome, duration))
            return;
    }
    if (conn && connecting)
        conn->fresh = false;
    if (replay_timeout(outcome)) {
        counts->cut++;
        replay_lose(call, conn);
    } else if (connecting && outcome != SP_OUTCOME_OK) {
        replay_lose(call, conn);
        if (conn)
            conn->gone = false;
    }
}

/* A place for connects under way is held no longer than that. */
static void replay_connected(const struct sp_call *call, struct sp_admission *admission)
{
    sp_cap_give(call, SP_CAP_CONNECTING, admission->places[SP_CAP_CONNECTING], admission->lease);
    admission->places[SP_CAP_CONNECTING] = SP_NO_LEASE;
}

static void replay_closed(struct replay_state *state, const struct sp_call *call,
                          const struct sp_note *note)
{
    struct replay_conn *conn = replay_conn(state, note);
    if (!conn)
        return;
    replay_lose(call, conn);
    HASH_DEL(state->conns, conn);
    free(conn);
}

static void replay_step(struct replay_state *state, const struct replay_step *step)
{
    const struct replay_note *n = &state->replay->notes[step->note];
    uint64_t before = sp_event_last(&state->replay->segment);
    struct sp_guards guards;
    struct sp_call call;
    struct replay_conn *conn;
    replay_call(state, n, step->at, &call, &guards);
    if (n->note.kind == SP_ENTRY_CLOSED) {
        replay_closed(state, &call, &n->note);
    } else if (!step->end && n->note.kind == SP_ENTRY_CONNECT) {
        replay_connect(state, &call, n);
    } else if (!step->end) {
        replay_exchange(state, &call, n, step->note);
    } else if (n->note.kind == SP_ENTRY_CONNECT) {
        conn = replay_conn(state, &n->note);
        if (conn && !conn->gone) {
            replay_connected(&call, &conn->admission);
            replay_settle(state, &call, n, &conn->admission.permit, conn);
        }
    } else if (state->verdicts[step->note] != REPLAY_NOT_MADE) {
        sp_cap_release(&call, &state->admissions[step->note]);
        replay_settle(state, &call, n, &state->admissions[step->note].permit,
                      replay_conn(state, &n->note));
    }
    replay_events(state->replay, before, step->at);
}

/* --- all of them --- */

/* At one time the journal's order counts: what it names first came to its end first. */
static int replay_compare(const void *a, const void *b)
{
    const struct replay_step *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->note != y->note ? x->note < y->note ? -1 : 1 : x->end - y->end;
}

static size_t replay_plan(struct replay_state *state)
{
    const struct replay *replay = state->replay;
    struct sp_guards guards;
    struct sp_call call;
    size_t count = 0;
    for (uint32_t i = 0; i < replay->count; i++) {
        const struct replay_note *n = &replay->notes[i];
        uint64_t low = sp_bin_low(n->note.duration), duration = 0;
        uint64_t began = n->note.time > low ? n->note.time - low : 0, end = n->note.time;
        if (n->dest < 0)
            continue;
        replay_call(state, n, began, &call, &guards);
        if (n->note.kind != SP_ENTRY_CLOSED) {
            if (replay_timeout(replay_outcome(&call, &n->note, &duration)) && duration < low)
                end = began + duration;
            state->steps[count++] = (struct replay_step){began, i, false};
        }
        state->steps[count++] = (struct replay_step){end, i, true};
    }
    qsort(state->steps, count, sizeof *state->steps, replay_compare);
    return count;
}

void replay_run(struct replay *replay)
{
    struct replay_state state = {.replay = replay};
    state.steps = memory_new(2 * replay->count, sizeof *state.steps);
    state.admissions = memory_new(replay->count, sizeof *state.admissions);
    state.verdicts = memory_new(replay->count, 1);
    replay->counts = memory_new(replay->segment.dest_max, sizeof *replay->counts);
    size_t steps = replay_plan(&state);
    for (size_t i = 0; i < steps; i++)
        replay_step(&state, &state.steps[i]);
    struct replay_conn *conn = state.conns, *next;
    HASH_CLEAR(hh, state.conns);
    for (; conn; conn = next) {
        next = conn->hh.next;
        free(conn);
    }
    free(state.steps);
    free(state.admissions);
    free(state.verdicts);
}
