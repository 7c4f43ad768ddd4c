/* Observe changes nothing. `every_call` does to sockets what programs do; tests/apps/observe.sh
 * compares its system calls, results and errnos with those of the bare program. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/uio.h>

static void echo(int listening)
{
    char buffer[64];

    for (;;) {
        int fd = accept(listening, NULL, NULL);
        ssize_t got;

        while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) {
            usleep(buffer[0] == 'l' ? 60000 : 0); /* late */
            send(fd, buffer, (size_t)got, MSG_NOSIGNAL);
        }
        close(fd);
    }
}

/* A child serves: accept() in a thread would take an fd of ours, now before and now after our own.
 */
static void serve_here(const char *path)
{
    int listening = listen_unix(path);

    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        echo(listening);
    }
}

static void *idle(void *context)
{
    pause();
    return context;
}

static void blocking_calls(const char *address)
{
    char in[16] = "late";
    struct iovec parts[2] = {{in, 2}, {in + 2, 2}};
    int fd = dial(address);

    send(fd, in, 4, 0);
    recv(fd, in, 2, MSG_PEEK);
    recv(fd, in, 4, MSG_WAITALL);
    writev(fd, parts, 2);
    readv(fd, parts, 2);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 20000}, sizeof(struct timeval));
    getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0}, &(socklen_t){16});
    recv(fd, in, 1, 0);
    recv(fd, in, 1, MSG_DONTWAIT);
    send(fd, "late", 4, MSG_NOSIGNAL);
    for (int got = 0; got < 4;) {
        ssize_t n = recv(fd, in, 4, 0);

        got += n > 0 ? (int)n : 0;
    }
    shutdown(fd, SHUT_WR);
    recv(fd, in, 1, 0);
    recv(fd, in, 0, 0);
    send(fd, in, 1, MSG_NOSIGNAL);
    close(fd);
    recv(fd, in, 1, 0);
}

static void waiting_calls(const char *address)
{
    char in[16];
    int on = 1, queue = epoll_create1(0), fd = dial(address);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
    struct pollfd one = {.fd = fd, .events = POLLIN};
    fd_set set;

    ioctl(fd, FIONBIO, &on);
    recv(fd, in, 1, 0);
    send(fd, "late", 4, 0);
    poll(&one, 1, 10);
    poll(&one, 1, -1);
    recv(fd, in, 4, 0);
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
    send(fd, "l", 1, 0);
    epoll_wait(queue, &event, 1, 10);
    epoll_wait(queue, &event, 1, -1);
    recv(fd, in, 4, 0);
    send(fd, "l", 1, 0);
    FD_ZERO(&set);
    FD_SET(fd, &set);
    select(fd + 1, &set, NULL, NULL, NULL);
    ppoll(&one, 1, &(struct timespec){5, 0}, NULL);
    int copy = dup(fd);
    close(fd);
    recv(copy, in, 4, 0);
    close(copy);
    close(queue);
}

/* every_call PATH REFUSED: PATH is served here, REFUSED by nobody. */
VICTIM(every_call)
{
    char own[160];
    pthread_t thread;

    snprintf(own, sizeof own, "unix:%s", argv[1]);
    serve_here(argv[1]);
    pthread_create(&thread, NULL, idle, NULL); /* waits are others where there are two */
    write(-1, "begin", 5);
    blocking_calls(own);
    waiting_calls(own);
    for (int i = 0; i < 3; i++)
        dial(argv[2]);
    int fd = start_dial(argv[2]);
    if (fd >= 0) {
        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
        socket_error(fd);
        close(fd);
    }
    write(-1, "end", 3);
    say("done");
    return 0;
}

START_TEST(every_call_ends)
{
    char path[512];
    struct server *server = server_start(AF_INET, CLOSED);

    snprintf(path, sizeof path, "%s", world_file("own"));
    world_policy("destination d\n match *\n mode observe\n breaker streak 1 open 60s\n"
                 " deadline connect 10ms response 10ms send 10ms idle 10ms total 20ms\n");
    ck_assert_str_eq(victim_says("every_call", path, server->text, NULL), "done");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_gt(figures.observed.late[SP_DEADLINE_RESPONSE], 3);
    ck_assert_uint_eq(figures.expired[SP_DEADLINE_RESPONSE], 0);
    ck_assert_uint_gt(figures.detected[0], 3);
}
END_TEST

SCENARIO(observe, every_call_ends)
