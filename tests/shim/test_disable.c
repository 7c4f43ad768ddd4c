/* `disable` under load: no call that begins 10 ms later is guarded, in any process. */
#include "harness.h"

#define PROCESSES 4

/* dial_until_ok ADDRESS: connects until it may; when the last refused attempt began. */
VICTIM(dial_until_ok)
{
    unsigned long long began = 0, refused = 0;

    for (int ok = 0; ok < 1000;) {
        began = sp_now();
        int fd = dial(argv[1]);

        if (fd >= 0) {
            close(fd);
            ok++;
        } else if (ok > 0) {
            say("guarded again");
            return 1;
        } else {
            if (refused == 0)
                say("running");
            refused = began;
        }
    }
    say("%llu", refused);
    return 0;
}

static void run_until_disabled(const char *address, uint64_t *disabled, sp_half *word)
{
    struct victim *victims[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        victims[i] = victim_start("dial_until_ok", address, NULL);
        ck_assert_str_eq(victim_hear(victims[i]), "running");
    }
    uint64_t before = world_figures("d").rejected[0];
    AWAIT(world_figures("d").rejected[0] > before + 1000);
    atomic_store(word, 1);
    *disabled = sp_now();
    for (int i = 0; i < PROCESSES; i++) {
        uint64_t last = strtoull(victim_hear(victims[i]), NULL, 10);

        ck_assert_int_eq(victim_end(victims[i]), 0);
        ck_assert_uint_lt(last, *disabled + 10 * SP_MS);
        ck_assert_uint_gt(last, 0);
    }
}

static void world_held_open(const char *address)
{
    struct sp_guards guards;

    world_policy("destination d\n match %s\n breaker streak 5\n", address);
    ck_assert_str_eq(victim_says("dial", address, NULL), "ok");
    struct sp_call call = {.segment = world_segment(), .guards = &guards, .now = sp_now()};
    call.dest = sp_segment_dest_named(call.segment, "d", &call.index);
    sp_segment_guards(call.segment, call.index, &guards);
    sp_breaker_hold(&call, SP_HOLD_OPEN, 0);
}

START_TEST(the_whole_segment)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    uint64_t disabled;

    world_held_open(server->text);
    run_until_disabled(server->text, &disabled, &world_segment()->head->disabled);
}
END_TEST

START_TEST(one_destination)
{
    struct server *server = server_start(AF_UNIX, ECHO);
    uint64_t disabled;

    world_held_open(server->text);
    run_until_disabled(server->text, &disabled, &world_dest("d")->odd);
}
END_TEST

START_TEST(asleep_by_the_environment)
{
    struct server *server = server_start(AF_UNIX, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    world_env("SHEARPIN", "off");
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
    ck_assert(!world_has_segment());
}
END_TEST

START_TEST(a_deadline_that_runs_already)
{
    char path[512];

    snprintf(path, sizeof path, "unix:%s", world_file("late"));
    world_policy("destination d\n match %s\n deadline response 500ms\n", path);
    struct victim *victim = victim_start("slow_answer", path, "700", NULL);
    AWAIT(world_has_segment() && world_figures("d").sent > 0);
    atomic_store(&world_segment()->head->disabled, 1);
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_RESPONSE], 0);
}
END_TEST

SCENARIO(disable, a_deadline_that_runs_already, the_whole_segment, one_destination,
         asleep_by_the_environment)
