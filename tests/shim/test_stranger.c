/*
 * An fd closed behind our back and given to somebody else: what stands under its number now is a
 * stranger, never cut, never refused, whatever the table still says.
 */
#include "harness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

static void close_unseen(int fd)
{
    raw_call(SYS_close, fd, 0, 0, 0, 0);
}

/* A connected pair made past the shim; the first of it takes the number `fd`. */
static int stranger_at(int fd)
{
    int pair[2];

    if (raw_call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)pair, 0) != 0 || pair[0] != fd)
        _exit(99);
    return pair[1];
}

static const char *talk(int fd, int other)
{
    char byte = 'x';

    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || read(other, &byte, 1) != 1)
        return word_of(errno);
    if (write(other, &byte, 1) != 1 || recv(fd, &byte, 1, 0) != 1)
        return word_of(errno);
    return "ok";
}

/* reused_connecting ADDRESS: a connect deadline of 100 ms was running under the number. */
VICTIM(reused_connecting)
{
    int fd = start_dial(argv[1]);

    close_unseen(fd);
    int other = stranger_at(fd);
    uint64_t end = sp_now() + 300 * SP_MS;
    while (sp_now() < end)
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10);
    say("%s %d", talk(fd, other), socket_error(fd));
    return 0;
}

START_TEST(not_cut_by_an_old_deadline)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 100ms\n", server->text);
    ck_assert_str_eq(victim_says("reused_connecting", server->text, NULL), "ok 0");
}
END_TEST

/* reused_connected ADDRESS: the old connection's breaker opens, then the stranger talks. */
VICTIM(reused_connected)
{
    int fd = dial(argv[1]);

    say("%s", word_of(ask(fd)));
    close_unseen(fd);
    int other = stranger_at(fd);
    pause_here();
    say("%s", talk(fd, other));
    return 0;
}

static void trip(const char *name)
{
    struct sp_guards guards;
    struct sp_call call = {.segment = world_segment(), .guards = &guards, .now = sp_now()};

    call.dest = sp_segment_dest_named(call.segment, name, &call.index);
    sp_segment_guards(call.segment, call.index, &guards);
    sp_breaker_trip(&call);
}

/* It has asked once; the breaker has opened since, and it goes on. */
static struct victim *tripped_under(const char *name)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 3  open 60s\n", server->text);
    struct victim *victim = victim_start(name, server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ok");
    trip("d");
    victim_tell(victim);
    return victim;
}

START_TEST(not_refused_by_an_open_breaker)
{
    struct victim *victim = tripped_under("reused_connected");

    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* As `reused_connected` does it, of a connection that is known by its peer alone: an address that
 * was connected to before, twice. */
static int dial_known(const char *address)
{
    for (int i = 0; i < 3; i++) {
        int fd = dial(address);

        if (i == 2 || strcmp(word_of(ask(fd)), "ok") != 0)
            return fd;
        close(fd);
    }
    return -1;
}

VICTIM(reused_known)
{
    int fd = dial_known(argv[1]);

    say("%s", word_of(ask(fd)));
    close_unseen(fd);
    int other = stranger_at(fd);
    pause_here();
    say("%s", talk(fd, other));
    return 0;
}

START_TEST(not_refused_though_the_peer_was_all_that_was_known)
{
    struct victim *victim = tripped_under("reused_known");

    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* known_by_peer ADDRESS: nobody has taken its number; and is it cut, if a breaker opens? */
VICTIM(known_by_peer)
{
    int fd = dial_known(argv[1]), copy = dup(fd);

    say("%s", word_of(ask(fd)));
    pause_here();
    say("%s", word_of(ask(fd)));
    say("%s", word_of(ask(copy)));
    return 0;
}

START_TEST(refused_where_the_peer_is_who_it_was)
{
    struct victim *victim = tripped_under("known_by_peer");

    ck_assert_str_eq(victim_hear(victim), "ECONNRESET");
    ck_assert_str_eq(victim_hear(victim), "ECONNRESET");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

static void *reuse(void *context)
{
    int fd = *(int *)context;

    close_unseen(fd);
    *(int *)context = stranger_at(fd);
    return NULL;
}

/* reused_by_thread ADDRESS: another thread does it while this one waits for its connect. */
VICTIM(reused_by_thread)
{
    int fd = start_dial(argv[1]), number = fd;
    pthread_t thread;

    pthread_create(&thread, NULL, reuse, &number);
    poll(&(struct pollfd){.fd = -1}, 1, 300);
    pthread_join(thread, NULL);
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 100);
    say("%s", talk(fd, number));
    return 0;
}

START_TEST(not_cut_from_another_thread)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 100ms\n", server->text);
    ck_assert_str_eq(victim_says("reused_by_thread", server->text, NULL), "ok");
}
END_TEST

/* Without a close() of its own when it fails. */
static void *dials(void *address)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd = socket_for(address, 0, &to, &length);

    return (void *)(intptr_t)connect(fd, (struct sockaddr *)&to, length);
}

static bool dialling(int fd)
{
    struct tcp_info info = {0};

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){sizeof info}) == 0 &&
           info.tcpi_state == TCP_SYN_SENT;
}

/* reused_listening ADDRESS: closed under a thread that waits for a blocking connect, and made a
 * listening socket: to it an AF_UNSPEC would be the end. */
VICTIM(reused_listening)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_t thread;
    int fd = dup(0), listens = -1;

    close(fd);
    pthread_create(&thread, NULL, dials, argv[1]);
    while (!dialling(fd))
        sched_yield();
    close(fd);
    listens = socket(AF_INET, SOCK_STREAM, 0);
    if (listens != fd || bind(fd, (struct sockaddr *)&to, sizeof to) != 0 || listen(fd, 9) != 0 ||
        getsockname(fd, (struct sockaddr *)&to, &(socklen_t){sizeof to}) != 0)
        return 1;
    pthread_join(thread, NULL);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    say("%s", word_of(connect(client, (struct sockaddr *)&to, sizeof to) == 0 ? 0 : errno));
    return 0;
}

START_TEST(not_dissolved_by_a_late_connect)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 200ms\n", server->text);
    ck_assert_str_eq(victim_says("reused_listening", server->text, NULL), "ok");
}
END_TEST

/* cleared_by CALL: every call that returns an fd makes the number mean nothing. */
static int take_number(int call)
{
    int pair[2] = {-1, -1};

    switch (call) {
    case 0:
        return socket(AF_UNIX, SOCK_STREAM, 0);
    case 1:
        return open("/dev/null", O_RDWR);
    case 2:
        return pipe(pair) ? -1 : pair[0];
    case 3:
        return pipe2(pair, O_CLOEXEC) ? -1 : pair[0];
    case 4:
        return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ? -1 : pair[0];
    case 5:
        return dup(0);
    case 6:
        return fcntl(0, F_DUPFD, 0);
    default:
        return -1;
    }
}

/* cleared ADDRESS: the cap of 1 is free again once the number has a new owner. */
VICTIM(cleared)
{
    int bad = 0;

    for (int call = 0; call < 7; call++) {
        int fd = dial(argv[1]);

        close_unseen(fd);
        bad += fd < 0 || take_number(call) != fd;
        int next = dial(argv[1]);
        bad += next < 0;
        close(next);
        closefrom(3);
    }
    say("%d", bad);
    return 0;
}

START_TEST(new_owner_clears_the_number)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    ck_assert_str_eq(victim_says("cleared", server->text, NULL), "0");
}
END_TEST

SCENARIO(stranger, not_cut_by_an_old_deadline, not_refused_by_an_open_breaker,
         not_refused_though_the_peer_was_all_that_was_known, refused_where_the_peer_is_who_it_was,
         not_cut_from_another_thread, not_dissolved_by_a_late_connect, new_owner_clears_the_number)
