/* quick.c - what the healthy exchange needs out of line. */
#include "conn/quick.h"
#include "conn/way.h"

bool sp_quick_plain(const struct sp_guards *guards)
{
    const uint64_t *deadline = guards->deadline;
    return sp_quick_guards(guards) && sp_here.fault_count == 0 && sp_here.deadline == SP_NEVER &&
           !deadline[SP_DEADLINE_SEND] && !deadline[SP_DEADLINE_IDLE] &&
           !deadline[SP_DEADLINE_TOTAL];
}

/* The arm whose breaker is asked. Its place may be another's by now: then there is none. */
static struct sp_arm *quick_on(const struct sp_conn *conn, const struct sp_kept *kept)
{
    return SP_QUICK_UNLIKELY(kept->guards.split) ? sp_arm_aimed(&sp_here.segment, conn->aim) : NULL;
}

static void quick_mark(struct sp_conn *conn, const struct sp_kept *kept)
{
    sp_conn_mark(conn, SP_CONN_TELLS, kept && kept->tells);
    sp_conn_mark(conn, SP_CONN_ARM, kept && kept->guards.split);
}

void turn_quick_learn(struct sp_conn *conn, const struct sp_call *call)
{
    struct sp_kept *kept = sp_kept_now(call->index);
    bool plain = kept && kept->plain && call->guards == &kept->guards && !sp_here_injects(call) &&
                 !(sp_conn_flags(conn) & (SP_CONN_FALLBACK | SP_CONN_HARMED));
    uint64_t told = 0;
    quick_mark(conn, kept);
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

/* All that the exchange needs of its connection, which another then has from it. The first has the
 * permit of its connect. */
static void quick_renew(struct sp_conn *conn, const struct sp_kept *kept, struct sp_permit permit,
                        uint64_t breaker, bool arm)
{
    if (sp_conn_flags(conn) & SP_CONN_FRESH)
        turn_quick_first(conn, kept);
    else
        turn_keep(conn, permit);
    uint64_t given = atomic_load_explicit(&conn->permit, memory_order_relaxed);
    atomic_store_explicit(&conn->content, sp_quick_content(breaker, given, arm),
                          memory_order_relaxed);
    turn_set(&conn->limit, kept->response);
    sp_conn_mark(conn, SP_CONN_LIMITED, false);
}

uint64_t turn_quick_prepare(struct sp_conn *conn, const struct sp_kept *kept, uint64_t told,
                            uint64_t now)
{
    uint64_t starting = sp_turn_word(SP_TURN_STARTING, now);
    uint64_t word = sp_turn_word(SP_TURN_EXCHANGE, now);
    struct sp_arm *arm = quick_on(conn, kept);
    struct sp_permit permit;
    uint64_t breaker;
    if (!sp_quick_admit(kept->dest, arm, now, &permit, &breaker) || !turn_swap(conn, 0, starting))
        return 0;
    bool same = conn->told == told && !(sp_conn_flags(conn) & TURN_QUICK_ODD);
    if (same)
        quick_renew(conn, kept, permit, breaker, arm != NULL);
    if (!same || !turn_swap(conn, starting, word)) {
        quick_undo(conn, starting, now);
        return 0;
    }
    quick_due(kept, word);
    return word;
}

bool turn_quick_far(struct sp_shard *shard, uint64_t lasted, uint64_t now, size_t got)
{
    sp_quick_note(shard, lasted > now ? 0 : lasted, now); /* by a clock that went back */
    sp_count(&shard->received, got);
    return true;
}

bool turn_quick_end(struct sp_conn *conn, uint64_t word, const struct sp_kept *kept, uint64_t now,
                    size_t got)
{
    struct sp_arm *arm = quick_on(conn, kept);
    uint64_t lasted = turn_lasted(word, now);
    if (turn_permit(conn).endpoint != (arm != NULL) ||
        !sp_quick_holds(sp_quick_cell(kept->dest, arm), quick_content(conn)))
        return false;
    bool mine = atomic_load_explicit(&conn->word, memory_order_relaxed) == word;
    if (mine) /* before the word, as in sp_turn_end() */
        sp_conn_mark(conn, SP_CONN_FRESH, false);
    if (mine && turn_swap(conn, word, 0)) { /* else another was faster */
        sp_quick_tell(&sp_here.segment, kept->dest, arm, &kept->guards, lasted, now);
        sp_quick_note(sp_quick_shard(kept), lasted, now);
    }
    sp_count(&sp_quick_shard(kept)->received, got);
    return true;
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
    uint64_t breaker;
    struct sp_conn *conn =
        sp_quick_admit(kept->dest, NULL, now, &permit, &breaker) ? sp_conn_new() : NULL;
    if (!conn)
        return NULL;
    if (!quick_place(conn, kept)) {
        sp_conn_free(conn);
        return NULL;
    }
    uint32_t flags = SP_CONN_FRESH | SP_CONN_LIMITED | (blocking ? 0 : SP_CONN_NONBLOCK) |
                     (kept->response ? SP_CONN_TIMED : 0) | (kept->tells ? SP_CONN_TELLS : 0);
    conn->dest = (uint16_t)dest;
    conn->began = now;
    turn_keep(conn, permit);
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
    const uint32_t usual = SP_CONN_NONBLOCK | SP_CONN_UNIX | SP_CONN_LOWAT | SP_CONN_TOTAL |
                           SP_CONN_TIMED | SP_CONN_LIMITED | SP_CONN_TELLS | SP_CONN_ARM;
    uint64_t told;
    if (atomic_load_explicit(&conn->word, memory_order_acquire) != 0 ||
        (sp_conn_flags(conn) & ~(usual | SP_CONN_TALLIED)) || !sp_quick_told(conn, &told))
        return false;
    sp_way_leave(conn);
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
