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
