#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/process.h"

static bool lives(uint32_t slot)
{
    struct sp_census census;
    sp_census_open(&fx.segment, &census);
    ck_assert_int_ge(census.fd, 3);
    bool alive = sp_census_alive(&fx.segment, &census, slot);
    sp_census_close(&census);
    return alive;
}

/* --- children that say something and then wait for a word --- */

static int says[2], hears[2];

static void with_pipes(void)
{
    ck_assert_int_eq(pipe(says), 0);
    ck_assert_int_eq(pipe(hears), 0);
}

static uint32_t heard(void)
{
    uint32_t word;
    ck_assert_int_eq(read(says[0], &word, sizeof word), sizeof word);
    return word;
}

static void say(uint32_t word)
{
    if (write(says[1], &word, sizeof word) != sizeof word)
        _exit(9);
}

static void wait_for_word(void)
{
    char c;
    if (read(hears[0], &c, 1) != 1)
        _exit(8);
}

static void give_word(void)
{
    ck_assert_int_eq(write(hears[1], "x", 1), 1);
}

static int joins(void *context)
{
    (void)context;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    sp_process_settle(&fx.segment);
    say(fx.segment.self.slot);
    wait_for_word();
    return 0;
}

START_TEST(joining_fills_the_slot)
{
    const struct sp_self *self = &fx.segment.self;
    const struct sp_process *p = &fx.segment.processes[self->slot];
    ck_assert_uint_eq(self->slot, 0);
    ck_assert_uint_eq(self->epoch, 1);
    ck_assert_uint_eq(self->pid, (unsigned)getpid());
    ck_assert_uint_eq(atomic_load(&p->pid), self->pid);
    ck_assert_uint_ge(atomic_load(&p->start), sp_process_started(&fx.segment));
    ck_assert_uint_eq(p->uid, geteuid());
    ck_assert_uint_eq(atomic_load(&p->pid_namespace), 0);
    sp_process_settle(&fx.segment);
    ck_assert_uint_gt(atomic_load(&p->pid_namespace), 0);
    ck_assert_uint_gt(strlen(p->command), 0);
    ck_assert(lives(0));
    ck_assert(!lives(1));
    ck_assert(!lives(SP_PROCESSES));
}
END_TEST

static int joins_and_closes_all(void *context)
{
    int free_fd = dup(0), next;
    (void)context;
    close(free_fd);
    if (sp_process_join(&fx.segment) != 0 || (next = dup(0)) != free_fd)
        return 1;
    says[1] = dup2(says[1], 200);
    hears[0] = dup2(hears[0], 201);
    if (close_range(3, 199, 0) != 0 || close_range(202, ~0U, 0) != 0)
        return 1;
    say(fx.segment.self.slot);
    wait_for_word();
    return 0;
}

START_TEST(no_fd_stays_open_and_none_is_needed)
{
    pid_t child = fixture_fork(joins_and_closes_all, NULL);
    ck_assert(lives(heard()));
    give_word();
    ck_assert_int_eq(fixture_end(child), 0);
}
END_TEST

START_TEST(a_killed_process_is_dead_at_once)
{
    pid_t child = fixture_fork(joins, NULL);
    uint32_t slot = heard();
    ck_assert_uint_ne(slot, fx.segment.self.slot);
    ck_assert(lives(slot));
    fixture_kill(child);
    ck_assert(!lives(slot));
}
END_TEST

static int joins_and_execs(void *context)
{
    (void)context;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    say(fx.segment.self.slot);
    wait_for_word();
    dup2(says[1], 1);
    dup2(hears[0], 0);
    execl("/bin/sh", "sh", "-c", "printf four; read x", (char *)NULL);
    return 1;
}

START_TEST(exec_ends_the_owner_though_the_process_lives_on)
{
    pid_t child = fixture_fork(joins_and_execs, NULL);
    uint32_t slot = heard();
    ck_assert(lives(slot));
    give_word();
    heard(); /* from the new image */
    ck_assert(!lives(slot));
    ck_assert_int_eq(write(hears[1], "\n", 1), 1);
    ck_assert_int_eq(fixture_end(child), 0);
}
END_TEST

static int joins_and_forks(void *context)
{
    (void)context;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    if (fork() == 0) {
        wait_for_word(); /* given when its parent is dead */
        say(77);
        wait_for_word();
        _exit(0);
    }
    say(fx.segment.self.slot);
    pause();
    return 0;
}

START_TEST(a_fork_child_lives_on_and_is_not_the_owner)
{
    pid_t child = fixture_fork(joins_and_forks, NULL);
    uint32_t slot = heard();
    ck_assert(lives(slot));
    fixture_kill(child);
    ck_assert(!lives(slot));
    give_word();
    ck_assert_uint_eq(heard(), 77);
    give_word();
}
END_TEST

static int detaches_what_its_parent_mapped(void *context)
{
    struct sp_segment before = fx.segment;
    (void)context;
    /* Something of the child's own stands where the parent keeps its lock. */
    char *own = mmap(before.life, 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (own != before.life)
        return 1;
    sp_segment_detach(&fx.segment);
    own[0] = 1;
    return 0;
}

START_TEST(a_fork_child_does_not_unmap_what_it_never_had)
{
    ck_assert_int_eq(fixture_end(fixture_fork(detaches_what_its_parent_mapped, NULL)), 0);
}
END_TEST

static void *thread_joins(void *context)
{
    return sp_process_join(context) == 0 ? context : NULL;
}

START_TEST(the_end_of_the_thread_that_joined_is_not_the_end_of_the_process)
{
    pthread_t thread;
    void *result;
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_joins, &fx.segment), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_nonnull(result);
    ck_assert(lives(fx.segment.self.slot));
}
END_TEST

/* --- taking over --- */

static int occupy(uint32_t from)
{
    int fd = sp_process_reopen(&fx.segment);
    ck_assert_int_ge(fd, 3);
    ck_assert_int_eq(sp_process_lock(fd, SP_LOCK_LIFE + from, SP_PROCESSES - from, false), 0);
    return fd;
}

START_TEST(whoever_takes_over_a_slot_raises_its_epoch)
{
    int fd = occupy(2);
    for (uint32_t epoch = 1; epoch < 5; epoch++) {
        pid_t child = fixture_fork(joins, NULL);
        ck_assert_uint_eq(heard(), 1);
        ck_assert_uint_eq(atomic_load(&fx.segment.processes[1].epoch), epoch);
        ck_assert_uint_eq(atomic_load(&fx.segment.head->lost), epoch - 1);
        fixture_kill(child);
    }
    close(fd);
}
END_TEST

static int joins_and_leaves(void *context)
{
    (void)context;
    if (sp_process_join(&fx.segment) != 0)
        return 1;
    sp_process_leave(&fx.segment);
    say(fx.segment.self.slot);
    wait_for_word();
    return 0;
}

START_TEST(who_leaves_in_order_is_not_lost_and_keeps_its_slot_to_the_end)
{
    pid_t leaver = fixture_fork(joins_and_leaves, NULL);
    uint32_t slot = heard();
    ck_assert(lives(slot));
    pid_t other = fixture_fork(joins, NULL);
    ck_assert_uint_ne(heard(), slot);
    give_word();
    give_word();
    ck_assert_int_eq(fixture_end(leaver), 0);
    ck_assert_int_eq(fixture_end(other), 0);
    ck_assert(!lives(slot));
    ck_assert_uint_eq(atomic_load(&fx.segment.head->lost), 0);
}
END_TEST

static int finds_no_slot(void *context)
{
    (void)context;
    return sp_process_join(&fx.segment) == -1 && fx.segment.self.slot == SP_NO_SLOT &&
                   fx.segment.self.shard < SP_SHARDS && fx.segment.life == NULL
               ? 0
               : 1;
}

START_TEST(with_all_slots_taken_a_process_stays_unregistered)
{
    int fd = occupy(1);
    ck_assert_int_eq(fixture_end(fixture_fork(finds_no_slot, NULL)), 0);
    ck_assert_uint_eq(atomic_load(&fx.segment.head->unregistered), 1);
    close(fd);
}
END_TEST

START_TEST(with_the_file_gone_or_replaced_a_process_stays_unregistered)
{
    ck_assert_int_eq(unlink(fx.path), 0);
    ck_assert_int_eq(fixture_end(fixture_fork(finds_no_slot, NULL)), 0);
    close(open(fx.path, O_CREAT | O_RDWR, 0600));
    ck_assert_int_eq(fixture_end(fixture_fork(finds_no_slot, NULL)), 0);
    ck_assert_int_eq(sp_process_reopen(&fx.segment), -1);
    ck_assert_int_eq(errno, ESTALE);
}
END_TEST

START_TEST(without_locks_pid_and_start_are_the_second_opinion)
{
    struct sp_census census;
    pid_t child = fixture_fork(joins, NULL);
    uint32_t slot = heard();
    sp_census_open(&fx.segment, &census);
    sp_census_close(&census);
    ck_assert(sp_census_alive(&fx.segment, &census, slot));
    uint64_t joined =
        atomic_exchange(&fx.segment.processes[slot].start, 1); /* its number is reused */
    ck_assert(!sp_census_alive(&fx.segment, &census, slot));
    atomic_store(&fx.segment.processes[slot].start, joined);
    fixture_kill(child);
    ck_assert(!sp_census_alive(&fx.segment, &census, slot));
    atomic_fetch_add(&fx.segment.processes[slot].pid_namespace,
                     1); /* of another container: no opinion */
    ck_assert(sp_census_alive(&fx.segment, &census, slot));
}
END_TEST

/* --- many first starters --- */

#define CROWD 64

struct crowd {
    char path[128];
    pthread_barrier_t *start, *end;
    struct {
        uint32_t slot;
        bool created;
        ino_t inode;
    } * one;
    _Atomic unsigned next;
};

static int opens_and_joins(void *context)
{
    struct crowd *crowd = context;
    struct sp_segment segment;
    bool created;
    unsigned i = atomic_fetch_add(&crowd->next, 1);
    const struct sp_policy *policy = fixture_policy_of(3, 8);
    pthread_barrier_wait(crowd->start);
    if (sp_segment_open(&segment, crowd->path, "crowd", policy, &created, NULL) != 0 ||
        sp_process_join(&segment) != 0)
        return 1;
    crowd->one[i].slot = segment.self.slot;
    crowd->one[i].created = created;
    crowd->one[i].inode = segment.inode;
    pthread_barrier_wait(crowd->end);
    return 0;
}

START_TEST(of_64_first_starters_one_creates_and_all_get_slots_of_their_own)
{
    pid_t child[CROWD];
    bool taken[SP_PROCESSES] = {false};
    unsigned creators = 0;
    struct crowd *crowd = fixture_shared(sizeof *crowd);
    snprintf(crowd->path, sizeof crowd->path, "%s/crowd", fx.directory);
    crowd->start = fixture_barrier(CROWD);
    crowd->end = fixture_barrier(CROWD);
    crowd->one = fixture_shared(CROWD * sizeof *crowd->one);
    for (int i = 0; i < CROWD; i++)
        child[i] = fixture_fork(opens_and_joins, crowd);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(fixture_end(child[i]), 0);
    for (int i = 0; i < CROWD; i++) {
        ck_assert_uint_lt(crowd->one[i].slot, SP_PROCESSES);
        ck_assert(!taken[crowd->one[i].slot]);
        taken[crowd->one[i].slot] = true;
        creators += crowd->one[i].created;
        ck_assert_uint_eq(crowd->one[i].inode, crowd->one[0].inode);
    }
    ck_assert_uint_eq(creators, 1);
}
END_TEST

Suite *suite_process(void);
Suite *suite_process(void)
{
    Suite *suite = suite_create("process");
    TCase *tests = fixture_case(suite, "process");
    tcase_add_checked_fixture(tests, with_pipes, NULL);
    tcase_add_test(tests, joining_fills_the_slot);
    tcase_add_test(tests, no_fd_stays_open_and_none_is_needed);
    tcase_add_test(tests, a_killed_process_is_dead_at_once);
    tcase_add_test(tests, exec_ends_the_owner_though_the_process_lives_on);
    tcase_add_test(tests, a_fork_child_lives_on_and_is_not_the_owner);
    tcase_add_test(tests, a_fork_child_does_not_unmap_what_it_never_had);
    tcase_add_test(tests, the_end_of_the_thread_that_joined_is_not_the_end_of_the_process);
    tcase_add_test(tests, whoever_takes_over_a_slot_raises_its_epoch);
    tcase_add_test(tests, who_leaves_in_order_is_not_lost_and_keeps_its_slot_to_the_end);
    tcase_add_test(tests, with_all_slots_taken_a_process_stays_unregistered);
    tcase_add_test(tests, with_the_file_gone_or_replaced_a_process_stays_unregistered);
    tcase_add_test(tests, without_locks_pid_and_start_are_the_second_opinion);
    tcase_add_test(tests, of_64_first_starters_one_creates_and_all_get_slots_of_their_own);
    return suite;
}
