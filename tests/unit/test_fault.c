/* Faults: what people write, which ordinals are struck, and what becomes of them. */
#include "shearpin/harm.h"

#include "base/random.h"

#include <check.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static struct sp_fault fault;
static struct sp_error error;
static struct sp_fault_act act;

static void reads(const char *text)
{
    ck_assert_msg(sp_fault_parse(text, &fault, &error) == 0, "%s: %s", text, error.text);
    memset(&act, 0, sizeof act);
}

/* The act of the first ordinal, which every fault without a share strikes. */
static void acts(const char *text)
{
    reads(text);
    fault.share = SP_SHARE_ALL;
    ck_assert(sp_fault_apply(&fault, 7, 1, &act));
}

static void refuses(const char *text, const char *why)
{
    ck_assert_msg(sp_fault_parse(text, &fault, &error) == -1, "%s is read", text);
    ck_assert_msg(strstr(error.text, why) != NULL, "%s: %s", text, error.text);
}

/* --- rows --- */

START_TEST(every_row_has_a_word_and_reads_its_own_help)
{
    for (int i = 0; i < SP_FAULT_COUNT; i++) {
        const struct sp_fault_row *row = sp_faults[i];
        ck_assert_ptr_nonnull(row);
        ck_assert_ptr_nonnull(row->act);
        ck_assert_int_eq(strncmp(row->help, row->word, strlen(row->word)), 0);
        ck_assert_uint_ne(row->on, 0);
        ck_assert_uint_eq(row->usual & ~row->on, 0);
    }
}
END_TEST

static const struct {
    const char *text;
    uint8_t kind, on;
    int error;
} simple[] = {
    {"refuse", SP_FAULT_REFUSE, SP_FAULT_ON_CONNECT, ECONNREFUSED},
    {"unreachable", SP_FAULT_UNREACHABLE, SP_FAULT_ON_CONNECT, EHOSTUNREACH},
    {"no-address", SP_FAULT_NO_ADDRESS, SP_FAULT_ON_CONNECT, EADDRNOTAVAIL},
    {"no-buffers", SP_FAULT_NO_BUFFERS, SP_FAULT_ON_CONNECT, ENOBUFS},
    {"lookup-fail", SP_FAULT_LOOKUP_FAIL, SP_FAULT_ON_LOOKUP, EAI_AGAIN},
    {"lookup-fail no-name", SP_FAULT_LOOKUP_FAIL, SP_FAULT_ON_LOOKUP, EAI_NONAME},
    {"no-fds", SP_FAULT_NO_FDS, SP_FAULT_ON_FD, EMFILE},
    {"no-fds system", SP_FAULT_NO_FDS, SP_FAULT_ON_FD, ENFILE},
    {"no-fds on connect", SP_FAULT_NO_FDS, SP_FAULT_ON_CONNECT, EMFILE},
    {"eintr", SP_FAULT_EINTR, SP_FAULT_ON_WAIT, EINTR},
};

START_TEST(what_fails_says_how)
{
    acts(simple[_i].text);
    ck_assert_uint_eq(fault.kind, simple[_i].kind);
    ck_assert_uint_eq(fault.on, simple[_i].on);
    ck_assert_int_eq(act.error, simple[_i].error);
    ck_assert(!sp_harm_lasts(&act));
}
END_TEST

START_TEST(what_is_silent)
{
    acts("blackhole");
    ck_assert(act.swallowed && !act.silent);
    acts("hang");
    ck_assert(act.silent && !act.swallowed);
    ck_assert_uint_eq(fault.on, SP_FAULT_ON_REQUEST);
    acts("hang on connection");
    ck_assert_uint_eq(fault.on, SP_FAULT_ON_CONNECTION);
}
END_TEST

START_TEST(what_ends)
{
    acts("reset");
    ck_assert_uint_eq(act.end, SP_FAULT_END_RESET);
    ck_assert_uint_eq(fault.on, SP_FAULT_ON_REQUEST);
    acts("eof after 10KiB");
    ck_assert_uint_eq(act.end, SP_FAULT_END_EOF);
    ck_assert_uint_eq(act.end_bytes, 10240);
    ck_assert_uint_eq(act.end_after, 0);
    ck_assert_uint_eq(fault.on, SP_FAULT_ON_CONNECTION);
    acts("reset after 5s on request");
    ck_assert_uint_eq(act.end_after, 5 * SP_SECOND);
    ck_assert_uint_eq(act.end_bytes, 0);
    ck_assert_uint_eq(fault.on, SP_FAULT_ON_REQUEST);
}
END_TEST

START_TEST(what_is_done_to_data)
{
    acts("slice");
    ck_assert_uint_eq(act.slice, 64);
    acts("slice 1KiB +-100B pause 10ms");
    ck_assert_uint_eq(act.slice, 1024);
    ck_assert_uint_eq(act.slice_spread, 100);
    ck_assert_uint_eq(act.slice_pause, 10 * SP_MS);
    acts("corrupt");
    ck_assert_uint_eq(act.corrupt_in, 1024);
    ck_assert_uint_eq(act.corrupt_out, 0);
    acts("corrupt 5B on request");
    ck_assert_uint_eq(act.corrupt_out, 5);
    ck_assert_uint_eq(act.corrupt_in, 0);
    acts("corrupt 5B on connection");
    ck_assert_uint_eq(act.corrupt_out + act.corrupt_in, 10);
    acts("slow-close 2s");
    ck_assert_uint_eq(act.close, 2 * SP_SECOND);
}
END_TEST

START_TEST(wrong_addresses)
{
    static const uint8_t nobody[4] = {192, 0, 2, 1}, given[4] = {10, 0, 0, 9};
    acts("wrong-address");
    ck_assert_mem_eq(act.ip, nobody, 4);
    ck_assert(act.wrong && act.family == SP_FAMILY_IPV4);
    acts("wrong-address 10.0.0.9 share 5%");
    ck_assert_mem_eq(act.ip, given, 4);
    acts("wrong-address 2001:db8::9");
    ck_assert_uint_eq(act.family, SP_FAMILY_IPV6);
    ck_assert_uint_eq(act.ip[15], 9);
}
END_TEST

START_TEST(mistakes_say_what_is_right)
{
    refuses("", "one of: latency");
    refuses("tardy", "one of: latency");
    refuses("reset after", "after 10KiB, after 5s");
    refuses("reset after soon", "neither a size nor a time");
    refuses("reset 5s", "a word of its own");
    refuses("reset on lookup", "connection or request, where reset acts");
    refuses("refuse on request", "connect, where refuse acts");
    refuses("slice 0B", "from 1B to 1GiB");
    refuses("slice 2GiB", "from 1B to 1GiB");
    refuses("slice 10B +-10B", "leaves no byte");
    refuses("slice pause", "pause 10ms");
    refuses("slice pause soon", "pause 10ms");
    refuses("slow-close", "slow-close 2s");
    refuses("slow-close soon", "a word of its own");
    refuses("slow-close 2", "slow-close 2s");
    refuses("corrupt 0B", "1KiB");
    refuses("wrong-address 300.1.1.1", "a word of its own");
    refuses("refuse share 101%", "0% to 100%");
    refuses("refuse at 0", "ordinals from 1");
    refuses("refuse at 5..3", "ordinals from 1");
    refuses("refuse every 0", "a number from 1");
}
END_TEST

/* --- which ordinals --- */

static unsigned struck(const char *text, uint64_t last)
{
    unsigned hits = 0;
    reads(text);
    for (uint64_t i = 1; i <= last; i++)
        hits += sp_fault_apply(&fault, 7, i, &act);
    return hits;
}

START_TEST(exact_ordinals)
{
    ck_assert_uint_eq(struck("refuse at 3..5", 100), 3);
    ck_assert_uint_eq(struck("refuse at 3", 100), 1);
    ck_assert_uint_eq(struck("refuse every 7", 100), 14);
    ck_assert_uint_eq(struck("refuse share 0%", 1000), 0);
    ck_assert_uint_eq(struck("refuse", 1000), 1000);
    ck_assert_uint_gt(struck("eintr", 1000), 400);
    ck_assert_uint_lt(struck("eintr", 1000), 600);
}
END_TEST

/* 10,000 ordinals at 20 %: 2000 give or take 3.29 times 40. */
START_TEST(shares_are_kept_for_every_seed)
{
    char text[64];
    snprintf(text, sizeof text, "refuse share 20%% seed %d", _i);
    unsigned hits = struck(text, 10000);
    ck_assert_uint_ge(hits, 1868);
    ck_assert_uint_le(hits, 2132);
}
END_TEST

START_TEST(kinds_and_seeds_strike_others)
{
    struct sp_fault one, other;
    unsigned same = 0;
    sp_fault_parse("refuse share 50%", &one, &error);
    sp_fault_parse("unreachable share 50%", &other, &error);
    for (uint64_t i = 1; i <= 1000; i++)
        same += sp_fault_apply(&one, 7, i, &act) == sp_fault_apply(&other, 7, i, &act);
    ck_assert_uint_gt(same, 400);
    ck_assert_uint_lt(same, 600);
}
END_TEST

START_TEST(what_is_decided_together_is_counted_together)
{
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_CONNECT), SP_ORDINAL_CONNECTION);
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_CONNECTION), SP_ORDINAL_CONNECTION);
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_REQUEST), SP_ORDINAL_EXCHANGE);
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_ANSWER), SP_ORDINAL_EXCHANGE);
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_LOOKUP), SP_ORDINAL_LOOKUP);
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_FD), SP_ORDINAL_FD);
    ck_assert_uint_eq(sp_fault_ordinal(SP_FAULT_ON_WAIT), SP_ORDINAL_WAIT);
}
END_TEST

/* --- harm --- */

START_TEST(an_end_comes_once_and_on_its_byte)
{
    struct sp_harm harm = {0};
    atomic_store(&harm.ends[SP_HARM_CONNECTION].how, SP_FAULT_END_RESET);
    atomic_store(&harm.ends[SP_HARM_CONNECTION].bytes, 100);
    ck_assert_uint_eq(sp_harm_left(&harm), 100);
    atomic_store(&harm.in, 99);
    ck_assert_uint_eq(sp_harm_left(&harm), 1);
    ck_assert_uint_eq(sp_harm_ends(&harm, false, 1), SP_FAULT_END_NONE);
    atomic_store(&harm.in, 100);
    ck_assert_uint_eq(sp_harm_left(&harm), 0);
    ck_assert_uint_eq(sp_harm_ends(&harm, false, 1), SP_FAULT_END_RESET);
    ck_assert_uint_eq(sp_harm_ends(&harm, false, 1), SP_FAULT_END_NONE);
    ck_assert_uint_eq(sp_harm_left(&harm), SP_NEVER);
}
END_TEST

START_TEST(an_end_comes_in_time_and_not_before)
{
    struct sp_harm harm = {0};
    atomic_store(&harm.ends[SP_HARM_EXCHANGE].how, SP_FAULT_END_EOF);
    atomic_store(&harm.ends[SP_HARM_EXCHANGE].time, 1000);
    ck_assert_uint_eq(sp_harm_ends(&harm, true, 999), SP_FAULT_END_NONE);
    ck_assert_uint_eq(sp_harm_ends(&harm, false, 1000), SP_FAULT_END_EOF);
    atomic_store(&harm.ends[SP_HARM_CONNECTION].how, SP_FAULT_END_RESET);
    atomic_store(&harm.ends[SP_HARM_CONNECTION].once, 1);
    ck_assert_uint_eq(sp_harm_ends(&harm, false, 2000), SP_FAULT_END_NONE);
    ck_assert_uint_eq(sp_harm_ends(&harm, true, 2000), SP_FAULT_END_RESET);
}
END_TEST

START_TEST(slices_keep_their_size_and_their_mean)
{
    struct sp_harm harm = {0};
    uint64_t sum = 0;
    ck_assert_uint_eq(sp_harm_slice(&harm, 0), SIZE_MAX);
    atomic_store(&harm.slice, 100);
    atomic_store(&harm.slice_spread, 99);
    for (uint64_t i = 0; i < 10000; i++) {
        size_t size = sp_harm_slice(&harm, i);
        ck_assert_uint_ge(size, 1);
        ck_assert_uint_le(size, 199);
        sum += size;
    }
    ck_assert_uint_gt(sum, 980000);
    ck_assert_uint_lt(sum, 1020000);
}
END_TEST

/* In each stretch one byte, and one bit of it: however the stream is cut. */
START_TEST(one_bit_of_each_stretch)
{
    for (uint32_t each = 1; each < 300; each += 13) {
        for (uint64_t stretch = 0; stretch < 50; stretch++) {
            unsigned bits = 0;
            for (uint64_t at = 0; at < each; at++)
                bits += (unsigned)__builtin_popcount(
                    sp_harm_flip(sp_mix(9), each, stretch * each + at));
            ck_assert_uint_eq(bits, 1);
        }
    }
}
END_TEST

Suite *suite_fault(void);
Suite *suite_fault(void)
{
    Suite *suite = suite_create("fault");
    TCase *rows = tcase_create("rows"), *which = tcase_create("which"),
          *harm = tcase_create("harm");
    tcase_add_test(rows, every_row_has_a_word_and_reads_its_own_help);
    tcase_add_loop_test(rows, what_fails_says_how, 0, sizeof simple / sizeof *simple);
    tcase_add_test(rows, what_is_silent);
    tcase_add_test(rows, what_ends);
    tcase_add_test(rows, what_is_done_to_data);
    tcase_add_test(rows, wrong_addresses);
    tcase_add_test(rows, mistakes_say_what_is_right);
    suite_add_tcase(suite, rows);
    tcase_add_test(which, exact_ordinals);
    tcase_add_loop_test(which, shares_are_kept_for_every_seed, 1, 20);
    tcase_add_test(which, kinds_and_seeds_strike_others);
    tcase_add_test(which, what_is_decided_together_is_counted_together);
    suite_add_tcase(suite, which);
    tcase_add_test(harm, an_end_comes_once_and_on_its_byte);
    tcase_add_test(harm, an_end_comes_in_time_and_not_before);
    tcase_add_test(harm, slices_keep_their_size_and_their_mean);
    tcase_add_test(harm, one_bit_of_each_stretch);
    suite_add_tcase(suite, harm);
    return suite;
}
