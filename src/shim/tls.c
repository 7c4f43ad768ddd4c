/* tls.c - under TLS, bytes need not be an answer: tickets and key updates come as they like. Where
 * libssl or gnutls are used, they say when the program got something.
 *
 * Which connection a TLS session uses is seen, not asked: it is the one that this thread received
 * from while it was inside of SSL_read. */
#include "shim/io.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/clock.h"

static _Thread_local struct {
    const void *session; /* whose read the rest is about */
    uint64_t entry;
    int fd;
    int depth;
} tls;

bool sp_tls_keeps(const struct sp_io *io)
{
    if (SP_LIKELY(tls.depth == 0))
        return false;
    tls.entry = io->entry;
    tls.fd = io->fd;
    return true;
}

static void tls_enter(const void *session)
{
    if (tls.session != session) {
        tls.session = session;
        tls.entry = 0;
    }
    tls.depth++;
}

/* The program got something: what is outstanding on the connection below is answered. */
static void tls_leave(bool got)
{
    tls.depth--;
    if (!got || tls.entry == 0 || !sp_shim_on() || sp_conn_entry(tls.fd) != tls.entry)
        return;
    struct sp_conn *conn = sp_conn_at(tls.entry);
    uint64_t word = atomic_load_explicit(&conn->word, memory_order_acquire);
    int error = errno;
    if (sp_turn_of(word) == SP_TURN_EXCHANGE)
        sp_turn_end(conn, word, SP_OUTCOME_OK, sp_now());
    errno = error;
}

/* Plugins bring their TLS library without showing it to us, so RTLD_NEXT may not find it. */
static void *tls_find(enum sp_symbol symbol, const char *name)
{
    static const char *const libraries[] = {"libssl.so.3", "libssl.so.1.1", "libgnutls.so.30"};
    void *found = sp_real_try(symbol);
    for (size_t i = 0; !found && i < 3; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library) {
            found = dlsym(library, name);
            dlclose(library);
        }
    }
    return found;
}

#define TLS(name)                                                          \
    ({                                                                     \
        __typeof__(name) *real_ = sp_real.name;                            \
        if (SP_UNLIKELY(!real_)) {                                         \
            real_ = (__typeof__(name) *)tls_find(SP_SYMBOL_##name, #name); \
            sp_real.name = real_;                                          \
        }                                                                  \
        real_;                                                             \
    })

SP_EXPORT int SSL_read(struct ssl_st *session, void *buffer, int length)
{
    __typeof__(SSL_read) *real = TLS(SSL_read);
    if (!real)
        return -1;
    tls_enter(session);
    int result = real(session, buffer, length);
    tls_leave(result > 0);
    return result;
}

SP_EXPORT int SSL_read_ex(struct ssl_st *session, void *buffer, size_t length, size_t *got)
{
    __typeof__(SSL_read_ex) *real = TLS(SSL_read_ex);
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
    __typeof__(gnutls_record_recv) *real = TLS(gnutls_record_recv);
    if (!real)
        return -1;
    tls_enter(session);
    ssize_t result = real(session, buffer, length);
    tls_leave(result > 0);
    return result;
}
