/* hold.c - what an injected fault keeps from the program: from when on, until when, and that it is
 * shown again. On TCP the kernel itself says that there is no input (lowat.c); what shows through
 * that, and what it cannot hide, hide.c takes out of the waits. */
#include "shim/hold.h"
#include "shim/lowat.h"
#include "shim/mute.h"

#include "base/clock.h"

/* `until` stands before the flag: whoever sees the flag may ask. */
static void hold_stand(struct sp_conn *conn, sp_word *word, uint64_t until, uint64_t limit)
{
    atomic_store(word, until);
    sp_held_mark(conn);
    if (until != SP_NEVER)
        sp_due_arm(until, limit);
    else
        sp_due_arm(SP_DUE_WATCH, SP_NEVER); /* it never comes, but waits must look */
}

static void hold_after(struct sp_conn *conn, int fd, uint64_t since, uint64_t after)
{
    struct sp_held *h = after ? sp_held_make(conn) : NULL;
    if (!h)
        return;
    sp_lowat_prepare();
    sp_held_lock(&h->busy);
    h->since = h->looked = since;
    h->after = after;
    atomic_store(&h->came, 0);
    atomic_store(&h->hung, 0);
    if (fd >= 0)
        sp_lowat_raise(conn, h, fd);
    uint64_t look = atomic_load(&h->raised) && after > HOLD_FIRST ? HOLD_FIRST : after;
    hold_stand(conn, &h->in, since + look, after);
    sp_held_unlock(&h->busy);
}

void sp_hold_answer(struct sp_conn *conn, int fd, uint64_t since, uint64_t after)
{
    hold_after(conn, fd, since, after);
}

void sp_hold_connect(struct sp_conn *conn, uint64_t since, uint64_t after)
{
    hold_after(conn, -1, since, after);
}

static void hold_until(struct sp_conn *conn, int fd, uint64_t until, unsigned what)
{
    struct sp_held *h = sp_held_make(conn);
    uint64_t now = sp_now();
    if (!h || until <= now)
        return;
    sp_lowat_prepare();
    sp_held_lock(&h->busy);
    if (what & SP_HOLD_IN) {
        h->after = 0;
        sp_lowat_raise(conn, h, fd);
    }
    hold_stand(conn, what & SP_HOLD_IN ? &h->in : &h->out, until, until - now);
    sp_held_unlock(&h->busy);
}

void sp_hold_input(struct sp_conn *conn, int fd, uint64_t until)
{
    hold_until(conn, fd, until, SP_HOLD_IN);
}

void sp_hold_output(struct sp_conn *conn, uint64_t until)
{
    hold_until(conn, -1, until, SP_HOLD_OUT);
}

void hold_show(struct sp_conn *conn, struct sp_held *h, unsigned what)
{
    int fd = (int)atomic_load(&conn->fd);
    sp_held_lock(&h->busy);
    if (what & SP_HOLD_IN)
        atomic_store(&h->in, 0);
    if (what & SP_HOLD_OUT)
        atomic_store(&h->out, 0);
    if ((what & SP_HOLD_IN) && atomic_load(&h->raised) && sp_socket_is(fd, conn))
        sp_lowat_lower(h, fd);
    bool over = atomic_load(&h->in) == 0 && atomic_load(&h->out) == 0;
    if (over)
        sp_held_clear(conn);
    sp_held_unlock(&h->busy);
    if (h->mute.epoll) /* what is still held is muted anew by the next wait */
        sp_mute_lift(&h->mute, conn);
}

void sp_hold_free(struct sp_conn *conn)
{
    if (sp_conn_flags(conn) & SP_CONN_HELD)
        hold_show(conn, sp_held_of(conn), SP_HOLD_IN | SP_HOLD_OUT);
}

void sp_hold_close(struct sp_conn *conn, int fd)
{
    struct sp_held *h = sp_held_of(conn);
    atomic_store(&h->in, 0);
    sp_lowat_lower(h, fd);
    sp_held_clear(conn);
}

bool hold_stands(const struct sp_held *h, enum sp_turn turn)
{
    return h->after == 0 || turn == SP_TURN_EXCHANGE || turn == SP_TURN_CONNECTING;
}

unsigned sp_hold_hides_now(const struct sp_conn *conn)
{
    const struct sp_held *h = sp_held_of(conn);
    enum sp_turn turn = sp_turn_of(atomic_load(&conn->word));
    uint64_t now = sp_now(), in = atomic_load(&h->in);
    unsigned hides = now < atomic_load(&h->out) ? SP_HOLD_OUT : 0;
    bool due = h->after == 0 || atomic_load(&h->came) != 0;
    if (turn == SP_TURN_CUT)
        return 0;
    if (in == 0 || !hold_stands(h, turn) || (due && now >= in))
        return hides;
    return hides | SP_HOLD_IN | (h->after && turn == SP_TURN_CONNECTING ? SP_HOLD_OUT : 0);
}
