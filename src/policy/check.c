/*
 * check.c - what is allowed and yet cannot be meant. Warnings only, after everything was read.
 */
#include "base/text.h"
#include "policy/experiment.h"
#include "policy/match.h"
#include "policy/reader.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* One destination under examination. */
struct check {
    struct reader *reader;
    const struct sp_policy *policy;
    size_t index;
    const struct sp_row *row;
};

/* Where the key got its value: here, or in defaults, or nowhere (then the section). */
static struct reader_place check_place(const struct check *check, size_t key)
{
    struct reader_place place = check->reader->set[check->index][key];

    if (place.line == 0)
        place = check->reader->set[READER_DEFAULTS][key];
    if (place.line == 0)
        place = (struct reader_place){check->row->file, check->row->line, 1};
    return place;
}

static bool check_set(const struct check *check, size_t key)
{
    return check->reader->set[check->index][key].line > 0;
}

static uint64_t check_value(const struct check *check, size_t key)
{
    return keys_get(&sp_keys[key], &check->row->guards);
}

static const char *check_text(const struct check *check, size_t key, char out[static 32])
{
    sp_key_format(&sp_keys[key], &check->row->guards, out, 32);
    return out;
}

/* `low` must not be below `high`; both on. */
static bool check_below(const struct check *check, size_t low, size_t high)
{
    return check_value(check, low) > 0 && check_value(check, high) > 0 &&
           check_value(check, low) < check_value(check, high);
}

static bool check_trips(const struct check *check)
{
    return check_value(check, KEY_STREAK) + check_value(check, KEY_RATE) +
               check_value(check, KEY_SLOW) >
           0;
}

/* Words that say how a guard works that is not there. */
static void check_idle(const struct check *check, size_t key, bool works, const char *what)
{
    char title[64];

    if (works || !check_set(check, key) || check_value(check, key) == 0)
        return;
    keys_title(key, title, sizeof title);
    report_warning(check->reader, check_place(check, key), "'%s': %s does nothing: %s",
                   check->row->name, title, what);
}

static void check_deadlines(const struct check *check)
{
    char total[32], other[32];
    static const size_t parts[] = {KEY_CONNECT, KEY_RESPONSE};

    for (size_t i = 0; i < 2; i++)
        if (check_below(check, KEY_TOTAL, parts[i]))
            report_warning(check->reader, check_place(check, KEY_TOTAL),
                           "'%s': deadline total %s is shorter than %s %s", check->row->name,
                           check_text(check, KEY_TOTAL, total), sp_keys[parts[i]].word,
                           check_text(check, parts[i], other));
}

static void check_breaker(const struct check *check)
{
    char own[32], other[32];
    uint64_t response = check_value(check, KEY_RESPONSE);

    if (check_value(check, KEY_SLOW) > 0 && response > 0 &&
        check_value(check, KEY_SLOW_OVER) >= response)
        report_warning(check->reader, check_place(check, KEY_SLOW),
                       "'%s': no call is ever slow: over %s is not below deadline response %s",
                       check->row->name, check_text(check, KEY_SLOW_OVER, own),
                       check_text(check, KEY_RESPONSE, other));
    if (check_trips(check) && check_below(check, KEY_GIVEUP, KEY_RESPONSE))
        report_warning(check->reader, check_place(check, KEY_GIVEUP),
                       "'%s': breaker giveup %s is shorter than deadline response %s",
                       check->row->name, check_text(check, KEY_GIVEUP, own),
                       check_text(check, KEY_RESPONSE, other));
    check_idle(check, KEY_EJECT, check_value(check, KEY_SCOPE) == SP_SCOPE_ENDPOINT,
               "the breaker is the destination's; say scope endpoint");
    for (size_t key = KEY_OPEN; key <= KEY_SCOPE; key++) {
        if (key == KEY_PASS || check_trips(check) || !check_set(check, key) ||
            check_set(check, KEY_STREAK))
            continue;
        report_warning(check->reader, check_place(check, key),
                       "'%s': the breaker never trips: it has no streak, rate or slow",
                       check->row->name);
        return;
    }
}

static void check_exchange(const struct check *check)
{
    if (check_value(check, KEY_EXCHANGE) != SP_EXCHANGE_NONE)
        return;
    if (check_set(check, KEY_RESPONSE) && check_value(check, KEY_RESPONSE) > 0)
        report_warning(check->reader, check_place(check, KEY_RESPONSE),
                       "'%s': deadline response does nothing with exchange none: no answer is"
                       " waited for",
                       check->row->name);
    if (check_trips(check) && check_value(check, KEY_SUCCESS) == SP_SUCCESS_ANSWER)
        report_warning(check->reader, check_place(check, KEY_EXCHANGE),
                       "'%s': the breaker cannot close with exchange none: say success connect",
                       check->row->name);
}

static void check_cap(const struct check *check)
{
    struct rlimit limit;
    static const size_t caps[] = {KEY_CAP, KEY_CONNECTING, KEY_INFLIGHT};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        uint64_t cap = check_value(check, caps[i]);

        if (cap > limit.rlim_cur)
            report_warning(check->reader, check_place(check, caps[i]),
                           "'%s': cap %s%s%llu is above the limit of %llu open files (ulimit -n)",
                           check->row->name, caps[i] == KEY_CAP ? "" : sp_keys[caps[i]].word,
                           caps[i] == KEY_CAP ? "" : " ", (unsigned long long)cap,
                           (unsigned long long)limit.rlim_cur);
    }
}

static void check_queues(const struct check *check)
{
    bool capped = check_value(check, KEY_CAP) || check_value(check, KEY_CONNECTING) ||
                  check_value(check, KEY_INFLIGHT);
    bool limited = check_value(check, KEY_LIMIT) > 0;

    check_idle(check, KEY_CAP_WAIT, capped, "the destination has no cap");
    check_idle(check, KEY_BURST, limited, "the destination has no limit");
    check_idle(check, KEY_LIMIT_WAIT, limited, "the destination has no limit");
    check_idle(check, KEY_INFLIGHT, check_value(check, KEY_EXCHANGE) != SP_EXCHANGE_NONE,
               "with exchange none nothing is ever outstanding");
}

#define CHECK_RETRIABLE                                                                        \
    (SP_OUTCOME_BIT(REFUSED) | SP_OUTCOME_BIT(UNREACHABLE) | SP_OUTCOME_BIT(CONNECT_TIMEOUT) | \
     SP_OUTCOME_BIT(RESET) | SP_OUTCOME_BIT(LOOKUP))

/* The longest that all tries of a line can wait. */
static uint64_t check_backoff(const struct sp_retry_policy *line)
{
    uint64_t sum = 0, next = line->backoff_min;

    for (unsigned i = 0; i<line->tries; i++, next = next * 2> next ? next * 2 : next)
        sum += next < line->backoff_max ? next : line->backoff_max;
    return sum;
}

static void check_outlasts(const struct check *check, size_t key,
                           const struct sp_retry_policy *line)
{
    uint64_t connect = check_value(check, KEY_CONNECT), total = check_value(check, KEY_TOTAL);
    uint64_t backoff = check_backoff(line);
    char each[32], pause[32], most[32];

    if (total == 0 || (line->tries + 1) * connect + backoff <= total)
        return;
    sp_text_format_time(backoff, pause, sizeof pause);
    if (connect == 0)
        report_warning(check->reader, check_place(check, key),
                       "retry can outlast the deadline: %s of backoff > total %s", pause,
                       check_text(check, KEY_TOTAL, most));
    else
        report_warning(check->reader, check_place(check, key),
                       "retry can outlast the deadline: %u tries of %s and %s of backoff > total"
                       " %s",
                       line->tries + 1u, check_text(check, KEY_CONNECT, each), pause,
                       check_text(check, KEY_TOTAL, most));
}

static void check_retry(const struct check *check)
{
    const struct sp_retry_policy *lines = check->row->guards.retry;
    uint32_t before = 0;
    char text[64];

    for (size_t i = 0; i < SP_RETRY_LINES; i++) {
        size_t key = keys_on_line(KEY_RETRY, i);
        uint32_t on = lines[i].on & CHECK_RETRIABLE;

        check_idle(check, key + 1, lines[i].tries > 0, "no number of tries stands with it");
        check_idle(check, key + 3, lines[i].tries > 0, "no number of tries stands with it");
        if (lines[i].tries == 0)
            continue;
        if ((on & ~before) != 0)
            check_outlasts(check, key, &lines[i]);
        sp_key_format(&sp_keys[key + 3], &check->row->guards, text, sizeof text);
        if ((on & ~before) == 0)
            report_warning(check->reader, check_place(check, key),
                           "'%s': this retry does nothing on %s: %s", check->row->name, text,
                           on == 0 ? "only connects and look-ups are tried again"
                                   : "a line above it takes that first");
        before |= on;
    }
    check_idle(check, KEY_RETRY_BUDGET, before != 0, "the destination has no retry");
}

/* The rule of an earlier destination that takes all of `rule`; NULL when none does. */
static const struct sp_match *check_taker(const struct check *check, const struct sp_match *rule,
                                          const struct sp_row **by)
{
    const struct sp_match *other;

    for (size_t r = 0; r < check->index; r++) {
        const struct sp_row *row = sp_policy_row(check->policy, r);

        for (size_t i = 0; i < row->match_count; i++) {
            other = sp_policy_match_at(check->policy, row->match_first + i);
            if (!match_covers(check->policy, other, rule))
                continue;
            *by = row;
            return other;
        }
    }
    return NULL;
}

static void check_taken(const struct check *check, const struct sp_match *rule,
                        const struct sp_match *taker, const struct sp_row *by, bool whole)
{
    const struct sp_policy *policy = check->policy;
    struct reader_place place = {rule->file, rule->line, 1};
    char where[300], what[300];

    if (taker->file == rule->file)
        snprintf(where, sizeof where, "line %u", (unsigned)taker->line);
    else
        snprintf(where, sizeof where, "line %u of %.250s", (unsigned)taker->line,
                 sp_policy_file(policy, taker->file));
    if (whole)
        snprintf(what, sizeof what, "'%s'", check->row->name);
    else
        snprintf(what, sizeof what, "'%s': %.200s", check->row->name,
                 sp_policy_string(policy, rule->source));
    for (size_t i = 0; i < check->reader->match_count; i++)
        if (check->reader->matches[i].source == rule->source)
            place.column = check->reader->match_column[i];
    report_warning(check->reader, place, "%s can never match: '%s' on %s takes %.200s first", what,
                   by->name, where, sp_policy_string(policy, taker->source));
}

static void check_matches(const struct check *check)
{
    const struct sp_match *rule, *taker;
    const struct sp_row *row = check->row, *by = NULL;
    size_t taken = 0;

    if (row->match_count == 0) {
        struct reader_place place = {row->file, row->line, 1};

        report_warning(check->reader, place,
                       "'%s' matches nothing: say what it is for: match %s.example.com:443",
                       row->name, row->name);
        return;
    }
    for (size_t i = 0; i < row->match_count; i++)
        if (check_taker(check, sp_policy_match_at(check->policy, row->match_first + i), &by))
            taken++;
    for (size_t i = 0; i < row->match_count && taken > 0; i++) {
        rule = sp_policy_match_at(check->policy, row->match_first + i);
        taker = check_taker(check, rule, &by);
        if (taker == NULL)
            continue;
        check_taken(check, rule, taker, by, taken == row->match_count);
        if (taken == row->match_count)
            return;
    }
}

/* Only names are looked up; `*` may be one. */
static void check_lookup(const struct check *check)
{
    bool named = check->row->match_count == 0; /* said already */

    for (size_t i = 0; i < check->row->match_count; i++) {
        uint8_t kind = sp_policy_match_at(check->policy, check->row->match_first + i)->kind;

        named = named || kind == SP_MATCH_NAME || kind == SP_MATCH_ANY;
    }
    check_idle(check, KEY_STALE, named,
               "no name matches the destination, and only names are"
               " looked up");
}

static void check_row(const struct check *check)
{
    if (check->reader->broken[check->index])
        return;
    check_matches(check);
    if (check->reader->broken[READER_DEFAULTS])
        return;
    fallback_check(check->reader, check->policy, check->index);
    split_check(check->reader, check->policy, check->index);
    check_deadlines(check);
    check_breaker(check);
    check_exchange(check);
    check_cap(check);
    check_queues(check);
    check_lookup(check);
    check_retry(check);
}

static void check_defaults(struct reader *reader)
{
    struct reader_place place = reader->set[READER_DEFAULTS][KEY_RESPONSE];

    if (place.line > 0 && reader->rows[READER_DEFAULTS].guards.deadline[SP_DEADLINE_RESPONSE] > 0)
        report_warning(reader, place,
                       "deadline response in defaults holds for every destination: reports and"
                       " streams run long");
}

void check_block(struct reader *reader, const struct sp_policy *policy)
{
    struct check check = {.reader = reader, .policy = policy};

    if (reader->file_count == 0)
        return;
    check_defaults(reader);
    if (reader->row_count == 0 && reader->errors == 0)
        report_warning(reader, (struct reader_place){0, 0, 0},
                       "no destination: nothing is guarded");
    for (; check.index < reader->row_count; check.index++) {
        check.row = sp_policy_row(policy, check.index);
        check_row(&check);
    }
    experiment_check(reader, policy);
}
