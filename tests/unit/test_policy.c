/* Text in, block out: defaults, includes, mistakes (tests/policy holds a table of them), keys. */
#include "policy_room.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SP_SOURCE_DIR
#define SP_SOURCE_DIR "."
#endif

static const struct sp_policy *policy_of(void)
{
    return (const struct sp_policy *)room;
}

static uint64_t digest_of(const char *text)
{
    return room_policy(text)->digest;
}

START_TEST(initial_values)
{
    const struct sp_guards *g = room_guards(room_policy("destination a\n match *\n"), "a");

    ck_assert_uint_eq(g->mode, SP_MODE_ENFORCE);
    ck_assert_uint_eq(g->exchange, SP_EXCHANGE_ANSWER);
    for (int i = 0; i < SP_DEADLINE_COUNT; i++)
        ck_assert_uint_eq(g->deadline[i], 0);
    ck_assert_uint_eq(g->breaker.streak + g->breaker.rate + g->breaker.slow, 0);
    ck_assert_uint_eq(g->breaker.open_min, SP_SECOND);
    ck_assert_uint_eq(g->breaker.open_max, 60 * SP_SECOND);
    ck_assert_uint_eq(g->breaker.probe, 1);
    ck_assert_uint_eq(g->breaker.close, 2);
    ck_assert_uint_eq(g->breaker.giveup, 30 * SP_SECOND);
    ck_assert_uint_eq(g->breaker.on, SP_OUTCOMES_BLAMING);
    ck_assert_uint_eq(g->cap[SP_CAP_CONNECTIONS], 0);
}
END_TEST

START_TEST(all_words)
{
    const struct sp_policy *policy = room_policy("segment billing group ops\n"
                                                 "destination a\n"
                                                 "\tmatch\t*\n"
                                                 " mode observe\n"
                                                 " exchange greeting\n"
                                                 " success connect\n"
                                                 " deadline connect 1s response 2s send 3s\n"
                                                 " deadline idle 4s total 5s lookup 6s\n"
                                                 " breaker streak 5 rate 12.5% of 20 in 10s\n"
                                                 " breaker slow 50% over 1500ms of 30 in 30s\n"
                                                 " breaker open 5s probe 2 close 3 giveup 7s\n"
                                                 " breaker on timeout,status established pass\n"
                                                 " cap connections 9\n");
    const struct sp_guards *g = room_guards(policy, "a");
    const struct sp_breaker_policy *b = &g->breaker;

    ck_assert_str_eq(policy->segment, "billing");
    ck_assert_str_eq(policy->group, "ops");
    ck_assert_uint_eq(g->mode, SP_MODE_OBSERVE);
    ck_assert_uint_eq(g->exchange, SP_EXCHANGE_GREETING);
    ck_assert_uint_eq(g->success, SP_SUCCESS_CONNECT);
    for (unsigned i = 0; i < SP_DEADLINE_COUNT; i++)
        ck_assert_uint_eq(g->deadline[i], (i + 1) * SP_SECOND);
    ck_assert(b->streak == 5 && b->rate == 1250 && b->rate_min == 20);
    ck_assert(b->rate_window == 10 * SP_SECOND && b->slow == 5000 && b->slow_min == 30);
    ck_assert(b->slow_over == 1500 * SP_MS && b->slow_window == 30 * SP_SECOND);
    ck_assert(b->open_min == 5 * SP_SECOND && b->open_max == 5 * SP_SECOND);
    ck_assert(b->probe == 2 && b->close == 3 && b->giveup == 7 * SP_SECOND);
    ck_assert(b->on == (SP_OUTCOME_BIT(CONNECT_TIMEOUT) | SP_OUTCOME_BIT(RESPONSE_TIMEOUT) |
                        SP_OUTCOME_BIT(STATUS)));
    ck_assert_uint_eq(b->established, SP_ESTABLISHED_PASS);
    ck_assert_uint_eq(g->cap[SP_CAP_CONNECTIONS], 9);
}
END_TEST

START_TEST(defaults_hold_wherever_they_stand)
{
    const struct sp_policy *policy = room_policy("destination a\n match *:1\n mode enforce\n"
                                                 " deadline connect off\n"
                                                 "defaults\n mode observe\n"
                                                 " deadline connect 1s send 2s\n"
                                                 "destination b\n match *:2\n breaker off\n");
    const struct sp_guards *a = room_guards(policy, "a"), *b = room_guards(policy, "b");

    ck_assert_uint_eq(a->mode, SP_MODE_ENFORCE);
    ck_assert_uint_eq(a->deadline[SP_DEADLINE_CONNECT], 0);
    ck_assert_uint_eq(a->deadline[SP_DEADLINE_SEND], 2 * SP_SECOND);
    ck_assert_uint_eq(b->mode, SP_MODE_OBSERVE);
    ck_assert_uint_eq(b->deadline[SP_DEADLINE_CONNECT], SP_SECOND);
    ck_assert_uint_eq(policy->line_defaults, 5);
}
END_TEST

START_TEST(off_switches_limits_off)
{
    const struct sp_guards *g = room_guards(
        room_policy("defaults\n breaker streak 5 rate 50% of 5 in 1s slow 5% over 1s of 5 in 1s\n"
                    " deadline connect 1s idle 1s\n cap 5\n"
                    "destination a\n match *\n breaker off\n deadline off\n cap off\n"),
        "a");

    ck_assert_uint_eq(g->breaker.streak + g->breaker.rate + g->breaker.slow, 0);
    ck_assert_uint_eq(g->deadline[SP_DEADLINE_CONNECT] + g->deadline[SP_DEADLINE_IDLE], 0);
    ck_assert_uint_eq(g->cap[SP_CAP_CONNECTIONS], 0);
}
END_TEST

START_TEST(digest_is_of_what_is_said)
{
    uint64_t one = digest_of("destination a\n match *:80\n mode observe\n");

    ck_assert_uint_eq(one, digest_of("# x\n\ndefaults\n mode observe\n"
                                     "destination a   # y\n    match   \"*:80\"\n"));
    ck_assert_uint_ne(one, digest_of("destination a\n match *:81\n mode observe\n"));
    ck_assert_uint_ne(one, digest_of("destination b\n match *:80\n mode observe\n"));
    ck_assert_uint_ne(one, digest_of("destination a\n match *:80\n mode off\n"));
    ck_assert_uint_ne(one, digest_of("segment x\ndestination a\n match *:80\n mode observe\n"));
}
END_TEST

START_TEST(settings_tell_where_a_word_was_set)
{
    const struct sp_policy *policy = room_policy("defaults\n mode observe\n"
                                                 "destination a\n match *\n breaker streak 5\n");
    const struct sp_setting *settings = (const void *)((const char *)policy + policy->settings);

    ck_assert_uint_eq(policy->setting_count, 2);
    ck_assert_uint_eq(settings[0].row, SP_ROW_DEFAULTS);
    ck_assert_str_eq(sp_keys[settings[0].key].directive, "mode");
    ck_assert_uint_eq(settings[0].line, 2);
    ck_assert_uint_eq(settings[1].row, 0);
    ck_assert_str_eq(sp_keys[settings[1].key].word, "streak");
    ck_assert_uint_eq(settings[1].line, 5);
    ck_assert_str_eq(sp_policy_file(policy, settings[1].file), "test.conf");
    ck_assert_str_eq(sp_policy_file(policy, 99), "");
    ck_assert_str_eq(sp_policy_string(policy, UINT32_MAX), "");
}
END_TEST

/* What the formatter writes, the parser reads as the same value. */
START_TEST(keys_format_what_they_read)
{
    uint64_t plain = digest_of("destination a\n match *\n");
    struct sp_guards guards;
    char value[64], text[256];

    ck_assert_uint_gt(sp_key_total, 20);
    sp_guards_initial(&guards);
    for (size_t i = 0; i < sp_key_total; i++) {
        const struct sp_key *key = &sp_keys[i];

        /* Some are written only inside a form, or on a further line; `open 1s` alone is 1s..1s. */
        if (strpbrk(key->word, "-.") != NULL || strcmp(key->word, "open") == 0 ||
            strcmp(key->word, "backoff") == 0)
            continue;
        sp_key_format(key, &guards, value, sizeof value);
        snprintf(text, sizeof text, "destination a\n match *\n %s %s %s\n", key->directive,
                 key->word, value);
        ck_assert_msg(digest_of(text) == plain, "%s", text);
    }
}
END_TEST

START_TEST(groups_of_outcomes_are_written_as_one_word)
{
    struct sp_guards guards;
    char value[64] = "";

    sp_guards_initial(&guards);
    for (size_t i = 0; i < sp_key_total; i++)
        if (strcmp(sp_keys[i].directive, "breaker") == 0 && strcmp(sp_keys[i].word, "on") == 0)
            sp_key_format(&sp_keys[i], &guards, value, sizeof value);
    ck_assert_str_eq(value, "refused,unreachable,timeout,reset,eof");
}
END_TEST

static void file_put(const char *directory, const char *name, const char *text)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void directory_make(char *directory)
{
    char path[300];

    strcpy(directory, "/tmp/shearpin-policy-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/d", directory);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void directory_remove(const char *directory)
{
    char path[600];
    DIR *open = opendir(directory);
    struct dirent *entry;

    while ((entry = readdir(open)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (unlink(path) != 0)
            directory_remove(path);
    }
    closedir(open);
    rmdir(directory);
}

START_TEST(includes_change_single_words)
{
    char directory[64], path[100];
    const struct sp_policy *policy;

    directory_make(directory);
    snprintf(path, sizeof path, "%s/policy.conf", directory);
    file_put(directory, "policy.conf",
             "include d/*.conf\n"
             "destination a\n match 1.1.1.1\n deadline connect 1s send 1s\n"
             "destination b\n match 2.2.2.2\n"
             "defaults\n deadline idle 1s\n");
    file_put(directory, "d/20.conf", "destination a\n deadline connect 3s\n");
    file_put(directory, "d/10.conf",
             "include deeper*\ndestination a\n deadline connect 2s\n match 3.3.3.3\n"
             "destination c\n match 4.4.4.4\ndefaults\n deadline idle 2s\n");
    file_put(directory, "d/deeper", "destination a\n deadline send 9s\n");
    file_put(directory, "d/.hidden.conf", "nonsense\n");
    file_put(directory, "d/backup.conf~", "nonsense\n");
    ck_assert_msg(room_read(path) == 0, "%s", said);
    policy = policy_of();
    ck_assert(sp_policy_valid(policy, sizeof room));
    ck_assert_uint_eq(room_guards(policy, "a")->deadline[SP_DEADLINE_CONNECT], 3 * SP_SECOND);
    ck_assert_uint_eq(room_guards(policy, "a")->deadline[SP_DEADLINE_SEND], 9 * SP_SECOND);
    ck_assert_uint_eq(room_guards(policy, "c")->deadline[SP_DEADLINE_IDLE], 2 * SP_SECOND);
    ck_assert_int_eq(room_row(policy, "a"), 0); /* keeps its place */
    ck_assert_int_eq(room_row(policy, "c"), 2);
    ck_assert_uint_eq(sp_policy_row(policy, 0)->match_count, 2);
    ck_assert_uint_eq(policy->file_count, 4);
    ck_assert_str_eq(sp_policy_string(policy, policy->path), path);
    directory_remove(directory);
}
END_TEST

START_TEST(includes_that_are_refused)
{
    char directory[64], path[100], expected[400];

    directory_make(directory);
    snprintf(path, sizeof path, "%s/policy.conf", directory);
    file_put(directory, "policy.conf",
             "include *.conf\ninclude d*\ninclude */x\n"
             "include missing\ninclude none/*\n"
             "destination a\n match *\n");
    ck_assert_int_eq(room_read(path), 4);
    snprintf(expected, sizeof expected, "%s: error: was read already, as %s\n", path, path);
    ck_assert_ptr_nonnull(strstr(said, expected));
    snprintf(expected, sizeof expected, "%s/d: error: is not a regular file\n", directory);
    ck_assert_ptr_nonnull(strstr(said, expected));
    ck_assert_ptr_nonnull(strstr(said, ":3:9: error: stars may stand behind the last '/' only"));
    ck_assert_ptr_nonnull(strstr(said, ":4:9: error: "));
    directory_remove(directory);
}
END_TEST

START_TEST(files_that_are_refused)
{
    char directory[64], path[100];

    directory_make(directory);
    snprintf(path, sizeof path, "%s/policy.conf", directory);
    ck_assert_int_eq(room_read(path), 1);
    ck_assert_ptr_nonnull(strstr(said, "cannot be read: there is no such file"));
    ck_assert_int_eq(room_read(directory), 1);
    ck_assert_ptr_nonnull(strstr(said, "is not a regular file"));
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(room_read(path), 1); /* and does not wait for a writer */
    unlink(path);
    file_put(directory, "policy.conf", "destination a\n match *\n");
    ck_assert_int_eq(room_read(path), 0);
    ck_assert_str_eq(said, "");
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert_int_eq(room_read(path), 0);
    ck_assert_ptr_nonnull(strstr(said, "warning: everybody can change this file"));
    if (geteuid() == 0) {
        ck_assert_int_eq(chown(path, 12345, 12345), 0);
        ck_assert_int_eq(room_read(path), 1);
        ck_assert_ptr_nonnull(strstr(said, "belongs to user 12345"));
    }
    ck_assert_int_eq(sp_policy_read(path, room, SP_POLICY_ROOM - 1, room_say, NULL), 1);
    directory_remove(directory);
}
END_TEST

START_TEST(odd_bytes)
{
    ck_assert_int_eq(room_read_bytes("destination a\n match *\0\n mode x\n", 32), 1);
    ck_assert_str_eq(said, "test.conf:2:9: error: a NUL byte: this is no text file\n"
                           "    2 |  match *?\n"
                           "      |         ^\n"
                           "");
}
END_TEST

START_TEST(long_lines_and_many_mistakes)
{
    static char text[300000];
    size_t length = 0;

    memset(text, ' ', 4096);
    text[4096] = '\n';
    ck_assert_int_eq(room_read_bytes(text, 4097), 0);
    text[4096] = ' ';
    text[4097] = '\n';
    ck_assert_int_eq(room_read_bytes(text, 4098), 1);
    ck_assert_ptr_nonnull(strstr(said, "test.conf:1:4097: error: the line is longer than 4096"));
    for (int i = 0; i < 2000; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "nonsense%d\n", i);
    ck_assert_int_eq(room_read_bytes(text, length), 2000);
    ck_assert_ptr_nonnull(strstr(said, "too many mistakes; the others are not shown"));
    ck_assert_ptr_null(strstr(said, "nonsense101"));
    memset(text, '\n', 70000);
    ck_assert_int_eq(room_read_bytes(text, 70000), 1);
    ck_assert_int_eq(room_read_bytes("\xef\xbb\xbf"
                                     "destination a\r\n match *\r\n",
                                     28),
                     0);
}
END_TEST

START_TEST(as_many_destinations_as_there_may_be)
{
    static char text[400000];
    size_t length = 0;

    for (unsigned i = 0; i <= SP_POLICY_ROWS_MAX; i++) {
        if (i == SP_POLICY_ROWS_MAX)
            ck_assert_int_eq(room_read_bytes(text, length), 0);
        length +=
            (size_t)snprintf(text + length, sizeof text - length,
                             "destination d%u\n match 10.%u.%u.1\n cap 5\n", i, i >> 8, i & 255);
    }
    ck_assert(sp_policy_valid(policy_of(), sizeof room));
    ck_assert_uint_eq(policy_of()->row_count, SP_POLICY_ROWS_MAX);
    ck_assert_int_eq(room_read_bytes(text, length), 1);
    ck_assert_ptr_nonnull(strstr(said, "more than 1024 destinations"));
}
END_TEST

/* No change of a byte may turn a valid block into one that is read out of bounds. */
START_TEST(damaged_blocks_are_refused_or_harmless)
{
    static _Alignas(8) unsigned char copy[8192];
    const struct sp_policy *policy = room_policy("destination a\n match *.x:1 10.0.0.0/8 unix:*\n");
    size_t size = policy->size;
    struct sp_policy *other = (struct sp_policy *)copy;
    const char *const names[] = {"a.x"};
    struct sp_addr address = {.family = SP_FAMILY_IPV4, .port = 1};

    ck_assert_uint_lt(size, sizeof copy);
    for (size_t i = 0; i < size * 8; i++) {
        memcpy(copy, room, size);
        copy[i / 8] ^= (unsigned char)(1u << i % 8);
        if (sp_policy_valid(other, size))
            sp_policy_match(other, &address, names, 1, NULL);
    }
    memcpy(copy, room, size);
    ck_assert(sp_policy_valid(other, size));
    ck_assert(!sp_policy_valid(other, size - 1));
    ck_assert(!sp_policy_valid(other, 0));
    ck_assert(!sp_policy_valid(NULL, size));
    other->row_count = UINT32_MAX;
    ck_assert(!sp_policy_valid(other, size));
}
END_TEST

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void expect_findings(const char *name)
{
    static char expected[64 << 10];
    char path[300];
    size_t length;
    FILE *file;

    snprintf(path, sizeof path, "%.*s.err", (int)(strlen(name) - 5), name);
    file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is missing", path);
    length = fread(expected, 1, sizeof expected - 1, file);
    expected[length] = '\0';
    fclose(file);
    room_read(name);
    ck_assert_msg(strcmp(said, expected) == 0, "%s\n--- said\n%s--- expected\n%s", name, said,
                  expected);
}

START_TEST(mistakes_are_said_word_for_word)
{
    DIR *directory;
    struct dirent *entry;
    int count = 0, here = open(".", O_RDONLY | O_DIRECTORY);

    ck_assert_int_eq(chdir(SP_SOURCE_DIR "/tests/policy"), 0);
    directory = opendir(".");
    while ((entry = readdir(directory)) != NULL) {
        if (!ends_with(entry->d_name, ".conf"))
            continue;
        expect_findings(entry->d_name);
        count++;
    }
    closedir(directory);
    ck_assert_int_eq(fchdir(here), 0);
    close(here);
    ck_assert_int_ge(count, 20);
}
END_TEST

START_TEST(examples_are_without_a_finding)
{
    static const char *const examples[] = {
        "demo", "legacy-service", "database", "cache", "slow-dependency", "fallback", "blue-green"};
    char path[300];
    struct sp_addr address = {.family = SP_FAMILY_IPV4, .port = 9, .ip = {127, 0, 0, 1}};

    for (size_t i = sizeof examples / sizeof *examples; i-- > 0;) {
        snprintf(path, sizeof path, "%s/policies/%s.conf", SP_SOURCE_DIR, examples[i]);
        ck_assert_int_eq(room_read(path), 0);
        ck_assert_str_eq(said, "");
        ck_assert_str_eq(policy_of()->segment, examples[i]);
        ck_assert(sp_policy_valid(policy_of(), sizeof room));
    }
    ck_assert_int_eq(sp_policy_match(policy_of(), &address, NULL, 0, NULL), 0);
    ck_assert_str_eq(sp_policy_row(policy_of(), 0)->name, "payments");
}
END_TEST

START_TEST(a_cap_beyond_the_open_files)
{
    struct rlimit before, low;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 100;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    room_policy("destination a\n match *\n cap 100\n");
    ck_assert_str_eq(said, "");
    room_policy("destination a\n match *\n cap 101\n");
    ck_assert_str_eq(said, "test.conf:3:2: warning: 'a': cap 101 is above the limit of 100 open"
                           " files (ulimit -n)\n");
    setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

START_TEST(findings_fit_any_buffer)
{
    const struct sp_finding finding = {
        SP_ERROR, "a\033[31m.conf", 7, 5, 300, "bad\n", "\tx \xff yz", "cure",
    };
    char out[256];

    ck_assert_uint_gt(sp_finding_format(&finding, out, sizeof out), 0);
    ck_assert_str_eq(out, "a?[31m.conf:7:5: error: bad?\n    7 | \tx ? yz\n"
                          "      | \t   ^~~ cure\n");
    for (size_t size = 0; size < sizeof out; size++) {
        size_t length = sp_finding_format(&finding, out, size);

        ck_assert(size == 0 || (length < size && out[length] == '\0'));
        ck_assert(length == 0 || out[length - 1] == '\n');
    }
}
END_TEST

Suite *suite_policy(void)
{
    Suite *suite = suite_create("policy");
    TCase *tests = tcase_create("policy");

    tcase_add_test(tests, initial_values);
    tcase_add_test(tests, all_words);
    tcase_add_test(tests, defaults_hold_wherever_they_stand);
    tcase_add_test(tests, off_switches_limits_off);
    tcase_add_test(tests, digest_is_of_what_is_said);
    tcase_add_test(tests, settings_tell_where_a_word_was_set);
    tcase_add_test(tests, keys_format_what_they_read);
    tcase_add_test(tests, groups_of_outcomes_are_written_as_one_word);
    tcase_add_test(tests, includes_change_single_words);
    tcase_add_test(tests, includes_that_are_refused);
    tcase_add_test(tests, files_that_are_refused);
    tcase_add_test(tests, odd_bytes);
    tcase_add_test(tests, long_lines_and_many_mistakes);
    tcase_add_test(tests, as_many_destinations_as_there_may_be);
    tcase_add_test(tests, damaged_blocks_are_refused_or_harmless);
    tcase_add_test(tests, mistakes_are_said_word_for_word);
    tcase_add_test(tests, examples_are_without_a_finding);
    tcase_add_test(tests, a_cap_beyond_the_open_files);
    tcase_add_test(tests, findings_fit_any_buffer);
    suite_add_tcase(suite, tests);
    return suite;
}
