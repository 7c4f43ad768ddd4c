/* arms.h - the arms of one destination and their shares, for `shift` and `drain`. */
#ifndef SHEARPIN_CLI_ARMS_H
#define SHEARPIN_CLI_ARMS_H

#include "cli/json.h"
#include "cli/where.h"
#include "shearpin/guard.h"
#include "shearpin/split.h"

#define ARMS_TEXT   400 /* holds the shares of every arm as text */
#define ARMS_NOBODY 0xffu

struct arms {
    struct sp_segment segment;
    uint32_t dest;
    char name[SP_NAME_SIZE];
    struct sp_guards guards;
    struct sp_arm_policy lines[SP_ARMS_MAX];
    uint32_t count;
    struct sp_shift_hand hand;
    const char *who; /* of the event: --reason, or NULL */
};

/* Attaches the segment and reads the lines `split` of the destination. CLI_OK, or the exit status
 * after saying what is wrong. */
int arms_begin(struct cli *cli, struct arms *arms, const char *name);
/* The same lines as those read then? False once a reload has changed them. */
bool arms_same(struct arms *arms);
/* The arm that was typed, or -1 after saying which may be meant. */
int arms_find(const struct cli *cli, const struct arms *arms, const char *typed, size_t length);
/* Says on stderr when connections are not shifted now, as the destination is off or observed.
 * True: nothing is. */
bool arms_idle(const struct cli *cli, const struct arms *arms);

/* The shares in force, and the stable ones to which a shift that is under way would go back. */
void arms_shares(struct arms *arms, uint16_t out[SP_ARMS_MAX]);
void arms_stable(struct arms *arms, uint16_t out[SP_ARMS_MAX]);
/* `share` to the arm `to`, and the rest to the others in the proportion of `from`. False: none of
 * them has any. */
bool arms_spread(const struct arms *arms, const uint16_t *from, uint32_t to, uint32_t share,
                 uint16_t out[SP_ARMS_MAX]);

/* "blue 75% green 25%" */
const char *arms_text(const struct arms *arms, const uint16_t *shares, char *out, size_t size);
#define ARMS_TEXT_OF(arms, shares) arms_text(arms, shares, (char[ARMS_TEXT]){0}, ARMS_TEXT)
void arms_json(struct json *json, const char *key, const struct arms *arms, const uint16_t *shares);

/* After a reload: says which shares that `shift` had set are gone with the lines they were for. */
void arms_reloaded(struct sp_segment *segment, const struct sp_policy *before);

/* Changes under the lock: opened and closed around each. Exit status, after saying what failed. */
int arms_lock(struct arms *arms, int *fd);
/* The same before the first: under lines that were read, and are in force no more, nothing is. */
int arms_lock_same(struct arms *arms, int *fd);
/* Is a command shifting it? */
bool arms_held(const struct arms *arms);
/* Says who is shifting. Returns CLI_NO. */
int arms_busy(struct arms *arms);
/* SP_EVENT_SHIFT with the shares and, if there is one, the reason for them. */
void arms_event(struct arms *arms, enum sp_shift_step step, const uint16_t *shares,
                const char *why);

#endif
