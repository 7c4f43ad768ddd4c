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

SP_HOT uint64_t turn_quick_prepare(struct sp_conn *conn, const struct sp_kept *kept, uint64_t told,
                                   uint64_t now, bool small)
{
    uint64_t starting = sp_turn_word(SP_TURN_STARTING, now);
    uint64_t word = sp_turn_word(SP_TURN_EXCHANGE, now);
    struct sp_arm *arm = quick_on(conn, kept);
    struct sp_permit permit;
    uint64_t breaker;
    uint32_t stays = sp_conn_flags(conn) & (SP_CONN_STAYS | SP_CONN_FRESH);
    if ((stays & SP_CONN_STAYS) && !(small && (stays & SP_CONN_FRESH)))
        return 0;
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

SP_HOT bool turn_quick_end(struct sp_conn *conn, uint64_t word, const struct sp_kept *kept,
                           uint64_t now, size_t got)
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
