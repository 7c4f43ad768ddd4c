/*
 * stdio on a socket: libc reads and writes behind everybody's back, so the kernel's own timers must
 * do. The wait is bounded, if less precisely; the lease comes back; the options stay the program's.
 */
#include "harness.h"

#include <sys/time.h>

#define DEADLINE_MS 400
#define LATE_MS     150 /* on top of the kernel's eighth: a busy test machine */

static long timeout_of(int fd, int option)
{
    struct timeval own = {9, 9};

    getsockopt(fd, SOL_SOCKET, option, &own, &(socklen_t){sizeof own});
    return (long)own.tv_sec * 1000 + (long)own.tv_usec / 1000;
}

/* by_file ADDRESS: a line out, a line in; what it got, how long it took, what it sees of options.
 */
VICTIM(by_file)
{
    int fd = dial(argv[1]);
    FILE *file = fdopen(fd, "r+");
    char line[64] = "";

    setvbuf(file, NULL, _IOLBF, 512);
    uint64_t start = sp_now();
    fprintf(file, "hello %d\n", 1);
    fflush(file);
    bool got = fgets(line, sizeof line, file) != NULL;
    unsigned long took = (unsigned long)((sp_now() - start) / SP_MS);
    say("%s eof %d error %d", got ? strtok(line, "\n") : "nothing", feof(file) != 0,
        ferror(file) != 0);
    say("%lu", took);
    say("%ld %ld", timeout_of(fd, SO_RCVTIMEO), timeout_of(fd, SO_SNDTIMEO));
    pause_here();
    fclose(file);
    say("closed");
    pause_here();
    return 0;
}

static struct victim *by_file(enum behaviour behaviour)
{
    struct server *server = server_start(AF_INET, behaviour);

    world_policy("destination d\n match %s\n deadline response %dms\n cap 2\n", server->text,
                 DEADLINE_MS);
    return victim_start("by_file", server->text, NULL);
}

static void end_of(struct victim *victim)
{
    ck_assert_str_eq(victim_hear(victim), "0 0");
    ck_assert_uint_eq(world_leases("d"), 1);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "closed");
    ck_assert_uint_eq(world_leases("d"), 0);
    victim_tell(victim);
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_OK], 1);
}

START_TEST(an_answer_is_read)
{
    struct victim *victim = by_file(ECHO);

    ck_assert_str_eq(victim_hear(victim), "hello 1 eof 0 error 0");
    victim_hear(victim);
    end_of(victim);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_OK], 1);
}
END_TEST

/* An error, never a false end of file. */
START_TEST(silence_is_bounded)
{
    struct victim *victim = by_file(HANG);

    ck_assert_str_eq(victim_hear(victim), "nothing eof 0 error 1");
    long took = atol(victim_hear(victim));
    ck_assert_int_ge(took, DEADLINE_MS);
    ck_assert_int_lt(took, DEADLINE_MS * 115 / 100 + LATE_MS);
    end_of(victim);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_RESPONSE_TIMEOUT], 1);
}
END_TEST

/* mixed ADDRESS: recv() on the same socket, before and after it got its FILE. */
VICTIM(mixed)
{
    int fd = dial(argv[1]);
    char byte;

    if (ask(fd) != 0)
        return 1;
    FILE *file = fdopen(fd, "r+");
    say("asked");
    pause_here();
    uint64_t start = sp_now();
    send(fd, "?", 1, 0);
    int error = recv(fd, &byte, 1, 0) < 0 ? errno : 0;
    say("%s %lu", word_of(error), (unsigned long)((sp_now() - start) / SP_MS));
    fclose(file);
    return 0;
}

START_TEST(a_receive_beside_it)
{
    struct server *server = server_start(AF_INET, ECHO);
    unsigned long took;

    world_policy("destination d\n match %s\n deadline response %dms\n", server->text, DEADLINE_MS);
    struct victim *victim = victim_start("mixed", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "asked");
    server_become(server, HANG);
    victim_tell(victim);
    ck_assert_int_eq(sscanf(victim_hear(victim), "ETIMEDOUT %lu", &took), 1);
    ck_assert_uint_ge(took, DEADLINE_MS);
    ck_assert_uint_lt(took, DEADLINE_MS * 115 / 100 + LATE_MS);
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

SCENARIO(stdio, an_answer_is_read, silence_is_bounded, a_receive_beside_it)
