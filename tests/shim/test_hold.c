/* Injected latency on programs that wait for many things at once: they see the answer late,
 * whatever they wait with, and nothing else; nothing is lost, and nobody turns in circles
 * meanwhile. */
#include "harness.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LATE "latency 60ms"

static struct server *late_server(int family, enum behaviour behaviour, const char *fault)
{
    return world_faulty_server(server_start(family, behaviour), fault, "deadline response 20s");
}

/* --- a loop of one connection --- */

struct loop {
    const char *mode; /* poll select level edge oneshot exclusive */
    int fd, epoll;
    bool armed;
    unsigned waits;
};

static uint32_t loop_flags(const struct loop *l)
{
    return strcmp(l->mode, "edge") == 0        ? EPOLLET
           : strcmp(l->mode, "oneshot") == 0   ? EPOLLONESHOT
           : strcmp(l->mode, "exclusive") == 0 ? EPOLLEXCLUSIVE
                                               : 0;
}

static void loop_begin(struct loop *l, const char *mode, int fd)
{
    *l = (struct loop){.mode = mode, .fd = fd, .epoll = epoll_create1(0)};
}

/* Exclusive registrations cannot be changed, so they are made anew. */
static void loop_arm(struct loop *l, uint32_t events)
{
    struct epoll_event event = {.events = events | loop_flags(l), .data.u64 = 0x1234500000000};

    if (strcmp(l->mode, "exclusive") == 0 && l->armed)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->fd, NULL);
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->fd, &event) != 0)
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->fd, &event);
    l->armed = true;
}

static void loop_wait(struct loop *l, uint32_t events)
{
    struct pollfd one = {.fd = l->fd, .events = (short)events};
    struct epoll_event event;
    fd_set set;

    l->waits++;
    if (strcmp(l->mode, "poll") == 0) {
        poll(&one, 1, 5000);
    } else if (strcmp(l->mode, "select") == 0) {
        struct timeval time = {5, 0};

        FD_ZERO(&set);
        FD_SET(l->fd, &set);
        select(l->fd + 1, events & EPOLLIN ? &set : NULL, events & EPOLLOUT ? &set : NULL, NULL,
               &time);
    } else {
        epoll_wait(l->epoll, &event, 1, 5000);
    }
}

static void loop_connected(struct loop *l, const char *address)
{
    struct sockaddr_storage to;
    socklen_t length;

    loop_begin(l, l->mode, socket_for(address, SOCK_NONBLOCK, &to, &length));
    connect(l->fd, (struct sockaddr *)&to, length);
    loop_arm(l, EPOLLOUT);
    loop_wait(l, EPOLLOUT);
}

/* One byte there and back; -1 is the end of the stream, or an errno as a negative number. */
static int loop_ask(struct loop *l)
{
    char byte = 'a';
    ssize_t got;

    l->waits = 0;
    if (send(l->fd, &byte, 1, MSG_NOSIGNAL) != 1)
        return errno;
    loop_arm(l, EPOLLIN);
    while ((got = recv(l->fd, &byte, 1, 0)) < 0 && errno == EAGAIN) {
        if (l->waits > 0 && strcmp(l->mode, "oneshot") == 0)
            loop_arm(l, EPOLLIN);
        loop_wait(l, EPOLLIN);
    }
    return got == 1 ? 0 : got == 0 ? -1 : errno;
}

/* late_loop MODE ADDRESS N: ms of the connect; least and most of N exchanges, and most waits. */
VICTIM(late_loop)
{
    struct loop l = {.mode = argv[1]};
    uint64_t begin = sp_now(), least = SP_NEVER, most = 0;
    unsigned waits = 0;
    int error = 0;

    loop_connected(&l, argv[2]);
    int failed = socket_error(l.fd);
    uint64_t connected = sp_now() - begin;
    for (int i = 0; i < atoi(argv[3]) && error == 0; i++) {
        uint64_t start = sp_now();
        error = loop_ask(&l);
        uint64_t took = sp_now() - start;

        least = took < least ? took : least;
        most = took > most ? took : most;
        waits = l.waits > waits ? l.waits : waits;
    }
    say("%s %s %lu %lu %lu %u", word_of(failed), error == -1 ? "end" : word_of(error),
        (unsigned long)(connected / SP_MS), (unsigned long)(least / SP_MS),
        (unsigned long)(most / SP_MS), waits);
    return 0;
}

struct told {
    char connect[32], ask[32];
    unsigned long connected, least, most;
    unsigned waits;
};

static struct told late_loop(const char *mode, const char *address, const char *times)
{
    struct told t;
    const char *said = victim_says("late_loop", mode, address, times, NULL);

    ck_assert_msg(sscanf(said, "%31s %31s %lu %lu %lu %u", t.connect, t.ask, &t.connected, &t.least,
                         &t.most, &t.waits) == 6,
                  "%s: %s", mode, said);
    return t;
}

static const char *const modes[] = {"poll", "select", "level", "edge", "oneshot", "exclusive"};
#define MODES (sizeof modes / sizeof *modes)

static const struct late {
    const char *what;
    int family;
    enum behaviour behaviour;
    const char *fault, *times;
    const char *ask; /* how it comes out */
    bool connect;    /* that is late as well */
    bool exclusive;  /* the kernel hides it from a registration that cannot be changed, too */
} lates[] = {
    {"an answer", AF_INET, ECHO, LATE, "5", "ok", true, true},
    {"over a unix socket", AF_UNIX, ECHO, LATE " on request", "5", "ok", false, false},
    /* which shows through SO_RCVLOWAT */
    {"the end of the stream", AF_INET, EOF_EARLY, LATE " on request", "1", "end", false, false},
    {"a reset", AF_INET, RESET, LATE " on request", "1", "ECONNRESET", false, false},
};

START_TEST(every_wait_sees_it_late)
{
    const struct late *late = &lates[(size_t)_i / MODES];
    const char *mode = modes[(size_t)_i % MODES];
    bool changed = strcmp(mode, "exclusive") != 0;
    struct server *server = late_server(late->family, late->behaviour, late->fault);
    struct told t = late_loop(mode, server->text, late->times);

    ck_assert_msg(strcmp(t.connect, "ok") == 0, "%s, %s: %s", late->what, mode, t.connect);
    ck_assert_msg(strcmp(t.ask, late->ask) == 0, "%s, %s: %s", late->what, mode, t.ask);
    ck_assert_msg(t.most < 2000, "%s, %s: %lu ms", late->what, mode, t.most);
    ck_assert_msg(t.waits <= 3, "%s, %s: %u waits", late->what, mode, t.waits);
    if (changed || late->exclusive)
        ck_assert_msg(t.least >= 60, "%s, %s: %lu ms", late->what, mode, t.least);
    if (changed && late->connect)
        ck_assert_msg(t.connected >= 60, "%s, %s: %lu ms", late->what, mode, t.connected);
}
END_TEST

START_TEST(a_refused_connect_is_late_as_well)
{
    struct server *server = late_server(AF_INET, CLOSED, LATE);
    struct told t = late_loop(modes[_i], server->text, "0");

    ck_assert_str_eq(t.connect, "ECONNREFUSED");
    if (strcmp(modes[_i], "exclusive") != 0)
        ck_assert_uint_ge(t.connected, 60);
    ck_assert_uint_lt(t.connected, 2000);
}
END_TEST

/* --- two destinations in one loop --- */

/* two_loops SLOW QUICK: exchanges with QUICK while one with SLOW is out, and the longest of them.
 */
VICTIM(two_loops)
{
    struct loop slow = {.mode = "level"}, quick = {.mode = "level"};
    char byte = 's';
    struct epoll_event event;
    uint64_t longest = 0;
    unsigned rounds = 0;

    loop_connected(&slow, argv[1]);
    loop_connected(&quick, argv[2]);
    int epoll = epoll_create1(0);
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = slow.fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, slow.fd, &event);
    event.data.fd = quick.fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, quick.fd, &event);
    uint64_t begin = sp_now();
    send(slow.fd, &byte, 1, 0);
    for (bool done = false; !done;) {
        uint64_t start = sp_now();

        send(quick.fd, "q", 1, 0);
        for (bool answered = false; !answered && !done;) {
            if (epoll_wait(epoll, &event, 1, 5000) != 1)
                return 1;
            answered = event.data.fd == quick.fd && recv(quick.fd, &byte, 1, 0) == 1;
            done = event.data.fd == slow.fd && recv(slow.fd, &byte, 1, 0) == 1;
        }
        if (!done && sp_now() - start > longest)
            longest = sp_now() - start;
        rounds++;
    }
    say("%lu %lu %u", (unsigned long)((sp_now() - begin) / SP_MS), (unsigned long)(longest / SP_MS),
        rounds);
    return 0;
}

START_TEST(another_destination_is_not_delayed)
{
    struct server *slow = server_start(AF_INET, ECHO), *quick = server_start(AF_INET, ECHO);
    unsigned long took, longest;
    unsigned rounds;

    world_env("SHEARPIN_SET", "slow.inject=latency 300ms on request");
    world_policy("destination slow\n match %s\ndestination quick\n match %s\n", slow->text,
                 quick->text);
    ck_assert_int_eq(sscanf(victim_says("two_loops", slow->text, quick->text, NULL), "%lu %lu %u",
                            &took, &longest, &rounds),
                     3);
    ck_assert_uint_ge(took, 300);
    ck_assert_uint_lt(longest, 100);
    ck_assert_uint_gt(rounds, 100);
}
END_TEST

/* --- threads --- */

struct crowd {
    int epoll;
    unsigned long sent, received;
    pthread_mutex_t lock;
};

/* Sends on, whenever an answer has come whole, the next number; a hundred times each. */
static void *crowd_member(void *given)
{
    struct crowd *crowd = given;
    struct epoll_event event;

    while (epoll_wait(crowd->epoll, &event, 1, 1000) == 1) {
        int fd = (int)(event.data.u64 & 0xffff);
        uint32_t flags = (uint32_t)(event.data.u64 >> 32);
        char text[8];
        ssize_t got;

        while ((got = recv(fd, text, sizeof text, 0)) > 0) {
            pthread_mutex_lock(&crowd->lock);
            crowd->received += (unsigned long)got;
            bool more = crowd->received < crowd->sent || crowd->sent < 400;
            if (more && crowd->sent < 400)
                crowd->sent += (unsigned long)send(fd, "x", 1, 0);
            bool over = crowd->received == 400;
            pthread_mutex_unlock(&crowd->lock);
            if (over)
                return NULL;
        }
        if (flags & EPOLLONESHOT) {
            event.events = EPOLLIN | flags;
            epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, fd, &event);
        }
    }
    return NULL;
}

/* crowd FLAGS ADDRESS: how many bytes went and came, by four threads on eight connections. */
VICTIM(crowd)
{
    struct crowd crowd = {.epoll = epoll_create1(0), .lock = PTHREAD_MUTEX_INITIALIZER};
    uint32_t flags = (uint32_t)strtoul(argv[1], NULL, 0);
    pthread_t members[4];
    int fds[8];

    for (int i = 0; i < 8; i++) {
        fds[i] = dial(argv[2]);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN | flags,
                                    .data.u64 = (uint64_t)flags << 32 | (unsigned)fds[i]};
        epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
    for (int i = 0; i < 4; i++)
        pthread_create(&members[i], NULL, crowd_member, &crowd);
    for (int i = 0; i < 8; i++) {
        pthread_mutex_lock(&crowd.lock);
        crowd.sent += (unsigned long)send(fds[i], "x", 1, 0);
        pthread_mutex_unlock(&crowd.lock);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(members[i], NULL);
    say("%lu %lu", crowd.sent, crowd.received);
    return 0;
}

START_TEST(threads_lose_nothing)
{
    static const char *const flags[] = {"0", "0x80000000", "0x40000000", "0xc0000000"};
    struct server *server =
        late_server(_i < 4 ? AF_INET : AF_UNIX, ECHO, "latency 5ms +-4ms on request");

    ck_assert_str_eq(victim_says("crowd", flags[_i % 4], server->text, NULL), "400 400");
}
END_TEST

/* --- a thread that reads while another one writes --- */

struct reader {
    int fd;
    _Atomic pid_t tid;
    ssize_t got;
};

static void *read_one(void *given)
{
    struct reader *reader = given;
    char byte;

    reader->tid = gettid();
    reader->got = recv(reader->fd, &byte, 1, 0);
    return NULL;
}

/* Does the thread sleep in the kernel? */
static bool asleep(pid_t tid)
{
    char path[64], text[512] = "";

    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    FILE *file = fopen(path, "r");
    if (file && !fgets(text, sizeof text, file))
        text[0] = 0;
    if (file)
        fclose(file);
    return atoi(text) == SYS_recvfrom && strncmp(text, "running", 7) != 0;
}

/* late_reader ADDRESS: ms from a send to the end of a receive that began before it. */
VICTIM(late_reader)
{
    struct reader reader = {.fd = dial(argv[1])};
    pthread_t thread;

    pthread_create(&thread, NULL, read_one, &reader);
    while (reader.tid == 0 || !asleep(reader.tid))
        ;
    uint64_t start = sp_now();
    send(reader.fd, "x", 1, 0);
    pthread_join(thread, NULL);
    say("%zd %lu", reader.got, (unsigned long)((sp_now() - start) / SP_MS));
    return 0;
}

START_TEST(a_reader_that_sleeps_already_is_late)
{
    struct server *server = late_server(AF_INET, ECHO, LATE " on request");
    unsigned long took;

    ck_assert_int_eq(sscanf(victim_says("late_reader", server->text, NULL), "1 %lu", &took), 1);
    ck_assert_uint_ge(took, 60);
    ck_assert_uint_lt(took, 2000);
}
END_TEST

/* --- what a program can ask --- */

/* late_view ADDRESS: what stands in the queue, SO_RCVLOWAT, a peek: before it is due, and after. */
VICTIM(late_view)
{
    struct loop l = {.mode = "poll"};
    char byte;
    int waiting = -1, least = -1, after = -1;
    socklen_t length = sizeof least;

    loop_connected(&l, argv[1]);
    least = 1;
    setsockopt(l.fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
    send(l.fd, "x", 1, 0);
    for (uint64_t start = sp_now(); sp_now() - start < 30 * SP_MS;)
        ;
    ioctl(l.fd, FIONREAD, &waiting);
    getsockopt(l.fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length);
    ssize_t early = recv(l.fd, &byte, 1, MSG_PEEK);
    loop_wait(&l, EPOLLIN);
    ssize_t late = recv(l.fd, &byte, 1, MSG_PEEK);
    ioctl(l.fd, FIONREAD, &after);
    say("%d %d %zd %zd %d", waiting, least, early, late, after);
    return 0;
}

/* Late enough that a busy machine has it look before the answer is due. */
START_TEST(a_program_sees_its_own_view)
{
    struct server *server = late_server(AF_INET, ECHO, "latency 500ms");

    ck_assert_str_eq(victim_says("late_view", server->text, NULL), "0 1 -1 1 1");
}
END_TEST

/* --- others that have the socket --- */

/* late_child ADDRESS: asks, forks, and is gone: the answer is the child's to wait for. */
VICTIM(late_child)
{
    struct loop l = {.mode = "level"};

    loop_connected(&l, argv[1]);
    loop_arm(&l, EPOLLIN);
    send(l.fd, "x", 1, 0);
    pid_t child = fork();
    if (child != 0) {
        close(l.fd);
        _exit(0);
    }
    char byte = 0;
    struct pollfd one = {.fd = l.fd, .events = POLLIN};
    int ready = poll(&one, 1, 5000);
    say("%d %zd", ready, recv(l.fd, &byte, 1, 0));
    return 0;
}

START_TEST(a_child_is_not_left_waiting)
{
    struct server *server = late_server(AF_INET, ECHO, LATE);

    ck_assert_str_eq(victim_says("late_child", server->text, NULL), "1 1");
}
END_TEST

/* hears_after_exec FD: the answer to what the image before this one asked. */
VICTIM(hears_after_exec)
{
    struct pollfd one = {.fd = atoi(argv[1]), .events = POLLIN};
    char byte = 0;
    int ready = poll(&one, 1, 5000);

    say("%d %zd", ready, recv(one.fd, &byte, 1, 0));
    return 0;
}

/* before_exec ADDRESS: asks, and becomes another program. */
VICTIM(before_exec)
{
    struct loop l = {.mode = "level"};
    char number[12];

    loop_connected(&l, argv[1]);
    send(l.fd, "x", 1, 0);
    snprintf(number, sizeof number, "%d", l.fd);
    execl("/proc/self/exe", "shim", "--victim", "hears_after_exec", number, NULL);
    return 1;
}

START_TEST(another_image_is_not_left_waiting)
{
    struct server *server = late_server(AF_INET, ECHO, "latency 10s on request");

    ck_assert_str_eq(victim_says("before_exec", server->text, NULL), "1 1");
}
END_TEST

/* raw_wait ADDRESS: sends by libc, waits by a system call of its own. */
VICTIM(raw_wait)
{
    struct loop l = {.mode = "edge"};
    struct epoll_event event;
    char byte = 0;
    struct sockaddr_storage to;
    socklen_t length;

    l.fd = socket_for(argv[1], SOCK_NONBLOCK, &to, &length);
    l.epoll = epoll_create1(0);
    loop_arm(&l, EPOLLOUT | EPOLLIN);
    connect(l.fd, (struct sockaddr *)&to, length);
    raw_call(SYS_epoll_wait, l.epoll, (long)&event, 1, 5000, 0);
    send(l.fd, "x", 1, 0);
    for (int i = 0; i < 3 && recv(l.fd, &byte, 1, 0) != 1; i++)
        raw_call(SYS_epoll_wait, l.epoll, (long)&event, 1, 20000, 0);
    say("%c", byte);
    return 0;
}

START_TEST(who_waits_behind_our_back_is_answered)
{
    struct server *server = late_server(AF_INET, ECHO, LATE);

    ck_assert_str_eq(victim_says("raw_wait", server->text, NULL), "x");
}
END_TEST

/* dissolves_held ADDRESS: gives the connection up while its answer is held; the socket goes on. */
VICTIM(dissolves_held)
{
    struct loop l = {.mode = "level"};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    char byte = 'x';
    int held = 0, then = 0;

    loop_connected(&l, argv[1]);
    send(l.fd, &byte, 1, 0);
    raw_call(SYS_getsockopt, l.fd, SOL_SOCKET, SO_RCVLOWAT, (long)&held, (long)&(socklen_t){4});
    connect(l.fd, &none, sizeof none);
    raw_call(SYS_getsockopt, l.fd, SOL_SOCKET, SO_RCVLOWAT, (long)&then, (long)&(socklen_t){4});
    say("%s %d", held > 1 ? "held" : "shown", then);
    return 0;
}

START_TEST(what_is_dissolved_is_not_held)
{
    struct server *server = late_server(AF_INET, ECHO, LATE);

    ck_assert_str_eq(victim_says("dissolves_held", server->text, NULL), "held 1");
}
END_TEST

/* computes_meanwhile MODE ADDRESS: has waited, asks, and does not wait again before it is told to.
 */
VICTIM(computes_meanwhile)
{
    struct loop l = {.mode = argv[1]};
    char byte = 'x';

    loop_connected(&l, argv[2]);
    send(l.fd, &byte, 1, 0);
    loop_arm(&l, EPOLLIN);
    say("asked");
    pause_here();
    uint64_t start = sp_now();
    loop_wait(&l, EPOLLIN);
    bool soon = sp_now() - start < 4 * SP_SECOND;
    say("%s %zd", soon ? "soon" : "late", recv(l.fd, &byte, 1, 0));
    return 0;
}

START_TEST(off_is_off_for_what_is_held)
{
    struct server *server = late_server(AF_INET, ECHO, LATE);
    struct victim *victim = victim_start("computes_meanwhile", modes[_i], server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "asked");
    atomic_store(&world_segment()->head->disabled, 1);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "soon 1");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* --- the guards above --- */

START_TEST(a_deadline_is_shorter)
{
    struct server *server = late_server(AF_INET, ECHO, "latency 10s on request");

    world_policy("destination d\n match %s\n deadline response 100ms\n", server->text);
    struct told t = late_loop(modes[_i], server->text, "1");
    ck_assert_str_eq(t.ask, "ETIMEDOUT");
    ck_assert_uint_ge(t.least, 100);
    ck_assert_uint_lt(t.least, 1500);
    ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_RESPONSE], 1);
}
END_TEST

Suite *suite_hold(void);
Suite *suite_hold(void)
{
    const TTest *const once[] = {
        another_destination_is_not_delayed,   a_program_sees_its_own_view,
        a_child_is_not_left_waiting,          another_image_is_not_left_waiting,
        a_reader_that_sleeps_already_is_late, who_waits_behind_our_back_is_answered,
        what_is_dissolved_is_not_held,        NULL};
    Suite *suite = scenario("hold", once);
    TCase *tests = tcase_create("ways");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, world_begin, world_end);
    tcase_add_loop_test(tests, every_wait_sees_it_late, 0, MODES * sizeof lates / sizeof *lates);
    tcase_add_loop_test(tests, a_refused_connect_is_late_as_well, 0, MODES);
    tcase_add_loop_test(tests, off_is_off_for_what_is_held, 0, MODES);
    tcase_add_loop_test(tests, a_deadline_is_shorter, 0, MODES);
    tcase_add_loop_test(tests, threads_lose_nothing, 0, 8);
    suite_add_tcase(suite, tests);
    return suite;
}
