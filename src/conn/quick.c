/* quick.c - what the healthy exchange needs out of line. */
#include "conn/quick.h"

bool sp_quick_plain(const struct sp_guards *guards)
{
    const uint64_t *deadline = guards->deadline;
    return sp_quick_guards(guards) && sp_here.fault_count == 0 && sp_here.deadline == SP_NEVER &&
           !deadline[SP_DEADLINE_SEND] && !deadline[SP_DEADLINE_IDLE] &&
           !deadline[SP_DEADLINE_TOTAL];
}

void turn_quick_learn(struct sp_conn *conn, const struct sp_call *call)
{
    struct sp_kept *kept = sp_kept_now(call->index);
    bool plain = kept && kept->plain && call->guards == &kept->guards && !sp_here_injects(call) &&
                 !(sp_conn_flags(conn) & (SP_CONN_FALLBACK | SP_CONN_HARMED));
    uint64_t told = 0;
    if (plain) {
        struct sp_shard *shard = sp_segment_shard(&sp_here.segment, kept->dest);
        atomic_store_explicit(&kept->shard, shard, memory_order_relaxed);
        told = sp_kept_told(kept, atomic_load_explicit(&kept->word, memory_order_relaxed) - 1);
    }
    atomic_store_explicit(&conn->told, told, memory_order_release);
}

static void quick_undo(struct sp_conn *conn, uint64_t starting, uint64_t now)
{
    if (!turn_swap(conn, starting, 0) &&
        atomic_load_explicit(&conn->word, memory_order_relaxed) == TURN_ORPHAN)
        sp_turn_over(conn, now);
}

uint64_t turn_quick_prepare(struct sp_conn *conn, const struct sp_kept *kept, uint64_t told,
                            uint64_t now)
{
    uint64_t starting = sp_turn_word(SP_TURN_STARTING, now);
    uint64_t word = sp_turn_word(SP_TURN_EXCHANGE, now);
    struct sp_permit permit;
    if (!sp_quick_admit(kept->dest, &permit) || !turn_swap(conn, 0, starting))
        return 0;
    uint32_t flags = sp_conn_flags(conn), response = kept->response;
    bool same = conn->told == told && !(flags & TURN_QUICK_ODD);
    if (same && (flags & SP_CONN_FRESH))
        turn_quick_first(conn, kept);
    else if (same)
        atomic_store_explicit(&conn->permit, turn_pack(permit), memory_order_relaxed);
    if (same)
        turn_set(&conn->limit, response);
    if (!same || !turn_swap(conn, starting, word)) {
        quick_undo(conn, starting, now);
        return 0;
    }
    if (response)
        quick_arm(sp_turn_since(word) + response * SP_LIMIT_UNIT,
                  kept->guards.deadline[SP_DEADLINE_RESPONSE]);
    return word;
}

/* --- a connect, and the end of a connection --- */

static uint64_t quick_lease(const struct sp_conn *conn)
{
    const struct sp_self *self = &sp_here.segment.self;
    return sp_lease_word(self->slot, self->epoch, sp_conn_index(conn));
}

/* False: there is no place, or somebody waits for one. */
static bool quick_place(struct sp_conn *conn, const struct sp_kept *kept)
{
    if (kept->place_count == 0)
        return true;
    if (sp_here.segment.self.slot >= SP_PROCESSES)
        return false;
    conn->lease =
        sp_quick_take(&sp_here.segment, kept->dest, kept->places, kept->place_count,
                      atomic_load_explicit(&kept->place, memory_order_relaxed), quick_lease(conn));
    return conn->lease != SP_NO_LEASE;
}

struct sp_conn *sp_quick_connect(struct sp_kept *kept, uint32_t dest, uint64_t policy, uint64_t now,
                                 bool blocking)
{
    struct sp_permit permit;
    struct sp_conn *conn = sp_quick_admit(kept->dest, &permit) ? sp_conn_new() : NULL;
    if (!conn)
        return NULL;
    if (!quick_place(conn, kept)) {
        sp_conn_free(conn);
        return NULL;
    }
    uint32_t flags = SP_CONN_FRESH | (blocking ? 0 : SP_CONN_NONBLOCK);
    conn->dest = dest;
    conn->began = now;
    atomic_store_explicit(&conn->permit, turn_pack(permit), memory_order_relaxed);
    atomic_store_explicit(&conn->flags, flags, memory_order_relaxed);
    turn_set(&conn->least, kept->response);
    turn_set(&conn->response, kept->connect);
    turn_set(&conn->limit, kept->connect);
    atomic_store_explicit(&kept->shard, sp_segment_shard(&sp_here.segment, kept->dest),
                          memory_order_relaxed);
    atomic_store_explicit(&conn->told, sp_kept_told(kept, policy), memory_order_release);
    return conn;
}

uint64_t sp_quick_dial(struct sp_conn *conn, const struct sp_kept *kept)
{
    uint64_t word = sp_turn_word(SP_TURN_CONNECTING, conn->began);
    uint64_t limit = kept->connect * SP_LIMIT_UNIT, due = sp_turn_since(word) + limit;
    atomic_store_explicit(&conn->word, word, memory_order_release);
    if (limit == 0)
        return SP_NEVER;
    quick_arm(due, limit);
    return due;
}

bool sp_quick_stands(struct sp_conn *conn, uint64_t now)
{
    uint64_t told, word = sp_turn_word(SP_TURN_CONNECTING, conn->began);
    if (!sp_quick_told(conn, &told) || !turn_swap(conn, word, 0))
        return false;
    const struct sp_kept *kept = sp_kept_of(told);
    sp_quick_connected(&sp_here.segment, kept->dest, sp_quick_shard(kept), &kept->guards,
                       turn_lasted(word, now), now);
    return true;
}

bool sp_quick_over(struct sp_conn *conn)
{
    const uint32_t usual = SP_CONN_NONBLOCK | SP_CONN_UNIX | SP_CONN_LOWAT | SP_CONN_TOTAL;
    uint64_t told;
    if (atomic_load_explicit(&conn->word, memory_order_acquire) != 0 ||
        (sp_conn_flags(conn) & ~usual) || !sp_quick_told(conn, &told))
        return false;
    struct sp_kept *kept = sp_kept_of(told);
    uint32_t place = conn->lease;
    if (place != SP_NO_LEASE) {
        bool quiet =
            sp_quick_give(kept->dest, kept->places, kept->place_room, place, quick_lease(conn));
        atomic_store_explicit(&kept->place, place, memory_order_relaxed);
        if (!quiet)
            return false;
    }
    sp_conn_free(conn);
    return true;
}
