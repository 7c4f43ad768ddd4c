/*
 * Old programs bound a blocking call by alarm() and siglongjmp(), others cancel the thread: the
 * wrapper's own frame is left without its end. Closing must still give everything back.
 */
#include "harness.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

static sigjmp_buf out;

static void leap(int signal)
{
    (void)signal;
    siglongjmp(out, 1);
}

static void alarm_soon(void)
{
    struct itimerval soon = {.it_value.tv_usec = 50000};

    signal(SIGALRM, leap);
    setitimer(ITIMER_REAL, &soon, NULL);
}

/* By connect() to who never answers; the second one tells whether the place came back. */
VICTIM(leap_from_connect)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd = socket_for(argv[1], 0, &to, &length);

    if (sigsetjmp(out, 1) == 0) {
        alarm_soon();
        connect(fd, (struct sockaddr *)&to, length);
        return 1;
    }
    close(fd);
    fd = start_dial(argv[1]);
    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

static struct server *full(enum behaviour behaviour, const char *more)
{
    struct server *server = server_start(AF_INET, behaviour);

    world_policy("destination d\n match %s\n cap 1\n %s\n", server->text, more);
    return server;
}

START_TEST(out_of_connect)
{
    ck_assert_str_eq(victim_says("leap_from_connect", full(DEAF, "")->text, NULL), "ok");
}
END_TEST

START_TEST(out_of_connect_with_deadline)
{
    struct server *server = full(DEAF, "deadline connect 5s");

    ck_assert_str_eq(victim_says("leap_from_connect", server->text, NULL), "ok");
}
END_TEST

VICTIM(leap_from_recv)
{
    int fd = dial(argv[1]);
    char byte = '?';

    send(fd, &byte, 1, 0);
    if (sigsetjmp(out, 1) == 0) {
        alarm_soon();
        recv(fd, &byte, 1, 0);
        return 1;
    }
    close(fd);
    fd = dial(argv[1]);
    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

START_TEST(out_of_recv)
{
    struct server *server = full(HANG, "");

    ck_assert_str_eq(victim_says("leap_from_recv", server->text, NULL), "ok");
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_ABANDONED], 1);
}
END_TEST

static int blocked_fd;
static const char *blocked_address;
static pthread_barrier_t about_to_block;

static void *connect_for_ever(void *context)
{
    struct sockaddr_storage to;
    socklen_t length;

    blocked_fd = socket_for(blocked_address, 0, &to, &length);
    pthread_barrier_wait(&about_to_block);
    connect(blocked_fd, (struct sockaddr *)&to, length);
    return context;
}

static void *recv_for_ever(void *context)
{
    char byte = '?';

    blocked_fd = dial(blocked_address);
    send(blocked_fd, &byte, 1, 0);
    pthread_barrier_wait(&about_to_block);
    recv(blocked_fd, &byte, 1, 0);
    return context;
}

/* cancel connect|recv ADDRESS */
VICTIM(cancel)
{
    bool in_connect = !strcmp(argv[1], "connect");
    pthread_t thread;
    void *result;

    blocked_address = argv[2];
    pthread_barrier_init(&about_to_block, NULL, 2);
    pthread_create(&thread, NULL, in_connect ? connect_for_ever : recv_for_ever, NULL);
    pthread_barrier_wait(&about_to_block);
    usleep(20000); /* likely blocked by now; either order must work */
    pthread_cancel(thread);
    pthread_join(thread, &result);
    close(blocked_fd);
    int fd = in_connect ? start_dial(argv[2]) : dial(argv[2]);
    say("%s %s", result == PTHREAD_CANCELED ? "cancelled" : "not", word_of(fd < 0 ? fd : 0));
    return 0;
}

START_TEST(cancelled_in_connect)
{
    struct server *server = full(DEAF, "");

    ck_assert_str_eq(victim_says("cancel", "connect", server->text, NULL), "cancelled ok");
}
END_TEST

START_TEST(cancelled_in_connect_with_deadline)
{
    struct server *server = full(DEAF, "deadline connect 5s");

    ck_assert_str_eq(victim_says("cancel", "connect", server->text, NULL), "cancelled ok");
}
END_TEST

START_TEST(cancelled_in_recv)
{
    struct server *server = full(HANG, "");

    ck_assert_str_eq(victim_says("cancel", "recv", server->text, NULL), "cancelled ok");
}
END_TEST

SCENARIO(leap, out_of_connect, out_of_connect_with_deadline, out_of_recv, cancelled_in_connect,
         cancelled_in_connect_with_deadline, cancelled_in_recv)
