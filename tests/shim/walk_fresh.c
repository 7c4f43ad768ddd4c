/* walk_fresh.c - fresh connections to a peer that reads late: a few small calls, then more than
 * fits, by every way that bytes go. What a connect has left on its socket shows there. */
#include "walk.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* --- the peer: a process that serves one connection after the other --- */

#define LATE 250 /* ms: longer than the connect deadline of `connect` in tests/soak/walks.py */
#define BIG  600000

static struct late {
    struct sockaddr_storage at;
    socklen_t length;
    int listener;   /* the same for all: what is known of an address counts the second time */
    int tell, hear; /* the peer ends when `tell` is closed, and says what it has read */
    pid_t pid;
} lates[2], late;

static unsigned long late_read(int fd)
{
    static char room[65536];
    unsigned long all = 0;

    poll(NULL, 0, LATE);
    for (ssize_t got; (got = read(fd, room, sizeof room)) > 0;)
        all += (unsigned long)got;
    close(fd);
    return all;
}

static void late_serve(int ended, int answer)
{
    struct pollfd both[] = {{late.listener, POLLIN, 0}, {ended, 0, 0}};
    unsigned long all = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (poll(both, 2, -1) > 0 && both[0].revents != 0)
        all += late_read(accept(late.listener, NULL, NULL));
    _exit(write(answer, &all, sizeof all) != sizeof all);
}

/* Before the connection is made, so that it holds no copy of it. */
static void late_begin(int kind)
{
    int ended[2], answer[2];

    if (lates[kind].length == 0)
        lates[kind].length = walk_listen(kind, &lates[kind].listener, &lates[kind].at);
    late = lates[kind];
    if (pipe2(ended, O_CLOEXEC) | pipe2(answer, O_CLOEXEC))
        _exit(125);
    late.pid = fork();
    if (late.pid == 0) {
        close(ended[1]);
        late_serve(ended[0], answer[1]);
    }
    close(ended[0]);
    close(answer[1]);
    late.tell = walk_aside(ended[1]);
    late.hear = walk_aside(answer[0]);
}

static unsigned long late_end(void)
{
    unsigned long all = 0;

    close(late.tell);
    if (read(late.hear, &all, sizeof all) != sizeof all)
        all = 0;
    close(late.hear);
    waitpid(late.pid, NULL, 0);
    return all;
}

/* --- small calls --- */

static unsigned long told; /* the bytes that calls have said they sent */

static const char *amount(long result)
{
    return result < 0 ? "no" : result < BIG ? "part" : "all";
}

static int small_flags(void)
{
    return ANY(0, 0, MSG_NOSIGNAL, MSG_DONTWAIT, MSG_MORE);
}

static long sent(long result)
{
    told += result > 0 ? (unsigned long)result : 0;
    return result;
}

CALL(small_send)
{
    return sent(send(s->fd, words, some(), small_flags()));
}
CALL(small_sendto)
{
    return sent(sendto(s->fd, words, some(), small_flags(), NULL, 0));
}
CALL(small_write)
{
    return sent(write(s->fd, words, some()));
}
CALL(small_vector)
{
    struct iovec parts[2] = {{(void *)words, some()}, {(void *)words, some()}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    return sent(chance(50) ? writev(s->fd, parts, 2) : sendmsg(s->fd, &message, small_flags()));
}
CALL(small_unseen)
{
    return sent(chance(50) ? raw_call(SYS_write, s->fd, (long)words, 9, 0, 0)
                           : dprintf(s->fd, "%d words", 4711));
}
CALL(small_receive)
{
    return recv(s->fd, s->data, 10, MSG_DONTWAIT);
}
CALL(small_wait)
{
    struct pollfd one = {.fd = s->fd, .events = POLLIN | POLLOUT};

    return poll(&one, 1, 0) * 1000 + one.revents;
}
CALL(small_get)
{
    int name = ANY(SO_SNDTIMEO, SO_SNDTIMEO, SO_RCVTIMEO, SO_SNDBUF, SO_ERROR);
    struct timeval value = {-1, -1};
    socklen_t length = sizeof value;
    long result = chance(70) ? getsockopt(s->fd, SOL_SOCKET, name, &value, &length)
                             : syscall(SYS_getsockopt, s->fd, SOL_SOCKET, name, &value, &length);

    note(" %d: %ld %ld", name, (long)value.tv_sec, (long)value.tv_usec);
    return result;
}
/* What is not waited for at all, for much less than the peer takes, or for much more. */
CALL(small_timeout)
{
    int way = (int)pick(4);
    struct timeval time = {way == 1, way == 2 ? 50000 : 0};

    note(" %d", way);
    return setsockopt(s->fd, SOL_SOCKET, chance(70) ? SO_SNDTIMEO : SO_RCVTIMEO, &time,
                      sizeof time);
}
CALL(small_buffer)
{
    return setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &(int){ANY(5000, 20000)}, sizeof(int));
}
CALL(small_dup)
{
    int way = (int)pick(3);
    int copy = way == 0   ? dup(s->fd)
               : way == 1 ? dup2(s->fd, 40)
                          : fcntl(s->fd, F_DUPFD_CLOEXEC, 20);

    close(s->fd);
    s->fd = copy;
    return copy;
}
CALL(small_mode)
{
    int on = 1, off = 0;

    if (chance(30))
        return ioctl(s->fd, FIONBIO, &on);
    if (chance(30))
        return raw_call(SYS_fcntl, s->fd, F_SETFL, O_NONBLOCK, 0, 0) +
               raw_call(SYS_fcntl, s->fd, F_SETFL, 0, 0, 0);
    return ioctl(s->fd, FIONBIO, &on) + ioctl(s->fd, FIONBIO, &off);
}
CALL(small_child)
{
    int status = -1;
    bool shared = chance(40);
    pid_t child = shared ? vfork() : fork();

    if (child == 0)
        _exit(send(s->fd, "child", 5, MSG_NOSIGNAL) == 5 ? 5 : errno);
    waitpid(child, &status, 0);
    sent(WEXITSTATUS(status) == 5 ? 5 : 0);
    return status;
}
/* Over a unix socket and back, under another number. */
CALL(small_pass)
{
    int back = -1;
    long result = walk_pass(s->fd, &back);

    if (back >= 0) {
        close(s->fd);
        s->fd = back;
    }
    return result;
}
/* The same socket, connected anew. */
CALL(small_anew)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    note(" %d", connect(s->fd, &nowhere, sizeof nowhere));
    return connect(s->fd, (struct sockaddr *)&late.at, late.length);
}
/* All that fits: what comes next blocks at once. */
CALL(small_fill)
{
    static const char big[BIG];
    int count = 0;

    while (count++ < 100 && sent(send(s->fd, big, sizeof big, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        ;
    return count < 100;
}

static const struct walk_call smalls[] = {
    {"send", small_send, false},       {"send", small_send, false},
    {"sendto", small_sendto, false},   {"write", small_write, false},
    {"vector", small_vector, false},   {"unseen", small_unseen, false},
    {"receive", small_receive, false}, {"wait", small_wait, false},
    {"get", small_get, false},         {"timeout", small_timeout, false},
    {"buffer", small_buffer, false},   {"dup", small_dup, false},
    {"mode", small_mode, false},       {"child", small_child, false},
    {"pass", small_pass, false},       {"anew", small_anew, false},
    {"fill", small_fill, false},       END};

/* --- more than fits --- */

static char big[BIG];

CALL(big_send)
{
    return send(s->fd, big, BIG, ANY(0, MSG_NOSIGNAL, MSG_MORE));
}
CALL(big_sendto)
{
    return sendto(s->fd, big, BIG, 0, NULL, 0);
}
CALL(big_write)
{
    return write(s->fd, big, BIG);
}
CALL(big_vector)
{
    struct iovec parts[2] = {{big, 9}, {big + 9, BIG - 9}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    return chance(50) ? writev(s->fd, parts, 2) : sendmsg(s->fd, &message, 0);
}
CALL(big_many)
{
    struct iovec parts[2] = {{big, 9}, {big + 9, BIG - 9}};
    struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
                                  {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
    long result = sendmmsg(s->fd, messages, 2, 0);

    note(" messages %ld", result);
    return result < 0 ? result : messages[0].msg_len + (result > 1 ? messages[1].msg_len : 0);
}
CALL(big_file)
{
    int file = memfd_create("walk", MFD_CLOEXEC);
    long result = write(file, big, BIG) == BIG ? 0 : -7;

    errno = 42;
    result += sendfile(s->fd, file, &(off_t){0}, BIG);
    int error = errno;
    close(file);
    errno = error;
    return result;
}
CALL(big_splice)
{
    int ends[2], filled = 0;

    if (pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) >= BIG)
        filled = (int)write(ends[1], big, BIG);
    errno = 42;
    long result = splice(ends[0], NULL, s->fd, NULL, BIG, 0);
    int error = errno;
    note(" of %d", filled);
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return result;
}
CALL(big_raw)
{
    return syscall(SYS_write, s->fd, big, BIG); /* of none at all: docs/deadlines.md */
}
CALL(big_dprintf)
{
    return dprintf(s->fd, "%*d", BIG, 7);
}
CALL(big_stdio)
{
    FILE *file = fdopen(dup(s->fd), "w");
    size_t wrote = fwrite(big, 1, BIG, file);
    int error = errno, ended = fclose(file);

    note(" fclose %d", ended);
    errno = error;
    return wrote == BIG ? BIG : wrote > 0 ? 1 : -1;
}

static void *big_of_thread(void *argument)
{
    struct slot *s = argument;
    long *result = (long *)(void *)s->data;

    errno = 42;
    *result = send(s->fd, big, BIG, 0);
    return (void *)(intptr_t)errno;
}
CALL(big_thread)
{
    pthread_t thread;
    void *error = NULL;

    if (pthread_create(&thread, NULL, big_of_thread, s) == 0)
        pthread_join(thread, &error);
    errno = (int)(intptr_t)error;
    return *(long *)(void *)s->data;
}

/* Another process sends it: 0 when it could. */
static long child_ended(pid_t child)
{
    int status = -1;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    note(" ended %d", status);
    errno = 42;
    return status == 0 ? BIG : -1;
}
CALL(big_child)
{
    pid_t child = chance(50) ? vfork() : fork();

    if (child == 0) {
        errno = 42;
        long result = send(s->fd, big, BIG, MSG_NOSIGNAL);
        _exit(result == BIG ? 0 : result >= 0 ? 1 : errno);
    }
    return child_ended(child);
}
/* A program that got the socket as its output. */
CALL(big_exec)
{
    static char *const head[] = {"/usr/bin/head", "-c", "600000", "/dev/zero", NULL};
    static char *const none[] = {NULL};
    char *const *with = chance(50) ? environ : none;
    posix_spawn_file_actions_t actions;
    pid_t child = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, s->fd, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (chance(50)) {
        posix_spawn(&child, head[0], &actions, NULL, head, with);
    } else if ((child = fork()) == 0) {
        dup2(s->fd, 1);
        close(2);
        execve(head[0], head, with);
        _exit(99);
    }
    posix_spawn_file_actions_destroy(&actions);
    return child_ended(child);
}

static const struct walk_call bigs[] = {
    {"send", big_send, true},       {"sendto", big_sendto, true},
    {"write", big_write, true},     {"vector", big_vector, true},
    {"many", big_many, true},       {"file", big_file, true},
    {"splice", big_splice, true},   {"raw", big_raw, true},
    {"dprintf", big_dprintf, true}, {"stdio", big_stdio, true},
    {"thread", big_thread, false},  {"child", big_child, false},
    {"exec", big_exec, false},      END};

/* --- a connection --- */

static void nothing(int number)
{
    (void)number;
}

/* One signal while the peer does not read yet: a call goes on after it, or not. */
static void nudge(void)
{
    struct itimerval soon = {{0, 0}, {0, 60000}};

    sigaction(SIGALRM,
              &(struct sigaction){.sa_handler = nothing, .sa_flags = chance(70) ? SA_RESTART : 0},
              NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
}

static const struct walk_call *any_row(const struct walk_call *rows)
{
    uint32_t count = 0;

    while (rows[count].name)
        count++;
    return &rows[pick(count)];
}

static void say_error(void)
{
    if (errno != 42)
        note(" %s", word_of(errno));
}

static void small(struct slot *s)
{
    const struct walk_call *call = any_row(smalls);

    note(" [%s", call->name);
    errno = 42;
    long result = call->run(s);
    note(" %ld", call->run == small_fill ? 0 : result);
    say_error();
    note("]");
}

static void large(struct slot *s, bool first)
{
    const struct walk_call *call = any_row(bigs);

    note(" [big %s", call->name);
    if (call->blocks && chance(25) && first)
        nudge();
    errno = 42;
    long result = call->run(s);
    kick_end();
    sent(result);
    note(" %s", amount(result));
    say_error();
    note("]");
}

static void begin(struct slot *s)
{
    s->fd = socket(late.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &(int){20000}, sizeof(int));
    if (chance(15))
        setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){1, 0}, sizeof(struct timeval));
    errno = 42;
    note(" connect %d", connect(s->fd, (struct sockaddr *)&late.at, late.length));
    say_error();
}

CALL(fresh)
{
    if (s->peer >= 0)
        close(s->peer);
    close(s->fd);
    s->peer = -1;
    s->kind = chance(80) ? TCP : UNIX_STREAM;
    told = 0;
    late_begin(s->kind);
    begin(s);
    for (uint32_t count = pick(4); count > 0; count--)
        small(s);
    large(s, true);
    if (chance(50))
        large(s, false);
    close(s->fd);
    s->fd = -1;
    unsigned long read = late_end();
    note(" peer %s", read == told ? "as told" : read < told ? "less" : "more");
    errno = 42;
    return 0;
}

const struct walk_call walk_fresh[] = {{"fresh", fresh, false}, END};
