/* real.h - libc's own functions. REAL(connect)(...) is a call that leaves the shim. */
#ifndef SHEARPIN_SHIM_REAL_H
#define SHEARPIN_SHIM_REAL_H

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim/symbols.h"

/* The fortified twins have no prototype without _FORTIFY_SOURCE. */
ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t length, size_t size, int flags,
                       struct sockaddr *from, socklen_t *from_length);
ssize_t __read_chk(int fd, void *buffer, size_t length, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t size);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);

/* Newer than the headers of an older libc. */
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int low);
int fcntl64(int fd, int command, ...);
int execveat(int at, const char *path, char *const argv[], char *const envp[], int flags);
int pidfd_spawn(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
int pidfd_spawnp(int *pidfd, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags);
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags);
int epoll_pwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
                 const sigset_t *mask);

/* As the libraries declare them; their headers are not needed. */
struct ssl_st;
struct gnutls_session_int;
int SSL_read(struct ssl_st *session, void *buffer, int length);
int SSL_read_ex(struct ssl_st *session, void *buffer, size_t length, size_t *got);
int SSL_do_handshake(struct ssl_st *session);
int gnutls_handshake(struct gnutls_session_int *session);
ssize_t gnutls_record_recv(struct gnutls_session_int *session, void *buffer, size_t length);

/* vfork and syscall are stubs in assembly: they need their own entries by symbol. */
struct sp_real {
#define X(name) __typeof__(name) *name;
    SP_SYMBOLS(X)
#undef X
};
extern __attribute__((visibility("hidden"))) struct sp_real sp_real;

enum sp_symbol {
#define X(name) SP_SYMBOL_##name,
    SP_SYMBOLS(X)
#undef X
        SP_SYMBOL_COUNT
};

/* Looks a function up for a call that comes before our constructor. Never NULL. */
void *sp_real_find(enum sp_symbol symbol);
void sp_real_start(void);

#define REAL(name)                                                                  \
    ({                                                                              \
        __typeof__(name) *real_ = __atomic_load_n(&sp_real.name, __ATOMIC_RELAXED); \
        if (__builtin_expect(!real_, 0))                                            \
            real_ = (__typeof__(name) *)sp_real_find(SP_SYMBOL_##name);             \
        real_;                                                                      \
    })

/* The same where a connection is known: what is found at the start has been found. */
#define REAL_EARLY(name) (sp_real.name)

#define SP_EXPORT      __attribute__((visibility("default")))
#define SP_LIKELY(x)   __builtin_expect(!!(x), 1)
#define SP_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
