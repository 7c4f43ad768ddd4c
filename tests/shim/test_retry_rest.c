/* What a program may do while its connect rests between two tries, and what it then sees. */
#include "harness.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define LONG  "destination d\n match %s\n breaker streak 1000\n retry 20 backoff 1h on refused\n"
#define SHORT "destination d\n match %s\n breaker streak 1000\n retry 20 backoff 100ms on refused\n"

static int set_of(int fd, uint32_t events, uint64_t data)
{
    int set = epoll_create1(0);

    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){events, {.u64 = data}}) != 0)
        abort();
    return set;
}

/* "out", "failed", "timeout" or "none": another's data. */
static const char *seen(int set, uint64_t data, int timeout)
{
    struct epoll_event event;
    int got = epoll_wait(set, &event, 1, timeout);

    if (got != 1)
        return "timeout";
    return event.data.u64 != data ? "none" : event.events & EPOLLERR ? "failed" : "out";
}

/* The processor time of this process, ms. */
static unsigned busy(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (unsigned)(time.tv_sec * 1000 + time.tv_nsec / 1000000);
}

/* retry_nested ADDRESS: an epoll in an epoll. */
VICTIM(retry_nested)
{
    int fd = start_dial(argv[1]);
    int inner = set_of(fd, EPOLLOUT, 7), outer = set_of(inner, EPOLLIN, 8);
    const char *what = "timeout";

    for (int i = 0; i < 100 && !strcmp(what, "timeout"); i++) {
        seen(outer, 8, 1000);
        what = seen(inner, 7, 0);
    }
    say("%s %s %s", what, word_of(socket_error(fd)), busy() < 500 ? "calm" : "busy");
    return 0;
}

/* retry_twice ADDRESS: in two sets. There is one place to remember what was asked for. */
VICTIM(retry_twice)
{
    int fd = start_dial(argv[1]);
    int one = set_of(fd, EPOLLOUT, 7), two = set_of(fd, EPOLLOUT | EPOLLET, 8);
    const char *first = seen(one, 7, 50), *second = seen(two, 8, 5000), *third = seen(one, 7, 5000);

    say("%s %s %s %s", first, second, third, word_of(socket_error(fd)));
    return 0;
}

/* retry_alike ADDRESS: registered with data that is another's, too. */
VICTIM(retry_alike)
{
    int fd = start_dial(argv[1]), other[2];
    int set = set_of(fd, EPOLLOUT, 7);

    if (pipe(other) != 0 ||
        epoll_ctl(set, EPOLL_CTL_ADD, other[0], &(struct epoll_event){EPOLLIN, {.u64 = 7}}) != 0)
        return 1;
    const char *what = seen(set, 7, 5000);
    say("%s %s", what, word_of(socket_error(fd)));
    return 0;
}

/* retry_changed ADDRESS: the program changes its registration in the middle of a rest. */
VICTIM(retry_changed)
{
    int fd = start_dial(argv[1]);
    int set = set_of(fd, EPOLLOUT, 7);

    say("%s", seen(set, 7, 100));
    if (epoll_ctl(set, EPOLL_CTL_MOD, fd,
                  &(struct epoll_event){EPOLLOUT | EPOLLRDHUP, {.u64 = 9}}) != 0)
        return 1;
    pause_here();
    const char *what = seen(set, 9, 20000);
    say("%s %s %s", what, word_of(socket_error(fd)), busy() < 500 ? "calm" : "busy");
    return 0;
}

/* retry_calls ADDRESS: it is a pending connect to all calls, but one. */
VICTIM(retry_calls)
{
    struct sockaddr_storage to;
    socklen_t length;
    char byte = 'x';
    int fd = start_dial(argv[1]);
    struct pollfd one = {.fd = fd, .events = POLLOUT};

    int waited = poll(&one, 1, 100);
    close(socket_for(argv[1], 0, &to, &length));
    int sent = send(fd, &byte, 1, 0) == 1 ? 0 : errno;
    int got = recv(fd, &byte, 1, 0) == 1 ? 0 : errno;
    int again = connect(fd, (struct sockaddr *)&to, length) == 0 ? 0 : errno;
    int error = socket_error(fd), after = socket_error(fd);
    say("%d %s %s %s %s %s %d", waited, word_of(sent), word_of(got), word_of(again), word_of(error),
        word_of(after), poll(&one, 1, 5000) == 1 && one.revents & POLLHUP);
    return 0;
}

/* retry_closed ADDRESS: closed in the middle of a rest; the number is another's at once. */
VICTIM(retry_closed)
{
    int fd = start_dial(argv[1]), pair[2];
    int set = set_of(fd, EPOLLOUT, 7);
    const char *what = seen(set, 7, 50);

    close(fd);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pair[0] != fd)
        return 1;
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLOUT, {.u64 = 9}});
    say("%s %s %s", what, seen(set, 9, 1000), word_of(socket_error(fd)));
    return 0;
}

/* retry_waits_on ADDRESS: says so when it has begun to rest, then waits. */
VICTIM(retry_waits_on)
{
    int fd = start_dial(argv[1]);
    int set = set_of(fd, EPOLLOUT, 7);

    say("%s", seen(set, 7, 100));
    pause_here();
    const char *what = seen(set, 7, 20000);
    say("%s %s", what, word_of(socket_error(fd)));
    return 0;
}

/* retry_forked ADDRESS: a child that was forked in a rest, and uses the socket, disturbs nobody. */
VICTIM(retry_forked)
{
    int fd = start_dial(argv[1]);
    int set = set_of(fd, EPOLLOUT, 7);

    say("%s", seen(set, 7, 100));
    pid_t child = fork();
    if (child == 0)
        _exit(poll(&(struct pollfd){.fd = -1}, 1, 10) == 0 && close(fd) == 0 ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    say("%d", status);
    const char *what = seen(set, 7, 20000);
    say("%s %s", what, word_of(socket_error(fd)));
    return 0;
}

static int thread_set;
static _Atomic pid_t thread_id;

static bool asleep(pid_t id)
{
    char path[64], state = 0;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d %*s %c", &state) != 1)
        state = 0;
    if (file)
        fclose(file);
    return state == 'S';
}

static void *waits(void *context)
{
    (void)context;
    thread_id = gettid();
    return (void *)(uintptr_t)seen(thread_set, 7, 20000);
}

/* retry_threads ADDRESS: one thread waits already when another connects. */
VICTIM(retry_threads)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd = socket_for(argv[1], SOCK_NONBLOCK, &to, &length), pair[2];
    pthread_t thread;
    void *what;

    thread_set = epoll_create1(0);
    if (pipe(pair) != 0 || pthread_create(&thread, NULL, waits, NULL) != 0)
        return 1;
    while (thread_id == 0 || !asleep(thread_id))
        ;
    connect(fd, (struct sockaddr *)&to, length);
    epoll_ctl(thread_set, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLOUT, {.u64 = 7}});
    pthread_join(thread, &what);
    say("%s %s", (const char *)what, word_of(socket_error(fd)));
    return 0;
}

static bool refused(void)
{
    return world_has_segment() && world_figures("d").connects[SP_OUTCOME_REFUSED] > 0;
}

/* Starts while nobody listens; somebody does after the first refusal. */
static struct victim *late(const char *name, struct server **server)
{
    *server = server_start(AF_INET, CLOSED);
    world_policy(SHORT, (*server)->text);
    struct victim *victim = victim_start(name, (*server)->text, NULL);
    AWAIT(refused());
    return victim;
}

START_TEST(nested)
{
    struct server *server;
    struct victim *victim = late("retry_nested", &server);

    server_become(server, ECHO);
    ck_assert_str_eq(victim_hear(victim), "out ok calm");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

START_TEST(in_two_sets_it_simply_fails)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(LONG, server->text);
    const char *said = victim_says("retry_twice", server->text, NULL);
    ck_assert_msg(!strcmp(said, "timeout failed out ECONNREFUSED") ||
                      !strcmp(said, "timeout out out ECONNREFUSED"),
                  "%s", said);
}
END_TEST

START_TEST(with_anothers_data_it_simply_fails)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(LONG, server->text);
    ck_assert_str_eq(victim_says("retry_alike", server->text, NULL), "failed ECONNREFUSED");
}
END_TEST

START_TEST(what_the_program_changes_stands)
{
    struct server *server;
    struct victim *victim = late("retry_changed", &server);

    ck_assert_str_eq(victim_hear(victim), "timeout");
    victim_tell(victim);
    server_become(server, ECHO);
    ck_assert_str_eq(victim_hear(victim), "out ok calm");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

START_TEST(pending_to_all_calls_but_one)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(LONG, server->text);
    ck_assert_str_eq(victim_says("retry_calls", server->text, NULL),
                     "0 EAGAIN EAGAIN EALREADY ECONNREFUSED ok 1");
}
END_TEST

START_TEST(closed)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy(LONG, server->text);
    ck_assert_str_eq(victim_says("retry_closed", server->text, NULL), "timeout out ok");
}
END_TEST

/* Off means off: libc goes on, and nothing hangs. */
START_TEST(disabled)
{
    struct server *server;
    struct victim *victim = late("retry_waits_on", &server);

    ck_assert_str_eq(victim_hear(victim), "timeout");
    atomic_store(&world_segment()->head->disabled, 1);
    server_become(server, ECHO);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "out ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

START_TEST(forked)
{
    struct server *server;
    struct victim *victim = late("retry_forked", &server);

    ck_assert_str_eq(victim_hear(victim), "timeout");
    ck_assert_str_eq(victim_hear(victim), "0");
    server_become(server, ECHO);
    ck_assert_str_eq(victim_hear(victim), "out ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

START_TEST(another_thread_waits)
{
    struct server *server;
    struct victim *victim = late("retry_threads", &server);

    server_become(server, ECHO);
    ck_assert_str_eq(victim_hear(victim), "out ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* retry_stood: a connect that stood, and was reset before anybody asked. */
VICTIM(retry_stood)
{
    int fd = dial_reset();
    char byte;
    const char *what = seen(set_of(fd, EPOLLIN, 7), 7, 5000);
    ssize_t nothing = writev(fd, NULL, 0), first = recv(fd, &byte, 1, 0);
    const char *why = word_of(errno);
    ssize_t second = recv(fd, &byte, 1, 0);
    say("%s %zd, %zd %s, %zd", what, nothing, first, why, second);
    return 0;
}

START_TEST(a_reset_of_what_stood_is_told_once)
{
    world_policy("destination d\n match 127.0.0.1\n breaker streak 1000\n retry 3 on timeout\n");
    victim_says_as_bare("retry_stood", NULL);
}
END_TEST

SCENARIO(retry_rest, nested, in_two_sets_it_simply_fails, with_anothers_data_it_simply_fails,
         what_the_program_changes_stands, pending_to_all_calls_but_one, closed, disabled, forked,
         another_thread_waits, a_reset_of_what_stood_is_told_once)
