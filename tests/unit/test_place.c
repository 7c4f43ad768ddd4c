#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char out[256];
static struct sp_error error;

static void path_is(const char *name, const char *group, const char *expected)
{
    ck_assert_msg(sp_place_path(out, sizeof out, "/d", name, group, &error) == 0, "%s", error.text);
    ck_assert_str_eq(out, expected);
}

static void path_fails(const char *name, const char *group, int code)
{
    ck_assert_int_eq(sp_place_path(out, sizeof out, "/d", name, group, &error), -1);
    ck_assert_int_eq(error.code, code);
}

START_TEST(a_path_is_made_of_layout_uid_and_name)
{
    char expected[64];
    snprintf(expected, sizeof expected, "/d/shearpin.v%u.%u.pay-1.x_Y", SP_LAYOUT, geteuid());
    path_is("pay-1.x_Y", NULL, expected);
    path_is("pay-1.x_Y", "", expected);
    ck_assert_int_eq(sp_place_path(out, sizeof out, NULL, "a", NULL, &error), 0);
    ck_assert_ptr_nonnull(strstr(out, "/dev/shm/shearpin."));
}
END_TEST

START_TEST(a_groups_path_has_the_number_of_the_group)
{
    char expected[64];
    snprintf(expected, sizeof expected, "/d/shearpin.v%u.g1234/pay", SP_LAYOUT);
    path_is("pay", "1234", expected);
    path_is("pay@1234", NULL, expected);
    snprintf(expected, sizeof expected, "/d/shearpin.v%u.g0/pay", SP_LAYOUT);
    path_is("pay", "root", expected);
}
END_TEST

START_TEST(a_group_that_is_none_is_an_error)
{
    path_fails("pay", "no-such-group", ENOENT);
    path_fails("pay", "roo", ENOENT);
    path_fails("pay", "-1", ENOENT);
    path_fails("pay", "4294967295", EINVAL);
    path_fails("pay", "99999999999999999999999", EINVAL);
}
END_TEST

START_TEST(a_name_can_lead_nowhere_else)
{
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "a b", "a\n", "\xc3\xa4"};
    char long_name[SP_NAME_SIZE + 1];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        path_fails(bad[i], NULL, EINVAL);
    memset(long_name, 'a', SP_NAME_SIZE);
    long_name[SP_NAME_SIZE] = 0;
    path_fails(long_name, NULL, EINVAL);
    long_name[SP_NAME_SIZE - 1] = 0;
    ck_assert_int_eq(sp_place_path(out, sizeof out, "/d", long_name, NULL, &error), 0);
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_an_error)
{
    ck_assert_int_eq(sp_place_path(out, 20, "/d", "some-name", NULL, &error), -1);
    ck_assert_int_eq(error.code, ENAMETOOLONG);
}
END_TEST

/* --- the name of a policy's segment --- */

static void make_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fx.directory, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void name_of(const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fx.directory, file);
    ck_assert_msg(sp_place_name(out, SP_NAME_SIZE, NULL, path, &error) == 0, "%s", error.text);
    ck_assert_int_eq(sp_place_path((char[256]){0}, 256, "/d", out, NULL, &error), 0);
}

START_TEST(the_policy_may_name_its_segment)
{
    const struct sp_policy *policy =
        fixture_policy("segment shop\ndestination db\n    match 10.0.0.1:1\n");
    ck_assert_int_eq(sp_place_name(out, sizeof out, policy, NULL, &error), 0);
    ck_assert_str_eq(out, "shop");
}
END_TEST

START_TEST(else_it_is_the_files_name_and_a_hash_of_its_real_path)
{
    char first[sizeof out];
    make_file("shop.conf");
    name_of("shop.conf");
    ck_assert_int_eq(strncmp(out, "shop-", 5), 0);
    ck_assert_uint_eq(strlen(out), 5 + 8);
    memcpy(first, out, sizeof first);
    name_of(".//./shop.conf");
    ck_assert_str_eq(out, first);
    make_file("shop.cfg");
    name_of("shop.cfg");
    ck_assert_str_ne(out, first);
}
END_TEST

START_TEST(any_file_name_becomes_a_name_that_is_allowed)
{
    static const char *const files[] = {".conf", "a b$c.conf", "\xc3\xa4.conf",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        make_file(files[i]);
        name_of(files[i]);
    }
}
END_TEST

START_TEST(without_a_file_there_is_no_name)
{
    errno = 0;
    ck_assert_int_eq(sp_place_name(out, sizeof out, NULL, NULL, &error), -1);
    ck_assert_int_eq(error.code, ENOENT);
    ck_assert_int_eq(sp_place_name(out, sizeof out, NULL, "/nowhere/at.all", &error), -1);
    ck_assert_int_eq(error.code, ENOENT);
}
END_TEST

Suite *suite_place(void);
Suite *suite_place(void)
{
    Suite *suite = suite_create("place");
    TCase *tests = fixture_case(suite, "place");
    tcase_add_test(tests, a_path_is_made_of_layout_uid_and_name);
    tcase_add_test(tests, a_groups_path_has_the_number_of_the_group);
    tcase_add_test(tests, a_group_that_is_none_is_an_error);
    tcase_add_test(tests, a_name_can_lead_nowhere_else);
    tcase_add_test(tests, a_path_that_does_not_fit_is_an_error);
    tcase_add_test(tests, the_policy_may_name_its_segment);
    tcase_add_test(tests, else_it_is_the_files_name_and_a_hash_of_its_real_path);
    tcase_add_test(tests, any_file_name_becomes_a_name_that_is_allowed);
    tcase_add_test(tests, without_a_file_there_is_no_name);
    return suite;
}
