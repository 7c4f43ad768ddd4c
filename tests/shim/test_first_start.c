/* 64 programs started at once make one segment, and all of them are in it. */
#include "harness.h"

#include <dirent.h>
#include <sys/stat.h>

#define CROWD 64

static unsigned files_in(const char *directory)
{
    DIR *listing = opendir(directory);
    struct dirent *entry;
    unsigned count = 0;

    ck_assert_ptr_nonnull(listing);
    while ((entry = readdir(listing)))
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

START_TEST(one_segment)
{
    struct server *server = server_start(AF_INET, CLOSED);
    struct victim *crowd[CROWD];

    mkdir(world_file("segments"), 0700);
    world_env("SHEARPIN_DIR", world_file("segments"));
    world_policy("destination d\n match %s\n breaker streak 1000\n", server->text);
    victim_gate_shut();
    for (int i = 0; i < CROWD; i++)
        crowd[i] = victim_start("dial", server->text, NULL);
    victim_gate_open();
    for (int i = 0; i < CROWD; i++) {
        ck_assert_str_eq(victim_hear(crowd[i]), "ECONNREFUSED");
        ck_assert_int_eq(victim_end(crowd[i]), 0);
    }
    ck_assert_uint_eq(files_in(world_file("segments")), 1);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_REFUSED], CROWD);
    ck_assert_uint_eq(world_breaker("d").streak, CROWD);
    ck_assert_uint_eq(world_log(NULL, 0), 0);
}
END_TEST

/* What was learnt outlives the processes that learnt it. */
START_TEST(segment_outlives_its_programs)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_figures("d").rejected[0], 3);
}
END_TEST

/* Where there is a segment, its policy is in force: one that is being edited stops no start. */
START_TEST(segment_outlives_a_mistake_in_the_policy)
{
    struct server *server = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n", server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    world_policy("destination d\n match %s\n breaker streak\n", server->text);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_log(NULL, 0), 0);
}
END_TEST

SCENARIO(first_start, one_segment, segment_outlives_its_programs,
         segment_outlives_a_mistake_in_the_policy)
