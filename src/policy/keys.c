/*
 * keys.c - the table of keys: parser, check, manual and completion are made from it.
 */
#include "policy/keys.h"

#include "base/text.h"

#include <assert.h>
#include <string.h>

#define MINUTE (60 * SP_SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define NONE \
    {        \
        ""   \
    }
#define MODES                       \
    {                               \
        "enforce", "observe", "off" \
    }
#define EXCHANGES                    \
    {                                \
        "answer", "none", "greeting" \
    }
#define SUCCESSES           \
    {                       \
        "answer", "connect" \
    }
#define ESTABLISHEDS   \
    {                  \
        "fail", "pass" \
    }
#define SCOPES                    \
    {                             \
        "destination", "endpoint" \
    }
#define FLAGS       \
    {               \
        "off", "on" \
    }

const char *const sp_established_words[SP_ESTABLISHED_COUNT] = ESTABLISHEDS;

#define COUNT(words) (sizeof(const char *[]) words / sizeof(const char *))
static_assert(COUNT(MODES) == SP_MODE_COUNT, "every mode");
static_assert(COUNT(EXCHANGES) == SP_EXCHANGE_COUNT, "all");
static_assert(COUNT(SUCCESSES) == SP_SUCCESS_COUNT, "all");
static_assert(COUNT(ESTABLISHEDS) == SP_ESTABLISHED_COUNT, "all");
static_assert(COUNT(SCOPES) == SP_SCOPE_COUNT, "all");

const char sp_rate_units[] = "smh";
static_assert(sizeof sp_rate_units == SP_RATE_UNITS + 1, "all");

#define AT(field)       offsetof(struct sp_guards, field)
#define DEADLINE(which) AT(deadline) + SP_DEADLINE_##which * sizeof(uint64_t)

/* The four keys of a line `retry`. */
#define RETRY_LINE(n, dot)                                                                        \
    {"retry", dot "tries", SP_KEY_COUNT_U16, AT(retry[n].tries), 0, 1, 20, 0, NONE, RETRY_TRIES}, \
        {"retry",    dot "backoff", SP_KEY_TIME,  AT(retry[n].backoff_min), 0, SP_MS, HOUR,       \
         25 * SP_MS, NONE,          RETRY_BACKOFF},                                               \
        {"retry",     dot "backoff-max",                                                          \
         SP_KEY_TIME, AT(retry[n].backoff_max),                                                   \
         0,           SP_MS,                                                                      \
         HOUR,        250 * SP_MS,                                                                \
         NONE,        RETRY_MOST},                                                                \
    {                                                                                             \
        "retry", dot "on", SP_KEY_OUTCOMES, AT(retry[n].on), 0, 1, KEYS_FAILURES, RETRY_ON, NONE, \
            RETRY_AFTER                                                                           \
    }
#define RETRY_ON \
    (SP_OUTCOME_BIT(REFUSED) | SP_OUTCOME_BIT(CONNECT_TIMEOUT) | SP_OUTCOME_BIT(RESPONSE_TIMEOUT))
#define KEYS_FAILURES ((1u << SP_OUTCOME_REJECTED_BREAKER) - 1)

#define RETRY_TRIES   "tries of a connect or look-up after the first: retry 2"
#define RETRY_BACKOFF "a random part of it is waited before a try: backoff 50ms..1s"
#define RETRY_MOST    "... doubled with every try, and at most"
#define RETRY_AFTER   "the outcomes after which it is tried again"

/* directive, word, type, offset, shared, low, high, initial, words, help. What is initially 0 and
 * has a range above 0 may be `off`. No pointers, in the forms neither: they would have to be put
 * right at every start of every program. */
const struct sp_key sp_keys[] = {
    [KEY_MODE] = {"mode", "", SP_KEY_MODE, AT(mode), 0, 0, SP_MODE_COUNT - 1, SP_MODE_ENFORCE,
                  MODES,
                  "enforce the guards (enforce 10%: for that share of the connections), only "
                  "observe what they would do, or off"},
    [KEY_EXCHANGE] = {"exchange", "", SP_KEY_WORD_U8, AT(exchange), 0, 0, SP_EXCHANGE_COUNT - 1,
                      SP_EXCHANGE_ANSWER, EXCHANGES,
                      "what follows a request: an answer, none, or the peer speaks first"},
    [KEY_SUCCESS] = {"success", "", SP_KEY_WORD_U8, AT(success), 0, 0, SP_SUCCESS_COUNT - 1,
                     SP_SUCCESS_ANSWER, SUCCESSES,
                     "what proves that the destination works: an answer, or a connect"},

    [KEY_CONNECT] = {"deadline", "connect", SP_KEY_TIME, DEADLINE(CONNECT), 0, SP_MS, DAY, 0, NONE,
                     "longest wait for a connection"},
    [KEY_RESPONSE] = {"deadline", "response", SP_KEY_TIME, DEADLINE(RESPONSE), 0, SP_MS, DAY, 0,
                      NONE, "longest wait for the first byte of an answer"},
    [KEY_SEND] = {"deadline", "send", SP_KEY_TIME, DEADLINE(SEND), 0, SP_MS, DAY, 0, NONE,
                  "longest time in which the peer reads nothing of what is sent"},
    [KEY_IDLE] = {"deadline", "idle", SP_KEY_TIME, DEADLINE(IDLE), 0, SP_MS, DAY, 0, NONE,
                  "longest silence in the middle of an answer"},
    [KEY_TOTAL] = {"deadline", "total", SP_KEY_TIME, DEADLINE(TOTAL), 0, SP_MS, DAY, 0, NONE,
                   "longest time for a whole call, retries included"},
    [KEY_LOOKUP] = {"deadline", "lookup", SP_KEY_TIME, DEADLINE(LOOKUP), 0, SP_MS, DAY, 0, NONE,
                    "longest wait for a name to be looked up"},

    [KEY_STREAK] = {"breaker", "streak", SP_KEY_COUNT_U32, AT(breaker.streak), 1, 1, 1000, 0, NONE,
                    "trips after this many failures in a row"},
    [KEY_RATE] = {"breaker", "rate", SP_KEY_SHARE, AT(breaker.rate), 1, 1, SP_SHARE_ALL, 0, NONE,
                  "trips when this share of the calls fails: rate 50% of 20 in 10s"},
    [KEY_RATE_OF] = {"breaker", "rate-of", SP_KEY_COUNT_U32, AT(breaker.rate_min), 1, 1, 1000000,
                     20, NONE, "... once this many calls stand in the window"},
    [KEY_RATE_IN] = {"breaker", "rate-in", SP_KEY_TIME, AT(breaker.rate_window), 1, 100 * SP_MS,
                     HOUR, 10 * SP_SECOND, NONE, "... the length of the window"},
    [KEY_SLOW] = {"breaker", "slow", SP_KEY_SHARE, AT(breaker.slow), 1, 1, SP_SHARE_ALL, 0, NONE,
                  "trips when this share of the calls is slow: slow 50% over 2s of 20 in 30s"},
    [KEY_SLOW_OVER] = {"breaker", "slow-over", SP_KEY_TIME, AT(breaker.slow_over), 1, SP_MS, DAY,
                       SP_SECOND, NONE, "... a call that takes longer is slow"},
    [KEY_SLOW_OF] = {"breaker", "slow-of", SP_KEY_COUNT_U32, AT(breaker.slow_min), 1, 1, 1000000,
                     20, NONE, "... once this many calls stand in the window"},
    [KEY_SLOW_IN] = {"breaker", "slow-in", SP_KEY_TIME, AT(breaker.slow_window), 1, 100 * SP_MS,
                     HOUR, 10 * SP_SECOND, NONE, "... the length of the window"},
    [KEY_OPEN] = {"breaker", "open", SP_KEY_TIME, AT(breaker.open_min), 1, 10 * SP_MS, DAY,
                  SP_SECOND, NONE, "how long it stays open at first: open 1s..60s, or open 5s"},
    [KEY_OPEN_MAX] = {"breaker", "open-max", SP_KEY_TIME, AT(breaker.open_max), 1, 10 * SP_MS, DAY,
                      MINUTE, NONE, "... and at most, doubled after every failed probe"},
    [KEY_PROBE] = {"breaker", "probe", SP_KEY_COUNT_U16, AT(breaker.probe), 1, 1, 16, 1, NONE,
                   "probes admitted at the same time"},
    [KEY_CLOSE] = {"breaker", "close", SP_KEY_COUNT_U16, AT(breaker.close), 1, 1, 1000, 2, NONE,
                   "probes that must succeed until it closes"},
    [KEY_GIVEUP] = {"breaker", "giveup", SP_KEY_TIME, AT(breaker.giveup), 1, 10 * SP_MS, DAY,
                    30 * SP_SECOND, NONE, "a probe without a result for this long is given up"},
    [KEY_ON] = {"breaker", "on", SP_KEY_OUTCOMES, AT(breaker.on), 1, 1,
                (1u << SP_OUTCOME_REJECTED_BREAKER) - 1, SP_OUTCOMES_BLAMING, NONE,
                "the outcomes that are failures: on refused,timeout"},
    [KEY_ESTABLISHED] = {"breaker", "established", SP_KEY_WORD_U32, AT(breaker.established), 1, 0,
                         SP_ESTABLISHED_COUNT - 1, SP_ESTABLISHED_FAIL, ESTABLISHEDS,
                         "what an open breaker does to connections that stand already"},
    [KEY_PASS] = {"breaker", "pass", SP_KEY_FLAG, AT(pass), 0, 0, 1, 0, FLAGS,
                  "the breaker only reports: while it is open everything passes"},
    [KEY_SCOPE] = {"breaker", "scope", SP_KEY_WORD_U32, AT(breaker.scope), 1, 0, SP_SCOPE_COUNT - 1,
                   SP_SCOPE_DESTINATION, SCOPES,
                   "one breaker for the destination, or one for each of its addresses"},
    [KEY_EJECT] = {"breaker", "eject", SP_KEY_SHARE, AT(breaker.eject), 1, 1, SP_SHARE_ALL,
                   SP_SHARE_ALL, NONE,
                   "with scope endpoint: share of the addresses that may be out at once, at least "
                   "one; when more are, all are let through"},

    [KEY_CAP] = {"cap", "connections", SP_KEY_COUNT_U32, AT(cap[SP_CAP_CONNECTIONS]), 1, 1, 4096, 0,
                 NONE, "connections at the same time, over all processes of the segment"},
    [KEY_CONNECTING] = {"cap", "connecting", SP_KEY_COUNT_U32, AT(cap[SP_CAP_CONNECTING]), 1, 1,
                        4096, 0, NONE, "connects under way at the same time"},
    [KEY_INFLIGHT] = {"cap", "inflight", SP_KEY_COUNT_U32, AT(cap[SP_CAP_INFLIGHT]), 1, 1, 4096, 0,
                      NONE, "requests without an answer at the same time"},
    [KEY_CAP_WAIT] = {"cap", "wait", SP_KEY_TIME, AT(cap_wait), 0, SP_MS, HOUR, 0, NONE,
                      "longest wait of a blocking call for a place, first come first served"},

    [KEY_LIMIT] = {"limit", "rate", SP_KEY_RATE, AT(limit_rate), 1, 1 << 2,
                   1000000 << 2 | SP_RATE_HOUR, 0, NONE,
                   "calls in a second, over all processes of the segment: limit 100/s, or 10/m"},
    [KEY_BURST] = {"limit", "burst", SP_KEY_COUNT_U32, AT(limit_burst), 1, 1, 100000, 0, NONE,
                   "calls that may come at once; off: as many as the number of the rate"},
    [KEY_LIMIT_WAIT] = {"limit", "wait", SP_KEY_TIME, AT(limit_wait), 0, SP_MS, HOUR, 0, NONE,
                        "longest wait of a blocking call until the rate allows it"},

    [KEY_STALE] = {"lookup", "stale", SP_KEY_TIME, AT(lookup_stale), 0, SP_SECOND, 30 * DAY, 0,
                   NONE,
                   "when a look-up fails, the last good addresses answer, if they are no older"},

    [KEY_JOURNAL] = {"journal", "", SP_KEY_SIZE, AT(journal), 1, 4096, 256 << 20, 0, NONE,
                     "writes down how calls came out, 16 bytes each, for whatif; of all sizes the "
                     "largest is the segment's"},

    [KEY_RETRY] = RETRY_LINE(0, ""),
    RETRY_LINE(1, "2."),
    RETRY_LINE(2, "3."),
    RETRY_LINE(3, "4."),
    [KEY_RETRY_BUDGET] = {"retry", "budget", SP_KEY_SHARE, AT(retry_budget), 1, 1, SP_SHARE_ALL,
                          2000, NONE,
                          "the share of the recent calls that may be tried again, over all "
                          "processes; at least 3 a second"},
};
const size_t sp_key_total = KEY_COUNT;

static_assert(sizeof sp_keys / sizeof *sp_keys == KEY_COUNT, "a row for every id");
static_assert(sizeof(struct sp_guards) == 312, "no hidden padding: the digest reads it as bytes");

#define RETRY_FORM(n)                                                         \
    {                                                                         \
        (enum keys_id)(KEY_RETRY_BACKOFF + KEYS_RETRY * (n)),                 \
            {{"", (enum keys_id)(KEY_RETRY_BACKOFF + KEYS_RETRY * (n))},      \
             {"", (enum keys_id)(KEY_RETRY_BACKOFF_MAX + KEYS_RETRY * (n))}}, \
            2, true, "backoff 50ms..1s"                                       \
    }

static const struct keys_form keys_forms[] = {
    {KEY_RATE,
     {{"", KEY_RATE}, {"of", KEY_RATE_OF}, {"in", KEY_RATE_IN}},
     3,
     false,
     "rate 50% of 20 in 10s"},
    {KEY_SLOW,
     {{"", KEY_SLOW}, {"over", KEY_SLOW_OVER}, {"of", KEY_SLOW_OF}, {"in", KEY_SLOW_IN}},
     4,
     false,
     "slow 50% over 2s of 20 in 30s"},
    {KEY_OPEN, {{"", KEY_OPEN}, {"", KEY_OPEN_MAX}}, 2, true, "open 1s..60s"},
    RETRY_FORM(0),
    RETRY_FORM(1),
    RETRY_FORM(2),
    RETRY_FORM(3),
};
#define KEYS_FORMS (sizeof keys_forms / sizeof *keys_forms)

const struct keys_form *keys_form_of(size_t key)
{
    for (size_t i = 0; i < KEYS_FORMS; i++)
        if (keys_forms[i].first == key)
            return &keys_forms[i];
    return NULL;
}

bool keys_inner(size_t key)
{
    for (size_t i = 0; i < KEYS_FORMS; i++)
        for (size_t part = 1; part < keys_forms[i].parts; part++)
            if (keys_forms[i].part[part].key == key)
                return true;
    return false;
}

size_t keys_named(const char *directive, size_t directive_length, const char *word, size_t length)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (sp_text_is(directive, directive_length, sp_keys[i].directive) &&
            sp_text_is(word, length, sp_keys[i].word))
            return i;
    return KEY_COUNT;
}

size_t keys_word(const char *directive, const char *word, size_t length)
{
    size_t key = keys_named(directive, strlen(directive), word, length);

    return key < KEY_COUNT && (keys_inner(key) || keys_line(key) > 0) ? KEY_COUNT : key;
}

static bool keys_repeats(size_t key)
{
    return key >= KEY_RETRY && key < KEY_RETRY_BUDGET;
}

size_t keys_line(size_t key)
{
    return keys_repeats(key) ? (key - KEY_RETRY) / KEYS_RETRY : 0;
}

size_t keys_on_line(size_t key, size_t line)
{
    return keys_repeats(key) ? KEY_RETRY + (key - KEY_RETRY) % KEYS_RETRY + line * KEYS_RETRY : key;
}

const char *keys_written(size_t key)
{
    return sp_keys[keys_on_line(key, 0)].word;
}

bool keys_off(size_t key)
{
    return sp_keys[key].initial == 0 && sp_keys[key].low > 0;
}

size_t keys_bare(const char *directive, size_t length)
{
    return sp_text_is(directive, length, "cap")     ? KEY_CAP
           : sp_text_is(directive, length, "limit") ? KEY_LIMIT
           : sp_text_is(directive, length, "retry") ? KEY_RETRY
                                                    : KEY_COUNT;
}

bool keys_single(const char *directive, size_t length, size_t *key)
{
    *key = keys_named(directive, length, "", 0);
    return *key < KEY_COUNT;
}

const char *keys_group(const char *word, size_t length)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (sp_keys[i].word[0] != '\0' && sp_text_is(word, length, sp_keys[i].directive))
            return sp_keys[i].directive;
    return NULL;
}

uint64_t keys_get(const struct sp_key *key, const struct sp_guards *guards)
{
    const char *at = (const char *)guards + key->offset;
    uint64_t value = 0;

    switch (key->type) {
    case SP_KEY_TIME:
    case SP_KEY_RATE:
        return *(const uint64_t *)at;
    case SP_KEY_COUNT_U16:
        return *(const uint16_t *)at;
    case SP_KEY_WORD_U8:
    case SP_KEY_FLAG:
        return *(const uint8_t *)at;
    case SP_KEY_MODE:
        return sp_mode_value(guards);
    case SP_KEY_COUNT_U32:
    case SP_KEY_SHARE:
    case SP_KEY_SIZE:
    case SP_KEY_WORD_U32:
    case SP_KEY_OUTCOMES:
        value = *(const uint32_t *)at;
    }
    return value;
}

void keys_set(const struct sp_key *key, struct sp_guards *guards, uint64_t value)
{
    char *at = (char *)guards + key->offset;

    switch (key->type) {
    case SP_KEY_TIME:
    case SP_KEY_RATE:
        *(uint64_t *)at = value;
        break;
    case SP_KEY_COUNT_U16:
        *(uint16_t *)at = (uint16_t)value;
        break;
    case SP_KEY_WORD_U8:
    case SP_KEY_FLAG:
        *(uint8_t *)at = (uint8_t)value;
        break;
    case SP_KEY_MODE:
        guards->mode = (uint8_t)value;
        guards->share = (uint32_t)(value >> 8);
        break;
    case SP_KEY_COUNT_U32:
    case SP_KEY_SHARE:
    case SP_KEY_SIZE:
    case SP_KEY_WORD_U32:
    case SP_KEY_OUTCOMES:
        *(uint32_t *)at = (uint32_t)value;
    }
}

bool keys_allowed(size_t key, uint64_t value)
{
    if (value == 0 && keys_off(key))
        return true;
    if (sp_keys[key].type == SP_KEY_MODE && (uint8_t)value == SP_MODE_ENFORCE)
        return value >> 8 < SP_SHARE_ALL;
    return value >= sp_keys[key].low && value <= sp_keys[key].high;
}

void sp_guards_initial(struct sp_guards *guards)
{
    memset(guards, 0, sizeof *guards);
    for (size_t i = 0; i < KEY_COUNT; i++)
        keys_set(&sp_keys[i], guards, sp_keys[i].initial);
}
