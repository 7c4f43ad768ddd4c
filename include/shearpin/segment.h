/*
 * segment.h - the shared memory of one policy: its layout and what may be done with it.
 *
 * One file in /dev/shm (or SHEARPIN_DIR). Writers are many processes that may die anywhere, so
 * every shared word is atomic and right after each single store. Readers trust nothing: all offsets
 * are computed from six capacities and compared with the head once, indices are bounded at each
 * use. A change of layout is a new SP_LAYOUT, and so a new file. Source: src/state.
 *
 * Parts, in file order:
 *     head | processes | events | names | targets | answers | endpoints | experiments | marks |
 *     tallies | policy 0 | policy 1 | leases | dests | journal | histories | arms
 */
#ifndef SHEARPIN_SEGMENT_H
#define SHEARPIN_SEGMENT_H

#include "shearpin/dest.h"
#include "shearpin/policy.h"
#include "shearpin/types.h"
#include <sys/types.h>

#define SP_LAYOUT      4u
#define SP_MAGIC       UINT64_C(0x006e697072616873) /* "sharpin\0" */
#define SP_PROCESSES   1024u
#define SP_EVENTS      1024u
#define SP_LEARNT      512u
#define SP_TARGETS     64u
#define SP_ANSWERS     64u   /* names whose last good answer is kept */
#define SP_ENDPOINTS   128u  /* addresses with a breaker of their own */
#define SP_EXPERIMENTS 4u    /* that run, or whose figures are still known: chaos.h */
#define SP_TALLIES     1024u /* of connections on arms: tally.c */
#define SP_MARKS       8u    /* targets of them whose figures at the start or end are kept */
#define SP_NO_SLOT     0xffffffffu
#define SP_NO_LEASE    0xffffffffu
#define SP_NO_ROW      0xffffu
#define SP_DESTS_MAX   SP_POLICY_ROWS_MAX

struct sp_head {
    uint64_t magic; /* written last at creation */
    uint32_t layout;
    uint32_t dest_max;    /* capacities: everything below follows from these six */
    uint32_t lease_max;   /* words in the lease pool */
    uint32_t policy_size; /* bytes of each policy area */
    uint64_t size;        /* of the whole file */
    uint64_t created;     /* wall, ns */
    char name[SP_NAME_SIZE];
    char version[16];     /* of the library that created it */
    uint32_t journal_max; /* entries of the journal; 0: none */
    uint32_t history_max; /* destinations whose figures of the last minutes are kept */
    uint32_t arm_max;     /* places for the arms of destinations */
    char spare0[12];

    /* its own cache lines: what changes while programs run */
    _Alignas(
        SP_CACHELINE) sp_word policy; /* generation << 1 | area in force; see sp_segment_guards */
    sp_word policy_loaded;            /* wall, ns */
    sp_half policy_failures;          /* reloads refused */
    sp_half disabled;                 /* 1: every process goes straight to libc */
    sp_word lost;                     /* processes that died without leaving */
    sp_half unregistered;             /* processes that found all slots taken */
    sp_half unmatched_known;
    sp_word unmatched;    /* connects that no destination took */
    sp_word reply_until;  /* monotonic ns: who gives canned answers stays at least until then */
    sp_half loose;        /* stages of live faults that are of no destination: SP_FAULT_ON_LOOSE */
    sp_half tallies_full; /* 1: connections were made that stand on an arm and are not counted */
    _Alignas(SP_CACHELINE) sp_word event_next;
    _Alignas(SP_CACHELINE) sp_half lease_used; /* words of the pool handed out to caps */
    _Alignas(SP_CACHELINE) sp_word journal_next;
};

/* A process. The slot belongs to whoever holds the life lock: an OFD lock on one byte of the file
 * that the kernel drops with the process image. Epoch rises at every taking over. */
struct sp_process {
    sp_half epoch;
    sp_half pid;     /* 0: never taken */
    sp_word start;   /* when it joined, in clock ticks since boot: who has its pid and is younger is
                        another */
    uint64_t joined; /* wall, ns */
    uint32_t uid;
    sp_half left; /* 1: in order, by its own exit */
    char command[16];
    sp_word pid_namespace; /* inode of /proc/self/ns/pid: pids compare only inside one; 0 until it
                              has a connection */
    sp_word here; /* address of its struct sp_here in its own memory, for who may look; 0: none */
};

enum sp_event_kind {
    SP_EVENT_NONE,
    SP_EVENT_BREAKER, /* from, to: enum sp_state; reason: enum sp_trip; text: of which address or
                         arm */
    SP_EVENT_TRIP, /* by an operator, with text = the reason given; a = until, monotonic ns or 0 */
    SP_EVENT_HOLD, /* to: enum sp_hold; a = until or 0 */
    SP_EVENT_RESET,
    SP_EVENT_DISABLE, /* destination "" for the whole segment */
    SP_EVENT_ENABLE,
    SP_EVENT_POLICY, /* a = generation put in force; text = the file */
    SP_EVENT_RETRY,  /* tried again in vain; reason: enum sp_retry_end; a = tries, b = ns; text =
                        how they came out */
    SP_EVENT_STALE,  /* look-ups of text = a name fail; a = ns since its last good answer */
    SP_EVENT_CHAOS,  /* to: enum sp_chaos_state; text = the experiment, and why; a = its end or 0 */
    SP_EVENT_FALLBACK, /* the first connection of a spell; text = where to; a = how many before,
                          b = sp_fallback_id() */
    SP_EVENT_SHIFT, /* reason: enum sp_shift_step; text = shares, and why; to = the arm it is about
                       (255: none), a = its share; LAPSED: b = pid of the command that is gone */
    SP_EVENT_KINDS
};

/* Why a breaker changed its state: the reason that events and status show. */
enum sp_trip {
    SP_TRIP_NONE,
    SP_TRIP_STREAK,   /* a = failures in a row, b = last outcome */
    SP_TRIP_RATE,     /* a = failures, b = calls in the window */
    SP_TRIP_SLOW,     /* a = slow calls, b = calls in the window */
    SP_TRIP_PROBE,    /* a probe failed; b = its outcome */
    SP_TRIP_TIME,     /* the open time is over */
    SP_TRIP_PROVED,   /* enough probes succeeded; a = how many */
    SP_TRIP_OPERATOR, /* trip, hold, reset */
    SP_TRIP_COUNT
};

struct sp_event {
    sp_word sequence; /* from 1; with the top bit while it is being written */
    uint64_t wall;
    uint32_t pid;
    uint32_t uid;
    uint16_t kind;
    uint8_t from;
    uint8_t to;
    uint8_t reason;
    uint8_t arm;  /* BREAKER, SHIFT that lapsed: 1: the text is the name of an arm */
    uint16_t sum; /* of all other bytes: tells an event that two writers wrote at once */
    uint64_t a;
    uint64_t b;
    char destination[SP_NAME_SIZE];
    char command[16];
    char text[80];
};

/* A name that a process looked up, kept for what it execs: read only by the same pid, if that was
 * started before. */
struct sp_learnt {
    sp_half sequence; /* odd while it is being written */
    uint32_t pid;
    uint64_t start; /* when it was written, in clock ticks since boot */
    uint64_t stamp;
    uint8_t family;
    uint8_t spare[7];
    uint8_t ip[16];
    char name[208];
};

/* A target: HOST:PORT as a policy writes it, and what the command found when it looked it up. */
#define SP_TARGET_ADDRESSES 4u
struct sp_target {
    sp_half sequence; /* odd while it is being written */
    uint32_t count;
    uint64_t hash; /* of the text; 0: free */
    uint64_t when; /* wall ns of the look-up */
    struct {
        uint8_t family;
        uint8_t spare;
        uint16_t port;
        uint8_t ip[16];
        uint32_t spare1;
    } addresses[SP_TARGET_ADDRESSES];
    char text[264];
};

_Static_assert(sizeof(struct sp_target) == 384, "layout");
/* The last good answer to a look-up of a name, for all processes. */
#define SP_ANSWER_MAX 16u
struct sp_answer {
    sp_half sequence; /* odd while it is being written */
    uint8_t family;   /* that was asked for; SP_FAMILY_NONE: any */
    uint8_t count;
    sp_half served; /* ms at which it last served instead of an answer, 0: not since it is new */
    uint32_t spare;
    uint64_t time; /* monotonic ns */
    char name[208];
    uint8_t families[SP_ANSWER_MAX];
    uint8_t ip[SP_ANSWER_MAX][16]; /* in the order of the answer */
};

_Static_assert(sizeof(struct sp_head) == 384, "layout");
_Static_assert(offsetof(struct sp_head, policy) == 128, "layout");
_Static_assert(sizeof(struct sp_process) == 64, "layout");
_Static_assert(sizeof(struct sp_event) == 192, "layout");
_Static_assert(sizeof(struct sp_learnt) == 256, "layout");
_Static_assert(sizeof(struct sp_answer) == 504, "layout");

/* A lease in one word: dead:1 owner slot + 1:11 owner's epoch:20 detail:32. 0 is free. With `dead`
 * set the owner is gone since the ms in detail, and the place is granted again after the grace. */
#define SP_LEASE_DEAD     (UINT64_C(1) << 63)
#define SP_LEASE_GRACE_MS 50u

static inline uint64_t sp_lease_word(uint32_t slot, uint32_t epoch, uint32_t detail)
{
    return (uint64_t)(slot + 1) << 52 | (uint64_t)(epoch & 0xfffffu) << 32 | detail;
}
static inline uint32_t sp_lease_slot(uint64_t word)
{
    return (uint32_t)(word >> 52 & 0x7ffu) - 1;
}
static inline uint32_t sp_lease_epoch(uint64_t word)
{
    return (uint32_t)(word >> 32) & 0xfffffu;
}
static inline uint32_t sp_lease_detail(uint64_t word)
{
    return (uint32_t)word;
}

/* Where an address has its breaker. */
struct sp_aim {
    uint32_t index; /* SP_NO_ENDPOINT: nowhere; from SP_AIM_ARM on: the place of an arm */
    uint32_t tag;   /* of whose it was then */
};
#define SP_NO_ENDPOINT UINT32_MAX
#define SP_AIM_ARM     0x10000u

/* This process as a segment knows it. */
struct sp_self {
    uint32_t slot; /* SP_NO_SLOT: unregistered, guarded but for leases */
    uint32_t epoch;
    uint32_t pid;
    uint32_t shard;
    uint64_t start; /* of the process, in clock ticks since boot; 0: nobody has asked yet */
    char command[16];
};

/* A mapped segment, private to the process. Zero-initialise. */
struct sp_segment {
    struct sp_head *head;
    struct sp_process *processes;
    struct sp_event *events;
    struct sp_learnt *learnt;
    struct sp_target *targets;
    struct sp_answer *answers;
    sp_word *endpoint_keys;
    struct sp_endpoint *endpoints;
    struct sp_chaos *chaos;
    struct sp_moment *marks;
    struct sp_policy *policy[2];
    sp_word *leases;
    struct sp_dest *dests;
    uint32_t dest_max;
    uint32_t lease_max;
    uint32_t policy_size;
    uint32_t journal_max;
    struct sp_entry *journal;
    struct sp_history *histories;
    uint32_t history_max;
    sp_word *tallies; /* of connections on arms: arm.c */
    struct sp_arm *arms;
    uint32_t arm_max;
    size_t size;
    void *life; /* the page that keeps the life lock */
    dev_t device;
    ino_t inode;
    struct sp_self self;
    _Atomic uint64_t checked; /* policy word whose area was found valid */
    sp_half tailless;         /* not 0: what lies behind the file are no zeros yet */
    char path[256];
};

/* --- naming, creating, mapping: src/state/segment.c, place.c --- */

/* Where a segment of that name lives. `group` may be NULL or "" (a name or a number); a `name` of
 * the form NAME@GROUP brings its own, as SHEARPIN_SEGMENT and -s do. `directory`
 * NULL means /dev/shm. Returns 0, or -1 with `error` set (unknown group, name too long or with
 * characters outside [A-Za-z0-9._-]). */
int sp_place_path(char *out, size_t size, const char *directory, const char *name,
                  const char *group, struct sp_error *error);

/* The name of a policy's segment when nobody gave one: `segment NAME`, else base name without
 * extension and a short hash of the real path. */
int sp_place_name(char *out, size_t size, const struct sp_policy *policy, const char *policy_path,
                  struct sp_error *error);

/* Maps an existing segment after checking owner, mode, type, layout and sizes. -1: `error->code` is
 * ENOENT when there is none, EPROTO for a file that is no segment of this layout, else an errno. */
int sp_segment_attach(struct sp_segment *segment, const char *path, struct sp_error *error);

/* Maps the segment, creating it under `policy` when there is none. Race-free: of many first
 * starters one creates, all map the same. `created` (may be NULL) says whether it was us. */
int sp_segment_open(struct sp_segment *segment, const char *path, const char *name,
                    const struct sp_policy *policy, bool *created, struct sp_error *error);

/* A segment in memory that no other process sees and that is never given back, with one process in
 * it: to try a policy in. */
int sp_segment_private(struct sp_segment *segment, const struct sp_policy *policy,
                       struct sp_error *error);

void sp_segment_detach(struct sp_segment *segment);

/* Puts a policy in force as the next generation: one store that every process sees at its next
 * call. Fails with ENOSPC when it has more destinations or larger caps than the segment has room
 * for; then nothing changed. Writes the event. */
int sp_segment_apply(struct sp_segment *segment, const struct sp_policy *policy,
                     struct sp_error *error);

/* Bytes of a segment with the capacities in `head`. */
size_t sp_segment_size(const struct sp_head *head);

/* --- the policy in force --- */

/* The area in force and its word (`*word`); NULL when it is damaged. Hold nothing of it across
 * sp_segment_steady(): when that says false, what was read must be thrown away and read again. */
const struct sp_policy *sp_segment_policy(struct sp_segment *segment, uint64_t *word);
bool sp_segment_steady(const struct sp_segment *segment, uint64_t word);
static inline uint64_t sp_segment_generation(uint64_t word)
{
    return word >> 1;
}

/* A copy of a destination's guards as they are in force. False: the policy in force does not name
 * it (any more); `out` is then SP_MODE_OFF. */
bool sp_segment_guards(struct sp_segment *segment, uint32_t dest, struct sp_guards *out);

/* A copy of the nth line `fallback` of a destination as it is in force, and of its text (NULL: not
 * wanted); false: there is none. */
bool sp_segment_fallback(struct sp_segment *segment, uint32_t dest, uint32_t nth,
                         struct sp_fallback *out, char *text, size_t size);

/* The runtime state at an index, or by name; NULL when there is none. */
struct sp_dest *sp_segment_dest(const struct sp_segment *segment, uint32_t index);
struct sp_dest *sp_segment_dest_named(const struct sp_segment *segment, const char *name,
                                      uint32_t *index);

/* --- processes: src/state/process.c --- */

/* Takes a slot and its life lock for this process; fills segment->self. Also after fork, when the
 * parent's self means nothing. -1: no slot, or the file is gone; the process stays unregistered. */
int sp_process_join(struct sp_segment *segment);
void sp_process_leave(struct sp_segment *segment);
/* Before this process has something that outlives it a little: says in which namespace its pid is
 * meant. That costs ten microseconds, and most programs never have a connection. */
void sp_process_settle(struct sp_segment *segment);

/* A view on who lives: opens the file once for many questions. `fd` is -1 when it cannot. */
struct sp_census {
    int fd;
    uint64_t pid_namespace;
};
void sp_census_open(const struct sp_segment *segment, struct sp_census *census);
/* A process gives up its memory, and with it its lock, before its sockets; when it is a zombie or
 * no more, those are closed too. From another pid namespace it cannot be told from dying. */
enum sp_life { SP_LIFE_DYING, SP_LIFE_ALIVE, SP_LIFE_GONE };
enum sp_life sp_census_life(const struct sp_segment *segment, const struct sp_census *census,
                            uint32_t slot);
bool sp_census_alive(const struct sp_segment *segment, const struct sp_census *census,
                     uint32_t slot);
void sp_census_close(struct sp_census *census);

/* --- leases: src/state/lease.c. Words are 0 or sp_lease_word(); nothing is counted. --- */

/* Asks whether the owner of a slot lives; called only when every place is taken. The question takes
 * time: who has a clock brings `*now_ms` up to date, so that a grace never begins in the past. */
typedef enum sp_life sp_alive_fn(void *context, uint32_t slot, uint32_t *now_ms);

/* Takes one of the first `limit` of `words`. Returns its index or SP_NO_LEASE. With `alive` NULL
 * nobody's death is looked for; else, where none is free, all places of the dead are given back.
 * `now_ms` is sp_now() / SP_MS cut to 32 bits. */
uint32_t sp_lease_take(struct sp_segment *segment, sp_word *words, uint32_t limit, uint64_t lease,
                       uint32_t now_ms, sp_alive_fn *alive, void *context);
/* Gives back the places of owners that are no more. */
void sp_lease_reap(struct sp_segment *segment, sp_word *words, uint32_t limit, uint32_t now_ms,
                   sp_alive_fn *alive, void *context);
/* Gives back exactly `lease` at `index`; someone else's lease is left alone. */
void sp_lease_give(sp_word *words, uint32_t limit, uint32_t index, uint64_t lease);
/* Places held now by living owners of the current epochs. */
uint32_t sp_lease_held(const struct sp_segment *segment, const sp_word *words, uint32_t limit);
/* The same for sure: owners are asked, and places of those that are no more are given back. */
uint32_t sp_lease_living(struct sp_segment *segment, sp_word *words, uint32_t limit,
                         uint32_t now_ms, sp_alive_fn *alive, void *context);
/* The words of a destination's cap; NULL and 0 when it never had one. */
sp_word *sp_lease_words(const struct sp_segment *segment, struct sp_dest *dest, enum sp_cap cap,
                        uint32_t *count);

/* The eighth of a destination's counters that this process writes. */
static inline struct sp_shard *sp_segment_shard(const struct sp_segment *segment,
                                                struct sp_dest *dest)
{
    return &dest->shards[segment->self.shard % SP_SHARDS];
}

/* --- the last minutes: src/state/history.c --- */

/* The calls of a destination over some time. */
struct sp_span {
    uint64_t time; /* ns */
    uint64_t calls, errors, timeouts, refused;
    uint64_t retried; /* tries after the first */
    uint64_t times[SP_BINS];
};
/* The longest that all but `tail` of 1000 calls took; SP_NEVER: it timed out. */
uint64_t sp_span_quantile(const struct sp_span *span, unsigned tail);
/* The figures of a destination as they are now, and what happened since such. False: nothing is
 * known. */
void sp_moment_take(struct sp_moment *moment, const struct sp_dest *dest,
                    const struct sp_guards *guards, uint64_t now);
bool sp_moment_since(struct sp_span *out, const struct sp_guards *guards,
                     const struct sp_dest *dest, const struct sp_moment *then, uint64_t now);
/* What happened between two figures. Spans of several destinations may be added up. */
void sp_span_between(struct sp_span *out, const struct sp_guards *guards,
                     const struct sp_figures *before, const struct sp_figures *after);
/* Before a call is counted: keeps the figures as they are when a step of `moment` ms has begun. */
void sp_history_keep(struct sp_segment *segment, struct sp_dest *dest,
                     const struct sp_guards *guards, uint64_t now);
/* The last `window` ns up to now, and at most a step more; less if it is not known for so long. 0:
 * all there is. False: there is no history. */
bool sp_history_span(const struct sp_segment *segment, const struct sp_dest *dest,
                     const struct sp_guards *guards, uint64_t window, uint64_t now,
                     struct sp_span *out);

/* --- events: src/state/event.c --- */

/* Writes `event` (sequence, wall, pid, uid and command are filled in). */
void sp_event_write(struct sp_segment *segment, const struct sp_event *event);
/* 1: copied. 0: not written yet. -1: overwritten, `*sequence` is moved to the oldest kept. */
int sp_event_read(const struct sp_segment *segment, uint64_t *sequence, struct sp_event *out);
uint64_t sp_event_last(const struct sp_segment *segment); /* highest sequence, 0: none */

/* --- the journal: src/state/journal.c --- */

/* One settled call. Two words, each with the lap of the ring in it: only an entry whose laps agree
 * is whole.
 *   time        us of the monotonic clock:48 lap:16
 *   what        lap:16 dest:10 outcome:4 kind:2 class:9 slot:11 conn:11, observed:1 */
struct sp_entry {
    sp_word time;
    sp_word what;
};
enum sp_entry_kind {
    SP_ENTRY_CONNECT,
    SP_ENTRY_EXCHANGE,
    SP_ENTRY_CLOSED /* the end of a connection; class: how long it stood */
};
struct sp_note {   /* an entry unpacked */
    uint64_t time; /* ns, at its end */
    uint32_t dest;
    uint8_t outcome; /* enum sp_outcome; REJECTED_*: refused, nothing was sent */
    uint8_t kind;
    bool observed;
    uint16_t duration; /* bin: sp_bin_low */
    uint16_t slot;     /* of the process, SP_PROCESSES: of none */
    uint16_t conn;     /* low bits of its number there */
};
#define SP_JOURNAL_CONN_MASK 0x7ffu

void sp_journal_write(struct sp_segment *segment, const struct sp_note *note);
/* 1: copied. 0: not written yet. -1: overwritten or never written whole; go on behind it. */
int sp_journal_read(const struct sp_segment *segment, uint64_t number, struct sp_note *out);
/* Entries written so far, and the oldest that the ring still has. */
uint64_t sp_journal_count(const struct sp_segment *segment, uint64_t *oldest);

/* --- endpoints that got a destination of their own: src/state/origin.c --- */

/* The place of the endpoint that is written `text` (api.example.com:443), taken if it has none yet;
 * its guards are those of `row` as long as the policy `word` is in force. -1: no place is free. */
int sp_origin_place(struct sp_segment *segment, const char *text, uint32_t row, uint64_t word);

/* --- targets: src/state/target.c --- */

/* Writes down what `text` (HOST:PORT) was looked up as, at most SP_TARGET_ADDRESSES of it. The
 * oldest makes room. */
void sp_target_put(struct sp_segment *segment, const char *text, const struct sp_addr *addresses,
                   size_t count);
/* The addresses of the text with this sp_hash; `when` (may be NULL) is the wall time of the
 * look-up. 0: nobody has looked it up. Safe in signal handlers. */
size_t sp_target_get(const struct sp_segment *segment, uint64_t hash,
                     struct sp_addr out[SP_TARGET_ADDRESSES], uint64_t *when);

/* --- canned answers: src/state/reply.c. A process of the command gives them. --- */

/* Is that process there? Opens the file, so it is asked only when an answer is needed. */
bool sp_reply_lives(const struct sp_segment *segment);
/* Where a destination's answers are to be had: IPv4 and IPv6 on the loopback, a unix socket. 0:
 * nowhere. */
#define SP_REPLY_ADDRESSES 3u
size_t sp_reply_get(const struct sp_segment *segment, uint32_t dest,
                    struct sp_addr out[SP_REPLY_ADDRESSES]);
/* The directory of the unix sockets, and the one of a destination in it. False: too long. */
bool sp_reply_directory(const struct sp_segment *segment, char *out, size_t size);
bool sp_reply_path(const struct sp_segment *segment, uint32_t dest, char *out, size_t size);

/* --- addresses with a breaker of their own: src/state/endpoint.c --- */

/* A key is dest:10 hash:53 busy:1, taken by one compare-and-swap; an address that nobody asked
 * about for SP_ENDPOINT_IDLE gives way to a new one when all places are taken. */
#define SP_ENDPOINT_IDLE (600 * SP_SECOND)

/* The place of an address of destination `dest`, which it gets if it has none and `take` is set.
 * `fresh` (may be NULL) says that nobody has asked about it for a second. */
struct sp_aim sp_endpoint_aim(struct sp_segment *segment, uint32_t dest,
                              const struct sp_addr *address, uint64_t now, bool take, bool *fresh);
/* What stands there, unless another address has taken the place; NULL. */
struct sp_endpoint *sp_endpoint_at(const struct sp_segment *segment, struct sp_aim aim);
/* The endpoint at a place below SP_ENDPOINTS, if it is one of `dest`. `address` (may be NULL) has
 * family NONE when it has not been written yet. */
struct sp_endpoint *sp_endpoint_of(const struct sp_segment *segment, uint32_t dest, uint32_t index,
                                   struct sp_addr *address);
/* All of a destination give up their places. */
void sp_endpoint_forget(struct sp_segment *segment, uint32_t dest);

/* --- last good answers: src/state/answer.c --- */

/* Keeps what `name` was looked up to; `answer` has family, count, families and ip. */
void sp_answer_put(struct sp_segment *segment, const char *name, struct sp_answer *answer,
                   uint64_t now);
/* The newest answer to a look-up of `name` that has addresses of `family`; those only. NONE: any,
 * and rather an answer to a look-up for any. Returns its place for sp_answer_served(), or -1. */
int sp_answer_get(const struct sp_segment *segment, const char *name, uint8_t family,
                  struct sp_answer *out);
/* It served instead of an answer; true when none of that name has since it was new. */
bool sp_answer_served(struct sp_segment *segment, int place, uint64_t now);

/* --- names for exec: src/state/learnt.c --- */

void sp_learnt_put(struct sp_segment *segment, const struct sp_addr *address, const char *name);
/* Copies up to `max` names of an address, newest first; returns how many. */
size_t sp_learnt_get(struct sp_segment *segment, const struct sp_addr *address, char (*names)[208],
                     size_t max);

#endif
