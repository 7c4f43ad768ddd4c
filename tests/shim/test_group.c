/* Services of two users share one segment through a group; a third user is refused. */
#include "harness.h"

#include <sys/stat.h>

#define GROUP 65500
#define ANNE  65501
#define BOB   65502
#define EVE   65503

/* Other users must reach the programs, and only root can become them. */
static bool possible(void)
{
    char *path = realpath("/proc/self/exe", NULL);
    bool open_to_all = path && geteuid() == 0;

    while (open_to_all && strrchr(path, '/') != path) {
        struct stat status;

        *strrchr(path, '/') = '\0';
        open_to_all = stat(path, &status) == 0 && (status.st_mode & S_IXOTH);
    }
    free(path);
    return open_to_all;
}

static void give_to_group(const char *directory)
{
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    ck_assert_int_eq(chown(directory, 0, GROUP), 0);
    ck_assert_int_eq(chmod(directory, 02771), 0);
}

/* Everybody may reach the policy and write the log. */
static void open_world(void)
{
    int log = open(world_file("log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    ck_assert_int_eq(fchmod(log, 0666), 0);
    close(log);
    ck_assert_int_eq(chmod(world_file(""), 0755), 0);
}

START_TEST(two_users_share)
{
    char line[1024] = "";

    if (!possible()) {
        SKIP("only root can become other users, and they must reach the programs");
        return;
    }
    struct server *server = server_start(AF_INET, CLOSED);
    open_world();
    give_to_group(world_file("segments"));
    world_env("SHEARPIN_DIR", world_file("segments"));
    world_group("65500");
    world_policy("destination d\n match %s\n breaker streak 2  open 60s\n", server->text);

    victim_as(ANNE, GROUP);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    victim_as(BOB, GROUP);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(world_log(line, sizeof line), 0);
    ck_assert_int_eq(world_breaker("d").state, SP_STATE_OPEN);
    server_become(server, ECHO);
    victim_as(ANNE, GROUP);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    ck_assert_uint_eq(server_accepted(server), 0);

    struct stat status;
    ck_assert_int_eq(stat(world_segment()->path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0660);
    ck_assert_uint_eq(status.st_gid, GROUP);

    victim_as(EVE, EVE);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    ck_assert_uint_eq(world_log(line, sizeof line), 1);
    ck_assert_uint_eq(world_figures("d").rejected[0], 1);
}
END_TEST

/* Without a group each user has a segment of their own. */
START_TEST(users_are_apart)
{
    if (!possible()) {
        SKIP("only root can become other users, and they must reach the programs");
        return;
    }
    struct server *server = server_start(AF_INET, CLOSED);
    open_world();
    ck_assert_int_eq(mkdir(world_file("anne"), 0700) | chown(world_file("anne"), ANNE, ANNE), 0);
    ck_assert_int_eq(mkdir(world_file("bob"), 0700) | chown(world_file("bob"), BOB, BOB), 0);
    world_policy("destination d\n match %s\n breaker streak 1  open 60s\n", server->text);

    victim_as(ANNE, ANNE);
    world_env("SHEARPIN_DIR", world_file("anne"));
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    server_become(server, ECHO);
    ck_assert_str_eq(victim_says("dial", server->text, NULL), "ECONNREFUSED");
    victim_as(BOB, BOB);
    world_env("SHEARPIN_DIR", world_file("bob"));
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    ck_assert_uint_eq(world_log(NULL, 0), 0);

    /* And nobody gets into another's directory. */
    world_env("SHEARPIN_DIR", world_file("anne"));
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    ck_assert_uint_eq(world_log(NULL, 0), 1);
}
END_TEST

SCENARIO(group, two_users_share, users_are_apart)
