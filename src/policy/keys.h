/*
 * keys.h - finding keys, reading and writing their values in struct sp_guards.
 */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

#include "shearpin/policy.h"

/* The order of sp_keys, for the few places that mean one key and not all of them. */
enum keys_id {
    KEY_MODE,
    KEY_EXCHANGE,
    KEY_SUCCESS,
    KEY_CONNECT,
    KEY_RESPONSE,
    KEY_SEND,
    KEY_IDLE,
    KEY_TOTAL,
    KEY_LOOKUP,
    KEY_STREAK,
    KEY_RATE,
    KEY_RATE_OF,
    KEY_RATE_IN,
    KEY_SLOW,
    KEY_SLOW_OVER,
    KEY_SLOW_OF,
    KEY_SLOW_IN,
    KEY_OPEN,
    KEY_OPEN_MAX,
    KEY_PROBE,
    KEY_CLOSE,
    KEY_GIVEUP,
    KEY_ON,
    KEY_ESTABLISHED,
    KEY_PASS,
    KEY_SCOPE,
    KEY_EJECT,
    KEY_CAP,
    KEY_CONNECTING,
    KEY_INFLIGHT,
    KEY_CAP_WAIT,
    KEY_LIMIT,
    KEY_BURST,
    KEY_LIMIT_WAIT,
    KEY_STALE,
    KEY_JOURNAL,
    KEY_RETRY, /* four keys a line, SP_RETRY_LINES lines */
    KEY_RETRY_BACKOFF,
    KEY_RETRY_BACKOFF_MAX,
    KEY_RETRY_ON,
    KEY_RETRY_BUDGET = KEY_RETRY + 4 * SP_RETRY_LINES,
    KEY_COUNT
};

/* A setting of several values: `rate 50% of 20 in 10s`. */
#define KEYS_PARTS 4
struct keys_form {
    enum keys_id first; /* its word opens the form */
    struct {
        char glue[6]; /* the word before the value; "" for the first */
        enum keys_id key;
    } part[KEYS_PARTS];
    size_t parts;
    bool range; /* A..B in one word, or A for both */
    char example[40];
};

/* The form that a key opens; NULL when the key is a word and a value. */
const struct keys_form *keys_form_of(size_t key);

/* The key of a directive's word, KEY_COUNT when there is none. Keys that stand only inside a form
 * (rate-of) are found by keys_named, not by keys_word. */
size_t keys_word(const char *directive, const char *word, size_t length);
size_t keys_named(const char *directive, size_t directive_length, const char *word, size_t length);
bool keys_inner(size_t key);

/* Of a directive that may stand on several lines: which of them the key belongs to, from 0, and the
 * key of the same word on another line. */
#define KEYS_RETRY 4
size_t keys_line(size_t key);
size_t keys_on_line(size_t key, size_t line);
/* The word as it is written: 2.backoff is `backoff` on the second line. */
const char *keys_written(size_t key);

/* May it be `off`? The first of a form stands for the whole of it. */
bool keys_off(size_t key);

/* The key of the value that stands right behind the directive (`cap 64`, `limit 100/s`), KEY_COUNT
 * when there is none. */
size_t keys_bare(const char *directive, size_t length);

/* Is the directive one value (mode), or words with values (deadline)? Both false: unknown. */
bool keys_single(const char *directive, size_t length, size_t *key);
const char *keys_group(const char *word, size_t length);

uint64_t keys_get(const struct sp_key *key, const struct sp_guards *guards);
void keys_set(const struct sp_key *key, struct sp_guards *guards, uint64_t value);

/* Is `value` one that the key may have? */
bool keys_allowed(size_t key, uint64_t value);

extern const char sp_rate_units[]; /* smh */

/* "deadline connect", or "mode". */
size_t keys_title(size_t key, char *out, size_t size);

/* A value in policy words. */
size_t keys_format(const struct sp_key *key, uint64_t value, char *out, size_t size);

#endif
