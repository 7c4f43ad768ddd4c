/* waiting.h - `status --waiting`: who is inside a guarded call now, for how long, for what. */
#ifndef SHEARPIN_CLI_WAITING_H
#define SHEARPIN_CLI_WAITING_H

#include "cli/command.h"
#include "shearpin/segment.h"

/* `only`: the index of a destination, or NULL. Returns the exit status. */
int waiting_say(const struct cli *cli, struct sp_segment *segment, const uint32_t *only);

#endif
