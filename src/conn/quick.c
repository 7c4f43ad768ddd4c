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
                 !(sp_conn_flags(conn) & SP_CONN_FALLBACK);
    atomic_store_explicit(&conn->told,
                          plain ? atomic_load_explicit(&kept->word, memory_order_relaxed) : 0,
                          memory_order_release);
}

uint64_t turn_quick_undo(struct sp_conn *conn, uint64_t starting, uint64_t now)
{
    if (!turn_swap(conn, starting, 0) &&
        atomic_load_explicit(&conn->word, memory_order_relaxed) == TURN_ORPHAN)
        sp_turn_over(conn, now);
    return 0;
}
