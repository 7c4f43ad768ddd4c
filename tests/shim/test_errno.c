/* errno after a success is what it was before; after a failure it is libc's. */
#include "harness.h"

#include <netdb.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define UNTOUCHED 4711

static unsigned calls, touched;
static char first_touched[32];

static void check(const char *name, bool done)
{
    if (done && errno != UNTOUCHED && !touched++)
        snprintf(first_touched, sizeof first_touched, "%s", name);
    calls += done;
    errno = UNTOUCHED;
}
#define CHECK(call, good)               \
    do {                                \
        errno = UNTOUCHED;              \
        check(#call, (long)(call)good); \
    } while (0)

static void converse(int fd)
{
    char byte = '?';
    struct iovec part = {&byte, 1};
    int value = 0;
    socklen_t size = sizeof value;

    CHECK(send(fd, &byte, 1, 0), == 1);
    CHECK(recv(fd, &byte, 1, 0), == 1);
    CHECK(write(fd, &byte, 1), == 1);
    CHECK(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1), == 1);
    CHECK(read(fd, &byte, 1), == 1);
    CHECK(writev(fd, &part, 1), == 1);
    CHECK(recv(fd, &byte, 1, MSG_PEEK), == 1);
    CHECK(readv(fd, &part, 1), == 1);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size), == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value), == 0);
    CHECK(fcntl(fd, F_GETFL), >= 0);
    CHECK(ioctl(fd, FIONBIO, &value), == 0);
    CHECK(shutdown(fd, SHUT_WR), == 0);
}

static void move_descriptors(int fd)
{
    int copy = dup(fd);

    CHECK(dup2(fd, copy), >= 0);
    CHECK(dup3(fd, copy, O_CLOEXEC), >= 0);
    CHECK(close(copy), == 0);
    CHECK(copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), >= 0);
    CHECK(syscall(SYS_close, copy), == 0);
    CHECK(close_range(900, 1000, 0), == 0);
    CHECK(copy = open("/dev/null", O_RDONLY), >= 0);
    CHECK(close(copy), == 0);
}

static void start_children(void)
{
    pid_t child;

    CHECK(child = fork(), >= 0);
    if (child == 0)
        _exit(errno == UNTOUCHED ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    if (status)
        touched++;
    errno = UNTOUCHED;
    child = vfork();
    if (child == 0)
        _exit(0);
    check("vfork", child > 0);
    waitpid(child, &status, 0);
}

/* successes ADDRESS */
VICTIM(successes)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd;

    CHECK(fd = socket_for(argv[1], 0, &to, &length), >= 0);
    CHECK(connect(fd, (struct sockaddr *)&to, length), == 0);
    converse(fd);
    move_descriptors(fd);
    start_children();
    CHECK(close(fd), == 0);
    say("%u %s", calls, touched ? first_touched : "untouched");
    return 0;
}

START_TEST(success_leaves_it)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n deadline connect 5s\n breaker streak 1\n cap 4\n",
                 server->text);
    victim_says_as_bare("successes", server->text);
}
END_TEST

/* failures: what libc says about fds and sockets that are none of ours. */
VICTIM(failures)
{
    struct sockaddr_storage to;
    socklen_t length;
    char byte;
    int fd = socket_for(argv[1], 0, &to, &length);

    say("%s", close(-1) ? word_of(errno) : "ok");
    say("%s", connect(777, (struct sockaddr *)&to, length) ? word_of(errno) : "ok");
    say("%s", connect(0, (struct sockaddr *)&to, length) ? word_of(errno) : "ok");
    say("%s", connect(fd, (struct sockaddr *)&to, 1) ? word_of(errno) : "ok");
    say("%s", connect(fd, NULL, sizeof to) ? word_of(errno) : "ok");
    say("%s", connect(fd, (struct sockaddr *)8, sizeof to) ? word_of(errno) : "ok");
    say("%s", recv(fd, &byte, 1, 0) < 0 ? word_of(errno) : "ok");
    say("%s", send(fd, NULL, 1, MSG_NOSIGNAL) < 0 ? word_of(errno) : "ok");
    say("%s", dup2(777, 5) < 0 ? word_of(errno) : "ok");
    say("%s", fcntl(777, F_DUPFD, 0) < 0 ? word_of(errno) : "ok");
    say("%s", syscall(SYS_close, 777) < 0 ? word_of(errno) : "ok");
    say("%s", syscall(100000) < 0 ? word_of(errno) : "ok");
    connect(fd, (struct sockaddr *)&to, length);
    say("%s", connect(fd, (struct sockaddr *)&to, length) < 0 ? word_of(errno) : "ok");
    say("%s", recv(fd, (void *)8, 1, MSG_DONTWAIT) < 0 ? word_of(errno) : "ok");
    return 0;
}

START_TEST(failures_are_libcs)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n deadline connect 5s\n breaker streak 9\n cap 4\n",
                 server->text);
    struct victim *bare = victim_start_bare("failures", server->text, NULL);
    struct victim *guarded = victim_start("failures", server->text, NULL);
    for (int line = 1; *victim_hear(bare); line++)
        ck_assert_msg(!strcmp(victim_hear(guarded), bare->line), "line %d: %s, bare %s", line,
                      guarded->line, bare->line);
    ck_assert_int_eq(victim_end(guarded), 0);
    ck_assert_int_eq(victim_end(bare), 0);
}
END_TEST

SCENARIO(errno, success_leaves_it, failures_are_libcs)
