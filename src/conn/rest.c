/* rest.c - a pending connect that has failed and is to be tried again. While it rests it holds
 * nothing: each try is admitted anew, and settled as an attempt of its own. */
#include "conn/turn.h"

#include "base/clock.h"

sp_half sp_rests_ending, sp_rests_ended;

static bool rest_leave(struct sp_conn *conn, uint64_t word, uint64_t to, enum sp_outcome outcome)
{
    struct sp_permit permit = turn_permit(conn);
    uint32_t claim = sp_claim_of(conn, &permit);
    uint64_t now = sp_now();
    if (!turn_swap(conn, word, to))
        return false;
    turn_settle(conn, conn->dest, &permit, word, outcome, now);
    sp_claim_end(conn, conn->dest, claim);
    sp_claim_leave(conn, now);
    return true;
}

/* Until the socket is made anew nobody may dial it: STARTING is nobody else's. A call that comes
 * meanwhile lets it be, and whoever closes the last fd does too. */
bool sp_rest_begin(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome)
{
    return rest_leave(conn, word, sp_turn_word(SP_TURN_STARTING, sp_now()), outcome);
}

bool sp_rest_fail(struct sp_conn *conn, uint64_t word, enum sp_outcome outcome, int error)
{
    if (!rest_leave(conn, word, sp_turn_cut(error), outcome))
        return false;
    sp_due_unwatch(conn);
    return true;
}

bool sp_rest_end(struct sp_conn *conn, uint64_t word)
{
    if (sp_turn_of(word) != SP_TURN_RESTING ||
        !turn_swap(conn, word, sp_turn_word(SP_TURN_STARTING, sp_now())))
        return false;
    atomic_fetch_add(&sp_rests_ending, 1);
    return true;
}

/* Whoever lets it rest waits already: for its sake no other thread need wake more often. */
void sp_rest_for(struct sp_conn *conn, uint64_t ns)
{
    uint64_t now = sp_now();
    conn->limit = (uint32_t)(ns / SP_LIMIT_UNIT + 1);
    sp_conn_mark(conn, SP_CONN_LIMITED, true);
    atomic_store(&conn->word, sp_turn_word(SP_TURN_RESTING, now));
    sp_due_arm(now + conn->limit * SP_LIMIT_UNIT, SP_DUE_WATCH);
}

void sp_rest_over(struct sp_conn *conn, int error)
{
    atomic_store(&conn->word, sp_turn_cut(error));
    sp_due_unwatch(conn);
}

/* In a child: whoever was about it is not here. */
void sp_rest_forked(void)
{
    atomic_store(&sp_rests_ended, atomic_load(&sp_rests_ending));
}
