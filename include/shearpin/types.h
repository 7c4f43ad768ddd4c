/*
 * types.h - the words that every folder uses: outcomes, states, modes, units.
 *
 * Times are nanoseconds in a uint64_t. A point in time is CLOCK_MONOTONIC unless its name says
 * wall. Shares are hundredths of a percent: 10000 is all.
 */
#ifndef SHEARPIN_TYPES_H
#define SHEARPIN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_VERSION "0.1.0"

#define SP_US        UINT64_C(1000)
#define SP_MS        UINT64_C(1000000)
#define SP_SECOND    UINT64_C(1000000000)
#define SP_NEVER     UINT64_MAX
#define SP_SHARE_ALL 10000u

#define SP_NAME_SIZE 48 /* a destination's or segment's name with its NUL: [A-Za-z0-9._-] */
#define SP_CACHELINE 64

/* What nearly every call of a guarded program runs and reads: the linker puts it together, for a
 * program that does much between two calls has forgotten every page and line that it is on. */
#define SP_HOT      __attribute__((hot))
#define SP_HOT_DATA __attribute__((section(".data.hot")))

#define SP_ARMS_MAX      8u /* of a destination: where its connections go (split.h) */
#define SP_ARM_NAME_SIZE 32
#define SP_NO_ARM        0xffffu

/* X(id, word, blames): one row an outcome; `blames` says that it is a failure of the destination
 * unless the policy's `breaker on` says otherwise. */
#define SP_OUTCOMES(X)                         \
    X(OK, "ok", 0)                             \
    X(REFUSED, "refused", 1)                   \
    X(UNREACHABLE, "unreachable", 1)           \
    X(CONNECT_TIMEOUT, "connect_timeout", 1)   \
    X(RESPONSE_TIMEOUT, "response_timeout", 1) \
    X(RESET, "reset", 1)                       \
    X(EOF, "eof", 1)                           \
    X(LOOKUP, "lookup", 0)                     \
    X(STATUS, "status", 0)                     \
    X(ABANDONED, "abandoned", 0)               \
    X(REJECTED_BREAKER, "rejected_breaker", 0) \
    X(REJECTED_CAP, "rejected_cap", 0)         \
    X(REJECTED_RATE, "rejected_rate", 0)

enum sp_outcome {
#define X(id, word, blames) SP_OUTCOME_##id,
    SP_OUTCOMES(X)
#undef X
        SP_OUTCOME_COUNT
};

#define SP_OUTCOME_BIT(id) (1u << SP_OUTCOME_##id)

/* The outcomes that blame the destination by default, as a mask. */
enum {
    SP_OUTCOMES_BLAMING = 0
#define X(id, word, blames) | ((blames) << SP_OUTCOME_##id)
    SP_OUTCOMES(X)
#undef X
};

/* Words of outcomes (src/base/words.c). Never NULL; "?" for a number out of range. */
const char *sp_outcome_word(unsigned outcome);
/* Several outcomes under one word. */
#define SP_OUTCOME_GROUPS 1
extern const struct sp_outcome_group {
    const char *word;
    uint32_t mask;
} sp_outcome_groups[SP_OUTCOME_GROUPS];
/* The mask of an outcome or group of `length` characters; 0 when the word is unknown. */
uint32_t sp_outcome_mask(const char *word, size_t length);

enum sp_mode { SP_MODE_ENFORCE, SP_MODE_OBSERVE, SP_MODE_OFF, SP_MODE_COUNT };
enum sp_exchange { SP_EXCHANGE_ANSWER, SP_EXCHANGE_NONE, SP_EXCHANGE_GREETING, SP_EXCHANGE_COUNT };
enum sp_success { SP_SUCCESS_ANSWER, SP_SUCCESS_CONNECT, SP_SUCCESS_COUNT };

enum sp_deadline {
    SP_DEADLINE_CONNECT,
    SP_DEADLINE_RESPONSE,
    SP_DEADLINE_SEND,
    SP_DEADLINE_IDLE,
    SP_DEADLINE_TOTAL,
    SP_DEADLINE_LOOKUP,
    SP_DEADLINE_COUNT
};

enum sp_cap { SP_CAP_CONNECTIONS, SP_CAP_CONNECTING, SP_CAP_INFLIGHT, SP_CAP_COUNT };

enum sp_state { SP_STATE_CLOSED, SP_STATE_OPEN, SP_STATE_HALF_OPEN, SP_STATE_COUNT };
enum sp_hold { SP_HOLD_NONE, SP_HOLD_OPEN, SP_HOLD_CLOSED, SP_HOLD_COUNT };

extern const char *const sp_mode_words[SP_MODE_COUNT];         /* enforce observe off */
extern const char *const sp_exchange_words[SP_EXCHANGE_COUNT]; /* answer none greeting */
extern const char *const sp_success_words[SP_SUCCESS_COUNT];   /* answer connect */
extern const char *const sp_deadline_words[SP_DEADLINE_COUNT]; /* connect response send ... */
extern const char *const sp_cap_words[SP_CAP_COUNT];           /* connections connecting inflight */
extern const char *const sp_state_words[SP_STATE_COUNT];       /* closed open half-open */

/* One sentence for a person: what failed, where, what to do next. `code` is an errno or 0. */
struct sp_error {
    int code;
    char text[480];
};

/* Fills `error` (may be NULL) by printf rules and returns -1, so that callers can return it. */
int sp_error_set(struct sp_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A network or unix address in the one form that rules and tables use: a v4-mapped IPv6 address is
 * its IPv4 self, ports are in host order. Unused bytes are 0, so memcmp compares. */
enum sp_family { SP_FAMILY_NONE, SP_FAMILY_UNIX, SP_FAMILY_IPV4, SP_FAMILY_IPV6 };

struct sp_addr {
    uint8_t family;
    uint8_t abstract; /* unix: the name is in the abstract namespace, path is without its NUL */
    uint16_t port;
    uint8_t ip[16]; /* IPv4 uses the first 4 */
    char path[108]; /* unix; NUL-terminated; "" for an unnamed socket */
};

#endif
