/*
 * A segment that is cut short, foreign, of another layout or noise, a policy that is wrong or not
 * there: the program runs unguarded, and one line says why. A cap of 1 tells guarded from not.
 */
#include "harness.h"

#include <sys/stat.h>

static char path[256];

static void truncate_half(int fd)
{
    struct stat status;

    fstat(fd, &status);
    ck_assert_int_eq(ftruncate(fd, status.st_size / 2), 0);
}
static void truncate_head(int fd)
{
    ck_assert_int_eq(ftruncate(fd, 100), 0);
}
static void truncate_all(int fd)
{
    ck_assert_int_eq(ftruncate(fd, 0), 0);
}
static void grow(int fd)
{
    struct stat status;

    fstat(fd, &status);
    ck_assert_int_eq(ftruncate(fd, status.st_size + 4096), 0);
}
static void overwrite(int fd, int (*byte)(void))
{
    struct stat status;
    char block[4096];

    fstat(fd, &status);
    for (off_t at = 0; at < status.st_size; at += (off_t)sizeof block) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (char)byte();
        ck_assert_int_eq(pwrite(fd, block, sizeof block, at), sizeof block);
    }
}
static int letter(void)
{
    return 'a' + rand() % 26;
}
static void foreign(int fd)
{
    overwrite(fd, letter);
}
static void noise(int fd)
{
    overwrite(fd, rand);
}
static void other_layout(int fd)
{
    uint32_t layout = SP_LAYOUT + 1;

    ck_assert_int_eq(pwrite(fd, &layout, sizeof layout, offsetof(struct sp_head, layout)),
                     sizeof layout);
}
static void other_capacity(int fd)
{
    uint32_t many = 0x7fffffff;

    ck_assert_int_eq(pwrite(fd, &many, sizeof many, offsetof(struct sp_head, dest_max)),
                     sizeof many);
}
static void other_owner(int fd)
{
    if (geteuid() == 0)
        ck_assert_int_eq(fchown(fd, 65501, 65501), 0);
    else
        truncate_all(fd);
}
static void open_to_all(int fd)
{
    ck_assert_int_eq(fchmod(fd, 0666), 0);
}
static void directory(int fd)
{
    (void)fd;
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}
static void fifo(int fd)
{
    (void)fd;
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}
static void link_elsewhere(int fd)
{
    (void)fd;
    ck_assert_int_eq(rename(path, world_file("elsewhere")), 0);
    ck_assert_int_eq(symlink(world_file("elsewhere"), path), 0);
}

static const struct {
    const char *name;
    void (*damage)(int fd);
} cases[] = {
    {"half", truncate_half},
    {"head", truncate_head},
    {"empty", truncate_all},
    {"grown", grow},
    {"foreign", foreign},
    {"noise", noise},
    {"layout", other_layout},
    {"capacity", other_capacity},
    {"owner", other_owner},
    {"mode", open_to_all},
    {"directory", directory},
    {"fifo", fifo},
    {"symbolic link", link_elsewhere},
};

static struct server *guarded(void)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    return server;
}

static void assert_unguarded(const char *address, const char *why)
{
    char line[1024] = "";

    unlink(world_file("log"));
    const char *said = victim_says("dial_twice", address, NULL);
    ck_assert_msg(!strcmp(said, "ok ok"), "%s: %s", why, said);
    unsigned lines = world_log(line, sizeof line);
    ck_assert_msg(lines == 1 && strlen(line) > 20, "%s: %u lines: %s", why, lines, line);
}

START_TEST(damaged_segment)
{
    struct server *server = guarded();

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ECONNREFUSED");
        snprintf(path, sizeof path, "%s", world_segment()->path);
        world_end();
        int fd = open(path, O_RDWR | O_CLOEXEC);
        cases[i].damage(fd);
        close(fd);
        assert_unguarded(server->text, cases[i].name);
        remove(path);
        unlink(world_file("log"));
    }
}
END_TEST

START_TEST(no_policy)
{
    struct server *server = guarded();

    unlink(world_file("policy.conf"));
    assert_unguarded(server->text, "no policy");
}
END_TEST

START_TEST(broken_policy)
{
    struct server *server = guarded();

    world_policy("destination d\n match %s\n cap one\n breker streak 3\n", server->text);
    assert_unguarded(server->text, "broken policy");
}
END_TEST

START_TEST(no_directory)
{
    struct server *server = guarded();

    world_env("SHEARPIN_DIR", "/nonexistent/directory");
    assert_unguarded(server->text, "no directory");
}
END_TEST

START_TEST(directory_open_to_all)
{
    struct server *server = guarded();

    mkdir(world_file("open"), 0700);
    chmod(world_file("open"), 0777);
    world_env("SHEARPIN_DIR", world_file("open"));
    assert_unguarded(server->text, "world-writable directory");
}
END_TEST

/* Nothing is asked of it: nothing is said. */
START_TEST(switched_off)
{
    struct server *server = guarded();

    world_env("SHEARPIN", "off");
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
    ck_assert(!world_has_segment());
    ck_assert_uint_eq(world_log(NULL, 0), 0);
}
END_TEST

START_TEST(preloaded_without_a_policy)
{
    struct server *server = guarded();

    world_env("SHEARPIN_POLICY", NULL);
    ck_assert_str_eq(victim_says("dial_twice", server->text, NULL), "ok ok");
    ck_assert(!world_has_segment());
}
END_TEST

SCENARIO(damaged, damaged_segment, no_policy, broken_policy, no_directory, directory_open_to_all,
         switched_off, preloaded_without_a_policy)
