/*
 * policy.h - the text of a policy and what it is compiled to.
 *
 * A compiled policy is one block without pointers: it is copied into the segment as it is, and
 * read there by processes that trust nothing in it (sp_policy_valid, and bounded accessors).
 * Source: src/policy. Nothing here allocates; the caller brings the room.
 */
#ifndef SHEARPIN_POLICY_H
#define SHEARPIN_POLICY_H

#include "shearpin/types.h"

/* Room that sp_policy_read needs, scratch included. Reserve it with mmap; little of it is touched.
 */
#define SP_POLICY_ROOM     ((size_t)8 << 20)
#define SP_POLICY_MAGIC    0x31796370u /* "pcy1" */
#define SP_POLICY_ROWS_MAX 1024u

/* What the guards of one destination are told. Copied to the stack by every admission, so it is
 * small and plain; 0 means off where nothing else is said. */
struct sp_breaker_policy {
    uint32_t streak;   /* failures in a row that trip; 0 = off */
    uint32_t rate;     /* share of failures that trips; 0 = off */
    uint32_t rate_min; /* ... once this many calls stand in the window */
    uint32_t slow;     /* share of slow calls that trips; 0 = off */
    uint32_t slow_min;
    uint16_t probe;       /* probes admitted at once while half-open, 1..16 */
    uint16_t close;       /* successes that close, 1..1000 */
    uint64_t rate_window; /* ns */
    uint64_t slow_over;   /* a call that took longer is slow; ns */
    uint64_t slow_window; /* ns */
    uint64_t open_min;    /* first open time; ns */
    uint64_t open_max;    /* longest open time; ns */
    uint64_t giveup;      /* a probe older than this is given up; ns */
    uint32_t on;          /* mask of the outcomes that count as failures */
    uint32_t established; /* enum sp_established: what an open breaker does to pooled connections */
    uint32_t scope;       /* enum sp_scope: whose breaker it is */
    uint32_t eject;       /* share of a destination's addresses that may be out at once */
};

/* A line `retry`: which connects and look-ups are tried again. The first line whose `on` has the
 * outcome counts; its number holds for all tries of a call together. */
struct sp_retry_policy {
    uint32_t on;    /* mask of outcomes */
    uint16_t tries; /* after the first; 0 = off */
    uint16_t spare;
    uint64_t backoff_min; /* ns; doubled with each try, of which a random part is waited */
    uint64_t backoff_max;
};
#define SP_RETRY_LINES 4

enum sp_established { SP_ESTABLISHED_FAIL, SP_ESTABLISHED_PASS, SP_ESTABLISHED_COUNT };
extern const char *const sp_established_words[SP_ESTABLISHED_COUNT]; /* fail pass */
enum sp_scope { SP_SCOPE_DESTINATION, SP_SCOPE_ENDPOINT, SP_SCOPE_COUNT };

struct sp_guards {
    uint8_t mode;                         /* enum sp_mode */
    uint8_t exchange;                     /* enum sp_exchange */
    uint8_t success;                      /* enum sp_success */
    uint8_t pass;                         /* 1: the breaker only reports, and refuses nothing */
    uint32_t share;                       /* of the connections that are enforced; 0 = all */
    uint64_t deadline[SP_DEADLINE_COUNT]; /* ns; 0 = off */
    struct sp_breaker_policy breaker;
    uint32_t cap[SP_CAP_COUNT]; /* 0 = off */
    uint32_t limit_burst;       /* calls that may come at once; 0 = as many as the rate's number */
    uint64_t cap_wait;          /* ns; 0 = refuse at once */
    uint64_t limit_rate;        /* sp_rate_word(); 0 = off */
    uint64_t limit_wait;        /* ns; 0 = refuse at once */
    uint64_t lookup_stale; /* how old an answer to a look-up may be that serves instead; 0 = off */
    uint32_t journal;      /* bytes of the segment's journal; 0 = calls are not written down */
    uint32_t moment;       /* ms between two moments of the history; 0 = none is kept */
    uint32_t retry_budget; /* share of the recent calls that may be tried again */
    uint32_t fallback;     /* SP_WHEN bits that some line `fallback` has; 0 = off */
    uint32_t split;        /* arms, and SP_SPLIT_STICKY (split.h); 0 = off */
    uint32_t spare;
    struct sp_retry_policy retry[SP_RETRY_LINES];
};

/* When a connect goes elsewhere. */
enum sp_when {
    SP_WHEN_OPEN = 1,  /* the breaker refuses it */
    SP_WHEN_FAILED = 2 /* it was tried, and failed */
};
#define SP_WHEN_ALL 3u

/* One line `fallback`: where to. */
enum sp_fallback_kind {
    SP_FALLBACK_ADDRESS,
    SP_FALLBACK_NAME,    /* looked up before it is needed: sp_target_get */
    SP_FALLBACK_RESPOND, /* an answer from a file */
    SP_FALLBACK_COUNT
};
#define SP_FALLBACKS_MAX 4u /* of a destination */
struct sp_fallback {
    uint64_t hash; /* of the text */
    uint32_t text; /* as it was written: an address, HOST:PORT or a file; offset in strings */
    uint16_t port; /* NAME */
    uint16_t file;
    uint16_t line;
    uint16_t column;
    uint8_t kind;
    uint8_t when; /* SP_WHEN bits */
    uint8_t spare[2];
    struct sp_addr address; /* ADDRESS */
};

/* `mode` as one value: the word in the low byte, the share above it. */
static inline uint64_t sp_mode_value(const struct sp_guards *guards)
{
    return guards->mode | (uint64_t)guards->share << 8;
}

/* `100/s` in one number, so that it is shown as it was written. */
enum sp_rate_unit { SP_RATE_SECOND, SP_RATE_MINUTE, SP_RATE_HOUR, SP_RATE_UNITS };
static inline uint64_t sp_rate_word(uint64_t count, enum sp_rate_unit unit)
{
    return count << 2 | unit;
}
static inline uint64_t sp_rate_count(uint64_t rate)
{
    return rate >> 2;
}
/* From one call to the next, ns; 0 when there is no limit. */
static inline uint64_t sp_rate_interval(uint64_t rate)
{
    uint64_t unit = (rate & 3) == SP_RATE_SECOND   ? SP_SECOND
                    : (rate & 3) == SP_RATE_MINUTE ? 60 * SP_SECOND
                                                   : 3600 * SP_SECOND;
    return sp_rate_count(rate) ? unit / sp_rate_count(rate) : 0;
}

/* One destination. */
struct sp_row {
    char name[SP_NAME_SIZE];
    uint32_t match_first; /* index into the matches */
    uint16_t match_count;
    uint16_t state; /* index of the runtime state in the segment; 0xffff outside of one */
    uint16_t file;  /* where the section stands */
    uint16_t line;
    uint16_t fallback_first; /* index into the fallbacks */
    uint16_t fallback_count;
    uint16_t slo_first; /* index into the conditions; those of `defaults` belong to many rows */
    uint16_t slo_count;
    uint16_t arm_first; /* index into the arms */
    uint16_t arm_count;
    struct sp_guards guards;
};

enum sp_match_kind {
    SP_MATCH_ANY,  /* `*`: every address, unix too */
    SP_MATCH_NAME, /* glob over looked-up host names; `*:443` (a lone star with ports) is every IP
                    */
    SP_MATCH_NET,  /* address or CIDR */
    SP_MATCH_UNIX, /* glob over the path; abstract sockets are written unix:@name */
    SP_MATCH_COUNT
};

struct sp_match {
    uint8_t kind;
    uint8_t family; /* NET: SP_FAMILY_IPV4 or _IPV6 */
    uint8_t prefix; /* NET: significant bits */
    uint8_t spare;
    uint16_t port_low; /* inclusive, host order; 0..65535 is every port */
    uint16_t port_high;
    uint8_t ip[16];
    uint32_t text;   /* NAME, UNIX: offset of the lower-cased glob (UNIX: as written) in strings */
    uint32_t source; /* offset of the rule as it was written, in strings */
    uint16_t file;
    uint16_t line;
};

#define SP_MOMENTS 32u /* that a history keeps: the figures of a destination, from time to time */

/* X(id, word, kind, tail): what a condition measures. `tail`: of 1000 calls so many may lie above a
 * percentile. A call that timed out took longer than every other. */
#define SP_MEASURES(X)                \
    X(P50, "p50", TIME, 500)          \
    X(P75, "p75", TIME, 250)          \
    X(P90, "p90", TIME, 100)          \
    X(P95, "p95", TIME, 50)           \
    X(P99, "p99", TIME, 10)           \
    X(P999, "p99.9", TIME, 1)         \
    X(ERRORS, "errors", SHARE, 0)     \
    X(TIMEOUTS, "timeouts", SHARE, 0) \
    X(REFUSED, "refused", SHARE, 0)   \
    X(RPS, "rps", COUNT, 0)

enum sp_measure {
#define X(id, word, kind, tail) SP_MEASURE_##id,
    SP_MEASURES(X)
#undef X
        SP_MEASURE_COUNT
};
enum sp_measure_kind { SP_MEASURE_TIME_KIND, SP_MEASURE_SHARE_KIND, SP_MEASURE_COUNT_KIND };

/* `p95 < 500ms for 5m`: the one grammar of slo, steady and abort. */
struct sp_condition {
    uint8_t measure; /* enum sp_measure */
    uint8_t above;   /* 1: it is to lie above the limit, not below */
    uint16_t file;
    uint16_t line;
    uint16_t spare;
    uint64_t limit;  /* ns; hundredths of a percent; calls a second */
    uint64_t window; /* ns: the last calls that count; 0: all of them */
};

/* An experiment as it is written: what to inject where, and when to stop. Nothing runs by being
 * here. Faults are kept as text, and compiled where they are started. */
#define SP_EXPERIMENTS_MAX       64u
#define SP_EXPERIMENT_TARGETS    8u
#define SP_EXPERIMENT_FAULTS     8u
#define SP_EXPERIMENT_CONDITIONS 8u
#define SP_EXPERIMENT_TEXT       80u /* of a fault, with its NUL */
enum sp_proviso_when { SP_PROVISO_STEADY, SP_PROVISO_ABORT };
struct sp_proviso { /* a line `steady` or `abort` */
    struct sp_condition condition;
    uint32_t destination; /* its name, offset in strings; "": each of the targets */
    uint8_t when;         /* enum sp_proviso_when */
    uint8_t opens;        /* 1: its breaker opens; the condition has file and line alone */
    uint8_t spare[2];
};
struct sp_inject {
    uint32_t text; /* offset in strings */
    uint16_t file;
    uint16_t line;
};
struct sp_experiment {
    char name[SP_NAME_SIZE];
    uint32_t expect; /* offset in strings */
    uint16_t file;   /* where the section stands */
    uint16_t line;
    uint64_t seed; /* if `seeded` */
    uint64_t ramp; /* ns */
    uint64_t last; /* ns */
    uint8_t seeded;
    uint8_t target_count, inject_count, proviso_count;
    uint32_t spare;
    uint32_t targets[SP_EXPERIMENT_TARGETS]; /* names of destinations, offsets in strings */
    struct sp_inject injects[SP_EXPERIMENT_FAULTS];
    struct sp_proviso provisos[SP_EXPERIMENT_CONDITIONS];
};

/* Where a word got its value: one row for every word that a file set. */
struct sp_setting {
    uint16_t row; /* SP_ROW_DEFAULTS for the defaults section */
    uint16_t key; /* index into sp_keys */
    uint16_t file;
    uint16_t line;
};
#define SP_ROW_DEFAULTS 0xffffu

struct sp_policy {
    uint32_t magic;
    uint32_t size; /* bytes of the whole block */
    uint64_t
        digest; /* of the settings and matches, not of comments: equal digests, equal policies */
    uint32_t rows, row_count; /* offsets from the start of this struct, 8-aligned */
    uint32_t matches, match_count;
    uint32_t fallbacks, fallback_count;
    uint32_t settings, setting_count;
    uint32_t files, file_count;     /* uint32_t each: offset of the file's name in strings */
    uint32_t strings, strings_size; /* NUL-terminated texts; the last byte is NUL */
    uint32_t path;                  /* offset of the path that was read, in strings */
    uint32_t line_defaults;
    uint32_t learn; /* endpoints that get a destination of their own; set by `run --observe` */
    uint32_t conditions, condition_count;
    uint32_t arms, arm_count;
    uint32_t experiments, experiment_count;
    uint32_t spare;
    char segment[SP_NAME_SIZE]; /* `segment NAME`, or "" */
    char group[32];             /* `segment NAME group G`, or "" */
};

/* --- reading --- */

enum sp_severity { SP_ERROR, SP_WARNING };

/* One finding. Texts live until the callback returns. */
struct sp_finding {
    enum sp_severity severity;
    const char *file;   /* as the user named it */
    unsigned line;      /* from 1; 0 when the whole file is meant */
    unsigned column;    /* from 1; 0 when the whole line is meant */
    unsigned length;    /* of what is marked, at least 1 */
    const char *text;   /* "unknown word 'conect'" */
    const char *source; /* the line as written, without its newline; NULL when there is none */
    const char *cure;   /* "did you mean 'connect'?"; NULL when there is none */
};
typedef void sp_finding_fn(void *context, const struct sp_finding *finding);

/* Reads a file and what it includes; compiles into `room` (8-aligned, `size` bytes, at least
 * SP_POLICY_ROOM). Returns the number of errors: with 0 the policy stands at `room`. All mistakes
 * are reported in one pass; `say` may be NULL. Contradictions are warnings. */
int sp_policy_read(const char *path, void *room, size_t size, sp_finding_fn *say, void *context);

/* Only what the lines `segment` say of a file, in a microsecond; all else of `out` is zero. False:
 * that is not all there is to it (it includes others, it is large, it has a mistake): read it. */
bool sp_policy_named(const char *path, struct sp_policy *out);

/* The same from memory; `name` is what findings call it. */
int sp_policy_read_text(const char *name, const char *text, size_t length, void *room, size_t size,
                        sp_finding_fn *say, void *context);

/* Writes the two or three lines of a finding as `check` prints them, e.g.
 *   policy.conf:9:15: error: unknown word 'conect'
 *       9 |     deadline  conect 250ms
 *         |               ^~~~~~ did you mean 'connect'?
 * Always NUL-terminated and ending in a newline. Returns the length. */
size_t sp_finding_format(const struct sp_finding *finding, char *out, size_t size);

/* --- the compiled block --- */

/* True when every offset, count and index stays inside `size` bytes and every enum in range. */
bool sp_policy_valid(const struct sp_policy *policy, size_t size);

const struct sp_row *sp_policy_row(const struct sp_policy *policy, size_t index);    /* or NULL */
const struct sp_match *sp_policy_match_at(const struct sp_policy *policy, size_t i); /* or NULL */
const struct sp_fallback *sp_policy_fallback(const struct sp_policy *policy,
                                             size_t i); /* or NULL */
const struct sp_condition *sp_policy_condition(const struct sp_policy *policy, size_t i);
const struct sp_experiment *sp_policy_experiment(const struct sp_policy *policy, size_t i);
const char *sp_policy_string(const struct sp_policy *policy, uint32_t offset); /* never NULL */
const char *sp_policy_file(const struct sp_policy *policy, size_t index);      /* never NULL */

/* The destination of an address: index of its row, or -1. Names are those that this process looked
 * up for the address, newest first: a destination takes the newest name or the address itself,
 * first match wins, top to bottom; an older name is asked only when none does. `which` (may be
 * NULL) gets the rule. No allocation, no lock: safe in signal handlers. */
int sp_policy_match(const struct sp_policy *policy, const struct sp_addr *address,
                    const char *const *names, size_t name_count, const struct sp_match **which);

/* The destination of a name that is about to be looked up: index of its row, or -1. `port` 0 is one
 * that is not known yet: any will do. */
int sp_policy_match_name(const struct sp_policy *policy, const char *name, uint16_t port);

/* "open,failed" */
size_t sp_when_format(unsigned when, char *out, size_t size);

/* Glob with `*` and `?`; a `*` crosses everything, dots and slashes too. */
bool sp_glob(const char *pattern, const char *text);

/* --- conditions --- */

const char *sp_measure_word(unsigned measure); /* never NULL */
enum sp_measure_kind sp_measure_kind(unsigned measure);
unsigned sp_measure_tail(unsigned measure); /* of 1000; 0 where it is no percentile */
/* `p95 < 500ms`, with ` for 5m` or without. -1 with `error` set. */
int sp_condition_parse(const char *text, size_t length, struct sp_condition *out,
                       struct sp_error *error);
/* The same words again; `value` as a limit of that measure is written. Both return the length. */
size_t sp_condition_format(const struct sp_condition *condition, char *out, size_t size);
size_t sp_condition_value(unsigned measure, uint64_t value, char *out, size_t size);

/* --- the keys: one table from which parser, check, manual and completion are made --- */

enum sp_key_type {
    SP_KEY_TIME, /* uint64_t ns */
    SP_KEY_COUNT_U32,
    SP_KEY_COUNT_U16,
    SP_KEY_SHARE,   /* uint32_t, hundredths of a percent */
    SP_KEY_WORD_U8, /* one of `words` */
    SP_KEY_WORD_U32,
    SP_KEY_OUTCOMES, /* uint32_t mask */
    SP_KEY_FLAG,     /* uint8_t: the bare word, or the word and `off` */
    SP_KEY_RATE,     /* uint64_t: 100/s, 10/m */
    SP_KEY_MODE,     /* sp_mode_value: a word, and a share behind `enforce` */
    SP_KEY_SIZE      /* uint32_t bytes */
};

#define SP_KEY_TEXT  14 /* of a word, with its end */
#define SP_KEY_WORDS 3

struct sp_key {
    char directive[SP_KEY_TEXT]; /* "deadline" */
    char word[SP_KEY_TEXT];      /* "connect"; "" for the directive's own value */
    enum sp_key_type type;
    uint16_t offset;    /* into struct sp_guards */
    uint16_t shared;    /* not 0: it shapes state that processes share, so -o may not change it */
    uint64_t low, high; /* the range, in the key's unit */
    uint64_t initial;   /* without any line */
    char words[SP_KEY_WORDS + 1][SP_KEY_TEXT]; /* WORD types: up to the first "" */
    char help[128];
};

extern const struct sp_key sp_keys[];
extern const size_t sp_key_total;

/* The value of a key in policy words: "250ms", "off", "5", "50%", "enforce". Returns the length. */
size_t sp_key_format(const struct sp_key *key, const struct sp_guards *guards, char *out,
                     size_t size);

/* Every guard as it is without a policy. */
void sp_guards_initial(struct sp_guards *guards);

/* --- -o and SHEARPIN_SET: single words changed for one process tree --- */

struct sp_override {
    char destination[SP_NAME_SIZE]; /* "*" for every one */
    uint16_t key;
    uint64_t value;
};
#define SP_OVERRIDES_MAX 32

/* Parses `dest.guard.word=VALUE` settings separated by `;`. Returns how many, or -1 with `error`
 * set. `policy` (may be NULL) is used to check names. */
int sp_override_parse(const char *text, const struct sp_policy *policy, struct sp_override *out,
                      size_t max, struct sp_error *error);
void sp_override_apply(const struct sp_override *overrides, size_t count, const char *destination,
                       struct sp_guards *guards);
/* The same two for a policy that is only tried: what processes share may change, too. */
int sp_override_parse_any(const char *text, const struct sp_policy *policy, struct sp_override *out,
                          size_t max, struct sp_error *error);
void sp_override_apply_any(const struct sp_override *overrides, size_t count,
                           const char *destination, struct sp_guards *guards);

#endif
