#include "shearpin/harm.h"

#include <string.h>

#include "base/random.h"
#include "conn/turn.h"

static sp_table harm_table;

struct sp_harm *sp_harm_of(const struct sp_conn *conn)
{
    return sp_table_row(&harm_table, sizeof(struct sp_harm), conn);
}

bool sp_harm_lasts(const struct sp_fault_act *act)
{
    return act->end || act->slice || act->corrupt_in || act->corrupt_out || act->close ||
           act->silent || act->rate;
}

static void harm_end(struct sp_harm *harm, enum sp_harm_of of, const struct sp_fault_act *act,
                     uint64_t now)
{
    struct sp_harm_end *end = &harm->ends[of];
    atomic_store(&end->once, act->end && !act->end_bytes && !act->end_after);
    atomic_store(&end->bytes, act->end_bytes ? atomic_load(&harm->in) + act->end_bytes : 0);
    atomic_store(&end->time, act->end_after && now ? now + act->end_after : 0);
    atomic_store(&end->how, act->end);
    atomic_store(&harm->corrupt_in[of], act->corrupt_in);
    atomic_store(&harm->corrupt_out[of], act->corrupt_out);
    atomic_store(&harm->silent[of], act->silent);
    if (act->random)
        atomic_store(&harm->random, act->random);
}

/* A blackhole is over with its connect; what hangs is not. */
void sp_harm_connect(struct sp_conn *conn, const struct sp_fault_act *act)
{
    sp_conn_mark(conn, SP_CONN_HARMED, false); /* by a try before this one */
    if (!sp_harm_lasts(act) || !sp_table_reserve(&harm_table, sizeof(struct sp_harm)))
        return;
    struct sp_harm *harm = sp_harm_of(conn);
    memset(harm, 0, sizeof *harm);
    harm_end(harm, SP_HARM_CONNECTION, act, 0);
    harm->after = act->end_after;
    atomic_store(&harm->slice, act->slice);
    atomic_store(&harm->rate, act->rate);
    atomic_store(&harm->slice_spread, act->slice_spread);
    harm->pause = act->slice_pause;
    harm->close = act->close;
    sp_conn_mark(conn, SP_CONN_HARMED, true);
}

void sp_harm_exchange(struct sp_conn *conn, const struct sp_fault_act *act, uint64_t now)
{
    bool harmed = sp_conn_flags(conn) & SP_CONN_HARMED;
    if (!harmed && (!sp_harm_lasts(act) || !sp_table_reserve(&harm_table, sizeof(struct sp_harm))))
        return;
    struct sp_harm *harm = sp_harm_of(conn);
    if (!harmed)
        memset(harm, 0, sizeof *harm);
    harm_end(harm, SP_HARM_EXCHANGE, act, now);
    sp_conn_mark(conn, SP_CONN_HARMED, true);
    if (act->end_after)
        sp_due_arm(now + act->end_after, act->end_after);
}

void sp_harm_connected(struct sp_conn *conn, uint64_t now)
{
    struct sp_harm *harm = sp_harm_of(conn);
    if (harm->after == 0)
        return;
    atomic_store(&harm->ends[SP_HARM_CONNECTION].time, now + harm->after);
    sp_due_arm(now + harm->after, harm->after);
}

/* --- when it ends --- */

uint64_t sp_harm_time(const struct sp_conn *conn)
{
    const struct sp_harm *harm = sp_harm_of(conn);
    uint64_t nearest = SP_NEVER;
    for (int i = 0; i < SP_HARM_BOTH; i++) {
        uint64_t time = atomic_load(&harm->ends[i].time);
        if (atomic_load(&harm->ends[i].how) && time && time < nearest)
            nearest = time;
    }
    return nearest;
}

uint64_t sp_harm_left(const struct sp_harm *harm)
{
    uint64_t left = SP_NEVER, in = atomic_load(&harm->in);
    for (int i = 0; i < SP_HARM_BOTH; i++) {
        uint64_t bytes = atomic_load(&harm->ends[i].bytes);
        if (atomic_load(&harm->ends[i].how) && bytes && (bytes > in ? bytes - in : 0) < left)
            left = bytes > in ? bytes - in : 0;
    }
    return left;
}

static bool harm_over(const struct sp_harm *harm, const struct sp_harm_end *end, bool once,
                      uint64_t now)
{
    uint64_t bytes = atomic_load(&end->bytes), time = atomic_load(&end->time);
    return (once && atomic_load(&end->once)) || (bytes && atomic_load(&harm->in) >= bytes) ||
           (time && now >= time);
}

/* Whoever takes it carries it out. */
enum sp_fault_end sp_harm_ends(struct sp_harm *harm, bool once, uint64_t now)
{
    enum sp_fault_end how = SP_FAULT_END_NONE;
    for (int i = 0; i < SP_HARM_BOTH && !how; i++) {
        if (harm_over(harm, &harm->ends[i], once, now))
            how = (enum sp_fault_end)atomic_exchange(&harm->ends[i].how, SP_FAULT_END_NONE);
    }
    return how;
}

/* --- data --- */

size_t sp_harm_slice(const struct sp_harm *harm, uint64_t done)
{
    uint64_t size = atomic_load(&harm->slice), spread = atomic_load(&harm->slice_spread);
    if (size == 0)
        return SIZE_MAX;
    return (size_t)(size - spread + sp_mix(atomic_load(&harm->random) + done) % (spread * 2 + 1));
}

/* In each stretch of `each` bytes one, at a place of its own. */
uint8_t sp_harm_flip(uint64_t random, uint32_t each, uint64_t at)
{
    uint64_t place = sp_mix(random ^ sp_mix(at / each));
    return at % each == place % each ? (uint8_t)(1u << (place >> 61)) : 0;
}
