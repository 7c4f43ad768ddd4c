/* tls.c - under TLS, bytes need not be an answer: tickets and key updates come as they like. Where
 * libssl or gnutls are used, they say when the program got something. Nor need they be a question:
 * the last flight of a handshake asks for nothing, and a connection may rest after it.
 *
 * Which connection a TLS session uses is seen, not asked: it is the one that this thread received
 * from while it was inside of SSL_read. */
#include "shim/io.h"

#include <errno.h>

#include "base/clock.h"
#include "shim/loaded.h"

static _Thread_local struct {
    const void *session; /* whose read the rest is about */
    uint64_t entry;
    int fd;
    int depth;
    int handshakes; /* depth of those */
    uint64_t began; /* the exchange that stands for the handshake's last flight */
} tls;

bool sp_tls_keeps(const struct sp_io *io)
{
    if (SP_LIKELY(tls.depth == 0))
        return false;
    tls.entry = io->entry;
    tls.fd = io->fd;
    return true;
}

void sp_tls_began(const struct sp_io *io)
{
    if (SP_LIKELY(tls.handshakes == 0))
        return;
    tls.began = io->began;
    tls.entry = io->entry;
    tls.fd = io->fd;
}

static void tls_enter(const void *session)
{
    if (tls.session != session) {
        tls.session = session;
        tls.entry = 0;
    }
    tls.depth++;
    sp_thread.tls_inside++;
}

/* The program got something: what is outstanding on the connection below is answered. */
static void tls_leave(bool got)
{
    tls.depth--;
    sp_thread.tls_inside--;
    if (!got || tls.entry == 0 || !sp_shim_on() || sp_conn_entry(tls.fd) != tls.entry)
        return;
    struct sp_conn *conn = sp_conn_at(tls.entry);
    uint64_t word = atomic_load_explicit(&conn->word, memory_order_acquire);
    int error = errno;
    if (sp_turn_of(word) == SP_TURN_EXCHANGE)
        sp_turn_end(conn, word, SP_OUTCOME_OK, sp_now());
    errno = error;
}

static void tls_shake(void)
{
    sp_thread.tls_inside++;
    if (tls.handshakes++ == 0)
        tls.began = 0;
}

/* An answer to it would have ended the exchange: then there is nothing to take back. */
static void tls_shaken(bool done)
{
    sp_thread.tls_inside--;
    if (--tls.handshakes > 0 || !done || tls.began == 0 || !sp_shim_on() ||
        sp_conn_entry(tls.fd) != tls.entry)
        return;
    int error = errno;
    sp_turn_unsend(sp_conn_at(tls.entry), tls.began);
    errno = error;
}

/* --- which library's function? A process may have two TLS libraries, and plugins bring theirs
 * without showing it to us: the right one is what the caller's own object would have found. --- */

enum tls_call {
    TLS_READ,
    TLS_READ_EX,
    TLS_RECORD_RECV,
    TLS_DO_HANDSHAKE,
    TLS_HANDSHAKE,
    TLS_CALLS
};

static void *tls_find(enum tls_call call, const char *name, const void *caller)
{
    static _Thread_local struct {
        const void *caller;
        void *real;
    } known[TLS_CALLS];
    if (SP_UNLIKELY(known[call].caller != caller)) {
        known[call].real = sp_loaded_of(caller, name);
        known[call].caller = caller;
    }
    return known[call].real;
}

#define TLS(call, name) ((__typeof__(name) *)tls_find(call, #name, __builtin_return_address(0)))

/* --- the wrappers --- */

SP_EXPORT int SSL_read(struct ssl_st *session, void *buffer, int length)
{
    __typeof__(SSL_read) *real = TLS(TLS_READ, SSL_read);
    if (!real)
        return -1;
    tls_enter(session);
    int result = real(session, buffer, length);
    tls_leave(result > 0);
    return result;
}

SP_EXPORT int SSL_read_ex(struct ssl_st *session, void *buffer, size_t length, size_t *got)
{
    __typeof__(SSL_read_ex) *real = TLS(TLS_READ_EX, SSL_read_ex);
    if (!real)
        return 0;
    tls_enter(session);
    int result = real(session, buffer, length, got);
    tls_leave(result == 1);
    return result;
}

SP_EXPORT ssize_t gnutls_record_recv(struct gnutls_session_int *session, void *buffer,
                                     size_t length)
{
    __typeof__(gnutls_record_recv) *real = TLS(TLS_RECORD_RECV, gnutls_record_recv);
    if (!real)
        return -1;
    tls_enter(session);
    ssize_t result = real(session, buffer, length);
    tls_leave(result > 0);
    return result;
}

/* SSL_connect() goes through here, too. */
SP_EXPORT int SSL_do_handshake(struct ssl_st *session)
{
    __typeof__(SSL_do_handshake) *real = TLS(TLS_DO_HANDSHAKE, SSL_do_handshake);
    if (!real)
        return -1;
    tls_shake();
    int result = real(session);
    tls_shaken(result == 1);
    return result;
}

SP_EXPORT int gnutls_handshake(struct gnutls_session_int *session)
{
    __typeof__(gnutls_handshake) *real = TLS(TLS_HANDSHAKE, gnutls_handshake);
    if (!real)
        return -1;
    tls_shake();
    int result = real(session);
    tls_shaken(result == 0);
    return result;
}
