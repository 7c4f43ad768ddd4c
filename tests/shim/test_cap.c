/* Beyond the cap a connect is refused; whatever closes the last fd of a connection gives it back.
 */
#include "harness.h"

#include <linux/close_range.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int spare_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static void by_close(int fd)
{
    close(fd);
}
static void by_syscall(int fd)
{
    syscall(SYS_close, fd);
}
static void by_fclose(int fd)
{
    fclose(fdopen(fd, "r+"));
}
static void by_close_range(int fd)
{
    close_range((unsigned)fd, (unsigned)fd, 0);
}
static void by_closefrom(int fd)
{
    closefrom(fd);
}
static void by_dup2(int fd)
{
    dup2(0, fd);
}
static void by_dup3(int fd)
{
    dup3(0, fd, O_CLOEXEC);
}
static void by_last_dup(int fd)
{
    int copy = dup(fd);

    close(fd);
    close(copy);
}
static void by_last_of_many(int fd)
{
    int copies[] = {dup(fd), fcntl(fd, F_DUPFD, 0), fcntl(fd, F_DUPFD_CLOEXEC, 0),
                    dup2(fd, spare_socket()), dup3(fd, spare_socket(), 0)};

    fclose(fdopen(fd, "r+"));
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
        close(copies[i]);
}
static void not_by_first_dup(int fd)
{
    dup(fd);
    close(fd);
}
static void not_by_cloexec(int fd)
{
    close_range((unsigned)fd, (unsigned)fd, CLOSE_RANGE_CLOEXEC);
}
static void not_by_dup2_to_itself(int fd)
{
    dup2(fd, fd);
}
static void not_by_shutdown(int fd)
{
    shutdown(fd, SHUT_RDWR);
}

static const struct way {
    const char *name;
    void (*end)(int fd);
    const char *then; /* what the next connect says */
} ways[] = {
    {"close", by_close, "ok"},
    {"syscall", by_syscall, "ok"},
    {"fclose", by_fclose, "ok"},
    {"close_range", by_close_range, "ok"},
    {"closefrom", by_closefrom, "ok"},
    {"dup2", by_dup2, "ok"},
    {"dup3", by_dup3, "ok"},
    {"last_dup", by_last_dup, "ok"},
    {"last_of_many", by_last_of_many, "ok"},
    {"first_dup", not_by_first_dup, "ECONNREFUSED"},
    {"cloexec", not_by_cloexec, "ECONNREFUSED"},
    {"dup2_to_itself", not_by_dup2_to_itself, "ECONNREFUSED"},
    {"shutdown", not_by_shutdown, "ECONNREFUSED"},
};

/* give_back ADDRESS WAY: connects until full, ends one connection, connects again. */
VICTIM(give_back)
{
    const struct way *way = &ways[atoi(argv[2])];
    int first = dial(argv[1]), second = dial(argv[1]);

    say("%s", first < 0 ? "first refused" : word_of(second < 0 ? second : 0));
    way->end(first);
    int third = dial(argv[1]);
    say("%s", word_of(third < 0 ? third : 0));
    return 0;
}

static struct server *capped(unsigned cap)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap %u\n", server->text, cap);
    return server;
}

START_TEST(every_way_to_close)
{
    struct server *server = capped(1);
    char number[8];

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(number, sizeof number, "%zu", i);
        struct victim *victim = victim_start("give_back", server->text, number, NULL);
        ck_assert_str_eq(victim_hear(victim), "ECONNREFUSED");
        ck_assert_msg(!strcmp(victim_hear(victim), ways[i].then), "%s: %s", ways[i].name,
                      victim->line);
        ck_assert_int_eq(victim_end(victim), 0);
        AWAIT(!strcmp(victim_says("dial", server->text, NULL), "ok"));
    }
}
END_TEST

START_TEST(beyond_is_refused_for_all)
{
    struct server *server = capped(2);
    struct victim *one = victim_start("hold", server->text, NULL);
    struct victim *two = victim_start("hold", server->text, NULL);

    ck_assert_str_eq(victim_hear(one), "ok");
    ck_assert_str_eq(victim_hear(two), "ok");
    ck_assert_uint_eq(world_leases("d"), 2);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(server_accepted(server), 2);
    ck_assert_uint_eq(world_figures("d").rejected[1], 1);

    victim_tell(one);
    ck_assert_str_eq(victim_hear(one), "ok");
    ck_assert_int_eq(victim_end(one), 0);
    AWAIT(!strcmp(victim_says("dial", server->text, NULL), "ok"));
    ck_assert_int_eq(victim_end(two), 0);
}
END_TEST

/* The kernel frees memory before sockets: 50 ms of grace before a dead owner's place is granted. */
START_TEST(killed_owner_gives_back)
{
    struct server *server = capped(1);
    struct victim *owner = victim_start("hold", server->text, NULL);

    ck_assert_str_eq(victim_hear(owner), "ok");
    kill(owner->pid, SIGKILL);
    ck_assert_int_eq(victim_end(owner), 128 + SIGKILL);
    AWAIT(!strcmp(victim_says("dial", server->text, NULL), "ok"));
}
END_TEST

/* wget, apt and redis-cli exit without closing: nobody who comes later is refused because of them.
 */
START_TEST(exited_owner_is_in_nobodys_way)
{
    struct server *server = capped(1);

    for (int i = 0; i < 3; i++) {
        struct victim *owner = victim_start("hold", server->text, NULL);
        const char *said = victim_hear(owner);

        ck_assert_msg(!strcmp(said, "ok"), "number %d: %s", i, said);
        ck_assert_int_eq(victim_end(owner), 0);
        usleep(2 * SP_LEASE_GRACE_MS * 1000); /* the grace itself must pass */
    }
    ck_assert_uint_eq(world_figures("d").rejected[1], 0);
}
END_TEST

/* exec_self ADDRESS: the connection passes over to a new image; the old owner is gone. */
VICTIM(exec_self)
{
    int fd = dial(argv[1]);
    char number[12];

    snprintf(number, sizeof number, "%d", fd);
    execl("/proc/self/exe", "self", "--victim", "after_exec", number, argv[1], NULL);
    return 1;
}

/* after_exec FD ADDRESS */
VICTIM(after_exec)
{
    int second, tries = 0;

    say("%s", word_of(ask(atoi(argv[1]))));
    while ((second = dial(argv[2])) == -ECONNREFUSED && tries++ < 1000)
        usleep(1000);
    say("%s", word_of(second < 0 ? second : 0));
    return 0;
}

START_TEST(exec_keeps_the_socket)
{
    struct server *server = capped(1);
    struct victim *victim = victim_start("exec_self", server->text, NULL);

    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* A connect that fails holds nothing. */
START_TEST(failure_holds_nothing)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ECONNREFUSED ECONNREFUSED");
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], 2);
    ck_assert_uint_eq(world_figures("d").rejected[1], 0);
}
END_TEST

/* half_way ADDRESS: two pending connects, then one after the first was closed. One that is under
 * way holds a place as one that is up. */
VICTIM(half_way)
{
    int first = start_dial(argv[1]), second = start_dial(argv[1]);

    say("%s", word_of(second < 0 ? second : 0));
    close(first);
    second = start_dial(argv[1]);
    say("%s", word_of(second < 0 ? second : 0));
    return 0;
}

START_TEST(connecting_holds_a_place)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    struct victim *victim = victim_start("half_way", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ECONNREFUSED");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

SCENARIO(cap, every_way_to_close, beyond_is_refused_for_all, killed_owner_gives_back,
         exited_owner_is_in_nobodys_way, exec_keeps_the_socket, failure_holds_nothing,
         connecting_holds_a_place)
