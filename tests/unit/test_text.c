/* Values as people write them, near words, outcome words, hashes. */
#include "base/digits.h"
#include "base/near.h"
#include "base/random.h"
#include "base/text.h"
#include "shearpin/types.h"

#include <check.h>
#include <string.h>

START_TEST(times_are_read)
{
    static const struct {
        const char *text;
        enum sp_text status;
        uint64_t ns;
    } cases[] = {
        {"250ms", SP_TEXT_OK, 250 * SP_MS},
        {"1.5s", SP_TEXT_OK, 1500 * SP_MS},
        {"0.5us", SP_TEXT_OK, 500},
        {"2m", SP_TEXT_OK, 120 * SP_SECOND},
        {"1h", SP_TEXT_OK, 3600 * SP_SECOND},
        {"1d", SP_TEXT_OK, 86400 * SP_SECOND},
        {"0s", SP_TEXT_OK, 0},
        {"1.000000001s", SP_TEXT_OK, SP_SECOND + 1},
        {"213503d", SP_TEXT_OK, UINT64_C(18446659200) * SP_SECOND},
        {"250", SP_TEXT_NO_UNIT, 0},
        {"0", SP_TEXT_NO_UNIT, 0},
        {"1.5", SP_TEXT_NO_UNIT, 0},
        {"", SP_TEXT_NO_NUMBER, 0},
        {"s", SP_TEXT_NO_NUMBER, 0},
        {"-1s", SP_TEXT_NO_NUMBER, 0},
        {"+1s", SP_TEXT_NO_NUMBER, 0},
        {" 1s", SP_TEXT_NO_NUMBER, 0},
        {".5s", SP_TEXT_NO_NUMBER, 0},
        {"1.s", SP_TEXT_BAD_UNIT, 0},
        {"1sec", SP_TEXT_BAD_UNIT, 0},
        {"1S", SP_TEXT_BAD_UNIT, 0},
        {"1 s", SP_TEXT_BAD_UNIT, 0},
        {"1e3s", SP_TEXT_BAD_UNIT, 0},
        {"1.0000000001s", SP_TEXT_TOO_FINE, 0},
        {"0.0001us", SP_TEXT_TOO_FINE, 0},
        {"213504d", SP_TEXT_TOO_BIG, 0},
        {"99999999999999999999s", SP_TEXT_TOO_BIG, 0},
    };
    uint64_t ns = 0;
    enum sp_text status = sp_text_parse_time(cases[_i].text, strlen(cases[_i].text), &ns);

    ck_assert_msg(status == cases[_i].status, "%s gave %d", cases[_i].text, status);
    if (status == SP_TEXT_OK)
        ck_assert_uint_eq(ns, cases[_i].ns);
}
END_TEST
#define TIMES 27

START_TEST(times_are_written_in_the_largest_whole_unit)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {250 * SP_MS, "250ms"},
        {1500 * SP_MS, "1500ms"},
        {60 * SP_SECOND, "1m"},
        {90 * SP_SECOND, "90s"},
        {86400 * SP_SECOND, "1d"},
        {SP_US, "1us"},
        {1500, "1.500us"},
        {1, "0.001us"},
        {UINT64_MAX, "18446744073709551.615us"},
    };
    char text[40];
    uint64_t back;
    size_t length = sp_text_format_time(cases[_i].ns, text, sizeof text);

    ck_assert_str_eq(text, cases[_i].text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_int_eq(sp_text_parse_time(text, length, &back), SP_TEXT_OK);
    ck_assert_uint_eq(back, cases[_i].ns);
}
END_TEST
#define WRITTEN_TIMES 10

START_TEST(every_time_reads_back)
{
    uint64_t state = 7, back;
    char text[40];

    for (int i = 0; i < 20000; i++) {
        uint64_t ns = sp_random_next(&state) >> (i % 64);
        size_t length = sp_text_format_time(ns, text, sizeof text);

        ck_assert_int_eq(sp_text_parse_time(text, length, &back), SP_TEXT_OK);
        ck_assert_uint_eq(back, ns);
    }
}
END_TEST

START_TEST(sizes)
{
    uint64_t bytes;
    char text[40];

    ck_assert_int_eq(sp_text_parse_size("64KiB", 5, &bytes), SP_TEXT_OK);
    ck_assert_uint_eq(bytes, 65536);
    ck_assert_int_eq(sp_text_parse_size("1.5MiB", 6, &bytes), SP_TEXT_OK);
    ck_assert_uint_eq(bytes, 3 << 19);
    ck_assert_int_eq(sp_text_parse_size("100", 3, &bytes), SP_TEXT_OK);
    ck_assert_uint_eq(bytes, 100);
    ck_assert_int_eq(sp_text_parse_size("64KB", 4, &bytes), SP_TEXT_BAD_UNIT);
    ck_assert_int_eq(sp_text_parse_size("0.3B", 4, &bytes), SP_TEXT_TOO_FINE);
    sp_text_format_size(65536, text, sizeof text);
    ck_assert_str_eq(text, "64KiB");
    sp_text_format_size(1025, text, sizeof text);
    ck_assert_str_eq(text, "1025B");
    sp_text_format_size(0, text, sizeof text);
    ck_assert_str_eq(text, "0B");
}
END_TEST

START_TEST(shares)
{
    static const char *const good[] = {"0%", "0.01%", "0.5%", "50%", "99.99%", "100%"};
    static const uint32_t value[] = {0, 1, 50, 5000, 9999, 10000};
    uint32_t share;
    char text[40];

    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(sp_text_parse_share(good[i], strlen(good[i]), &share), SP_TEXT_OK);
        ck_assert_uint_eq(share, value[i]);
        sp_text_format_share(share, text, sizeof text);
        ck_assert_str_eq(text, good[i]);
    }
    ck_assert_int_eq(sp_text_parse_share("50", 2, &share), SP_TEXT_NO_UNIT);
    ck_assert_int_eq(sp_text_parse_share("0.001%", 6, &share), SP_TEXT_TOO_FINE);
    ck_assert_int_eq(sp_text_parse_share("50%%", 4, &share), SP_TEXT_BAD_UNIT);
    ck_assert_int_eq(sp_text_parse_share("99999999999%", 12, &share), SP_TEXT_TOO_BIG);
}
END_TEST

START_TEST(counts)
{
    uint64_t count;

    ck_assert_int_eq(sp_text_parse_count("18446744073709551615", 20, &count), SP_TEXT_OK);
    ck_assert_uint_eq(count, UINT64_MAX);
    ck_assert_int_eq(sp_text_parse_count("18446744073709551616", 20, &count), SP_TEXT_TOO_BIG);
    ck_assert_int_eq(sp_text_parse_count("1.0", 3, &count), SP_TEXT_BAD_UNIT);
    ck_assert_int_eq(sp_text_parse_count("5x", 2, &count), SP_TEXT_BAD_UNIT);
    ck_assert_int_eq(sp_text_parse_count("-5", 2, &count), SP_TEXT_NO_NUMBER);
}
END_TEST

START_TEST(digits_at_the_front)
{
    static const struct {
        const char *text;
        size_t used; /* 0: no number */
        uint64_t value;
    } cases[] = {
        {"0", 1, 0},  {"443", 3, 443}, {"007:", 3, 7}, {"18446744073709551615", 20, UINT64_MAX},
        {"", 0, 0},   {"x1", 0, 0},    {" 1", 0, 0},   {"18446744073709551616", 0, 0},
        {"-1", 0, 0}, {"+1", 0, 0},    {":", 0, 0},    {"99999999999999999999", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value;
        const char *end = sp_digits(cases[i].text, &value);
        ck_assert_ptr_eq(end, cases[i].used ? cases[i].text + cases[i].used : NULL);
        if (end)
            ck_assert_uint_eq(value, cases[i].value);
    }
}
END_TEST

START_TEST(text_that_grows_is_cut_not_overrun)
{
    char buffer[8];
    struct sp_text_out out = sp_text_out(buffer, sizeof buffer);

    sp_text_put(&out, "%s", "12345");
    sp_text_put(&out, "%s", "6789");
    sp_text_put_char(&out, 'x');
    ck_assert_str_eq(buffer, "1234567");
    ck_assert_uint_eq(out.length, 7);
}
END_TEST

static const char *near_of(const char *word)
{
    static const char *const known[] = {"connect", "response", "send", "idle", "on", "streak"};
    struct sp_near near = sp_near_begin(word, strlen(word));

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        sp_near_try(&near, known[i]);
    return near.best;
}

START_TEST(near_words)
{
    char longer[300];

    ck_assert_str_eq(near_of("conect"), "connect");
    ck_assert_str_eq(near_of("ocnnect"), "connect");
    ck_assert_str_eq(near_of("Connect"), "connect");
    ck_assert_str_eq(near_of("respones"), "response");
    ck_assert_str_eq(near_of("streka"), "streak");
    ck_assert_str_eq(near_of("sned"), "send");
    ck_assert_ptr_null(near_of("banana"));
    ck_assert_ptr_null(near_of("x"));
    ck_assert_ptr_null(near_of(""));
    memset(longer, 'c', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert_ptr_null(near_of(longer));
    ck_assert_uint_eq(sp_near_distance("kitten", 6, "sitting", 7), 3);
    ck_assert_uint_eq(sp_near_distance("", 0, "abc", 3), 3);
    ck_assert_uint_eq(sp_near_distance("ab", 2, "ba", 2), 1);
}
END_TEST

START_TEST(outcome_words)
{
    for (unsigned i = 0; i < SP_OUTCOME_COUNT; i++) {
        const char *word = sp_outcome_word(i);

        ck_assert_uint_eq(sp_outcome_mask(word, strlen(word)), 1u << i);
    }
    ck_assert_str_eq(sp_outcome_word(SP_OUTCOME_COUNT), "?");
    ck_assert_uint_eq(sp_outcome_mask("timeout", 7),
                      SP_OUTCOME_BIT(CONNECT_TIMEOUT) | SP_OUTCOME_BIT(RESPONSE_TIMEOUT));
    ck_assert_uint_eq(sp_outcome_mask("time", 4), 0);
    ck_assert_uint_eq(sp_outcome_mask("", 0), 0);
}
END_TEST

START_TEST(errors_are_filled_or_ignored)
{
    struct sp_error error;

    ck_assert_int_eq(sp_error_set(NULL, 5, "%s", "x"), -1);
    ck_assert_int_eq(sp_error_set(&error, 5, "no %s", "room"), -1);
    ck_assert_int_eq(error.code, 5);
    ck_assert_str_eq(error.text, "no room");
}
END_TEST

/* Digests stand in segments and in other programs' hands: they may not change unnoticed. */
START_TEST(hashes_are_stable)
{
    ck_assert_uint_eq(sp_hash("", 0), sp_mix(UINT64_C(0xcbf29ce484222325)));
    ck_assert_uint_eq(sp_mix(1), UINT64_C(0x5692161d100b05e5));
    ck_assert_uint_ne(sp_hash("ab", 2), sp_hash("ba", 2));
    ck_assert_uint_ne(sp_hash_more(sp_hash("a", 1), "b", 1), sp_hash_more(sp_hash("b", 1), "a", 1));
}
END_TEST

START_TEST(random_below_stays_below)
{
    uint64_t state = 1;
    unsigned seen = 0;

    ck_assert_uint_eq(sp_random_below(&state, 0), 0);
    for (int i = 0; i < 1000; i++) {
        uint32_t value = sp_random_below(&state, 5);

        ck_assert_uint_lt(value, 5);
        seen |= 1u << value;
    }
    ck_assert_uint_eq(seen, 31);
}
END_TEST

Suite *suite_text(void)
{
    Suite *suite = suite_create("text");
    TCase *tests = tcase_create("text");

    tcase_add_loop_test(tests, times_are_read, 0, TIMES);
    tcase_add_loop_test(tests, times_are_written_in_the_largest_whole_unit, 0, WRITTEN_TIMES);
    tcase_add_test(tests, every_time_reads_back);
    tcase_add_test(tests, sizes);
    tcase_add_test(tests, shares);
    tcase_add_test(tests, counts);
    tcase_add_test(tests, digits_at_the_front);
    tcase_add_test(tests, text_that_grows_is_cut_not_overrun);
    tcase_add_test(tests, near_words);
    tcase_add_test(tests, outcome_words);
    tcase_add_test(tests, errors_are_filled_or_ignored);
    tcase_add_test(tests, hashes_are_stable);
    tcase_add_test(tests, random_below_stays_below);
    suite_add_tcase(suite, tests);
    return suite;
}
