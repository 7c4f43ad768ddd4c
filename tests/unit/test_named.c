#include "fixture.h"

#include "policy_room.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/shearpin-named.XXXXXX";

static void file_begin(void)
{
    close(mkstemp(path));
}

static void file_end(void)
{
    unlink(path);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
}

static bool named(const char *text, struct sp_policy *out)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return sp_policy_named(path, out);
}

#define REST "defaults\n cap 4\ndestination d\n match *:80\n"

/* What it says is what the reader says, where the reader has no complaint. */
START_TEST(says_what_the_reader_says)
{
    static const char *const texts[] = {
        REST,
        "segment a\n" REST,
        REST "segment a",
        "\xef\xbb\xbf# text\n\nsegment \"a.b-c\"   # more\r\n" REST,
        "syntax 1\nsegment a group 7\n" REST,
        "segment aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa group bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n" REST,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sp_policy quick;
        ck_assert(named(texts[i], &quick));
        ck_assert_int_eq(sp_policy_read(path, room, SP_POLICY_ROOM, NULL, NULL), 0);
        const struct sp_policy *policy = (const void *)room;
        ck_assert_mem_eq(quick.segment, policy->segment, sizeof quick.segment);
        ck_assert_mem_eq(quick.group, policy->group, sizeof quick.group);
    }
    struct sp_policy none;
    ck_assert(named(REST " segment no\n", &none)); /* indented: a directive, and a wrong one */
    ck_assert_str_eq(none.segment, "");
}
END_TEST

START_TEST(leaves_the_rest_to_the_reader)
{
    static const char long_name[] =
        "segment "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    static const char *const texts[] = {
        "segment\n",
        "segment a b\n",
        "segment a\nsegment a\n",
        "segment a groop b\n",
        "segment a group b c\n",
        "segment a\ninclude other.conf\n",
        "segment \"a\n",
        long_name,
        "segment \x01\n",
    };
    struct sp_policy quick;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!named(texts[i], &quick), "%s", texts[i]);
    ck_assert(named("segment a\n", &quick));
    ck_assert_int_eq(truncate(path, 1 << 20), 0);
    ck_assert(!sp_policy_named(path, &quick));
    unlink(path);
    ck_assert(!sp_policy_named(path, &quick));
    ck_assert(!sp_policy_named("/dev/null", &quick));
    ck_assert(!sp_policy_named("/tmp", &quick));
}
END_TEST

Suite *suite_named(void);
Suite *suite_named(void)
{
    Suite *suite = suite_create("named");
    TCase *tests = tcase_create("named");
    tcase_add_checked_fixture(tests, file_begin, file_end);
    tcase_add_test(tests, says_what_the_reader_says);
    tcase_add_test(tests, leaves_the_rest_to_the_reader);
    suite_add_tcase(suite, tests);
    return suite;
}
