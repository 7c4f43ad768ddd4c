/* short.c - a connect that the guards have nothing to say to, and that comes out well: what
 * connect.c does then, and in the same order. All else goes there, before the call or after it. */
#include "conn/route.h"
#include "shim/connect.h"
#include "shim/kind.h"
#include "shim/quick.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/clock.h"

/* An address of the internet that can be read. */
static bool short_peer(const struct sockaddr *address, socklen_t length, struct sp_peer *peer)
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
static struct sp_kept *short_kept(const struct sp_peer *peer, uint64_t policy, int *dest)
{
    *dest = sp_route_known(peer, policy);
    if (*dest < 0 || (uint32_t)*dest >= sp_here.segment.dest_max)
        return NULL;
    struct sp_kept *kept = sp_kept_at((uint32_t)*dest, policy);
    bool there = atomic_load_explicit(&kept->word, memory_order_acquire) == policy + 1;
    return there && kept->connects ? kept : NULL;
}

/* It has failed, or is not over yet. */
static __attribute__((noinline)) int short_told(struct attempt *a, int result)
{
    struct sp_guards room;
    struct sp_call call;
    int error = errno;
    sp_here_call(&call, a->conn->dest, sp_conn_index(a->conn), sp_now(), &room);
    errno = error;
    return sp_connect_told(a, &call, result);
}

static int short_run(struct attempt *a, const struct sp_kept *kept)
{
    struct sp_conn *conn = a->conn;
    int error = errno;
    a->entry = (uint64_t)sp_conn_generation(conn) << 32 | (sp_conn_index(conn) + 1);
    a->word = sp_turn_word(SP_TURN_CONNECTING, conn->began);
    conn->cookie = sp_socket_cookie(a->fd);
    a->due = sp_quick_dial(conn, kept);
    sp_fd_fresh(a->fd);
    sp_conn_give(a->fd, conn);
    int result = a->blocking ? sp_connect_blocking(a) : REAL(connect)(a->fd, a->address, a->length);
    if (SP_UNLIKELY(result != 0 || sp_conn_entry(a->fd) != a->entry ||
                    !sp_quick_stands(conn, sp_now())))
        return short_told(a, result);
    errno = error;
    return 0;
}

bool sp_connect_short(int fd, const struct sockaddr *address, socklen_t length, int *result)
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
    bool blocking = !(kind & SP_KIND_NONBLOCK);
    struct sp_conn *conn =
        kept ? sp_quick_connect(kept, (uint32_t)dest, policy, sp_now(), blocking) : NULL;
    if (!conn)
        return false;
    struct attempt a = {.fd = fd,
                        .address = address,
                        .length = length,
                        .conn = conn,
                        .blocking = blocking,
                        .untimed = true,
                        .own = SP_NEVER,
                        .until = SP_NEVER,
                        .began = conn->began};
    *result = short_run(&a, kept);
    return true;
}
