/* Waiting before a cap: first come, first served; who dies, stops or gives up is in nobody's way.
 */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

/* dial_hold ADDRESS: "ok" when connected, closes when told. */
VICTIM(dial_hold)
{
    int fd = dial(argv[1]);

    say("%s", word_of(fd < 0 ? fd : 0));
    pause_here();
    return 0;
}

/* dial_now ADDRESS: a connect that may not wait. */
VICTIM(dial_now)
{
    int fd = start_dial(argv[1]);

    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

static unsigned waiting(enum sp_line line)
{
    return sp_queue_waiting(world_segment(), &world_dest("d")->queues[line], sp_now(), NULL);
}

static struct server *capped(const char *cap)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    world_policy("destination d\n match %s\n cap %s\n", server->text, cap);
    return server;
}

static struct victim *holder(struct server *server)
{
    struct victim *victim = victim_start("dial_hold", server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "ok");
    return victim;
}

static void ends(struct victim *victim)
{
    victim_tell(victim);
    ck_assert_int_eq(victim_end(victim), 0);
}

/* Is there a line of its output already? */
static bool has_spoken(struct victim *victim)
{
    return poll(&(struct pollfd){.fd = victim->out, .events = POLLIN}, 1, 0) > 0;
}

START_TEST(waits_for_a_place)
{
    struct server *server = capped("1 wait 30s");
    struct victim *first = holder(server);
    struct victim *second = victim_start("dial_hold", server->text, NULL);

    AWAIT(waiting(SP_LINE_CONNECT) == 1);
    ck_assert_uint_eq(server_accepted(server), 1);
    ck_assert_str_eq(victim_says("dial_now", server->text, NULL), "ECONNREFUSED");
    ck_assert(!has_spoken(second));
    ends(first);
    ck_assert_str_eq(victim_hear(second), "ok");
    ck_assert_uint_eq(waiting(SP_LINE_CONNECT), 0);
    ck_assert_str_eq(victim_says("dial_now", server->text, NULL), "ECONNREFUSED");
    ends(second);

    struct sp_figures figures = world_figures("d");
    uint64_t waits = 0;
    for (unsigned bin = 0; bin < SP_BINS; bin++)
        waits += figures.wait_time[bin];
    ck_assert_uint_eq(waits, 1);
}
END_TEST

/* dial_patient ADDRESS: what connect() says, and after how many ms. */
VICTIM(dial_patient)
{
    uint64_t start = sp_now();
    int fd = dial(argv[1]);

    say("%s %d", word_of(fd < 0 ? fd : 0), (int)((sp_now() - start) / SP_MS));
    return 0;
}

START_TEST(the_wait_ends)
{
    struct server *server = capped("1 wait 200ms");
    struct victim *first = holder(server);
    char said[32];
    int ms;

    ck_assert_int_eq(sscanf(victim_says("dial_patient", server->text, NULL), "%31s %d", said, &ms),
                     2);
    ck_assert_str_eq(said, "ECONNREFUSED");
    ck_assert_int_ge(ms, 200);
    ck_assert_int_lt(ms, 2000);
    ck_assert_uint_eq(world_figures("d").rejected[SP_REFUSED_CAP - 1], 1);
    ends(first);
}
END_TEST

/* dial_own ADDRESS: under an SO_SNDTIMEO of 100 ms of its own. */
VICTIM(dial_own)
{
    struct sockaddr_storage to;
    socklen_t length;
    struct timeval own = {0, 100000};
    int fd = socket_for(argv[1], 0, &to, &length);

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own);
    int result = connect(fd, (struct sockaddr *)&to, length);
    say("%s", word_of(result ? errno : 0));
    return 0;
}

START_TEST(the_programs_own_timeout_wins)
{
    struct server *server = capped("1 wait 1h");
    struct victim *first = holder(server);

    ck_assert_str_eq(victim_says("dial_own", server->text, NULL), "ECONNREFUSED");
    ends(first);
}
END_TEST

#define WAITERS 8

static size_t queue_up(struct server *server, struct victim **waiters)
{
    for (size_t i = 0; i < WAITERS; i++) {
        waiters[i] = victim_start("dial_hold", server->text, NULL);
        AWAIT(waiting(SP_LINE_CONNECT) == i + 1);
    }
    return WAITERS;
}

/* Which of those who have not been served yet is connected next; -1: none within `ms`. */
static int next_served(struct victim **waiters, const bool *served, int ms)
{
    struct pollfd all[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        all[i] = (struct pollfd){.fd = served[i] ? -1 : waiters[i]->out, .events = POLLIN};
    if (poll(all, WAITERS, ms) < 1)
        return -1;
    for (int i = 0; i < WAITERS; i++)
        if (all[i].revents & POLLIN)
            return i;
    return -1;
}

static void note_crowded(struct victim **waiters, uint64_t *crowded)
{
    for (int i = 0; i < WAITERS; i++)
        crowded[i] = crowded_out(waiters[i]->pid);
}

/* Kept from the processor for so long that others may have taken it for asleep, by rights. */
static bool nodded_off(const struct victim *waiter, uint64_t crowded)
{
    return crowded_out(waiter->pid) - crowded >= SP_QUEUE_STALE_MS * SP_MS - SP_QUEUE_SLICE;
}

START_TEST(nobody_is_overtaken_twice)
{
    struct server *server = capped("1 wait 1h");
    struct victim *waiters[WAITERS], *last = holder(server);
    bool served[WAITERS] = {false};
    int overtaken[WAITERS] = {0};
    uint64_t crowded[WAITERS];

    queue_up(server, waiters);
    for (int turn = 0; turn < WAITERS; turn++) {
        note_crowded(waiters, crowded);
        ends(last);
        int next = next_served(waiters, served, 10000);
        ck_assert_int_ge(next, 0);
        ck_assert_str_eq(victim_hear(waiters[next]), "ok");
        served[next] = true;
        for (int i = 0; i < next; i++)
            if (!served[i] && !nodded_off(waiters[i], crowded[i]))
                ck_assert_int_le(++overtaken[i], 1);
        last = waiters[next];
    }
    ends(last);
}
END_TEST

START_TEST(the_stopped_are_passed_over)
{
    struct server *server = capped("1 wait 1h");
    struct victim *waiters[WAITERS], *last = holder(server);
    bool served[WAITERS] = {true, true};

    queue_up(server, waiters);
    kill(waiters[0]->pid, SIGSTOP);
    kill(waiters[1]->pid, SIGSTOP);
    for (int turn = 2; turn < WAITERS; turn++) {
        ends(last);
        uint64_t start = sp_now(), crowded[WAITERS];
        note_crowded(waiters, crowded);
        int next = next_served(waiters, served, 10000);
        ck_assert_int_ge(next, 0);
        uint64_t took = sp_now() - start, busy = crowded_out(waiters[next]->pid) - crowded[next];
        ck_assert_msg(took < 100 * SP_MS + busy + 50 * SP_MS, "after %lu ms, %lu without processor",
                      (unsigned long)(took / SP_MS), (unsigned long)(busy / SP_MS));
        ck_assert_str_eq(victim_hear(waiters[next]), "ok");
        served[next] = true;
        last = waiters[next];
    }
    ends(last);
    for (int i = 0; i < 2; i++) {
        kill(waiters[i]->pid, SIGCONT);
        ck_assert_str_eq(victim_hear(waiters[i]), "ok");
        ends(waiters[i]);
    }
}
END_TEST

START_TEST(the_dead_leave_no_hole)
{
    struct server *server = capped("1 wait 1h");
    struct victim *waiters[WAITERS], *last = holder(server);

    queue_up(server, waiters);
    for (int i = 0; i < WAITERS - 1; i++) {
        kill(waiters[i]->pid, SIGKILL);
        ck_assert_int_eq(victim_end(waiters[i]), 128 + SIGKILL);
    }
    ends(last);
    ck_assert_str_eq(victim_hear(waiters[WAITERS - 1]), "ok");
    ends(waiters[WAITERS - 1]);
    AWAIT(waiting(SP_LINE_CONNECT) == 0);
    ck_assert_str_eq(victim_says("dial_now", server->text, NULL), "ok");
}
END_TEST

START_TEST(a_dead_holder_is_found_out)
{
    struct server *server = capped("1 wait 1h");
    struct victim *first = holder(server);
    struct victim *second = victim_start("dial_hold", server->text, NULL);

    AWAIT(waiting(SP_LINE_CONNECT) == 1);
    kill(first->pid, SIGKILL);
    ck_assert_int_eq(victim_end(first), 128 + SIGKILL);
    ck_assert_str_eq(victim_hear(second), "ok");
    ends(second);
}
END_TEST

static void on_signal(int number)
{
    (void)number;
    say("handled");
}

/* dial_interrupted ADDRESS FLAGS: under a handler. */
VICTIM(dial_interrupted)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = atoi(argv[2])};

    sigaction(SIGUSR1, &action, NULL);
    int fd = dial(argv[1]);
    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

/* In the line and asleep: a signal that comes before is one that came before connect(). */
static bool sleeps_in_line(const struct victim *victim)
{
    return waiting(SP_LINE_CONNECT) == 1 && victim_blocks(victim, SIGUSR1);
}

START_TEST(a_signal_ends_it_as_libc_would)
{
    struct server *server = capped("1 wait 1h");
    struct victim *first = holder(server);
    char restart[16];

    struct victim *ended = victim_start("dial_interrupted", server->text, "0", NULL);
    AWAIT(sleeps_in_line(ended));
    kill(ended->pid, SIGUSR1);
    ck_assert_str_eq(victim_hear(ended), "handled");
    ck_assert_str_eq(victim_hear(ended), "EINTR");
    ck_assert_int_eq(victim_end(ended), 0);
    ck_assert_uint_eq(waiting(SP_LINE_CONNECT), 0);

    snprintf(restart, sizeof restart, "%d", SA_RESTART);
    struct victim *goes_on = victim_start("dial_interrupted", server->text, restart, NULL);
    AWAIT(sleeps_in_line(goes_on));
    kill(goes_on->pid, SIGUSR1);
    ck_assert_str_eq(victim_hear(goes_on), "handled");
    ends(first);
    ck_assert_str_eq(victim_hear(goes_on), "ok");
    ck_assert_int_eq(victim_end(goes_on), 0);
    AWAIT(!strcmp(victim_says("dial_now", server->text, NULL), "ok"));
}
END_TEST

/* The longest that nobody waits beyond his time is told in the status too. */
START_TEST(a_place_in_the_line_is_seen)
{
    struct server *server = capped("1 wait 1h");
    struct victim *first = holder(server);
    struct victim *second = victim_start("dial_hold", server->text, NULL);
    uint32_t by_slot[SP_PROCESSES] = {0}, found = SP_PROCESSES;

    AWAIT(waiting(SP_LINE_CONNECT) == 1);
    sp_queue_waiting(world_segment(), &world_dest("d")->queues[SP_LINE_CONNECT], sp_now(), by_slot);
    for (uint32_t slot = 0; slot < SP_PROCESSES; slot++)
        if (by_slot[slot])
            found = slot;
    ck_assert_uint_lt(found, SP_PROCESSES);
    ck_assert_int_eq((pid_t)world_segment()->processes[found].pid, second->pid);
    ends(first);
    ck_assert_str_eq(victim_hear(second), "ok");
    ends(second);
}
END_TEST

SCENARIO(queue, waits_for_a_place, the_wait_ends, the_programs_own_timeout_wins,
         nobody_is_overtaken_twice, the_stopped_are_passed_over, the_dead_leave_no_hole,
         a_dead_holder_is_found_out, a_signal_ends_it_as_libc_would, a_place_in_the_line_is_seen)
