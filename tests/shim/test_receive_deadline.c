/*
 * Blocking receives under `deadline response`: on time by every call, however late they begin; a
 * receive that waits for nothing is left alone; signals and the program's own timeouts as bare.
 */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define DEADLINE_MS 250
/* The promise is 20 ms; a busy test machine gets more. */
#define LATE_MS 150

static void within(const char *said, const char *expected, unsigned long least)
{
    char word[32];
    unsigned long took;

    ck_assert_msg(sscanf(said, "%31s %lu", word, &took) == 2, "said '%s'", said);
    ck_assert_str_eq(word, expected);
    ck_assert_msg(took >= least * 1000 && took < (least + LATE_MS) * 1000, "%s after %lu us", word,
                  took);
}

static struct server *under_deadline_at(int family, enum behaviour behaviour)
{
    struct server *server = server_start(family, behaviour);

    world_policy("destination d\n match %s\n deadline response %dms\n", server->text, DEADLINE_MS);
    return server;
}

static struct server *under_deadline(enum behaviour behaviour)
{
    return under_deadline_at(AF_INET, behaviour);
}

static void say_since(uint64_t start, int error)
{
    say("%s %lu", word_of(error), (unsigned long)((sp_now() - start) / SP_US));
}

/* --- every call --- */

static ssize_t receive_by(int fd, const char *how)
{
    static char room[64];
    struct iovec parts[2] = {{room, 8}, {room + 8, 8}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct mmsghdr many[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
    int ends[2];

    if (!strcmp(how, "recv"))
        return recv(fd, room, sizeof room, 0);
    if (!strcmp(how, "peek"))
        return recv(fd, room, sizeof room, MSG_PEEK);
    if (!strcmp(how, "waitall"))
        return recv(fd, room, sizeof room, MSG_WAITALL);
    if (!strcmp(how, "recvfrom"))
        return recvfrom(fd, room, sizeof room, 0, NULL, NULL);
    if (!strcmp(how, "recvmsg"))
        return recvmsg(fd, &message, 0);
    if (!strcmp(how, "recvmmsg"))
        return recvmmsg(fd, many, 2, 0, NULL);
    if (!strcmp(how, "read"))
        return read(fd, room, sizeof room);
    if (!strcmp(how, "readv"))
        return readv(fd, parts, 2);
    return pipe(ends) ? -1 : splice(fd, NULL, ends[1], NULL, sizeof room, 0);
}

/* ask_by ADDRESS HOW PAUSE: the time counts from the send, the pause is before the receive. */
VICTIM(ask_by)
{
    int fd = dial(argv[1]);
    uint64_t start = sp_now();

    if (send(fd, "?", 1, 0) != 1)
        return 1;
    usleep((useconds_t)atoi(argv[3]) * 1000);
    say_since(start, receive_by(fd, argv[2]) < 0 ? errno : 0);
    return 0;
}

START_TEST(every_call_is_on_time)
{
    static const char *const ways[] = {"recv",     "peek", "waitall", "recvfrom", "recvmsg",
                                       "recvmmsg", "read", "readv",   "splice"};
    struct server *server = under_deadline(HANG);

    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        within(victim_says("ask_by", server->text, ways[i], "0", NULL), "ETIMEDOUT", DEADLINE_MS);
        ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_RESPONSE], i + 1);
        ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_RESPONSE_TIMEOUT], i + 1);
    }
}
END_TEST

/* The kernel's timer counts from the receive: it must not be what decides. */
START_TEST(however_late_it_begins)
{
    struct server *server = under_deadline(HANG);

    within(victim_says("ask_by", server->text, "recv", "40", NULL), "ETIMEDOUT", DEADLINE_MS);
    within(victim_says("ask_by", server->text, "read", "150", NULL), "ETIMEDOUT", DEADLINE_MS);
    within(victim_says("ask_by", server->text, "recv", "245", NULL), "ETIMEDOUT", DEADLINE_MS);
    within(victim_says("ask_by", server->text, "recv", "400", NULL), "ETIMEDOUT", 400);
    server_become(server, ECHO);
    within(victim_says("ask_by", server->text, "recv", "400", NULL), "ok", 400);
}
END_TEST

/* ask_again ADDRESS: short alarms do not outlive the turn that they were set for. */
VICTIM(ask_again)
{
    int fd = dial(argv[1]);
    char byte;

    send(fd, "?", 1, 0);
    usleep(200000);
    if (recv(fd, &byte, 1, 0) != 1)
        return 1;
    say("answered");
    pause_here();
    uint64_t start = sp_now();
    send(fd, "?", 1, 0);
    say_since(start, recv(fd, &byte, 1, 0) < 0 ? errno : 0);
    return 0;
}

START_TEST(the_next_exchange_has_its_full_time)
{
    struct server *server = under_deadline(ECHO);
    struct victim *victim = victim_start("ask_again", server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "answered");
    server_become(server, HANG);
    victim_tell(victim);
    within(victim_hear(victim), "ETIMEDOUT", DEADLINE_MS);
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* --- a reader with nothing outstanding --- */

static void *read_one(void *context)
{
    char byte;

    return (void *)(intptr_t)(recv(*(int *)context, &byte, 1, 0) == 1 ? 0 : errno);
}

/* reader ADDRESS: blocks for ten deadlines before anybody asks; then hears the answer. */
VICTIM(reader)
{
    int fd = dial(argv[1]);
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, read_one, &fd);
    usleep(10 * DEADLINE_MS * 1000);
    uint64_t start = sp_now();
    send(fd, "?", 1, 0);
    pthread_join(thread, &result);
    say_since(start, (int)(intptr_t)result);
    return 0;
}

START_TEST(a_reader_is_left_alone)
{
    within(victim_says("reader", under_deadline(ECHO)->text, NULL), "ok", 0);
}
END_TEST

START_TEST(and_is_on_time_when_somebody_asks)
{
    within(victim_says("reader", under_deadline(HANG)->text, NULL), "ETIMEDOUT", DEADLINE_MS);
}
END_TEST

/* --- the program's own timeout --- */

static int timeout_option = SO_RCVTIMEO; /* or its twin for 64-bit times */

static long own_timeout(int fd)
{
    struct timeval own = {9, 9};

    getsockopt(fd, SOL_SOCKET, timeout_option, &own, &(socklen_t){sizeof own});
    return (long)own.tv_sec * 1000 + (long)own.tv_usec / 1000;
}

static void set_timeout(int fd, int ms)
{
    struct timeval own = {ms / 1000, ms % 1000 * 1000};

    setsockopt(fd, SOL_SOCKET, timeout_option, &own, sizeof own);
}

/* own ADDRESS MS WHEN [new]: set before the first receive or after one that has set our alarm. */
VICTIM(own)
{
    int fd = dial(argv[1]), ms = atoi(argv[2]);
    char byte;

    if (argc > 4)
        timeout_option = SO_RCVTIMEO_NEW;
    if (!strcmp(argv[3], "after") && ask(fd) != 0)
        return 1;
    long before = own_timeout(fd);
    set_timeout(fd, ms);
    long set = own_timeout(fd);
    say("set");
    pause_here();
    uint64_t start = sp_now();
    send(fd, "?", 1, 0);
    int error = recv(fd, &byte, 1, 0) < 0 ? errno : 0;
    say_since(start, error);
    say("%ld %d %d", before, set == ms, own_timeout(fd) == ms);
    return 0;
}

static void owned_by(const char *option, const char *ms, const char *when, const char *expected,
                     unsigned long least)
{
    struct server *server = under_deadline(ECHO);
    struct victim *victim = victim_start("own", server->text, ms, when, option, NULL);

    ck_assert_str_eq(victim_hear(victim), "set");
    server_become(server, HANG);
    victim_tell(victim);
    within(victim_hear(victim), expected, least);
    ck_assert_str_eq(victim_hear(victim), "0 1 1");
    ck_assert_int_eq(victim_end(victim), 0);
    unlink(world_file("policy.conf"));
}

static void owned(const char *ms, const char *when, const char *expected, unsigned long least)
{
    owned_by(NULL, ms, when, expected, least);
}

START_TEST(a_shorter_timeout_of_its_own)
{
    owned("100", "before", "EAGAIN", 100);
}
END_TEST

START_TEST(a_shorter_one_set_later)
{
    owned("100", "after", "EAGAIN", 100);
}
END_TEST

START_TEST(one_set_by_the_number_for_64_bit_times)
{
    owned_by("new", "80", "after", "EAGAIN", 80);
}
END_TEST

START_TEST(a_longer_timeout_of_its_own)
{
    owned("2000", "after", "ETIMEDOUT", DEADLINE_MS);
}
END_TEST

/* --- signals --- */

static void nothing(int number)
{
    (void)number;
}

/* interrupted ADDRESS RESTART OWN: a timer signal every 60 ms while it waits. */
VICTIM(interrupted)
{
    struct itimerval often = {{0, 60000}, {0, 60000}};
    struct sigaction action = {.sa_handler = nothing, .sa_flags = atoi(argv[2]) ? SA_RESTART : 0};
    int fd = dial(argv[1]);
    char byte;

    sigaction(SIGALRM, &action, NULL);
    if (atoi(argv[3]))
        set_timeout(fd, atoi(argv[3]));
    uint64_t start = sp_now();
    send(fd, "?", 1, 0);
    setitimer(ITIMER_REAL, &often, NULL);
    say_since(start, recv(fd, &byte, 1, 0) < 0 ? errno : 0);
    return 0;
}

START_TEST(a_restarting_handler_does_not_end_it)
{
    within(victim_says("interrupted", under_deadline(HANG)->text, "1", "0", NULL), "ETIMEDOUT",
           DEADLINE_MS);
}
END_TEST

START_TEST(another_handler_does)
{
    within(victim_says("interrupted", under_deadline(HANG)->text, "0", "0", NULL), "EINTR", 60);
}
END_TEST

/* With a timeout of the program's own the kernel does not restart: man 7 signal. */
START_TEST(nor_restarts_with_a_timeout)
{
    within(victim_says("interrupted", under_deadline(HANG)->text, "1", "5000", NULL), "EINTR", 60);
}
END_TEST

static void stop_for(struct victim *victim, unsigned ms)
{
    kill(victim->pid, SIGSTOP);
    usleep(ms * 1000);
    kill(victim->pid, SIGCONT);
}

/* await_answer ADDRESS */
VICTIM(await_answer)
{
    int fd = dial(argv[1]);
    char byte;
    uint64_t start = sp_now();

    send(fd, "?", 1, 0);
    say("now");
    ssize_t got = recv(fd, &byte, 1, 0);
    say_since(start, got < 0 ? errno : 0);
    return 0;
}

START_TEST(stopping_does_not_interrupt)
{
    struct victim *victim = victim_start("await_answer", under_deadline(HANG)->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "now");
    usleep(20000);
    stop_for(victim, 60);
    within(victim_hear(victim), "ETIMEDOUT", DEADLINE_MS);
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* stopped ADDRESS WAITS: stops itself between question and answer. */
VICTIM(stopped)
{
    int fd = dial(argv[1]);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    char byte;

    send(fd, "?", 1, 0);
    raise(SIGSTOP);
    int ready = atoi(argv[2]) ? poll(&one, 1, -1) : 1;
    say("%d %s", ready, word_of(recv(fd, &byte, 1, 0) < 0 ? errno : 0));
    return 0;
}

/* Stopped beyond the deadline: the answer came meanwhile, and is heard. */
START_TEST(nor_loses_what_came_meanwhile)
{
    struct server *server = under_deadline(ECHO);

    for (int waits = 0; waits < 2; waits++) {
        struct victim *victim = victim_start("stopped", server->text, waits ? "1" : "0", NULL);

        ck_assert_int_eq(waitid(P_PID, (id_t)victim->pid, &(siginfo_t){0}, WSTOPPED), 0);
        usleep(2 * DEADLINE_MS * 1000);
        kill(victim->pid, SIGCONT);
        ck_assert_str_eq(victim_hear(victim), "1 ok");
        ck_assert_int_eq(victim_end(victim), 0);
    }
}
END_TEST

/* --- a socket that another program gets --- */

/* What comes out at the other end, which nobody of us knows, or -1. */
static int passed_on(int fd, bool many)
{
    int pair[2], back = -1;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {&(char){'x'}, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part,
                                          .msg_iovlen = 1,
                                          .msg_control = &control,
                                          .msg_controllen = sizeof control}};

    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
        (many ? sendmmsg(pair[0], &message, 1, 0) : sendmsg(pair[0], &message.msg_hdr, 0)) != 1 ||
        recvmsg(pair[1], &message.msg_hdr, 0) != 1)
        return -1;
    memcpy(&back, CMSG_DATA(&control.header), sizeof back);
    return back;
}

/* lends ADDRESS MANY: the timeout of what it passes on, where a receive has had an alarm; then how
 * its own next receive ends. */
VICTIM(lends)
{
    int fd = dial(argv[1]);
    char byte;
    struct timeval timeout;

    send(fd, "?", 1, 0);
    if (recv(fd, &byte, 1, 0) != 1)
        return 1;
    int other = passed_on(fd, atoi(argv[2]));
    getsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &timeout, &(socklen_t){sizeof timeout});
    say("%d %ld", other > fd, (long)(timeout.tv_sec * 1000000 + timeout.tv_usec));
    pause_here();
    uint64_t start = sp_now();
    send(fd, "?", 1, 0);
    say_since(start, recv(fd, &byte, 1, 0) < 0 ? errno : 0);
    getsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &timeout, &(socklen_t){sizeof timeout});
    return timeout.tv_usec != 0;
}

START_TEST(who_gets_the_socket_by_a_message_finds_no_alarm)
{
    struct server *server = under_deadline(ECHO);

    for (int many = 0; many < 2; many++) {
        struct victim *victim = victim_start("lends", server->text, many ? "1" : "0", NULL);

        ck_assert_str_eq(victim_hear(victim), "1 0");
        server_become(server, HANG);
        victim_tell(victim);
        within(victim_hear(victim), "ETIMEDOUT", DEADLINE_MS);
        ck_assert_int_eq(victim_end(victim), 0);
        server_become(server, ECHO);
    }
}
END_TEST

/* What nobody's timer may end is waited for, but not by who asks for nothing. */
VICTIM(reads_nothing)
{
    int fd = dial(argv[1]);
    char byte;
    struct iovec part = {&byte, 0};

    ask(fd); /* with an alarm */
    if (strcmp(argv[2], "lent") == 0)
        passed_on(fd, false);
    else
        setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &(int){8}, sizeof(int));
    say("%zd %zd %zd", read(fd, &byte, 0), readv(fd, &part, 1), readv(fd, NULL, 0));
    return 0;
}

START_TEST(a_read_of_nothing_waits_for_nothing)
{
    struct server *server = under_deadline(ECHO);

    ck_assert_str_eq(victim_says("reads_nothing", server->text, "lent", NULL), "0 0 0");
    ck_assert_str_eq(victim_says("reads_nothing", server->text, "lowat", NULL), "0 0 0");
}
END_TEST

/* On a socket that was lent: into a pipe that is full, into one that is not where that is at once
 * as well, of nothing, and into no pipe. */
VICTIM(splices_at_once)
{
    static char page[4096];
    int fd = dial(argv[1]), ends[2], other = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const unsigned now = SPLICE_F_NONBLOCK;

    ask(fd); /* with an alarm */
    passed_on(fd, false);
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
        return 1;
    const char *empty = strncmp(argv[1], "unix:", 5) ? "-" : NULL;
    if (!empty)
        empty = word_of(splice(fd, NULL, ends[1], NULL, 10, now) < 0 ? errno : 0);
    if (write(ends[1], page, sizeof page) != sizeof page)
        return 2;
    const char *full = word_of(splice(fd, NULL, ends[1], NULL, 10, now) < 0 ? errno : 0);
    const char *none = word_of(splice(fd, NULL, ends[1], NULL, 0, 0) < 0 ? errno : 0);
    const char *file = word_of(splice(fd, NULL, other, NULL, 10, 0) < 0 ? errno : 0);
    say("%s %s %s %s", empty, full, none, file);
    return 0;
}

START_TEST(a_splice_that_does_not_wait_does_not)
{
    victim_says_as_bare("splices_at_once", under_deadline(ECHO)->text);
    victim_says_as_bare("splices_at_once", under_deadline_at(AF_UNIX, ECHO)->text);
}
END_TEST

SCENARIO(receive_deadline, every_call_is_on_time, however_late_it_begins,
         the_next_exchange_has_its_full_time, a_reader_is_left_alone,
         and_is_on_time_when_somebody_asks, a_shorter_timeout_of_its_own, a_shorter_one_set_later,
         one_set_by_the_number_for_64_bit_times, a_longer_timeout_of_its_own,
         a_restarting_handler_does_not_end_it, another_handler_does, nor_restarts_with_a_timeout,
         stopping_does_not_interrupt, nor_loses_what_came_meanwhile,
         who_gets_the_socket_by_a_message_finds_no_alarm, a_read_of_nothing_waits_for_nothing,
         a_splice_that_does_not_wait_does_not)
