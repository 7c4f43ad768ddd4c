/* steer.h - what trip, hold, reset, enable and disable share: the destination, the note, the event.
 */
#ifndef SHEARPIN_CLI_STEER_H
#define SHEARPIN_CLI_STEER_H

#include "base/addr.h"
#include "cli/where.h"
#include "shearpin/guard.h"

struct steer {
    struct sp_segment segment;
    struct sp_guards guards;
    struct sp_call call;
    char address[SP_ADDR_TEXT_SIZE]; /* of one endpoint; "": the whole destination */
    enum sp_state before;
};

/* Attaches the segment and finds the destination, or with DEST@ADDRESS one of its endpoints.
 * Returns CLI_OK or the exit status. */
int steer_begin(struct cli *cli, struct steer *steer, const char *name);
/* The same for one more destination of an attached segment. */
void steer_dest(struct steer *steer, uint32_t index);

/* The end of a hold: now + --for, or 0. CLI_USAGE when --for and --until-reset contradict. */
int steer_until(const struct cli *cli, const struct steer *steer, uint64_t *until);

/* Who steered and why, for status and for events. `kind` SP_EVENT_RESET and _ENABLE end a note. */
void steer_note(const struct cli *cli, struct steer *steer, enum sp_event_kind kind, unsigned to,
                uint64_t until);

/* The destination's name, harmless; and a word on stderr when steering it has no effect now. */
const char *steer_name(const struct steer *steer);
void steer_warn(const struct cli *cli, const struct steer *steer);

#endif
