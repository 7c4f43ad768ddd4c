/* walk_calls.c - the calls that a random walk is made of. Each returns what libc returned. */
#include "walk.h"

#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

const char words[] = "the quick brown fox jumps over the lazy dog, and back again";

int any_of(const int *from, uint32_t count)
{
    return from[pick(count)];
}

size_t some(void)
{
    return chance(15) ? 0 : 1 + pick(40);
}

/* --- sending --- */

static int send_flags(void)
{
    return ANY(0, 0, 0, MSG_NOSIGNAL, MSG_DONTWAIT, MSG_MORE, MSG_EOR, MSG_NOSIGNAL | MSG_DONTWAIT);
}

CALL(call_send)
{
    return send(s->fd, words, some(), send_flags());
}
CALL(call_send_wild)
{
    return send(s->fd, chance(50) ? NULL : WILD, 5, send_flags());
}
CALL(call_sendto)
{
    struct sockaddr_storage to;
    socklen_t length = walk_address(s->kind, &to);

    return chance(50) ? sendto(s->fd, words, some(), send_flags(), NULL, 0)
                      : sendto(s->fd, words, some(), send_flags(), (struct sockaddr *)&to, length);
}
CALL(call_write)
{
    return write(s->fd, words, some());
}
CALL(call_write_wild)
{
    return write(s->fd, WILD, chance(50) ? 5 : SIZE_MAX);
}
CALL(call_sendmsg)
{
    struct iovec parts[3] = {{(void *)words, some()}, {NULL, 0}, {(void *)words, some()}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = pick(4)};

    return sendmsg(s->fd, &message, send_flags());
}
CALL(call_sendmsg_wild)
{
    struct msghdr message = {.msg_iov = chance(50) ? NULL : WILD,
                             .msg_iovlen = (size_t)ANY(1, 3, INT_MAX, 5000)};

    return sendmsg(s->fd, chance(30) ? NULL : chance(30) ? WILD : &message, send_flags());
}
CALL(call_sendmmsg)
{
    struct iovec part = {(void *)words, 1 + pick(20)};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};

    return sendmmsg(s->fd, chance(15) ? NULL : messages, pick(3), send_flags());
}
CALL(call_writev)
{
    struct iovec parts[3] = {{(void *)words, some()}, {NULL, 0}, {(void *)words, some()}};

    return writev(s->fd, parts, (int)pick(4));
}
CALL(call_writev_wild)
{
    return writev(s->fd, chance(50) ? NULL : WILD, ANY(-1, 0, 1, 1025, INT_MIN, 64));
}
/* writev() by another name, at the offset -1; a socket has no other. */
CALL(call_pwritev2)
{
    struct iovec parts[2] = {{(void *)words, some()}, {(void *)words, some()}};
    int at = ANY(-1, -1, 0), flags = ANY(0, 0, 0x4000);

    return chance(50) ? pwritev2(s->fd, parts, (int)pick(3), at, flags)
                      : pwritev64v2(s->fd, parts, 1, at, flags);
}
CALL(call_sendfile)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t at = 4;
    errno = 42;
    long result = sendfile(s->fd, from, chance(50) ? &at : NULL, some());
    int error = errno;

    close(from);
    note(" at %ld", (long)at);
    errno = error;
    return result;
}
CALL(call_splice)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) != 0)
        return -2;
    bool out = chance(50), filled = chance(60);
    if (filled && write(ends[1], words, 20) != 20)
        return -3;
    errno = 42;
    long result = out ? splice(ends[0], NULL, s->fd, NULL, 10, 0)
                      : splice(s->fd, NULL, ends[1], NULL, 10, SPLICE_F_NONBLOCK);
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return result;
}

/* A stream that is longer than what fits: all of it, once, and what comes after the peer has gone.
 */
static long send_big(struct slot *s, enum kick kick, int with)
{
    static char big[600000];
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {big, sizeof big};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &(int){2}, sizeof(int));
    if (with == 0 || s->kind == TCP)
        message.msg_controllen = 0;
    kick_begin(kick, s);
    errno = 42;
    long result = with == 2 ? write(s->fd, big, sizeof big) : sendmsg(s->fd, &message, 0);
    kick_end();
    return result;
}

CALL(call_big)
{
    int kind = chance(60) ? TCP : UNIX_STREAM;
    enum kick kick = (enum kick)ANY(KICK_INTERRUPTS, KICK_SAYS, KICK_DRAINS, KICK_RESETS);

    close(s->fd);
    walk_open(s, kind, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &(int){20000}, sizeof(int));
    for (int i = 0; i < 3; i++) {
        long result = send_big(s, kick, (int)pick(3));
        note(" [%s %s]",
             result < 0        ? "no"
             : result < 600000 ? "part"
                               : "all",
             word_of(errno == 42 ? 0 : errno));
        if (kick == KICK_SAYS || kick == KICK_INTERRUPTS)
            break;
    }
    close(s->fd);
    s->fd = -1;
    errno = 42;
    return 0;
}

const struct walk_call walk_sends[] = {{"send", call_send, true},
                                       {"send_wild", call_send_wild, true},
                                       {"sendto", call_sendto, true},
                                       {"write", call_write, true},
                                       {"write_wild", call_write_wild, true},
                                       {"sendmsg", call_sendmsg, true},
                                       {"sendmsg_wild", call_sendmsg_wild, true},
                                       {"sendmmsg", call_sendmmsg, true},
                                       {"writev", call_writev, true},
                                       {"pwritev2", call_pwritev2, true},
                                       {"writev_wild", call_writev_wild, true},
                                       {"sendfile", call_sendfile, true},
                                       {"splice", call_splice, true},
                                       {"big", call_big, false},
                                       END};

/* --- receiving --- */

static int receive_flags(void)
{
    return ANY(0, 0, 0, 0, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_WAITALL, MSG_TRUNC,
               MSG_PEEK | MSG_WAITALL, MSG_ERRQUEUE, MSG_OOB, MSG_PEEK | MSG_DONTWAIT);
}

/* Not 0: a receive of nothing ends at whatever wakes it, which is nobody's contract. */
static size_t room(void)
{
    return 1 + pick(40);
}

static long received(const struct slot *s, long result)
{
    unsigned sum = 0;

    for (long i = 0; i < result && i < (long)sizeof s->data; i++)
        sum = sum * 31 + (unsigned char)s->data[i];
    note(" sum %u", sum);
    return result;
}

CALL(call_recv)
{
    return received(s, recv(s->fd, s->data, room(), receive_flags()));
}
CALL(call_recv_wild)
{
    return recv(s->fd, chance(50) ? NOWHERE : WILD, 5, receive_flags());
}
CALL(call_recvfrom)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;

    return received(s, chance(50) ? recvfrom(s->fd, s->data, room(), receive_flags(), NULL, NULL)
                                  : recvfrom(s->fd, s->data, room(), receive_flags(),
                                             (struct sockaddr *)&from, &length));
}
CALL(call_read)
{
    return received(s, read(s->fd, s->data, some()));
}
CALL(call_readv)
{
    struct iovec parts[3] = {{s->data, 1 + room() % 19}, {NULL, 0}, {s->data + 20, room()}};

    memset(s->data, 0, sizeof s->data);
    return received(s, readv(s->fd, parts, (int)pick(2) + 2));
}
CALL(call_readv_wild)
{
    return readv(s->fd, chance(50) ? NULL : WILD, ANY(-1, 0, 1, 1025, INT_MIN, 64));
}
CALL(call_recvmsg)
{
    char control[64];
    struct iovec parts[2] = {{s->data, room() % 20}, {s->data + 20, room()}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = control,
                             .msg_controllen = sizeof control};

    memset(s->data, 0, sizeof s->data);
    long result = recvmsg(s->fd, &message, receive_flags());
    note(" flags %x control %zu", message.msg_flags, message.msg_controllen);
    return received(s, result);
}
CALL(call_recvmsg_wild)
{
    struct msghdr message = {.msg_iov = chance(50) ? NULL : WILD,
                             .msg_iovlen = (size_t)ANY(1, 3, INT_MAX, 5000)};

    return recvmsg(s->fd, chance(30) ? NULL : chance(30) ? WILD : &message, receive_flags());
}
CALL(call_recvmmsg)
{
    struct iovec part = {s->data, 10};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};

    return recvmmsg(s->fd, chance(15) ? NULL : messages, pick(3),
                    ANY(0, MSG_DONTWAIT, MSG_WAITFORONE), NULL);
}
/* Through a FILE, whose calls nobody sees. */
CALL(call_stdio)
{
    FILE *file = fdopen(s->fd, chance(50) ? "r" : "w");
    char line[20] = "";

    if (!file)
        return -1;
    settle();
    if (send(s->peer, "line\n", 5, MSG_NOSIGNAL | MSG_DONTWAIT) == 5)
        note(" got %d", fgets(line, sizeof line, file) != NULL);
    fputs("words", file);
    s->fd = -1;
    note(" error %d", ferror(file) != 0);
    errno = 42;
    long result = fclose(file);
    return result;
}

const struct walk_call walk_receives[] = {{"recv", call_recv, true},
                                          {"recv", call_recv, true},
                                          {"recv_wild", call_recv_wild, true},
                                          {"recvfrom", call_recvfrom, true},
                                          {"read", call_read, true},
                                          {"readv", call_readv, true},
                                          {"readv_wild", call_readv_wild, true},
                                          {"recvmsg", call_recvmsg, true},
                                          {"recvmsg_wild", call_recvmsg_wild, true},
                                          {"recvmmsg", call_recvmmsg, true},
                                          {"stdio", call_stdio, true},
                                          END};

/* --- waiting --- */

static struct timespec span(void)
{
    return (struct timespec){0, ANY(0, 5000000, 60000000, 100000000)};
}

CALL(call_poll)
{
    struct pollfd one = {.fd = s->fd, .events = (short)ANY(POLLIN, POLLIN | POLLRDHUP, 0)};
    long result = poll(&one, 1, ANY(0, 5, 60, 100));

    note(" saw %x", one.revents);
    return result;
}
/* A sanitizer looks at all of them before libc refuses: that takes minutes, and its memory. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define MANY 2
#else
#define MANY INT_MAX
#endif
CALL(call_poll_wild)
{
    return poll(chance(50) ? NOWHERE : WILD, (nfds_t)ANY(0, 1, MANY), ANY(0, 5));
}
CALL(call_ppoll)
{
    struct pollfd one = {.fd = s->fd, .events = POLLIN};
    struct timespec time = span(), kept = time;
    sigset_t none;

    sigemptyset(&none);
    if (chance(5))
        time.tv_nsec = kept.tv_nsec = -1;
    long result = ppoll(&one, 1, &time, chance(50) ? &none : NULL);
    note(" saw %x kept %d", one.revents, memcmp(&time, &kept, sizeof time) == 0);
    return result;
}
static void sets_fill(fd_set *sets, const struct slot *s)
{
    for (int i = 0; i < 3; i++) {
        FD_ZERO(&sets[i]);
        if (s->fd >= 0 && s->fd < FD_SETSIZE)
            FD_SET(s->fd, &sets[i]);
    }
}
/* More fds may be named than the set holds: the kernel knows that there are none, and what stands
 * behind the set is not touched. */
CALL(call_select)
{
    union {
        fd_set set;
        unsigned char room[1024];
    } in, kept;
    fd_set sets[3];
    struct timeval time = {0, ANY(0, 5000, 60000, 100000)};

    sets_fill(sets, s);
    memset(&in, 0xa5, sizeof in);
    in.set = sets[0];
    kept = in;
    int count = ANY(s->fd == INT_MAX ? 0 : s->fd + 1, FD_SETSIZE, 8000);
    bool out = chance(20) && count <= FD_SETSIZE;
    long result = select(count, &in.set, out ? &sets[1] : NULL, NULL, &time);
    bool whole =
        !memcmp(&in.room[sizeof(fd_set)], &kept.room[sizeof(fd_set)], sizeof in - sizeof(fd_set));
    if (s->fd >= 0 && s->fd < FD_SETSIZE)
        note(" saw %d%d left %d whole %d", FD_ISSET(s->fd, &in.set) != 0,
             FD_ISSET(s->fd, &sets[1]) != 0, time.tv_usec != 0, whole);
    return result;
}
CALL(call_select_wild)
{
    struct timeval time = {0, 1000};

    return select(ANY(-1, 0, 5, 1024), WILD, chance(50) ? WILD : NULL, NULL, &time);
}
CALL(call_pselect)
{
    fd_set sets[3];
    struct timespec time = span();
    sigset_t none;

    sigemptyset(&none);
    sets_fill(sets, s);
    return pselect(s->fd == INT_MAX ? 0 : s->fd + 1, &sets[0], NULL, &sets[2], &time,
                   chance(50) ? &none : NULL);
}
CALL(call_epoll)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), way = (int)pick(4);
    struct epoll_event event = {.events = EPOLLIN | (chance(30) ? (uint32_t)EPOLLET : 0)},
                       got = {0};
    struct timespec time = span();
    sigset_t none;

    sigemptyset(&none);
    note(" add %d", epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event));
    errno = 42;
    long result = way == 0   ? epoll_wait(epoll, &got, 1, ANY(0, 5, 60))
                  : way == 1 ? epoll_pwait(epoll, &got, 1, ANY(0, 5, 60), &none)
                  : way == 2 ? epoll_pwait2(epoll, &got, 1, &time, &none)
                             : epoll_pwait2(epoll, &got, ANY(0, 1), WILD, NULL);
    int error = errno;
    note(" saw %x", got.events);
    close(epoll);
    errno = error;
    return result;
}

const struct walk_call walk_waits[] = {{"poll", call_poll, true},
                                       {"poll_wild", call_poll_wild, false},
                                       {"ppoll", call_ppoll, true},
                                       {"select", call_select, true},
                                       {"select_wild", call_select_wild, false},
                                       {"pselect", call_pselect, true},
                                       {"epoll", call_epoll, true},
                                       END};

/* --- fds, options, processes --- */

CALL(call_close)
{
    int fd = s->fd;

    s->fd = chance(50) ? -1 : fd; /* a number that means nothing any more */
    return chance(70) ? close(fd) : syscall(SYS_close, fd);
}
CALL(call_close_range)
{
    int copy = dup2(s->fd, 90);

    note(" %d", copy);
    errno = 42;
    return close_range(89, chance(90) ? 95 : 80, 0);
}
CALL(call_dup)
{
    int copy = chance(50) ? dup(s->fd) : fcntl(s->fd, F_DUPFD_CLOEXEC, ANY(10, 30, -1));
    int error = errno;

    if (copy >= 0 && chance(50)) { /* the copy lives on */
        close(s->fd);
        s->fd = copy;
    } else if (copy >= 0) {
        close(copy);
    }
    errno = error;
    return copy;
}
CALL(call_dup2)
{
    int to = ANY(40, s->fd, -1, INT_MAX);
    long result = chance(60) ? dup2(s->fd, to) : dup3(s->fd, to, ANY(0, O_CLOEXEC, 12345));
    int error = errno;

    if (result == 40)
        close(40);
    errno = error;
    return result;
}
CALL(call_mode)
{
    int on = (int)pick(2);

    if (chance(30))
        return ioctl(s->fd, FIONBIO, chance(10) ? WILD : (void *)&on);
    if (chance(30)) /* by somebody whom nobody sees */
        return raw_call(SYS_fcntl, s->fd, F_SETFL, on ? O_NONBLOCK : 0, 0, 0);
    return fcntl(s->fd, F_SETFL, on ? O_NONBLOCK : 0);
}
CALL(call_ask_fd)
{
    int value = -1;
    long result = ioctl(s->fd, FIONREAD, &value), flags = fcntl(s->fd, F_GETFL);

    note(" %d %lx", result == 0 ? value : -1, flags);
    return fcntl(s->fd, F_GETFD);
}
CALL(call_shutdown)
{
    return shutdown(s->fd, ANY(SHUT_RD, SHUT_WR, SHUT_RDWR, 17));
}
CALL(call_getsockopt)
{
    struct timeval value = {-1, -1};
    socklen_t length = (socklen_t)ANY(4, 16, 2, -1);
    bool times = chance(50);
    int name = times ? ANY(SO_RCVTIMEO, SO_SNDTIMEO) : ANY(SO_ERROR, SO_TYPE, SO_RCVLOWAT, 4711);
    long result = getsockopt(s->fd, SOL_SOCKET, name, chance(10) ? NULL : &value,
                             chance(10) ? NULL : &length);

    note(" %d: %ld %ld %u", name, (long)value.tv_sec, (long)value.tv_usec, length);
    return result;
}
CALL(call_setsockopt)
{
    struct timeval time = {0, ANY(0, 20000, 50000, 1000000)};
    /* Above 1, what a signal leaves of it is a stated limit. */
    int lowat = 1, name = ANY(SO_RCVTIMEO, SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT);

    if (chance(10))
        return setsockopt(s->fd, SOL_SOCKET, name, chance(50) ? NULL : WILD, 16);
    note(" %d", name);
    return name == SO_RCVLOWAT ? setsockopt(s->fd, SOL_SOCKET, name, &lowat, sizeof lowat)
                               : setsockopt(s->fd, SOL_SOCKET, name, &time, sizeof time);
}
CALL(call_connect)
{
    struct sockaddr_storage to = {0};
    int kind = chance(80) ? s->kind : (int)pick(KINDS);
    socklen_t length = walk_address(kind, &to);
    const void *at = &to;

    if (chance(30))
        to.ss_family = (sa_family_t)ANY(AF_UNSPEC, AF_INET6, 77);
    if (chance(15))
        at = chance(50) ? NULL : chance(50) ? WILD : (void *)5000;
    if (chance(15))
        length = (socklen_t)ANY(0, 1, 2, 5, 4096, -1);
    long result = connect(s->fd, at, length);
    if (result == 0 && to.ss_family != AF_UNSPEC) {
        int error = errno; /* a new connection, which nobody accepts here: over */
        close(s->fd);
        s->fd = -1;
        errno = error;
    }
    return result;
}
CALL(call_new)
{
    int pair[2] = {-1, -1};
    long result = chance(50) ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair);

    note(" %d %d event %d", pair[0], pair[1], close(eventfd(0, 0)));
    close(pair[0]);
    close(pair[1]);
    errno = 42;
    return result;
}
CALL(call_fork)
{
    int status = -1;
    bool shared = chance(50);
    pid_t child = shared ? vfork() : fork();

    if (child == 0) {
        long sent = shared ? 0 : send(s->fd, "child", 5, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(s->fd);
        _exit(sent < 0 ? errno : (int)sent);
    }
    waitpid(child, &status, 0);
    settle();
    return status;
}
CALL(call_name)
{
    struct sockaddr_storage to;

    return getpeername(s->fd, (struct sockaddr *)&to, &(socklen_t){sizeof to});
}

const struct walk_call walk_fds[] = {{"close", call_close, false},
                                     {"close_range", call_close_range, false},
                                     {"dup", call_dup, false},
                                     {"dup2", call_dup2, false},
                                     {"mode", call_mode, false},
                                     {"ask", call_ask_fd, false},
                                     {"shutdown", call_shutdown, false},
                                     {"getsockopt", call_getsockopt, false},
                                     {"setsockopt", call_setsockopt, false},
                                     {"connect", call_connect, true},
                                     {"new", call_new, false},
                                     {"fork", call_fork, false},
                                     {"getpeername", call_name, false},
                                     END};

/* --- what the peer does --- */

CALL(peer_says)
{
    long result = send(s->peer, words, 1 + pick(50), MSG_NOSIGNAL | MSG_DONTWAIT);

    settle();
    return result;
}
CALL(peer_reads)
{
    char room[4096];
    long result = recv(s->peer, room, sizeof room, MSG_DONTWAIT);

    return result;
}
CALL(peer_ends)
{
    long result = walk_stream(s) ? shutdown(s->peer, SHUT_WR) : 0;

    settle();
    return result;
}
CALL(peer_goes)
{
    if (s->peer >= 0 && chance(50))
        peer_reset(s);
    else
        close(s->peer);
    s->peer = -1;
    settle();
    errno = 42;
    return 0;
}

const struct walk_call walk_peers[] = {{"peer_says", peer_says, false},
                                       {"peer_says", peer_says, false},
                                       {"peer_says", peer_says, false},
                                       {"peer_reads", peer_reads, false},
                                       {"peer_ends", peer_ends, false},
                                       {"peer_goes", peer_goes, false},
                                       END};
