/*
 * shift.h - the shares in force of a destination's arms: the policy's, or what `shift` has made of
 * them.
 *
 * `shift` sets shares for the very lines `split` that the policy has: they live on over reloads
 * that leave these lines alone, and mean nothing to others. Shares that are only tried hold as long
 * as the command that tries them renews its lease; when that lapses, whoever has died, everybody
 * reads the stable ones. Source: src/state/shift.c.
 */
#ifndef SHEARPIN_SHIFT_H
#define SHEARPIN_SHIFT_H

#include "shearpin/types.h"
#include <stdatomic.h>

#define SP_SHIFT_ARMS  8u             /* as many as a destination may have */
#define SP_SHIFT_LEASE (1500 * SP_MS) /* without a renewal shares that are tried end */
#define SP_SHIFT_RENEW (250 * SP_MS)  /* how often the command renews it */

/* What was done to the shares last; the reason of SP_EVENT_SHIFT. */
enum sp_shift_step {
    SP_SHIFT_NONE,
    SP_SHIFT_SET,    /* stable, at once */
    SP_SHIFT_BEGIN,  /* a command takes the destination; nothing is shifted yet */
    SP_SHIFT_STAGE,  /* tried, under its lease */
    SP_SHIFT_KEEP,   /* what was tried is stable now */
    SP_SHIFT_BACK,   /* back to the stable shares, or to those before them */
    SP_SHIFT_LAPSED, /* back, for the command is gone */
    SP_SHIFT_DRAIN,  /* an arm gets no new connections */
    SP_SHIFT_STEPS
};

/* What is told about the shares. Written as a whole into the bank that is not in force. */
struct sp_shift_note {
    uint64_t of;    /* digest of the lines `split` that it is about */
    uint64_t since; /* wall ns: when this was written */
    uint64_t began; /* wall ns: when the command that tries shares took the destination */
    uint32_t pid;   /* who did it */
    uint32_t uid;
    uint32_t token; /* of the lease; 0: nothing is tried */
    uint8_t step;   /* enum sp_shift_step */
    uint8_t arms;
    uint8_t target;                 /* the arm that it is about; 0xff: none */
    uint8_t back;                   /* `before` can be gone back to */
    uint16_t stable[SP_SHIFT_ARMS]; /* hundredths of a percent, SP_SHARE_ALL together */
    uint16_t tried[SP_SHIFT_ARMS];  /* in force while the lease lasts */
    uint16_t before[SP_SHIFT_ARMS]; /* stable before them */
};

struct sp_shift {
    _Alignas(SP_CACHELINE) _Atomic uint64_t word; /* serial << 1 | bank in force; 0: never set */
    _Atomic uint64_t lease; /* token:24 ms of the monotonic clock:40; 0: none */
    uint64_t spare[6];
    _Alignas(SP_CACHELINE) struct sp_shift_note bank[2];
    uint64_t spare1[2];
};

_Static_assert(sizeof(struct sp_shift_note) == 88, "layout");
_Static_assert(sizeof(struct sp_shift) == 256, "layout");

/* --- reading: no lock, safe in signal handlers --- */

/* A copy of what stands there for lines with the digest `of`; false: nothing, the policy's shares
 * are in force. */
bool sp_shift_read(const struct sp_shift *shift, uint64_t of, struct sp_shift_note *out);
/* Does the lease of what was read last? */
bool sp_shift_held(const struct sp_shift *shift, const struct sp_shift_note *note, uint64_t now);
/* The shares in force for `count` arms to which the policy gives those in `policy`. True: they are
 * not the policy's. */
bool sp_shift_in_force(const struct sp_shift *shift, uint64_t of, const uint16_t *policy,
                       uint32_t count, uint64_t now, uint16_t out[SP_SHIFT_ARMS]);
/* Did a lease end without its owner? True once, for whoever finds it first. */
bool sp_shift_lapsed(struct sp_shift *shift, uint64_t now);
/* The same, and he writes the event. Nobody else is there to do it. */
struct sp_segment;
struct sp_dest;
struct sp_error;
void sp_shift_mourn(struct sp_segment *segment, struct sp_dest *dest, uint64_t now);

/* --- writing: by the command --- */

/* One at a time, and none while a policy is put in force: an fd that is closed to unlock. -1 with
 * `error` set: one that was stopped half way keeps it. Whoever dies has unlocked. Not needed to
 * renew. */
int sp_shift_lock(const struct sp_segment *segment, struct sp_error *error);

enum sp_shift_result {
    SP_SHIFT_DONE,
    SP_SHIFT_BUSY,   /* another command tries shares */
    SP_SHIFT_LOST,   /* our lease has lapsed, or somebody has ended it */
    SP_SHIFT_NOTHING /* there is nothing to go back to */
};

/* The hand of a command on a destination's shares. */
struct sp_shift_hand {
    struct sp_shift *shift;
    uint64_t of;   /* digest of the lines */
    uint32_t arms; /* how many */
    uint16_t policy[SP_SHIFT_ARMS];
    uint32_t pid, uid;
    uint8_t target;
    uint32_t token; /* of our lease; 0: we have none */
    uint64_t lease; /* its word, as we wrote it last */
};

/* Stable from now on. `step` says what for: SET or DRAIN. */
enum sp_shift_result sp_shift_set(struct sp_shift_hand *hand, const uint16_t *shares,
                                  enum sp_shift_step step, uint64_t now);
/* Takes the destination for shares that are to be tried; those in force stay as they are. */
enum sp_shift_result sp_shift_begin(struct sp_shift_hand *hand, uint64_t now);
enum sp_shift_result sp_shift_try(struct sp_shift_hand *hand, const uint16_t *shares, uint64_t now);
enum sp_shift_result sp_shift_renew(struct sp_shift_hand *hand, uint64_t now);
/* What was tried is stable now. */
enum sp_shift_result sp_shift_keep(struct sp_shift_hand *hand, uint64_t now);
/* Gives the destination up: the stable shares are in force. */
enum sp_shift_result sp_shift_drop(struct sp_shift_hand *hand, uint64_t now);
/* Ends what another command tries; where nobody does, the shares before the stable ones are stable
 * again. */
enum sp_shift_result sp_shift_back(struct sp_shift_hand *hand, uint64_t now);

#endif
