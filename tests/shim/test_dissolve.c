/* connect() to AF_UNSPEC dissolves whatever the socket was about, however we see it at that moment;
 * what is connected next on it is a connection of its own. */
#include "harness.h"

#include <sys/wait.h>

static const char *dissolve(int fd)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    return word_of(connect(fd, &none, sizeof none) == 0 ? 0 : errno);
}

static const char *dial_on(int fd, const char *address)
{
    struct sockaddr_storage to;
    socklen_t length;
    struct pollfd one = {.fd = fd, .events = POLLOUT};

    close(socket_for(address, 0, &to, &length));
    if (connect(fd, (struct sockaddr *)&to, length) != 0 && errno != EINPROGRESS)
        return word_of(errno);
    poll(&one, 1, 5000);
    fcntl(fd, F_SETFL, 0);
    return word_of(socket_error(fd));
}

/* dissolve_pending ADDRESS OTHER: what is pending, or rests, is given up; then it goes elsewhere.
 */
VICTIM(dissolve_pending)
{
    int fd = start_dial(argv[1]);
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    int ready = poll(&one, 1, 50);
    const char *first = dissolve(fd), *next = dial_on(fd, argv[2]);

    say("%d %s %s %s", ready, first, next, word_of(ask(fd)));
    close(fd);
    return 0;
}

static void given_up(enum behaviour behaviour, const char *guards)
{
    struct server *server = server_start(AF_INET, behaviour);
    struct server *other = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n %s\ndestination e\n match %s\n cap 9\n", server->text,
                 guards, other->text);
    ck_assert_str_eq(victim_says("dissolve_pending", server->text, other->text, NULL),
                     "0 ok ok ok");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_OK], 0);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_OK], 0);
    ck_assert_uint_eq(world_figures("e").connects[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(world_figures("e").exchanges[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(world_leases("d"), 0);
}

START_TEST(a_pending_connect)
{
    given_up(DEAF, "cap 9");
}
END_TEST

START_TEST(a_pending_connect_with_a_deadline)
{
    given_up(DEAF, "cap 9\n deadline connect 20s");
}
END_TEST

START_TEST(a_connect_that_rests)
{
    given_up(CLOSED, "cap 9\n breaker streak 1000\n retry 20 backoff 1h on refused");
}
END_TEST

/* dissolve_cut ADDRESS: it was cut while nobody called. */
VICTIM(dissolve_cut)
{
    int fd = start_dial(argv[1]);
    struct pollfd one = {.fd = fd, .events = POLLOUT};

    poll(&one, 1, 5000);
    if (send(fd, "x", 1, 0) != 1)
        return 1;
    one.events = POLLIN;
    poll(&one, 1, 5000);
    say("%s", dissolve(fd));
    return 0;
}

START_TEST(a_connection_that_was_cut)
{
    struct server *server = server_start(AF_INET, HANG);

    world_policy("destination d\n match %s\n deadline response 100ms\n", server->text);
    ck_assert_str_eq(victim_says("dissolve_cut", server->text, NULL), "ok");
    ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_RESPONSE], 1);
}
END_TEST

SCENARIO(dissolve, a_pending_connect, a_pending_connect_with_a_deadline, a_connect_that_rests,
         a_connection_that_was_cut)
