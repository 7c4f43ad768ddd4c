/* short.c - a connect that the guards have nothing to say to, and that comes out well: what
 * connect.c does then, and in the same order. All else goes there, before the call or after it. */
#include "conn/dial.h"
#include "conn/route.h"
#include "shim/connect.h"
#include "shim/kind.h"
#include "shim/quick.h"
#include "shim/stay.h"

#include <errno.h>
#include <netinet/in.h>

/* What the kernel is asked, and what was admitted for it. */
struct brief {
    int fd;
    socklen_t length;
    const struct sockaddr *address;
    struct sp_conn *conn;
    uint64_t entry; /* of the fd */
    uint64_t began, due;
    uint32_t dest;
    int error; /* errno before the call */
    bool blocking;
};

/* An address of the internet that can be read. */
SP_QUICK_INLINE bool short_peer(const struct sockaddr *address, socklen_t length,
                                struct sp_peer *peer)
{
    struct sockaddr_in ip;
    if (length < sizeof ip || !sp_socket_readable(address, sizeof ip))
        return false;
    memcpy(&ip, address, sizeof ip);
    *peer = (struct sp_peer){
        {(uint64_t)ntohs(ip.sin_port) << 8 | SP_FAMILY_IPV4, ip.sin_addr.s_addr, 0}};
    return ip.sin_family == AF_INET;
}

/* The guards, if all that they ask for is a breaker that is closed, and a place. */
SP_QUICK_INLINE struct sp_kept *short_kept(const struct sp_peer *peer, uint64_t policy, int *dest)
{
    *dest = sp_route_known(peer, policy);
    if ((uint32_t)*dest >= sp_here.segment.dest_max)
        return NULL;
    struct sp_kept *kept = sp_kept_at((uint32_t)*dest, policy);
    bool there = atomic_load_explicit(&kept->word, memory_order_acquire) == policy + 1;
    return there && kept->connects ? kept : NULL;
}

SP_QUICK_INLINE uint64_t short_entry(const struct sp_conn *conn)
{
    return (uint64_t)sp_conn_generation(conn) << 32 | (sp_conn_index(conn) + 1);
}

SP_QUICK_INLINE uint64_t short_cookie(const struct sp_conn *conn, const struct sp_peer *peer)
{
    return sp_cookie_peer(sp_conn_generation(conn), htons((uint16_t)(peer->word[0] >> 8)),
                          (uint32_t)peer->word[1]);
}

/* Who it is need be known only to cut it or to set a timer, which nothing here leads to. By its
 * peer it can be told from a stranger all the same, where connects are not turned aside. */
SP_QUICK_INLINE uint64_t short_identify(const struct brief *b, const struct sp_kept *kept,
                                        const struct sp_peer *peer, enum sp_straight straight)
{
    if (SP_LIKELY(straight == SP_STRAIGHT && b->blocking && kept->response == 0))
        return short_cookie(b->conn, peer);
    return sp_socket_cookie(b->fd);
}

static __attribute__((noinline, cold)) void short_learn(const struct brief *b,
                                                        const struct sp_peer *peer)
{
    sp_route_told(peer, sp_socket_peer_is(b->fd, short_cookie(b->conn, peer)));
}

/* It has failed, is not over yet, or not as it was admitted. */
static __attribute__((noinline, cold)) int short_told(const struct brief *b, int result)
{
    struct sp_guards room;
    struct sp_call call;
    int error = errno;
    struct attempt a = {.fd = b->fd,
                        .address = b->address,
                        .length = b->length,
                        .conn = b->conn,
                        .entry = b->entry,
                        .word = sp_turn_word(SP_TURN_CONNECTING, b->began),
                        .due = b->due,
                        .blocking = b->blocking,
                        .untimed = true,
                        .own = SP_NEVER,
                        .until = SP_NEVER,
                        .began = b->began};
    if (result != 0 && sp_conn_entry(b->fd) == b->entry) { /* while it is pending it has no peer */
        atomic_store(&b->conn->cookie, sp_socket_cookie(b->fd));
        sp_conn_mark(b->conn, SP_CONN_STAYS, false);
    }
    if (result != 0 && b->blocking && b->due != SP_NEVER) {
        result = sp_connect_begun(&a, SP_NEVER, &(struct timeval){0, 0}, result);
        error = errno;
    }
    sp_here_call(&call, b->dest, sp_conn_index(b->conn), sp_now(), &room);
    errno = error;
    result = sp_connect_told(&a, &call, result);
    errno = result == 0 ? b->error : errno;
    return result;
}

/* Under the kernel's timer where there is a deadline; it stays there as long as it may. */
static int short_run(const struct brief *b, const struct sp_kept *kept)
{
    sp_conn_give(b->fd, b->conn);
    if (b->blocking && b->due != SP_NEVER) {
        sp_stay_begins();
        sp_connect_alarm(b->fd, kept->connect * (SP_LIMIT_UNIT - SP_LIMIT_UNIT / 8));
    }
    int result = REAL_EARLY(connect)(b->fd, b->address, b->length);
    if (SP_UNLIKELY(result != 0))
        return short_told(b, result);
    errno = b->error;
    if (SP_UNLIKELY(sp_conn_entry(b->fd) != b->entry ||
                    !sp_quick_dial_stands(b->conn, b->began, sp_now())))
        return short_told(b, 0);
    return 0;
}

SP_HOT bool sp_connect_short(int fd, const struct sockaddr *address, socklen_t length, int *result)
{
    uint8_t kind = sp_kind_of(fd);
    struct sp_peer peer;
    int dest;
    if ((kind & (SP_KIND_KNOWN | SP_KIND_STREAM | SP_KIND_TIMED)) !=
            (SP_KIND_KNOWN | SP_KIND_STREAM) ||
        !sp_quick_on() || sp_here_forked() || !sp_here_awake() || sp_conn_entry(fd) != 0 ||
        !short_peer(address, length, &peer))
        return false;
    uint64_t policy = atomic_load_explicit(&sp_here.segment.head->policy, memory_order_acquire);
    struct sp_kept *kept = short_kept(&peer, policy, &dest);
    struct brief b = {.fd = fd,
                      .length = length,
                      .address = address,
                      .dest = (uint32_t)dest,
                      .blocking = !(kind & SP_KIND_NONBLOCK),
                      .began = kept ? sp_now() : 0};
    b.conn = kept ? sp_quick_dial_ask(kept, b.dest, policy, b.began, b.blocking) : NULL;
    if (SP_UNLIKELY(!b.conn))
        return false;
    b.error = errno;
    b.entry = short_entry(b.conn);
    b.due = sp_quick_dial_begin(b.conn, b.began, kept);
    enum sp_straight straight = sp_route_straight(&peer);
    uint64_t cookie = short_identify(&b, kept, &peer, straight);
    atomic_store_explicit(&b.conn->cookie, cookie, memory_order_relaxed);
    sp_kind_clear(fd);
    *result = short_run(&b, kept);
    if (SP_UNLIKELY(straight == SP_STRAIGHT_UNKNOWN && *result == 0))
        short_learn(&b, &peer);
    return true;
}
