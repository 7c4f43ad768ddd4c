/* The outcome of a non-blocking connect is learnt where the program learns it, and counted once. */
#include "harness.h"

#include <sys/ioctl.h>

static int settle(int fd, const char *how, const char *address)
{
    struct sockaddr_storage to;
    socklen_t length;
    char byte = '?';

    if (!strcmp(how, "so_error"))
        return socket_error(fd);
    if (!strcmp(how, "connect")) {
        close(socket_for(address, 0, &to, &length));
        return connect(fd, (struct sockaddr *)&to, length) ? errno : 0;
    }
    if (!strcmp(how, "send"))
        return send(fd, &byte, 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
    if (!strcmp(how, "write"))
        return write(fd, &byte, 1) == 1 ? 0 : errno;
    if (!strcmp(how, "recv"))
        return recv(fd, &byte, 1, 0) == 1 ? 0 : errno;
    return 0; /* close */
}

/* pending ADDRESS HOW */
VICTIM(pending)
{
    int fd = start_dial(argv[1]);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};

    if (fd < 0)
        return 1;
    if (strcmp(argv[2], "close") != 0)
        poll(&ready, 1, -1);
    say("%s", word_of(settle(fd, argv[2], argv[1])));
    close(fd);
    return 0;
}

static uint64_t connects(void)
{
    struct sp_figures figures = world_figures("d");
    uint64_t sum = 0;

    for (int i = 0; i < SP_OUTCOME_COUNT; i++)
        sum += figures.connects[i];
    return sum;
}

START_TEST(refused)
{
    static const char *const ways[] = {"so_error", "connect", "send", "recv", "close"};
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 100\n", server->text);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        ck_assert_str_eq(victim_says("pending", server->text, ways[i], NULL),
                         strcmp(ways[i], "close") ? "ECONNREFUSED" : "ok");
        ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], i + 1);
        ck_assert_uint_eq(connects(), i + 1);
        ck_assert_uint_eq(world_breaker("d").streak, i + 1);
    }
}
END_TEST

START_TEST(connected)
{
    static const char *const ways[] = {"so_error", "connect", "send", "write", "close"};
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1\n", server->text);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        ck_assert_str_eq(victim_says("pending", server->text, ways[i], NULL), "ok");
        ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_OK], i + 1);
        ck_assert_uint_eq(connects(), i + 1);
    }
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

/* Closed while nobody answered: nothing is known, nobody is blamed. */
START_TEST(left_in_the_middle)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n breaker streak 1\n", server->text);
    ck_assert_str_eq(victim_says("pending", server->text, "close", NULL), "ok");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_ABANDONED], 1);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
}
END_TEST

/* An open breaker refuses at once, without EINPROGRESS. */
START_TEST(rejected)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("pending", server->text, "so_error", NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    struct victim *victim = victim_start("pending", server->text, "so_error", NULL);
    ck_assert_int_eq(victim_end(victim), 1);
    ck_assert_uint_eq(server_accepted(server), 0);
}
END_TEST

/* modes ADDRESS: O_NONBLOCK before and after, set in each of the three ways. */
VICTIM(modes)
{
    struct sockaddr_storage to;
    socklen_t length;
    int changed = 0;

    for (int way = 0; way < 4; way++) {
        int fd = socket_for(argv[1], way == 1 ? SOCK_NONBLOCK : 0, &to, &length);
        int before, after;

        if (way == 2)
            fcntl(fd, F_SETFL, O_NONBLOCK);
        if (way == 3)
            ioctl(fd, FIONBIO, &(int){1});
        before = fcntl(fd, F_GETFL);
        connect(fd, (struct sockaddr *)&to, length);
        after = fcntl(fd, F_GETFL);
        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        socket_error(fd);
        changed += before != after || fcntl(fd, F_GETFL) != before;
        changed += way && !(before & O_NONBLOCK);
        close(fd);
    }
    say("%d", changed);
    return 0;
}

START_TEST(mode_never_changes)
{
    static const enum behaviour all[] = {ECHO, CLOSED, DEAF};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct server *server = server_start(AF_INET, all[i]);

        unlink(world_file("policy.conf"));
        world_policy("destination d\n match 127.0.0.1\n deadline connect 100ms\n");
        ck_assert_str_eq(victim_says("modes", server->text, NULL), "0");
    }
}
END_TEST

/* copies_end: a pending connect is reset; a copy of its fd ends in each of two ways, and the fd
 * itself is asked. */
VICTIM(copies_end)
{
    int failed[2];

    for (int i = 0; i < 2; i++) {
        int fd = dial_reset(), copy = fcntl(fd, F_DUPFD, 500);

        if (i == 0)
            close_range(copy, copy, 0);
        else
            closefrom(copy);
        failed[i] = socket_error(fd);
    }
    say("%s %s", word_of(failed[0]), word_of(failed[1]));
    return 0;
}

START_TEST(a_copy_that_ends_leaves_the_error)
{
    world_policy("destination d\n match 127.0.0.1\n deadline connect 5s\n");
    ck_assert_str_eq(victim_says("copies_end", NULL), "ECONNRESET ECONNRESET");
}
END_TEST

SCENARIO(nonblocking, refused, connected, left_in_the_middle, rejected, mode_never_changes,
         a_copy_that_ends_leaves_the_error)
