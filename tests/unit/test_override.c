/* -o and SHEARPIN_SET. */
#include "policy_room.h"

static struct sp_override overrides[SP_OVERRIDES_MAX];
static struct sp_error error;

static int parse(const char *text, const struct sp_policy *policy)
{
    memset(&error, 0, sizeof error);
    return sp_override_parse(text, policy, overrides, SP_OVERRIDES_MAX, &error);
}

START_TEST(several_settings_are_applied_in_order)
{
    struct sp_guards guards;

    sp_guards_initial(&guards);
    ck_assert_int_eq(parse("*.mode=observe; payments.deadline.connect=1s ;"
                           "payments.deadline.response = off;other.deadline.idle=5s;;",
                           NULL),
                     4);
    guards.deadline[SP_DEADLINE_RESPONSE] = 7;
    sp_override_apply(overrides, 4, "payments", &guards);
    ck_assert_uint_eq(guards.mode, SP_MODE_OBSERVE);
    ck_assert_uint_eq(guards.deadline[SP_DEADLINE_CONNECT], SP_SECOND);
    ck_assert_uint_eq(guards.deadline[SP_DEADLINE_RESPONSE], 0);
    ck_assert_uint_eq(guards.deadline[SP_DEADLINE_IDLE], 0);
    ck_assert_int_eq(parse("", NULL), 0);
    ck_assert_int_eq(parse("eu.west.mode=off", NULL), 1);
    ck_assert_str_eq(overrides[0].destination, "eu.west");
}
END_TEST

START_TEST(names_are_checked_against_the_policy)
{
    const struct sp_policy *policy = room_policy("destination payments\n match *\n");

    ck_assert_int_eq(parse("payments.mode=off;*.mode=off", policy), 2);
    ck_assert_int_eq(parse("paymnets.mode=off", policy), -1);
    ck_assert_str_eq(error.text,
                     "the policy has no destination 'paymnets'; did you mean 'payments'?");
    ck_assert_int_eq(parse("zzz.mode=off", policy), -1);
    ck_assert_str_eq(error.text, "the policy has no destination 'zzz'");
}
END_TEST

START_TEST(mistakes)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"payments.deadline.connect",
         "'payments.deadline.connect' has no value: write DESTINATION.WORD=VALUE"},
        {"mode=off", "'mode': a setting is DESTINATION.WORD=VALUE, for example"
                     " payments.deadline.connect=1s"},
        {"payments.deadline.conect=1s",
         "'payments.deadline.conect' is no setting; did you mean 'payments.deadline.connect'?"},
        {"payments.nonsense=1s",
         "'payments.nonsense' is no setting; one is payments.deadline.connect"},
        {"payments.deadline.connect=5",
         "'payments.deadline.connect': a time needs a unit: 250ms, 5s, 2m; did you mean '5ms'?"},
        {"payments.deadline.connect=0s", "'payments.deadline.connect': '0s' is out of range:"
                                         " deadline connect is 1ms to 1d, or off"},
        {"payments.deadline.connect=",
         "'payments.deadline.connect' needs a value: a time: 250ms, 5s, 2m"},
        {"payments.mode=enforced",
         "'payments.mode': unknown mode 'enforced'; did you mean 'enforce'?"},
        {"payments.breaker.streak=3",
         "'payments.breaker.streak' cannot be changed for one program: all processes of the"
         " segment share it; change the policy and reload"},
        {"payments.cap=3", "'payments.cap' cannot be changed for one program: all processes of the"
                           " segment share it; change the policy and reload"},
        {"=", "'': a setting is DESTINATION.WORD=VALUE, for example payments.deadline.connect=1s"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(parse(cases[i].text, NULL), -1);
        ck_assert_str_eq(error.text, cases[i].error);
    }
}
END_TEST

START_TEST(too_many)
{
    char text[2000] = "";

    for (int i = 0; i < SP_OVERRIDES_MAX; i++)
        strcat(text, "a.mode=off;");
    ck_assert_int_eq(parse(text, NULL), SP_OVERRIDES_MAX);
    strcat(text, "a.mode=off;");
    ck_assert_int_eq(parse(text, NULL), -1);
    ck_assert_int_eq(sp_override_parse("a.mode=x", NULL, overrides, 1, NULL), -1);
}
END_TEST

/* They may come from another process's memory. */
START_TEST(bad_overrides_change_nothing)
{
    struct sp_guards guards, before;
    struct sp_override bad[] = {
        {"*", 9999, 1},
        {"*", 0, 77},
        {"*", 9, 1},
        {"*", 3, UINT64_MAX},
    };

    sp_guards_initial(&guards);
    before = guards;
    sp_override_apply(bad, 4, "payments", &guards);
    ck_assert_mem_eq(&guards, &before, sizeof guards);
}
END_TEST

Suite *suite_override(void)
{
    Suite *suite = suite_create("override");
    TCase *tests = tcase_create("override");

    tcase_add_test(tests, several_settings_are_applied_in_order);
    tcase_add_test(tests, names_are_checked_against_the_policy);
    tcase_add_test(tests, mistakes);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, bad_overrides_change_nothing);
    suite_add_tcase(suite, tests);
    return suite;
}
