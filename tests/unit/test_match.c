/* Which destination an address belongs to. */
#include "base/addr.h"
#include "policy_room.h"

static const char match_text[] = "destination payments\n"
                                 "    match *.pay.Example.com:443\n"
                                 "destination db\n"
                                 "    match 10.20.0.0/16:5432 [2001:db8:20::]/48:5432\n"
                                 "destination range\n"
                                 "    match 127.0.0.1:8000-8099 [::ffff:1.2.3.4]:80\n"
                                 "destination host\n"
                                 "    match db.internal cache-?.internal:6379\n"
                                 "destination redis\n"
                                 "    match unix:/run/redis/*.sock unix:@redis-*\n"
                                 "destination web\n"
                                 "    match *:443\n"
                                 "destination local\n"
                                 "    match [::1]:80\n"
                                 "destination rest\n"
                                 "    match *\n";

/* `names`: newest first, blanks between. */
static const char *match_of(const struct sp_policy *policy, const char *text, const char *names)
{
    const char *list[8];
    size_t count = 0;
    char copy[200];
    struct sp_addr address;
    const struct sp_match *which;
    int row;

    snprintf(copy, sizeof copy, "%s", names);
    for (char *name = strtok(copy, " "); name != NULL; name = strtok(NULL, " "))
        list[count++] = name;
    ck_assert(sp_addr_parse(text, strlen(text), &address));
    row = sp_policy_match(policy, &address, list, count, &which);
    ck_assert_int_eq(row < 0, which == NULL);
    ck_assert_int_eq(row, sp_policy_match(policy, &address, list, count, NULL));
    return row < 0 ? "-" : sp_policy_row(policy, (size_t)row)->name;
}

START_TEST(addresses_and_names)
{
    static const struct {
        const char *address, *names, *destination;
    } cases[] = {
        {"9.9.9.9:443", "api.pay.example.com", "payments"},
        {"9.9.9.9:443", "API.PAY.EXAMPLE.COM.", "payments"},
        {"9.9.9.9:443", "a.b.pay.example.com", "payments"},
        {"9.9.9.9:443", "pay.example.com", "web"},
        {"9.9.9.9:444", "api.pay.example.com", "rest"},
        {"[2001:db8::1]:443", "api.pay.example.com", "payments"},
        /* The newest name decides; an address that two hosts share is the one asked for last. */
        {"9.9.9.9:443", "other.example api.pay.example.com db.internal", "web"},
        {"9.9.9.9:443", "db.internal api.pay.example.com", "host"},
        /* Top to bottom: the network stands above the host. */
        {"10.20.0.1:5432", "db.internal", "db"},
        {"10.20.0.1:5432", "unknown.internal", "db"},
        {"10.20.0.1:5432", "", "db"},
        {"10.20.0.1:5433", "", "rest"},
        {"10.21.0.1:5432", "", "rest"},
        {"[2001:db8:20::7]:5432", "", "db"},
        {"[2001:db8:21::7]:5432", "", "rest"},
        {"127.0.0.1:8000", "", "range"},
        {"127.0.0.1:8099", "", "range"},
        {"127.0.0.1:8100", "", "rest"},
        {"127.0.0.1:7999", "", "rest"},
        {"1.2.3.4:80", "", "range"},
        {"9.9.9.9:6379", "cache-1.internal", "host"},
        {"9.9.9.9:6379", "cache-12.internal", "rest"},
        {"unix:/run/redis/a.sock", "", "redis"},
        {"unix:/run/redis/deep/a.sock", "", "redis"},
        {"unix:/run/redis/a.Sock", "", "rest"},
        {"unix:@redis-1", "", "redis"},
        {"unix:redis-1", "", "rest"},
        {"unix:@", "", "rest"},
        /* Names are for hosts. */
        {"unix:/x", "db.internal", "rest"},
        {"[::1]:443", "", "web"},
        {"[::1]:80", "", "local"},
    };
    const struct sp_policy *policy = room_policy(match_text);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = match_of(policy, cases[i].address, cases[i].names);

        ck_assert_msg(strcmp(got, cases[i].destination) == 0, "%s (%s) went to %s, not to %s",
                      cases[i].address, cases[i].names, got, cases[i].destination);
    }
}
END_TEST

START_TEST(nothing_matches)
{
    const struct sp_policy *policy = room_policy("destination a\n match *:443\n");
    struct sp_addr none = {0};
    const char *const names[] = {NULL};

    ck_assert_str_eq(match_of(policy, "1.2.3.4:80", ""), "-");
    ck_assert_str_eq(match_of(policy, "unix:/x", ""), "-");
    ck_assert_int_eq(sp_policy_match(policy, &none, names, 1, NULL), -1);
    policy = room_policy("# empty\n");
    ck_assert_str_eq(match_of(policy, "1.2.3.4:443", "a.b"), "-");
}
END_TEST

START_TEST(rules_of_a_reopened_section_are_found)
{
    const struct sp_policy *policy = room_policy("destination a\n match \"1.1.1.1\" 2.2.2.2\n"
                                                 "destination b\n match 3.3.3.3\n");

    ck_assert_str_eq(match_of(policy, "2.2.2.2:1", ""), "a");
    ck_assert_str_eq(match_of(policy, "3.3.3.3:1", ""), "b");
}
END_TEST

START_TEST(globs)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"", "", true},          {"", "a", false},         {"*", "", true},
        {"**", "", true},        {"?", "", false},         {"a*b*c", "axxbyyc", true},
        {"a*b*c", "acb", false}, {"*.x", "a/b.x", true},   {"a?c", "abc", true},
        {"a?c", "ac", false},    {"*a", "aaaa", true},     {"A", "a", false},
        {"a*", "a", true},       {"*ab*ab", "abab", true}, {"*ab*ab", "ab", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(sp_glob(cases[i].pattern, cases[i].text) == cases[i].match, "%s ~ %s",
                      cases[i].pattern, cases[i].text);
}
END_TEST

Suite *suite_match(void)
{
    Suite *suite = suite_create("match");
    TCase *tests = tcase_create("match");

    tcase_add_test(tests, addresses_and_names);
    tcase_add_test(tests, nothing_matches);
    tcase_add_test(tests, rules_of_a_reopened_section_are_found);
    tcase_add_test(tests, globs);
    suite_add_tcase(suite, tests);
    return suite;
}
