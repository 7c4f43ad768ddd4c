/* Another library that interposes, behind us, is called as libc would have been. */
#include "harness.h"

#include <dlfcn.h>

/* sends_counted ADDRESS */
VICTIM(sends_counted)
{
    int fd = dial(argv[1]), (*calls)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "behind_calls");
    const char *word = word_of(ask(fd));

    say("%s %d", word, calls ? calls() : -1);
    return 0;
}

START_TEST(is_called)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_env("PRELOAD_AFTER", world_tool("tests/libbehind.so"));
    world_policy("destination d\n match %s\n breaker streak 9\n", server->text);
    ck_assert_str_eq(victim_says("sends_counted", server->text, NULL), "ok 1");
}
END_TEST

SCENARIO(behind, is_called)
