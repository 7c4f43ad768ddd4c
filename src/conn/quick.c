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
    bool plain = kept && kept->plain && call->guards == &kept->guards &&
                 !(sp_conn_flags(conn) & (SP_CONN_FALLBACK | SP_CONN_HARMED));
    uint64_t told = 0;
    if (plain) {
        struct sp_shard *shard = sp_segment_shard(&sp_here.segment, kept->dest);
        atomic_store_explicit(&kept->shard, shard, memory_order_relaxed);
        told = sp_kept_told(kept, atomic_load_explicit(&kept->word, memory_order_relaxed));
    }
    atomic_store_explicit(&conn->told, told, memory_order_release);
}

void turn_quick_undo(struct sp_conn *conn, uint64_t starting, uint64_t now)
{
    if (!turn_swap(conn, starting, 0) &&
        atomic_load_explicit(&conn->word, memory_order_relaxed) == TURN_ORPHAN)
        sp_turn_over(conn, now);
}
