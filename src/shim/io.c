/* io.c - sending and receiving: the directions tell where an exchange begins and ends. */
#include "shim/shim.h"

#include <errno.h>

#include "base/clock.h"

/* One transfer on a guarded connection. */
struct io {
    struct sp_conn *conn;
    uint64_t entry;
    uint64_t word;  /* the turn as it stood when the call began */
    uint64_t began; /* by this very send; 0 */
    int fd;
    bool blocking;
};

/* The shard is this process's own; adding to it disturbs nobody. */
static struct sp_shard *io_shard(const struct io *io)
{
    struct sp_dest *dest = sp_segment_dest(&sp_here.segment, io->conn->dest);
    return dest ? &dest->shards[sp_here.segment.self.shard % SP_SHARDS] : NULL;
}

/* After a cut, no call enters the kernel: an artificial failure must not raise SIGPIPE. */
static bool io_open(struct io *io, int fd, uint64_t entry, int flags)
{
    io->conn = sp_conn_at(entry);
    io->entry = entry;
    io->fd = fd;
    io->began = 0;
    io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
    io->blocking =
        !(sp_conn_flags(io->conn) & SP_CONN_NONBLOCK) && !(flags & (MSG_DONTWAIT | MSG_ERRQUEUE));
    if (SP_LIKELY(sp_turn_of(io->word) != SP_TURN_CUT))
        return true;
    if (!sp_socket_is(fd, io->conn)) {
        sp_cut_forget(fd, entry);
        return true;
    }
    sp_conn_mark(io->conn, SP_CONN_REPORTED, true);
    errno = sp_turn_error(io->word);
    return false;
}

/* An error told what became of a connect that was pending, or of what was outstanding. */
static void io_failed(struct io *io, int error)
{
    enum sp_turn turn = sp_turn_of(io->word);
    if (error == EAGAIN || error == EINTR || error == ENOTCONN || error == EINPROGRESS ||
        error == EALREADY || error == EFAULT || error == EMSGSIZE || error == EINVAL)
        return;
    if (turn == SP_TURN_CONNECTING) {
        sp_connect_learnt(io->fd, io->entry, error);
    } else if (turn == SP_TURN_EXCHANGE) {
        enum sp_outcome outcome = sp_socket_outcome(error, false);
        if (outcome != SP_OUTCOME_COUNT)
            sp_turn_end(io->conn, io->word, outcome, sp_now());
    }
}

/* A cut by another thread woke us: the program is told why. */
static ssize_t io_cut_meanwhile(struct io *io)
{
    uint64_t word = atomic_load(&io->conn->word);
    if (sp_turn_of(word) == SP_TURN_CUT && sp_conn_entry(io->fd) == io->entry)
        errno = sp_turn_error(word);
    return -1;
}

/* --- sending --- */

/* False: refused, errno is set. */
static bool io_send(struct io *io, int fd, uint64_t entry, int flags)
{
    if (!io_open(io, fd, entry, flags))
        return false;
    if (SP_UNLIKELY(sp_conn_flags(io->conn) & SP_CONN_INHERITED))
        sp_conn_adopt(io->conn);
    if (io->word != 0)
        return true;
    enum sp_verdict verdict = sp_turn_ask(io->conn, sp_now(), &io->began);
    if (SP_LIKELY(verdict == SP_PASS)) {
        if (io->began)
            io->word = io->began;
        return true;
    }
    if (!sp_socket_is(fd, io->conn)) { /* a stranger on our number is nobody's to refuse */
        sp_cut_forget(fd, entry);
        return true;
    }
    sp_cut_refused(io->conn, ECONNRESET);
    errno = ECONNRESET;
    return false;
}

/* What a send on a pending connect says: it stands. The bytes begin its first exchange. */
static void io_sent_pending(struct io *io)
{
    uint64_t now = sp_now();
    sp_connect_learnt(io->fd, io->entry, 0);
    sp_turn_ask(io->conn, now, &io->began);
}

static ssize_t io_sent(struct io *io, ssize_t result, bool bytes)
{
    int error = errno;
    if (SP_LIKELY(result > 0)) {
        struct sp_shard *shard = io_shard(io);
        if (shard && bytes)
            sp_count(&shard->sent, (uint64_t)result);
        if (sp_turn_of(io->word) == SP_TURN_CONNECTING)
            io_sent_pending(io);
        errno = error;
        return result;
    }
    if (result < 0)
        io_failed(io, error);
    if (io->began)
        sp_turn_unsend(io->conn, io->began);
    errno = error;
    return result < 0 ? io_cut_meanwhile(io) : result;
}

#define SENDING(fd, flags, bytes, call)         \
    uint64_t entry = sp_conn_entry(fd);         \
    if (SP_LIKELY(entry == 0) || !sp_shim_on()) \
        return call;                            \
    struct io io;                               \
    int error = errno;                          \
    if (!io_send(&io, fd, entry, flags))        \
        return -1;                              \
    errno = error;                              \
    return (__typeof__(call))io_sent(&io, call, bytes)

SP_EXPORT ssize_t send(int fd, const void *buffer, size_t length, int flags)
{
    SENDING(fd, flags, true, REAL(send)(fd, buffer, length, flags));
}

SP_EXPORT ssize_t sendto(int fd, const void *buffer, size_t length, int flags,
                         const struct sockaddr *to, socklen_t to_length)
{
    SENDING(fd, flags, true, REAL(sendto)(fd, buffer, length, flags, to, to_length));
}

SP_EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    SENDING(fd, flags, true, REAL(sendmsg)(fd, message, flags));
}

SP_EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    SENDING(fd, flags, false, REAL(sendmmsg)(fd, messages, count, flags));
}

SP_EXPORT ssize_t write(int fd, const void *buffer, size_t length)
{
    SENDING(fd, 0, true, REAL(write)(fd, buffer, length));
}

SP_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    SENDING(fd, 0, true, REAL(writev)(fd, parts, count));
}

/* --- receiving --- */

static bool io_receive(struct io *io, int fd, uint64_t entry, int flags)
{
    if (!io_open(io, fd, entry, flags))
        return false;
    if (SP_LIKELY(io->conn->hold == 0) || !io->blocking || sp_turn_of(io->word) != SP_TURN_EXCHANGE)
        return true;
    return sp_socket_sleep(sp_turn_since(io->word) + io->conn->hold * SP_LIMIT_UNIT);
}

/* A blocking receive that began with nothing outstanding may have slept while another thread sent:
 * then the bytes answer that. A non-blocking one that began before the word was set has only older
 * bytes. */
static void io_answered(struct io *io, enum sp_outcome outcome)
{
    if (io->word == 0 && io->blocking && sp_conn_entry(io->fd) == io->entry)
        io->word = atomic_load_explicit(&io->conn->word, memory_order_acquire);
    if (sp_turn_of(io->word) == SP_TURN_CONNECTING && outcome == SP_OUTCOME_OK)
        sp_connect_learnt(io->fd, io->entry, 0);
    else if (sp_turn_of(io->word) == SP_TURN_EXCHANGE)
        sp_turn_end(io->conn, io->word, outcome, sp_now());
}

static ssize_t io_received(struct io *io, ssize_t result, int flags, size_t asked, bool bytes)
{
    int error = errno;
    bool moves = !(flags & (MSG_PEEK | MSG_ERRQUEUE));
    if (SP_LIKELY(result > 0)) {
        struct sp_shard *shard = io_shard(io);
        if (shard && bytes && moves)
            sp_count(&shard->received, (uint64_t)result);
        if (moves)
            io_answered(io, SP_OUTCOME_OK);
    } else if (result == 0 && asked > 0 && moves) {
        io_answered(io, SP_OUTCOME_EOF);
    } else if (result < 0) {
        io_failed(io, error);
        errno = error;
        return io_cut_meanwhile(io);
    }
    errno = error;
    return result;
}

#define RECEIVING(fd, flags, asked, bytes, call) \
    uint64_t entry = sp_conn_entry(fd);          \
    if (SP_LIKELY(entry == 0) || !sp_shim_on())  \
        return call;                             \
    struct io io;                                \
    int error = errno;                           \
    if (!io_receive(&io, fd, entry, flags))      \
        return -1;                               \
    errno = error;                               \
    return (__typeof__(call))io_received(&io, call, flags, asked, bytes)

SP_EXPORT ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    RECEIVING(fd, flags, length, true, REAL(recv)(fd, buffer, length, flags));
}

SP_EXPORT ssize_t recvfrom(int fd, void *buffer, size_t length, int flags, struct sockaddr *from,
                           socklen_t *from_length)
{
    RECEIVING(fd, flags, length, true,
              REAL(recvfrom)(fd, buffer, length, flags, from, from_length));
}

SP_EXPORT ssize_t read(int fd, void *buffer, size_t length)
{
    RECEIVING(fd, 0, length, true, REAL(read)(fd, buffer, length));
}

SP_EXPORT ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t size, int flags)
{
    RECEIVING(fd, flags, length, true, REAL(__recv_chk)(fd, buffer, length, size, flags));
}

SP_EXPORT ssize_t __recvfrom_chk(int fd, void *buffer, size_t length, size_t size, int flags,
                                 struct sockaddr *from, socklen_t *from_length)
{
    RECEIVING(fd, flags, length, true,
              REAL(__recvfrom_chk)(fd, buffer, length, size, flags, from, from_length));
}

SP_EXPORT ssize_t __read_chk(int fd, void *buffer, size_t length, size_t size)
{
    RECEIVING(fd, 0, length, true, REAL(__read_chk)(fd, buffer, length, size));
}

/* Read only after the kernel has accepted the same vector, and only to tell 0 of 0 from the end. */
static size_t io_asked(const struct iovec *parts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].iov_len;
    return total;
}

SP_EXPORT ssize_t readv(int fd, const struct iovec *parts, int count)
{
    RECEIVING(fd, 0, io_asked(parts, (size_t)count), true, REAL(readv)(fd, parts, count));
}

/* Fds that arrive in a message are new numbers, too. */
static ssize_t io_passed_fds(struct msghdr *message, ssize_t result)
{
    if (SP_LIKELY(result < 0 || message->msg_controllen == 0))
        return result;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        const int *fds = (const int *)(const void *)CMSG_DATA(c);
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds; i++)
            sp_fd_fresh(fds[i]);
    }
    return result;
}

static ssize_t io_recvmsg(int fd, struct msghdr *message, int flags)
{
    return io_passed_fds(message, REAL(recvmsg)(fd, message, flags));
}

SP_EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    RECEIVING(fd, flags, io_asked(message->msg_iov, message->msg_iovlen), true,
              io_recvmsg(fd, message, flags));
}

SP_EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                       struct timespec *timeout)
{
    RECEIVING(fd, flags, count, false, REAL(recvmmsg)(fd, messages, count, flags, timeout));
}
