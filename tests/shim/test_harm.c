/* Faults that last longer than a call: the kernel itself keeps a peer silent, for every kind of
 * wait, and everything is as before when it is over. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* How many events a wait finds that the library does not see. */
static int raw_events(int fd, int ms)
{
    int queue = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
    int found = (int)raw_call(SYS_epoll_wait, queue, (long)&event, 1, ms, 0);
    close(queue);
    return found;
}

/* raw_dial ADDRESS: a connect that is pending, as io_uring and others see it. */
VICTIM(raw_dial)
{
    int fd = start_dial(argv[1]);

    say("%d %d", fd >= 0 ? raw_events(fd, 300) : -1, socket_error(fd));
    return 0;
}

START_TEST(nothing_is_heard_of_a_blackhole)
{
    struct server *server = world_faulty("blackhole", "breaker streak 9");

    ck_assert_str_eq(victim_says("raw_dial", server->text, NULL), "0 0");
    ck_assert_uint_eq(server_accepted(server), 0);
}
END_TEST

/* raw_ask ADDRESS: sends, and waits where nobody helps. */
VICTIM(raw_ask)
{
    int fd = dial(argv[1]), seen = -1;

    if (fd >= 0 && send(fd, "x", 1, 0) == 1) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        struct timespec time = {0, 300000000};
        seen = (int)raw_call(SYS_ppoll, (long)&one, 1, (long)&time, 0, 0);
    }
    say("%d", seen);
    close(fd);
    return 0;
}

START_TEST(nothing_is_heard_of_what_hangs)
{
    struct server *server = world_faulty("hang", "breaker streak 9");

    ck_assert_str_eq(victim_says("raw_ask", server->text, NULL), "0");
    AWAIT(atomic_load(&server->answered) > 0); /* it was asked, and it did answer */
}
END_TEST

/* dial_again ADDRESS: on one socket, as programs do that were told ETIMEDOUT. */
VICTIM(dial_again)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd = socket_for(argv[1], argc > 2 ? SOCK_NONBLOCK : 0, &to, &length);
    int first = connect(fd, (struct sockaddr *)&to, length) == 0 ? 0 : errno;

    if (first == EINPROGRESS) {
        struct pollfd one = {.fd = fd, .events = POLLOUT};
        poll(&one, 1, 5000);
        first = socket_error(fd);
        fcntl(fd, F_SETFL, 0);
    }
    int second = connect(fd, (struct sockaddr *)&to, length) == 0 ? 0 : errno;
    say("%s %s %s", word_of(first), word_of(second), second ? "" : word_of(ask(fd)));
    return 0;
}

START_TEST(a_socket_hears_again)
{
    struct server *server = world_faulty("blackhole at 1", "deadline connect 150ms");
    const char *mode = _i ? "nonblock" : NULL;

    ck_assert_str_eq(victim_says("dial_again", server->text, mode, NULL), "ETIMEDOUT ok ok");
}
END_TEST

/* Waits in the kernel for what comes, without a deadline of anybody. */
static void *receives(void *context)
{
    char byte;
    ssize_t got = recv(*(int *)context, &byte, 1, 0);

    return (void *)(intptr_t)(got < 0 ? errno : (int)got);
}

/* two_wait ADDRESS: what two threads hear that wait for an answer. */
VICTIM(two_wait)
{
    int fd = dial(argv[1]);
    pthread_t threads[2];
    void *heard[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, receives, &fd);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], &heard[i]);
    say("%s %s", word_of((int)(intptr_t)heard[0]), word_of((int)(intptr_t)heard[1]));
    return 0;
}

START_TEST(an_end_wakes_all_who_wait)
{
    struct server *server = world_faulty(_i ? "eof after 200ms" : "reset after 200ms", "cap 9");
    const char *heard = _i ? "ok ok" : "ECONNRESET ECONNRESET";

    server_become(server, HANG);
    ck_assert_str_eq(victim_says("two_wait", server->text, NULL), heard);
}
END_TEST

/* child_asks ADDRESS: a child goes on with the connection of its parent. */
VICTIM(child_asks)
{
    int fd = dial(argv[1]), first = ask(fd);
    pid_t child = fork();

    if (child == 0) {
        say("%s %s", word_of(first), word_of(ask(fd)));
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return 0;
}

START_TEST(a_child_goes_on)
{
    struct server *server = world_faulty("slice 1B", "cap 9");

    ck_assert_str_eq(victim_says("child_asks", server->text, NULL), "ok ok");
}
END_TEST

/* --- calls that are good for nothing, as libc answers them --- */

#define WILD ((void *)(uintptr_t)0x700000000000)

static int echoed(const char *address)
{
    int fd = dial(address), there = 0;

    for (int i = 0; i < 16; i++)
        if (fd < 0 || send(fd, "x", 1, 0) != 1)
            _exit(1);
    while (there < 16 && raw_call(SYS_ioctl, fd, FIONREAD, (long)&there, 0, 0) == 0)
        usleep(500);
    return fd;
}

static const char *error_of(ssize_t result)
{
    return result < 0 ? word_of(errno) : "ok";
}

/* odd_sends ADDRESS */
VICTIM(odd_sends)
{
    static struct iovec many[1025];
    struct iovec bad[2] = {{(void *)"x", 1}, {WILD, 5}};
    int fd = echoed(argv[1]);
    const char *wild = error_of(write(fd, WILD, 5));
    struct msghdr message = {.msg_iov = many, .msg_iovlen = 1025};
    const char *long_vector = error_of(sendmsg(fd, &message, 0));
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec *last = (struct iovec *)(void *)(page + 4096) - 1;

    munmap(page + 4096, 4096);
    *last = (struct iovec){(void *)"x", 1};
    message = (struct msghdr){.msg_iov = last, .msg_iovlen = 2};
    const char *half = error_of(sendmsg(fd, &message, 0));
    say("%s %s %s %zd", wild, long_vector, half, writev(fd, bad, 2) == 1 ? 1 : (ssize_t)0);
    return 0;
}

START_TEST(sends_that_libc_refuses)
{
    static const char *const faults[] = {"corrupt 1KiB", "corrupt 1KiB on request", "slice 8B",
                                         "bandwidth 1MiB/s"};

    victim_says_as_bare("odd_sends", world_faulty(faults[_i], "cap 9")->text);
}
END_TEST

/* odd_receives ADDRESS: bytes that nobody wants to see, and whom they came from. */
VICTIM(odd_receives)
{
    int fd = echoed(argv[1]);
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    char byte;
    ssize_t dropped = recv(fd, NULL, 8, MSG_TRUNC);
    ssize_t got = recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &length);
    const char *wild = error_of(recv(fd, WILD, 1, 0));

    say("%zd %zd from %u %s", dropped, got, length, wild);
    return 0;
}

START_TEST(receives_that_are_odd)
{
    static const char *const faults[] = {"corrupt 1B", "corrupt 1B on connection", "slice 8B",
                                         "bandwidth 1MiB/s"};

    victim_says_as_bare("odd_receives", world_faulty(faults[_i], "cap 9")->text);
}
END_TEST

static volatile sig_atomic_t rings;

static void ring(int number)
{
    (void)number;
    rings++;
}

/* interrupted_send ADDRESS: more than fits, to who does not read. How many signals it outlives. */
VICTIM(interrupted_send)
{
    static char big[600000];
    struct itimerval often = {{0, 50000}, {0, 50000}};
    int fd = dial(argv[1]);

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){20000}, sizeof(int));
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = ring}, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    ssize_t sent = send(fd, big, sizeof big, 0);
    int seen = rings;
    say("%s %d", sent > 0 && sent < (ssize_t)sizeof big ? "part" : "no part", seen);
    return 0;
}

START_TEST(a_signal_ends_a_send_in_its_middle)
{
    struct server *server = world_faulty("corrupt 1KiB on request", "cap 9");

    server_become(server, HANG);
    ck_assert_str_eq(victim_says("interrupted_send", server->text, NULL), "part 1");
}
END_TEST

Suite *suite_harm(void);
Suite *suite_harm(void)
{
    Suite *suite = suite_create("harm");
    TCase *tests = tcase_create("harm");

    tcase_add_checked_fixture(tests, world_begin, world_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, nothing_is_heard_of_a_blackhole);
    tcase_add_test(tests, nothing_is_heard_of_what_hangs);
    tcase_add_loop_test(tests, a_socket_hears_again, 0, 2);
    tcase_add_loop_test(tests, an_end_wakes_all_who_wait, 0, 2);
    tcase_add_test(tests, a_child_goes_on);
    tcase_add_test(tests, a_signal_ends_a_send_in_its_middle);
    tcase_add_loop_test(tests, sends_that_libc_refuses, 0, 4);
    tcase_add_loop_test(tests, receives_that_are_odd, 0, 4);
    suite_add_tcase(suite, tests);
    return suite;
}
