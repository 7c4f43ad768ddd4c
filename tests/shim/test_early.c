/* Sockets are used before our constructor has run and after exit handlers: libc answers. */
#include "harness.h"

/* what_early_said ADDRESS: and a guarded conversation of its own. */
VICTIM(what_early_said)
{
    int fd = dial(argv[1]);

    say("%s %s", getenv("EARLY_SAID"), word_of(ask(fd)));
    return 0; /* through exit handlers, fd still open */
}

static void preload_early(struct server *server)
{
    char port[8];

    snprintf(port, sizeof port, "%u", server->port);
    world_env("EARLY_PORT", port);
    world_env("EARLY_MUST", "1");
    world_env("PRELOAD_AFTER", world_tool("tests/libearly.so"));
    world_policy("destination d\n match %s\n breaker streak 9\n cap 2\n", server->text);
}

START_TEST(before_and_after_us)
{
    struct server *server = server_start(AF_INET, ECHO);

    preload_early(server);
    ck_assert_str_eq(victim_says("what_early_said", server->text, NULL), "ok ok");
}
END_TEST

START_TEST(bound_at_once)
{
    struct server *server = server_start(AF_INET, ECHO);

    preload_early(server);
    world_env("LD_BIND_NOW", "1");
    ck_assert_str_eq(victim_says("what_early_said", server->text, NULL), "ok ok");
}
END_TEST

SCENARIO(early, before_and_after_us, bound_at_once)
