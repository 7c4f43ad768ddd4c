/* A vfork child closes every fd in its parent's memory; the parent's connections are still its own.
 */
#include "harness.h"

#include <sys/wait.h>

static int run_child(void)
{
    pid_t child = vfork();

    if (child == 0) {
        close_range(3, ~0u, 0);
        execl("/bin/true", "true", NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

/* vfork_and_ask ADDRESS: children between connect and exchange. */
VICTIM(vfork_and_ask)
{
    int fd = dial(argv[1]), second;

    for (int i = 0; i < 3; i++)
        if (run_child() != 0)
            return 1;
    say("%s", word_of(ask(fd)));
    second = dial(argv[1]);
    say("%s", word_of(second < 0 ? second : 0));
    close(fd);
    second = dial(argv[1]);
    say("%s", word_of(second < 0 ? second : 0));
    return 0;
}

START_TEST(parent_is_undisturbed)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    struct victim *victim = victim_start("vfork_and_ask", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_str_eq(victim_hear(victim), "ECONNREFUSED");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_OK], 1);
}
END_TEST

/* vfork_fails: the child's exec fails and errno of the parent is its own; a fork follows. */
VICTIM(vfork_then_fork)
{
    int first = dial(argv[1]);
    pid_t child = vfork();

    if (child == 0) {
        execl("/nonexistent", "x", NULL);
        _exit(3);
    }
    int status;
    waitpid(child, &status, 0);
    child = fork();
    if (child == 0)
        _exit(ask(first));
    waitpid(child, &status, 0);
    say("%d %s", status, word_of(ask(first)));
    return 0;
}

START_TEST(fork_after_vfork)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    ck_assert_str_eq(victim_says("vfork_then_fork", server->text, NULL), "0 ok");
}
END_TEST

SCENARIO(vfork, parent_is_undisturbed, fork_after_vfork)
