/* `cap inflight` holds a place from the first byte of a request to the first of its answer, and
 * `cap connecting` one from the SYN until what became of it is known. */
#include "harness.h"

#include <signal.h>

/* request ADDRESS: connects, sends when told, then reads when told; "sent" or the error. */
VICTIM(request)
{
    int fd = dial(argv[1]);
    char byte = '?';

    say("%s", word_of(fd < 0 ? fd : 0));
    pause_here();
    ssize_t sent = send(fd, &byte, 1, MSG_NOSIGNAL);
    say("%s", word_of(sent == 1 ? 0 : errno));
    pause_here();
    ssize_t got = recv(fd, &byte, 1, 0);
    say("%s", word_of(got == 1 ? 0 : got == 0 ? ENODATA : errno));
    pause_here();
    return 0;
}

static struct server *capped(enum behaviour behaviour, const char *cap)
{
    struct server *server = server_start(AF_INET, behaviour);

    world_policy("destination d\n match %s\n cap %s\n breaker streak 1\n", server->text, cap);
    return server;
}

static struct victim *connected(struct server *server)
{
    struct victim *victim = victim_start("request", server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "ok");
    return victim;
}

static const char *does(struct victim *victim)
{
    victim_tell(victim);
    return victim_hear(victim);
}

static unsigned held(enum sp_cap cap)
{
    uint32_t count;
    sp_word *words = sp_lease_words(world_segment(), world_dest("d"), cap, &count);

    return words ? sp_lease_held(world_segment(), words, count) : 0;
}

static unsigned waiting(void)
{
    return sp_queue_waiting(world_segment(), &world_dest("d")->queues[SP_LINE_EXCHANGE], sp_now(),
                            NULL);
}

START_TEST(beyond_it_a_request_is_cut)
{
    struct server *server = capped(ECHO, "inflight 1");
    struct victim *first = connected(server), *second = connected(server);

    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
    ck_assert_str_eq(does(first), "ok");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 1);
    ck_assert_str_eq(does(second), "ECONNRESET");
    ck_assert_str_eq(does(second), "ECONNRESET");
    ck_assert_str_eq(does(first), "ok");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_CAP - 1], 1);
    /* our own refusal is nobody's failure */
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_ABANDONED], 0);
    victim_end(first);
    victim_end(second);
}
END_TEST

START_TEST(whatever_ends_it_gives_the_place_back)
{
    struct server *server = capped(HANG, "inflight 1");
    struct victim *closes = connected(server), *dies = connected(server);

    ck_assert_str_eq(does(closes), "ok");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 1);
    kill(closes->pid, SIGKILL);
    victim_end(closes);
    victim_tell(dies);
    ck_assert_str_eq(victim_hear(dies), "ok"); /* a dead owner's place */
    kill(dies->pid, SIGKILL);
    victim_end(dies);

    server_become(server, EOF_EARLY);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ENODATA");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
}
END_TEST

START_TEST(a_deadline_gives_the_place_back)
{
    struct server *server = server_start(AF_INET, HANG);

    world_policy("destination d\n match %s\n cap inflight 1\n deadline response 50ms\n",
                 server->text);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(victim_says("ask", server->text, NULL), "ETIMEDOUT");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_CAP - 1], 0);
}
END_TEST

START_TEST(a_blocking_request_waits)
{
    struct server *server = capped(ECHO, "inflight 1 wait 1h");
    struct victim *first = connected(server), *second = connected(server);

    ck_assert_str_eq(does(first), "ok");
    victim_tell(second);
    AWAIT(waiting() == 1);
    ck_assert_str_eq(does(first), "ok");
    ck_assert_str_eq(victim_hear(second), "ok");
    ck_assert_str_eq(does(second), "ok");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
    victim_end(first);
    victim_end(second);
}
END_TEST

static void on_signal(int number)
{
    (void)number;
}

/* request_interrupted ADDRESS: as `request`, under a handler that asks for no restart. */
VICTIM(request_interrupted)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGUSR1, &action, NULL);
    return victim_request(argc, argv);
}

START_TEST(a_signal_ends_the_wait_of_a_request_and_nothing_is_taken)
{
    struct server *server = capped(ECHO, "inflight 1 wait 1h\n limit 1000/h burst 3");
    struct victim *first = connected(server);
    struct victim *second = victim_start("request_interrupted", server->text, NULL);

    ck_assert_str_eq(victim_hear(second), "ok");
    ck_assert_str_eq(does(first), "ok");
    uint64_t bucket = atomic_load(&world_dest("d")->bucket);
    victim_tell(second);
    AWAIT(waiting() == 1);
    kill(second->pid, SIGUSR1);
    ck_assert_str_eq(victim_hear(second), "EINTR");
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 1);
    ck_assert_uint_eq(atomic_load(&world_dest("d")->bucket), bucket);
    ck_assert_str_eq(does(first), "ok");
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_OK], 1);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
    victim_end(first);
    kill(second->pid, SIGKILL); /* it would wait for an answer to nothing */
    victim_end(second);
}
END_TEST

/* send_early ADDRESS: a program that sends as soon as poll() says so, without SO_ERROR. */
VICTIM(send_early)
{
    int fd = start_dial(argv[1]);
    char byte = '?';

    poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    ssize_t sent = send(fd, &byte, 1, MSG_NOSIGNAL);
    say("%s", word_of(sent == 1 ? 0 : errno));
    return 0;
}

START_TEST(a_request_on_a_pending_connect_needs_its_place_too)
{
    struct server *server = capped(ECHO, "inflight 1");
    struct victim *first = connected(server);

    ck_assert_str_eq(victim_says("send_early", server->text, NULL), "ok");
    ck_assert_str_eq(does(first), "ok");
    ck_assert_str_eq(victim_says("send_early", server->text, NULL), "ECONNRESET");
    victim_end(first);
}
END_TEST

START_TEST(handshakes_are_counted_while_they_last)
{
    struct server *server = capped(DEAF, "connecting 1");
    struct victim *victim = victim_start("half_way", server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "ECONNREFUSED");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

START_TEST(a_connection_that_stands_is_no_handshake)
{
    struct server *server = capped(ECHO, "connecting 1");
    struct victim *first = connected(server), *second = connected(server);

    ck_assert_uint_eq(held(SP_CAP_CONNECTING), 0);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_CAP - 1], 0);
    ck_assert_str_eq(does(first), "ok");
    victim_end(first);
    victim_end(second);
}
END_TEST

/* listens ADDRESS: reads what the peer says by itself. */
VICTIM(listens)
{
    int fd = dial(argv[1]);
    char byte;

    say("%s", word_of(fd < 0 ? fd : 0));
    pause_here();
    say("%s", word_of(recv(fd, &byte, 1, 0) == 1 ? 0 : errno));
    pause_here();
    return 0;
}

START_TEST(a_greeting_belongs_to_the_handshake)
{
    struct server *server = server_start(AF_INET, GREETING);

    world_policy("destination d\n match %s\n exchange greeting\n cap connecting 1 inflight 1\n",
                 server->text);
    struct victim *victim = victim_start("listens", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_uint_eq(held(SP_CAP_CONNECTING), 1);
    ck_assert_uint_eq(held(SP_CAP_INFLIGHT), 0);
    ck_assert_str_eq(does(victim), "ok");
    ck_assert_uint_eq(held(SP_CAP_CONNECTING), 0);
    victim_tell(victim);
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

SCENARIO(inflight, beyond_it_a_request_is_cut, whatever_ends_it_gives_the_place_back,
         a_deadline_gives_the_place_back, a_blocking_request_waits,
         a_signal_ends_the_wait_of_a_request_and_nothing_is_taken,
         a_request_on_a_pending_connect_needs_its_place_too, handshakes_are_counted_while_they_last,
         a_connection_that_stands_is_no_handshake, a_greeting_belongs_to_the_handshake)
