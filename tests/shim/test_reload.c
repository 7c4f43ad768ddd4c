/* A policy is exchanged under programs that work: no call fails, nothing leaks, breakers stay as
 * they are. A bad file changes nothing, and neither does a reload that is killed half way. */
#include "harness.h"

#include <dirent.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define CLIENTS 4
#define RELOADS 1000
#define KILLS   300

extern char **environ;

/* call_until_told ADDRESS: connects and asks, again and again; calls made and calls failed. */
VICTIM(call_until_told)
{
    struct pollfd told = {.fd = 0, .events = POLLIN};
    unsigned long calls = 0, failed = 0;
    int before = descriptors();

    say("running");
    while (poll(&told, 1, 0) == 0) {
        int fd = dial(argv[1]);

        failed += fd < 0;
        for (int i = 0; fd >= 0 && i < 5; i++, calls++)
            failed += ask(fd) != 0;
        if (fd >= 0)
            close(fd);
    }
    say("%lu %d", failed, descriptors() - before);
    return calls == 0;
}

static pid_t start_reload(const char *file)
{
    char *argv[] = {(char *)world_tool("shearpin"), "reload", "-q", (char *)file, NULL};
    posix_spawn_file_actions_t quiet;
    pid_t pid;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawn(&pid, argv[0], &quiet, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    return pid;
}

static int reload(const char *file)
{
    int status;
    pid_t pid = start_reload(file);

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned files(void)
{
    DIR *directory = opendir(getenv("SHEARPIN_DIR"));
    unsigned count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void write_policy(const char *file, const char *address, const char *words)
{
    FILE *out = fopen(world_file(file), "w");

    fprintf(out,
            "segment test\ndestination other\n match 192.0.2.1\n breaker streak 3\n"
            "destination d\n match %s\n %s\n",
            address, words);
    ck_assert_int_eq(fclose(out), 0);
}

static uint64_t generation(void)
{
    return sp_segment_generation(atomic_load(&world_segment()->head->policy));
}

static void write_both(const char *address)
{
    write_policy("policy.conf", address, "deadline response 10s\n breaker streak 5\n cap 64");
    write_policy("other.conf", address, "deadline response 20s\n breaker streak 9\n cap 32");
    ck_assert_str_eq(victim_says("dial", address, NULL), "ok");
}

START_TEST(a_thousand_under_load)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    struct victim *clients[CLIENTS];
    struct sp_breaker marked = {.state = SP_STATE_OPEN, .hold = SP_HOLD_OPEN, .epoch = 7};

    write_both(server->text);
    atomic_store(&world_dest("other")->cell.word, sp_breaker_pack(marked));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = victim_start("call_until_told", server->text, NULL);
        ck_assert_str_eq(victim_hear(clients[i]), "running");
    }
    uint32_t leases = atomic_load(&world_segment()->head->lease_used);
    uint64_t before = generation();
    unsigned entries = files();
    for (int i = 0; i < RELOADS; i++)
        ck_assert_int_eq(reload(world_file(i % 2 ? "policy.conf" : "other.conf")), 0);
    for (int i = 0; i < CLIENTS; i++) {
        victim_tell(clients[i]);
        ck_assert_str_eq(victim_hear(clients[i]), "0 0");
        ck_assert_int_eq(victim_end(clients[i]), 0);
    }
    ck_assert_uint_eq(generation(), before + RELOADS);
    ck_assert_uint_eq(world_leases("d"), 0);
    ck_assert_uint_eq(atomic_load(&world_segment()->head->lease_used), leases);
    ck_assert_uint_eq(files(), entries);
    ck_assert_uint_eq(atomic_load(&world_dest("other")->cell.word), sp_breaker_pack(marked));
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_CLOSED);
    ck_assert_uint_eq(world_figures("d").rejected[0] + world_figures("d").rejected[1], 0);
}
END_TEST

START_TEST(mistakes_leave_the_generation)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    write_both(server->text);
    uint64_t before = generation();
    write_policy("bad.conf", server->text, "deadline respnse 1s");
    ck_assert_int_eq(reload(world_file("bad.conf")), 1);
    ck_assert_int_eq(reload(world_file("none.conf")), 1);
    ck_assert_uint_eq(generation(), before);
    ck_assert_uint_eq(atomic_load(&world_segment()->head->policy_failures), 2);
}
END_TEST

static uint64_t digest(void)
{
    uint64_t word;
    const struct sp_policy *policy = sp_segment_policy(world_segment(), &word);

    ck_assert_ptr_nonnull(policy);
    return policy->digest;
}

START_TEST(killed_at_any_moment)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    unsigned old = 0, new = 0;

    write_both(server->text);
    uint64_t one = digest();
    uint64_t began = sp_now();
    ck_assert_int_eq(reload(world_file("other.conf")), 0);
    useconds_t took = (useconds_t)((sp_now() - began) / SP_US);
    uint64_t two = digest();
    ck_assert_uint_ne(one, two);
    for (int i = 0; i < KILLS; i++) {
        bool first = digest() == one;
        pid_t pid = start_reload(world_file(first ? "other.conf" : "policy.conf"));

        usleep((useconds_t)i * 2 * took / KILLS);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert(digest() == one || digest() == two);
        *(digest() == (first ? one : two) ? &old : &new) += 1;
        if (i % 50 == 0)
            ck_assert_str_eq(victim_says("dial", server->text, NULL), "ok");
    }
    ck_assert_uint_gt(old, 0);
    ck_assert_uint_gt(new, 0);
    ck_assert_int_eq(reload(world_file("policy.conf")), 0);
    ck_assert_uint_eq(digest(), one);
}
END_TEST

SCENARIO(reload, a_thousand_under_load, mistakes_leave_the_generation, killed_at_any_moment)
