#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/layout.h"

static struct sp_segment second;
static struct sp_error error;

static void attaches(void)
{
    ck_assert_msg(sp_segment_attach(&second, fx.path, &error) == 0, "%s", error.text);
    sp_segment_detach(&second);
}

static void refuses(int code)
{
    ck_assert_int_eq(sp_segment_attach(&second, fx.path, &error), -1);
    ck_assert_int_eq(error.code, code);
    ck_assert_uint_gt(strlen(error.text), 0);
}

static void patch(off_t at, const void *bytes, size_t size)
{
    int fd = open(fx.path, O_RDWR);
    ck_assert_int_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
    close(fd);
}

/* --- creating --- */

START_TEST(a_new_segment_is_private_whole_and_alone)
{
    struct stat st;
    unsigned files = 0;
    ck_assert_int_eq(stat(fx.path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq((uint64_t)st.st_size, fx.segment.head->size);
    ck_assert_uint_ge((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size);
    ck_assert_uint_le((uint64_t)st.st_size, 2 << 20);
    ck_assert_uint_eq(fx.segment.head->magic, SP_MAGIC);
    ck_assert_str_eq(fx.segment.head->name, "test");
    DIR *directory = opendir(fx.directory); /* no draft is left */
    while (readdir(directory))
        files++;
    closedir(directory);
    ck_assert_uint_eq(files, 3);
}
END_TEST

START_TEST(opening_a_segment_that_stands_maps_it_and_changes_nothing)
{
    bool created = true;
    uint64_t word = atomic_load(&fx.segment.head->policy);
    const struct sp_policy *other = fixture_policy_of(3, 9);
    ck_assert_int_eq(sp_segment_open(&second, fx.path, "test", other, &created, &error), 0);
    ck_assert(!created);
    ck_assert_uint_eq(second.inode, fx.segment.inode);
    ck_assert_uint_eq(atomic_load(&second.head->policy), word);
    sp_segment_detach(&second);
}
END_TEST

START_TEST(zeros_stand_behind_the_file_before_a_policy_is_seen)
{
    uint64_t word;
    ck_assert_int_eq(sp_segment_attach(&second, fx.path, &error), 0);
    ck_assert_ptr_nonnull(sp_segment_policy(&second, &word));
    const char *behind = (const char *)second.head + (second.size + 4095) / 4096 * 4096;
    ck_assert_int_eq(behind[0], 0); /* or SIGBUS */
    ck_assert_int_eq(behind[SP_AT_TAIL - 1], 0);
    sp_segment_detach(&second);
}
END_TEST

START_TEST(without_a_policy_nothing_is_created)
{
    unlink(fx.path);
    ck_assert_int_eq(sp_segment_open(&second, fx.path, "test", NULL, NULL, &error), -1);
    ck_assert_int_eq(error.code, ENOENT);
}
END_TEST

START_TEST(a_segment_has_room_for_a_large_policy_and_half_as_much_again)
{
    unlink(fx.path);
    const struct sp_policy *policy = fixture_policy_of(700, 4096);
    ck_assert_msg(sp_segment_open(&second, fx.path, "test", policy, NULL, &error) == 0, "%s",
                  error.text);
    ck_assert_uint_eq(second.dest_max, SP_DESTS_MAX);
    ck_assert_uint_ge(second.policy_size, 2 * policy->size);
    ck_assert_ptr_nonnull(sp_segment_dest_named(&second, "d699", NULL));
    sp_segment_detach(&second);
    attaches();
}
END_TEST

START_TEST(a_groups_segment_is_open_to_the_group_and_nobody_else)
{
    char path[256], group[16];
    struct stat st;
    snprintf(group, sizeof group, "%u", getegid());
    ck_assert_int_eq(sp_place_path(path, sizeof path, fx.directory, "shop", group, &error), 0);
    ck_assert_msg(sp_segment_open(&second, path, "shop", fixture_policy_of(1, 0), NULL, &error) ==
                      0,
                  "%s", error.text);
    sp_segment_detach(&second);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    ck_assert_uint_eq(st.st_gid, getegid());
    ck_assert_int_eq(sp_segment_attach(&second, path, &error), 0);
    sp_segment_detach(&second);
    ck_assert_int_eq(chmod(path, 0664), 0);
    ck_assert_int_eq(sp_segment_attach(&second, path, &error), -1);
    ck_assert_int_eq(error.code, EPERM);
    unlink(path);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 02770);
}
END_TEST

/* --- refusing --- */

START_TEST(what_is_not_there_is_ENOENT)
{
    unlink(fx.path);
    refuses(ENOENT);
}
END_TEST

START_TEST(a_file_that_others_may_touch_is_refused)
{
    static const mode_t modes[] = {0604, 0602, 0601, 0640, 0660, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(fx.path, modes[i]), 0);
        refuses(EPERM);
    }
    ck_assert_int_eq(chmod(fx.path, 0600), 0);
    attaches();
}
END_TEST

START_TEST(a_file_of_another_owner_is_refused)
{
    if (chown(fx.path, 12345, (gid_t)-1) != 0)
        return; /* only root can try */
    refuses(EPERM);
}
END_TEST

START_TEST(a_directory_where_others_could_replace_it_is_refused)
{
    ck_assert_int_eq(chmod(fx.directory, 0777), 0);
    refuses(EPERM);
    ck_assert_int_eq(chmod(fx.directory, 01777), 0);
    attaches();
    ck_assert_int_eq(chmod(fx.directory, 0700), 0);
    if (chown(fx.directory, 12345, (gid_t)-1) == 0)
        refuses(EPERM);
    ck_assert_int_eq(chown(fx.directory, geteuid(), (gid_t)-1), 0);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused)
{
    char real[160];
    snprintf(real, sizeof real, "%s.real", fx.path);
    ck_assert_int_eq(rename(fx.path, real), 0);
    ck_assert_int_eq(symlink(real, fx.path), 0);
    refuses(ELOOP);
    unlink(fx.path);
    ck_assert_int_eq(mkdir(fx.path, 0700), 0);
    refuses(EISDIR);
    rmdir(fx.path);
    ck_assert_int_eq(mkfifo(fx.path, 0600), 0);
    refuses(EPERM);
}
END_TEST

START_TEST(another_magic_or_layout_is_refused)
{
    uint64_t magic = SP_MAGIC + 1;
    uint32_t layout = SP_LAYOUT + 1;
    patch(offsetof(struct sp_head, layout), &layout, sizeof layout);
    refuses(EPROTO);
    layout = SP_LAYOUT;
    patch(offsetof(struct sp_head, layout), &layout, sizeof layout);
    attaches();
    patch(offsetof(struct sp_head, magic), &magic, sizeof magic);
    refuses(EPROTO);
}
END_TEST

START_TEST(capacities_that_do_not_fit_the_file_are_refused)
{
    static const size_t at[] = {offsetof(struct sp_head, dest_max),
                                offsetof(struct sp_head, lease_max),
                                offsetof(struct sp_head, policy_size)};
    static const uint32_t values[] = {0, 1, 8, 64, 4096, 1u << 20, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        uint32_t good;
        memcpy(&good, (const char *)fx.segment.head + at[i], sizeof good);
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            patch((off_t)at[i], &values[v], sizeof good);
            if (values[v] != good)
                refuses(EPROTO);
        }
        patch((off_t)at[i], &good, sizeof good);
        attaches();
    }
}
END_TEST

START_TEST(a_file_cut_short_or_grown_is_refused)
{
    off_t size = (off_t)fx.segment.head->size;
    static const int lengths[] = {0, 1, 8, 100, 320, 4096};
    sp_segment_detach(&fx.segment);
    ck_assert_int_eq(truncate(fx.path, size + 1), 0);
    refuses(EPROTO);
    ck_assert_int_eq(truncate(fx.path, size - 1), 0);
    refuses(EPROTO);
    for (size_t i = sizeof lengths / sizeof *lengths; i-- > 0;) {
        ck_assert_int_eq(truncate(fx.path, lengths[i]), 0);
        refuses(EPROTO);
    }
}
END_TEST

START_TEST(a_path_too_long_is_refused)
{
    char path[400];
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = 0;
    ck_assert_int_eq(sp_segment_attach(&second, path, &error), -1);
    ck_assert_int_eq(error.code, ENAMETOOLONG);
}
END_TEST

/* --- applying --- */

static uint64_t generation(void)
{
    return sp_segment_generation(atomic_load(&fx.segment.head->policy));
}

static void applies(const struct sp_policy *policy)
{
    ck_assert_msg(sp_segment_apply(&fx.segment, policy, &error) == 0, "%s", error.text);
}

static void has_no_room(const struct sp_policy *policy)
{
    char *before = malloc(fx.segment.size);
    ck_assert_ptr_nonnull(before);
    memcpy(before, fx.segment.head, fx.segment.size);
    ck_assert_int_eq(sp_segment_apply(&fx.segment, policy, &error), -1);
    ck_assert_int_eq(error.code, ENOSPC);
    ck_assert_int_eq(memcmp(before, fx.segment.head, fx.segment.size), 0);
    free(before);
}

static struct sp_dest *named(const char *name)
{
    return sp_segment_dest_named(&fx.segment, name, NULL);
}

static bool in_force(const char *name, struct sp_guards *guards)
{
    uint32_t index = UINT32_MAX;
    sp_segment_dest_named(&fx.segment, name, &index);
    return sp_segment_guards(&fx.segment, index, guards);
}

START_TEST(every_policy_is_a_generation_and_an_event)
{
    ck_assert_uint_eq(generation(), 1);
    for (uint64_t i = 2; i < 6; i++) {
        applies(fixture_policy_of(2, 4));
        ck_assert_uint_eq(generation(), i);
        ck_assert_uint_eq(fixture_events(SP_EVENT_POLICY), i - 1);
    }
}
END_TEST

START_TEST(new_words_are_in_force_at_once)
{
    struct sp_guards guards;
    applies(fixture_policy("destination db\n    match 10.0.0.1:1\n    deadline response 7s\n"));
    ck_assert(in_force("db", &guards));
    ck_assert_uint_eq(guards.deadline[SP_DEADLINE_RESPONSE], 7 * SP_SECOND);
    ck_assert_uint_eq(guards.breaker.streak, 0);
}
END_TEST

START_TEST(state_belongs_to_the_name)
{
    struct sp_guards guards;
    struct sp_dest *db = named("db");
    sp_breaker_trip(&fx.call);
    uint64_t word = atomic_load(&db->cell.word);
    applies(fixture_policy("destination new\n    match 10.0.0.2:1\n"
                           "destination db\n    match 10.0.0.1:1\n"));
    ck_assert_ptr_eq(named("db"), db);
    ck_assert_uint_eq(atomic_load(&db->cell.word), word);
    applies(fixture_policy("destination new\n    match 10.0.0.2:1\n"));
    ck_assert(!in_force("db", &guards));
    ck_assert_int_eq(guards.mode, SP_MODE_OFF);
    applies(fixture_policy_of(1, 4));
    ck_assert(in_force("db", &guards));
    ck_assert_ptr_eq(named("db"), db);
    ck_assert_uint_eq(atomic_load(&db->cell.word), word);
}
END_TEST

START_TEST(more_destinations_find_room_up_to_the_capacity)
{
    applies(fixture_policy_of(fx.segment.dest_max, 4));
    ck_assert_ptr_nonnull(named("d15"));
    has_no_room(fixture_policy_of(fx.segment.dest_max + 1, 4));
}
END_TEST

START_TEST(a_policy_with_more_text_than_room_changes_nothing)
{
    const struct sp_policy *policy = fixture_policy_of(800, 0);
    ck_assert_uint_gt(policy->size, fx.segment.policy_size);
    has_no_room(policy);
}
END_TEST

START_TEST(a_cap_can_be_raised_inside_its_extent_and_no_further)
{
    uint32_t before, after;
    const sp_word *words = sp_lease_words(&fx.segment, named("db"), SP_CAP_CONNECTIONS, &before);
    applies(fixture_policy_of(1, before));
    ck_assert_ptr_eq(sp_lease_words(&fx.segment, named("db"), SP_CAP_CONNECTIONS, &after), words);
    ck_assert_uint_eq(after, before);
    has_no_room(fixture_policy_of(1, before + 1));
}
END_TEST

START_TEST(a_cap_larger_than_the_pool_changes_nothing)
{
    has_no_room(fixture_policy("destination db\n    match 10.0.0.1:1\n"
                               "destination new\n    match 10.0.0.2:1\n    cap 4096\n"));
}
END_TEST

/* All but db make room for others. */
static void replace_all(const char *prefix)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "destination db\n    match 10.0.0.1:1\n    cap 4\n");
    for (unsigned i = 1; i < fx.segment.dest_max; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "destination %s%u\n    match 10.0.1.%u:1\n    cap 2\n", prefix, i, i);
    applies(fixture_policy(text));
}

START_TEST(a_place_that_gets_another_name_begins_anew_but_for_its_leases)
{
    uint32_t index, count, after;
    uint64_t lease;
    replace_all("a");
    fx.call.dest = sp_segment_dest_named(&fx.segment, "a1", &index);
    sp_segment_guards(&fx.segment, index, &fx.guards);
    struct sp_permit permit;
    ck_assert_int_eq(sp_breaker_admit(&fx.call, &permit), SP_PASS);
    uint32_t at = sp_cap_take(&fx.call, SP_CAP_CONNECTIONS, &lease);
    const sp_word *words = sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &count);
    atomic_store(&fx.call.dest->shards[0].sent, 5);
    atomic_store(&fx.call.dest->odd, 1);
    applies(fixture_policy_of(1, 4)); /* what is in force is not taken from under anybody */
    replace_all("b");
    ck_assert_ptr_null(named("a1"));
    ck_assert_uint_eq(atomic_load(&fx.call.dest->shards[0].sent), 0);
    ck_assert_uint_eq(atomic_load(&fx.call.dest->odd), 0);
    ck_assert_ptr_eq(sp_lease_words(&fx.segment, fx.call.dest, SP_CAP_CONNECTIONS, &after), words);
    ck_assert_uint_eq(after, count);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 1);
    sp_cap_give(&fx.call, SP_CAP_CONNECTIONS, at, lease);
    ck_assert_uint_eq(sp_lease_held(&fx.segment, words, count), 0);
    fx.guards.breaker.streak = 1;
    sp_breaker_settle(&fx.call, &permit, SP_OUTCOME_REFUSED, SP_MS); /* of the former name */
    ck_assert_int_eq(sp_breaker_unpack(atomic_load(&fx.call.dest->cell.word)).state,
                     SP_STATE_CLOSED);
}
END_TEST

START_TEST(with_the_file_gone_nothing_is_applied)
{
    unlink(fx.path);
    ck_assert_int_eq(sp_segment_apply(&fx.segment, fixture_policy_of(1, 4), &error), -1);
    ck_assert_int_eq(error.code, ENOENT);
    ck_assert_uint_eq(generation(), 1);
}
END_TEST

START_TEST(a_damaged_policy_in_force_guards_nothing)
{
    struct sp_guards guards;
    uint64_t word = atomic_load(&fx.segment.head->policy);
    atomic_store(&fx.segment.checked, 0);
    fx.segment.policy[word & 1]->magic++;
    ck_assert_ptr_null(sp_segment_policy(&fx.segment, &word));
    ck_assert(!in_force("db", &guards));
    ck_assert_int_eq(guards.mode, SP_MODE_OFF);
    atomic_store(&fx.segment.head->policy, UINT64_MAX);
    ck_assert_ptr_null(sp_segment_policy(&fx.segment, &word));
}
END_TEST

/* --- many at once --- */

#define READERS 4
#define RELOADS 5000

/* Three policies in turn over two areas, so that no area always holds the same. */
static const struct sp_policy *turns[3];
static _Atomic unsigned *reloaded;

static int reloads(void *context)
{
    (void)context;
    for (unsigned i = 0; i < RELOADS; i = atomic_fetch_add(reloaded, 1) + 1)
        if (sp_segment_apply(&fx.segment, turns[i % 3], NULL) != 0)
            return 1;
    return 0;
}

static int reads_guards(void *context)
{
    struct sp_guards guards;
    (void)context;
    while (atomic_load(reloaded) < RELOADS) {
        if (!sp_segment_guards(&fx.segment, fx.call.index, &guards))
            return 1;
        uint64_t time = guards.deadline[0];
        for (int d = 1; d < SP_DEADLINE_COUNT; d++)
            if (guards.deadline[d] != time)
                return 2;
        if (guards.breaker.open_min != time || guards.breaker.giveup != time)
            return 2;
        if (time != SP_SECOND && time != 2 * SP_SECOND && time != 3 * SP_SECOND)
            return 3;
    }
    return 0;
}

/* db with all times the same, behind `before`. */
static const struct sp_policy *all_times(const char *before, const char *time)
{
    char text[512];
    snprintf(text, sizeof text,
             "%sdestination db\n    match 10.0.0.1:1\n"
             "    deadline connect %s response %s send %s idle %s total %s lookup %s\n"
             "    breaker open %s giveup %s\n",
             before, time, time, time, time, time, time, time, time);
    return fixture_policy(text);
}

START_TEST(copies_are_never_torn_while_another_process_reloads)
{
    pid_t reader[READERS];
    reloaded = fixture_shared(sizeof *reloaded);
    turns[0] = all_times("", "1s");
    turns[1] = all_times("destination other\n    match 10.0.0.2:1\n", "2s");
    turns[2] = all_times("", "3s");
    applies(turns[0]);
    for (int i = 0; i < READERS; i++)
        reader[i] = fixture_fork(reads_guards, NULL);
    pid_t writer = fixture_fork(reloads, NULL);
    ck_assert_int_eq(fixture_end(writer), 0);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(fixture_end(reader[i]), 0);
}
END_TEST

static int applies_often(void *context)
{
    for (int i = 0; i < 50; i++)
        if (sp_segment_apply(&fx.segment, context, NULL) != 0)
            return 1;
    return 0;
}

START_TEST(every_one_of_many_reloads_counts)
{
    pid_t child[4];
    void *policy = (void *)(uintptr_t)fixture_policy_of(2, 4);
    for (int i = 0; i < 4; i++)
        child[i] = fixture_fork(applies_often, policy);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(fixture_end(child[i]), 0);
    ck_assert_uint_eq(generation(), 201);
    ck_assert_uint_eq(fixture_events(SP_EVENT_POLICY), 200);
}
END_TEST

static void add_creating_and_refusing(TCase *tests)
{
    tcase_add_test(tests, a_new_segment_is_private_whole_and_alone);
    tcase_add_test(tests, opening_a_segment_that_stands_maps_it_and_changes_nothing);
    tcase_add_test(tests, zeros_stand_behind_the_file_before_a_policy_is_seen);
    tcase_add_test(tests, without_a_policy_nothing_is_created);
    tcase_add_test(tests, a_segment_has_room_for_a_large_policy_and_half_as_much_again);
    tcase_add_test(tests, a_groups_segment_is_open_to_the_group_and_nobody_else);
    tcase_add_test(tests, what_is_not_there_is_ENOENT);
    tcase_add_test(tests, a_file_that_others_may_touch_is_refused);
    tcase_add_test(tests, a_file_of_another_owner_is_refused);
    tcase_add_test(tests, a_directory_where_others_could_replace_it_is_refused);
    tcase_add_test(tests, what_is_no_regular_file_is_refused);
    tcase_add_test(tests, another_magic_or_layout_is_refused);
    tcase_add_test(tests, capacities_that_do_not_fit_the_file_are_refused);
    tcase_add_test(tests, a_file_cut_short_or_grown_is_refused);
    tcase_add_test(tests, a_path_too_long_is_refused);
}

static void add_applying(TCase *tests)
{
    tcase_add_test(tests, every_policy_is_a_generation_and_an_event);
    tcase_add_test(tests, new_words_are_in_force_at_once);
    tcase_add_test(tests, state_belongs_to_the_name);
    tcase_add_test(tests, more_destinations_find_room_up_to_the_capacity);
    tcase_add_test(tests, a_policy_with_more_text_than_room_changes_nothing);
    tcase_add_test(tests, a_cap_can_be_raised_inside_its_extent_and_no_further);
    tcase_add_test(tests, a_cap_larger_than_the_pool_changes_nothing);
    tcase_add_test(tests, a_place_that_gets_another_name_begins_anew_but_for_its_leases);
    tcase_add_test(tests, with_the_file_gone_nothing_is_applied);
    tcase_add_test(tests, a_damaged_policy_in_force_guards_nothing);
    tcase_add_test(tests, copies_are_never_torn_while_another_process_reloads);
    tcase_add_test(tests, every_one_of_many_reloads_counts);
}

Suite *suite_segment(void);
Suite *suite_segment(void)
{
    Suite *suite = suite_create("segment");
    add_creating_and_refusing(fixture_case(suite, "creating and refusing"));
    add_applying(fixture_case(suite, "applying"));
    return suite;
}
