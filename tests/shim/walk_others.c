/* walk_others.c - calls of the random walk that make fds of other kinds, ask for names, pass fds
 * on, start programs, and the twins that fortified programs call. */
#include "walk.h"

#include <netdb.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

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

/* --- new fds: which number, and that it means nothing --- */

static int new_fd(int way)
{
    sigset_t none;

    sigemptyset(&none);
    switch (way) {
    case 0:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case 1:
        return open64("/dev/null/nothing", O_RDONLY);
    case 2:
        return openat(AT_FDCWD, "/dev/zero", O_RDONLY | O_CLOEXEC);
    case 3:
        return openat64(-1, "nothing", O_RDONLY);
    case 4:
        return __open_2("/dev/null", O_RDONLY | O_CLOEXEC);
    case 5:
        return __openat_2(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
    case 6:
        return creat("/dev/null", 0600);
    case 7:
        return memfd_create("walk", MFD_CLOEXEC);
    case 8:
        return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    case 9:
        return signalfd(-1, &none, SFD_CLOEXEC);
    case 10:
        return inotify_init();
    case 11:
        return inotify_init1(IN_CLOEXEC);
    case 12:
        return epoll_create(1);
    case 13:
        return __open64_2("/dev/null", O_RDONLY | O_CLOEXEC);
    case 14:
        return __openat64_2(-1, "nothing", O_RDONLY);
    case 15:
        return creat64("/dev/null", 0600);
    case 16:
        return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    default:
        return socket(AF_INET, SOCK_STREAM, 4711);
    }
}

/* On the number of a guarded connection that was closed behind everybody's back. */
CALL(other_new)
{
    int way = (int)pick(18);
    char byte = 0;

    if (chance(30)) {
        raw_call(SYS_close, s->fd, 0, 0, 0, 0);
        s->fd = -1;
    }
    errno = 42;
    int fd = new_fd(way), error = errno;
    note(" way %d fd %d", way, fd);
    if (way != 8 && way != 9 && way != 10 && way != 11)
        note(" read %zd %d", read(fd, &byte, 1), errno);
    close(fd);
    errno = error;
    return fd < 0 ? -1 : 0;
}
CALL(other_pipe)
{
    int pair[2] = {-1, -1};
    long result = pipe2(pair, ANY(O_CLOEXEC, O_NONBLOCK, 12345));

    note(" %d %d", pair[0], pair[1]);
    if (result == 0) {
        long wrote = write(pair[1], words, 10);
        note(" %ld %ld", wrote, (long)splice(pair[0], NULL, s->fd, NULL, 10, SPLICE_F_NONBLOCK));
        close(pair[0]);
        close(pair[1]);
        errno = 42;
    }
    return result;
}
CALL(other_accept)
{
    struct sockaddr_storage from;

    return chance(50) ? accept(s->fd, (struct sockaddr *)&from, &(socklen_t){sizeof from})
                      : accept4(s->fd, NULL, NULL, ANY(0, SOCK_NONBLOCK, 12345));
}
CALL(other_closefrom)
{
    int copy = fcntl(s->fd, F_DUPFD_CLOEXEC, 2000);

    closefrom(2000);
    note(" %d", copy);
    return close(copy);
}
CALL(other_fcntl64)
{
    int copy = fcntl64(s->fd, F_DUPFD_CLOEXEC, 50);
    long flags = fcntl64(s->fd, F_GETFL);

    note(" %d", copy);
    close(copy);
    errno = 42;
    return flags;
}
CALL(other_sendfile)
{
    int file = memfd_create("walk", MFD_CLOEXEC);
    off64_t at = 3;
    long wrote = write(file, words, 30);

    errno = 42;
    long result = sendfile64(s->fd, file, chance(80) ? &at : WILD, some());
    int error = errno;
    note(" %ld at %ld", wrote, (long)at);
    close(file);
    errno = error;
    return result;
}

/* --- passing on --- */

long walk_pass(int fd, int *back)
{
    int pair[2];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {{0}};
    struct iovec part = {&(char){'x'}, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
    errno = 42;
    long sent = sendmsg(pair[0], &message, MSG_NOSIGNAL);
    int error = errno;
    message.msg_controllen = sizeof control;
    memset(&control, 0, sizeof control);
    if (sent == 1 && recvmsg(pair[1], &message, MSG_DONTWAIT) == 1 && message.msg_controllen > 0)
        memcpy(back, CMSG_DATA(&control.header), sizeof(int));
    close(pair[0]);
    close(pair[1]);
    errno = error;
    return sent;
}

/* The fd goes through a unix socket and comes back under another number. */
CALL(other_scm)
{
    int back = -1;
    long sent = walk_pass(s->fd, &back);
    int error = errno;

    note(" back %d", back);
    if (back >= 0 && chance(50)) {
        close(s->fd);
        s->fd = back;
    } else if (back >= 0) {
        close(back);
    }
    errno = error;
    return sent;
}

/* --- starting programs, which inherit the socket as their output --- */

static char *const none[] = {NULL};
static char *const echo[] = {"/bin/echo", "words", NULL};

/* Those that look along PATH, or are given a list, between fork and exec as well as any. */
static void exec_echo(int way)
{
    switch (way) {
    case 0:
        execve(echo[0], echo, none);
        break;
    case 1:
        execv(echo[0], echo);
        break;
    case 2:
        execvp("echo", echo);
        break;
    case 3:
        execvpe("echo", echo, none);
        break;
    case 4:
        execl(echo[0], "echo", "words", "and", "words", NULL);
        break;
    case 5:
        execlp("echo", "echo", NULL);
        break;
    case 6:
        execle("/bin/sh", "sh", "-c", "echo $WORDS", NULL, (char *const[]){"WORDS=none", NULL});
        break;
    case 7:
        fexecve(open(echo[0], O_RDONLY | O_CLOEXEC), echo, none);
        break;
    case 8:
        execveat(AT_FDCWD, echo[0], echo, none, 0);
        break;
    default:
        execvp("/dev/null/nothing", echo);
    }
    _exit(errno);
}

/* exec after fork or vfork. */
CALL(other_exec)
{
    int way = (int)pick(10), status = -1;
    pid_t child = chance(50) ? vfork() : fork();

    if (child == 0) {
        dup2(s->fd, 1);
        exec_echo(way);
    }
    note(" way %d", way);
    if (child > 0)
        waitpid(child, &status, 0);
    settle();
    errno = 42;
    return status;
}
CALL(other_spawn)
{
    int status = -1;
    pid_t child = -1;
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, s->fd, 1);
    note(" spawn %d", chance(50) ? posix_spawn(&child, echo[0], &actions, NULL, echo, none)
                                 : posix_spawnp(&child, "echo", &actions, NULL, echo, none));
    posix_spawn_file_actions_destroy(&actions);
    if (child > 0)
        waitpid(child, &status, 0);
    settle();
    errno = 42;
    return status;
}
CALL(other_shell)
{
    char command[64];
    int copy = dup(s->fd);
    long result;

    snprintf(command, sizeof command, "exec echo words >&%d 2>/dev/null", copy);
    if (chance(50)) {
        result = system(command);
    } else {
        FILE *file = popen(command, "r");
        result = file ? pclose(file) : -1;
    }
    close(copy);
    settle();
    errno = 42;
    return result;
}

/* --- names --- */

CALL(other_lookup)
{
    static const char *const asked[] = {"127.0.0.1", "localhost", "::1", "256.1.1.1",
                                        "no.such.invalid"};
    const char *name = asked[pick(4)];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int result = getaddrinfo(name, "80", chance(50) ? &hints : NULL, &found), count = 0;
    struct hostent *host = gethostbyname("localhost"), old, *got = NULL;
    char room[512];
    int failure = 0;

    for (struct addrinfo *one = found; one; one = one->ai_next)
        count++;
    if (found)
        freeaddrinfo(found);
    note(" %s %d, %d", name, result, count);
    note(" %s", host ? host->h_name : "nobody");
    note(" %d", gethostbyname_r("localhost", &old, room, (size_t)ANY(4, 512), &got, &failure));
    note(" %d", gethostbyname2_r("127.0.0.1", AF_INET, &old, room, sizeof room, &got, &failure));
    errno = 42;
    return gethostbyname2("localhost", AF_INET) != NULL;
}

/* --- the twins of fortified programs, and what is given a list --- */

static int print(int fd, bool checked, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int result = checked ? __vdprintf_chk(fd, 1, format, args) : vdprintf(fd, format, args);
    va_end(args);
    return result;
}
CALL(other_print)
{
    int number = (int)pick(100000);

    switch (pick(3)) {
    case 0:
        return print(s->fd, false, "%d %s", number, words);
    case 1:
        return print(s->fd, true, "%s", "");
    default:
        return __dprintf_chk(s->fd, 1, "%d %ld\n", number, -1L);
    }
}

CALL(other_checked)
{
    char room[64];
    struct pollfd one = {.fd = s->fd, .events = POLLIN};
    struct timespec time = {0, 5000000};

    switch (pick(5)) {
    case 0:
        return __recv_chk(s->fd, room, some(), sizeof room, MSG_DONTWAIT);
    case 1:
        return __recvfrom_chk(s->fd, room, some(), sizeof room, MSG_DONTWAIT, NULL, NULL);
    case 2:
        return __poll_chk(&one, 1, ANY(0, 5), sizeof one);
    case 3:
        return __ppoll_chk(&one, 1, &time, NULL, sizeof one);
    default:
        return __read_chk(s->fd, room, some(), sizeof room);
    }
}
/* Urgent data, both ways. */
CALL(other_urgent)
{
    char byte = 0;
    long sent = send(s->peer, "!", 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT);

    settle();
    note(" %ld mark %d", sent, sockatmark(s->fd));
    errno = 42;
    long got = recv(s->fd, &byte, 1, MSG_OOB | MSG_DONTWAIT);
    note(" %ld", got);
    return send(s->fd, "!", 1, MSG_OOB | MSG_NOSIGNAL);
}

const struct walk_call walk_others[] = {{"fd", other_new, false},
                                        {"fd", other_new, false},
                                        {"pipe2", other_pipe, false},
                                        {"accept", other_accept, true},
                                        {"closefrom", other_closefrom, false},
                                        {"fcntl64", other_fcntl64, false},
                                        {"sendfile64", other_sendfile, false},
                                        {"scm", other_scm, false},
                                        {"exec", other_exec, false},
                                        {"spawn", other_spawn, false},
                                        {"shell", other_shell, false},
                                        {"print", other_print, true},
                                        {"lookup", other_lookup, false},
                                        {"checked", other_checked, true},
                                        {"checked", other_checked, true},
                                        {"urgent", other_urgent, false},
                                        END};
