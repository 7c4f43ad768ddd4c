/*
 * Eight processes call at once, and every other one is killed right after a call has returned. What
 * was counted is what the server answered, to the call. SHEARPIN_CALLS says how many.
 */
#include "harness.h"

#include <signal.h>
#include <sys/syscall.h>

#define PROCESSES 8
#define CALLS     100000
#define PORTION   1000 /* calls of one process, at most */

/* calls ADDRESS COUNT killed|ended: that many exchanges, each a byte. */
VICTIM(calls)
{
    int fd = dial(argv[1]);

    for (int left = atoi(argv[2]); left > 0; left--) {
        if (ask(fd) == 0)
            continue;
        say("a call failed");
        return 1;
    }
    if (strcmp(argv[3], "killed") == 0)
        raw_call(SYS_kill, raw_call(SYS_getpid, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0);
    return 0;
}

static unsigned long calls_wanted(void)
{
    const char *text = getenv("SHEARPIN_CALLS");
    return text ? strtoul(text, NULL, 10) : CALLS;
}

static struct victim *portion(const char *address, unsigned long *left, bool killed)
{
    char count[24];
    unsigned long some = 1 + (unsigned long)rand() % PORTION;

    some = some < *left ? some : *left;
    *left -= some;
    snprintf(count, sizeof count, "%lu", some);
    return victim_start("calls", address, count, killed ? "killed" : "ended", NULL);
}

static unsigned call_all(const char *address)
{
    struct victim *running[PROCESSES] = {NULL};
    unsigned long left = calls_wanted();
    unsigned started = 0, over = 0;

    for (unsigned i = 0; over < started || left > 0; i++) {
        struct victim **one = &running[i % PROCESSES];
        if (*one) {
            int status = victim_end(*one);
            ck_assert_msg(status == 0 || status == 128 + SIGKILL, "%s", (*one)->errors);
            over++;
        }
        *one = left > 0 ? portion(address, &left, started++ % 2) : NULL;
    }
    return started;
}

START_TEST(to_the_call)
{
    struct server *server = server_start(AF_INET, ECHO);
    uint64_t connects = 0, exchanges = 0, timed = 0, outcomes = 0;

    world_policy("destination d\n match %s\n breaker streak 5 rate 50%% of 20 in 10s\n cap 64\n"
                 " deadline connect 9s response 9s\n",
                 server->text);
    unsigned processes = call_all(server->text);
    struct sp_figures figures = world_figures("d");
    for (int i = 0; i < SP_OUTCOME_COUNT; i++) {
        connects += figures.connects[i];
        exchanges += figures.exchanges[i];
        outcomes += i != SP_OUTCOME_OK ? figures.exchanges[i] : 0;
    }
    for (int i = 0; i < (int)SP_BINS; i++)
        timed += figures.answer_time[i];
    ck_assert_uint_eq(server->answered, calls_wanted());
    ck_assert_uint_eq(exchanges, server->answered);
    ck_assert_uint_eq(outcomes, 0);
    ck_assert_uint_eq(timed, server->answered);
    ck_assert_uint_eq(figures.sent, server->answered);
    ck_assert_uint_eq(figures.received, server->answered);
    ck_assert_uint_eq(connects, processes);
    ck_assert_uint_eq(server_accepted(server), processes);
}
END_TEST

SCENARIO(exact, to_the_call)
