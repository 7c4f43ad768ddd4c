/* io.h - one transfer on a guarded connection, from the look at its turn to what it told. */
#ifndef SHEARPIN_SHIM_IO_H
#define SHEARPIN_SHIM_IO_H

#include "shim/shim.h"
#include "shim/stay.h"

#include <errno.h>

struct sp_io {
    struct sp_conn *conn;
    uint64_t entry;
    uint64_t word;    /* the turn as it stood when the call began */
    uint64_t began;   /* by this very send; 0 */
    uint64_t started; /* a receive under an alarm: when; 0 */
    uint64_t tried;   /* the last of its real calls */
    int fd;
    bool blocking;
    bool harmed;  /* injected faults are about its data or its end: harm.h */
    bool brittle; /* any signal ends it: a part came already, or the program has set a timer */
};

/* Before a send. False: refused or cut, errno is set and the call must not be made. */
bool sp_io_send(struct sp_io *io, int fd, uint64_t entry, int flags);
/* After it; `bytes` moved if the result is good. Returns what the program is told. */
ssize_t sp_io_sent(struct sp_io *io, ssize_t result, size_t bytes);
/* The same for a send that quick.h had begun as `word`. */
ssize_t sp_io_sent_as(int fd, uint64_t entry, uint64_t word, ssize_t result);

/* What is asked about where nothing is guarded; the rest is for a receive to fill in. */
static inline void sp_io_none(struct sp_io *io)
{
    io->blocking = io->harmed = false;
}
bool sp_io_receive(struct sp_io *io, int fd, uint64_t entry, int flags);
/* True: the result was only our alarm, the call is to be made again. */
bool sp_io_again(struct sp_io *io, ssize_t result);
ssize_t sp_io_received(struct sp_io *io, ssize_t result, int flags, size_t asked, size_t bytes);

/* The bytes of the first `count` messages. */
size_t sp_io_messages(const struct mmsghdr *messages, int count);

/* --- the kernel's timer as an alarm (alarm.c) --- */

#define SP_ALARM_LATE (16 * SP_MS) /* what the promise of 20 ms leaves to the alarm */

/* Before a blocking receive: the alarm stands at 7/8 of the shortest limit of the connection. */
void sp_alarm_set(struct sp_io *io);
/* The alarm has gone, or a signal came: waits what is left. True: receive again. */
bool sp_alarm_over(struct sp_io *io);
/* Before a receive that a timer would end with less than was asked for (MSG_WAITALL, SO_RCVLOWAT):
 * waits for input without an alarm. False: errno says why there is none. */
bool sp_alarm_whole(struct sp_io *io);
/* The program's own timer again: before the shim lets go of a socket that lives on. */
void sp_alarm_lift(int fd, struct sp_conn *conn);
/* The fds that go along with a message (SCM_RIGHTS), as its control data has them (lend.c). */
void sp_rights_each(const void *control, size_t length, void (*what)(int fd));
/* Before messages, of `size` bytes each, that may carry sockets to another program. Each begins
 * with its header. */
void sp_lend(const void *messages, unsigned count, size_t size);
extern _Atomic bool sp_alarm_used; /* there has been an alarm in this process */
/* The connection gets a FILE, whose reads and writes nobody sees. */
void sp_alarm_stdio(int fd, struct sp_conn *conn);

/* --- blocking sends (push.c) --- */

/* From here on a send may take longer than an answer: its progress must be seen while it lasts. */
#define SP_PUSH_LARGE (size_t)65536

ssize_t sp_push(struct sp_io *io, const void *buffer, size_t length, int flags);
ssize_t sp_push_message(struct sp_io *io, const struct msghdr *message, int flags);
/* The same of what is not harmed, or of a part of what is. */
ssize_t sp_push_plain(struct sp_io *io, const struct msghdr *message, int flags);
/* Not what counts calls (MSG_ZEROCOPY) or connects (MSG_FASTOPEN). */
static inline bool sp_push_bounded(const struct sp_io *io, size_t length, int flags)
{
    bool large = io->conn->response && length >= SP_PUSH_LARGE;
    return SP_UNLIKELY(io->conn->send != 0 || large) && io->blocking &&
           !(flags & (MSG_ZEROCOPY | MSG_FASTOPEN));
}
static inline bool sp_push_wanted(const struct sp_io *io, size_t length, int flags)
{
    return sp_push_bounded(io, length, flags) ||
           (SP_UNLIKELY(io->harmed) && !(flags & (MSG_ZEROCOPY | MSG_FASTOPEN)));
}
/* Refused as a message: as it was given, it gets libc's own answer, and its SIGPIPE. */
static inline bool sp_push_odd(ssize_t result)
{
    return result < 0 &&
           (errno == EINVAL || errno == EMSGSIZE || errno == ENOTSOCK || errno == EPIPE);
}

/* --- MSG_WAITALL (pull.c) --- */

/* The bytes of a receive, piece by piece; its first one is there. */
ssize_t sp_pull(struct sp_io *io, void *buffer, size_t length, int flags);
static inline bool sp_pull_wanted(const struct sp_io *io, int flags)
{
    return SP_UNLIKELY(flags & MSG_WAITALL) && io->blocking && io->conn->least != 0 &&
           !(flags & MSG_PEEK);
}
/* In the middle of an answer. */
void sp_io_heard(struct sp_io *io);

/* --- what TLS libraries say (tls.c) --- */

/* Bytes came while this thread is inside of SSL_read or its like: no answer until that says so. */
bool sp_tls_keeps(const struct sp_io *io);
/* This send began an exchange; inside of a handshake it may be its last flight. */
void sp_tls_began(const struct sp_io *io);

/* Is this send to be looked at? What the connect has left in the kernel goes first in any case. */
static inline bool sp_io_sends(int fd, uint64_t entry)
{
    sp_stay_over(fd, entry);
    return sp_shim_on();
}

/* When the shim was switched off, what it has set in the kernel goes first. */
static inline bool sp_io_on(int fd, uint64_t entry)
{
    if (sp_shim_on())
        return true;
    if (sp_conn_at(entry)->alarm != 0 && !sp_process_foreign())
        sp_alarm_lift(fd, sp_conn_at(entry));
    return false;
}

#endif
