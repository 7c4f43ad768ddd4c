/* Commands that change shares, and reloads that change what they are shares of: whoever comes
 * second sees what the first has done. */
#include "harness.h"

#include "shearpin/split.h"
#include "state/process.h"

#include <sys/syscall.h>

#define LINES                                                                 \
    "destination d\n match 10.9.9.9\n split 127.0.0.1:1 share %u%% as blue\n" \
    " split 127.0.0.1:2 share %u%% as green\n"

/* The lock under which policies and shares are put in force. */
static int lock_shares(void)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SP_LOCK_APPLY, .l_len = 1};
    int fd = open(world_segment()->path, O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
    return fd;
}

/* For the lock, which it asks for again and again. */
static bool waits(pid_t pid)
{
    char path[40], text[20] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool read_it = read(fd, text, sizeof text - 1) > 0;

    close(fd);
    long number = read_it && *text != 'r' ? strtol(text, NULL, 10) : -1;
    return number == SYS_fcntl || number == SYS_clock_nanosleep;
}

static struct victim *waiting(char *const argv[])
{
    struct victim *victim = victim_exec(argv);

    AWAIT(waits(victim->pid));
    return victim;
}

/* What was written last is for lines `split` that were in force then. */
static void assert_meant(void)
{
    struct sp_segment *segment = world_segment();
    const struct sp_shift *shift = &world_dest("d")->shift;
    const struct sp_shift_note *note = &shift->bank[atomic_load(&shift->word) & 1];
    struct sp_arm_policy lines[SP_ARMS_MAX];

    ck_assert_uint_eq(sp_arm_lines(segment, 0, lines), 2);
    ck_assert_msg(note->since < atomic_load(&segment->head->policy_loaded) ||
                      note->of == lines[0].of,
                  "written after a reload, for the lines before it");
}

/* Both have read what was, and wait: the one who comes second must not be told that all is well. */
START_TEST(a_reload_and_a_shift)
{
    char *tool = strdup(world_tool("shearpin"));
    char *reload[] = {tool, "reload", "-q", NULL};
    char *set[] = {tool, "shift", "-q", "d", "blue=25", "green=75", NULL};
    char *drain[] = {tool, "drain", "-q", "d", "blue", NULL};

    world_policy(LINES, 50u, 50u);
    ck_assert_str_eq(victim_says("dial", "10.9.9.9:1", NULL), "ECONNREFUSED");
    for (unsigned i = 1; i <= 10; i++) {
        int fd = lock_shares();

        world_policy(LINES, 50 - i, 50 + i);
        struct victim *first = waiting(reload), *second = waiting(_i ? drain : set);
        close(fd);
        ck_assert_int_eq(victim_end(first), 0);
        victim_end(second);
        assert_meant();
    }
    free(tool);
}
END_TEST

Suite *suite_shift(void);
Suite *suite_shift(void)
{
    Suite *suite = suite_create("shift");
    TCase *tests = tcase_create("shift");

    tcase_add_checked_fixture(tests, world_begin, world_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_reload_and_a_shift, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
