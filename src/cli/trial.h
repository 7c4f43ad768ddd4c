/* trial.h - `run --slo`: a command as a child, judged by what its calls were measured as. */
#ifndef SHEARPIN_CLI_TRIAL_H
#define SHEARPIN_CLI_TRIAL_H

#include "cli/command.h"
#include "shearpin/segment.h"

/* Does the line ask for one? */
static inline bool trial_wanted(const struct cli *cli)
{
    return cli->slo_count > 0 || cli->save || cli->against;
}

/* Before anything runs: can the conditions be understood, FILEs be read and written? CLI_OK, or
 * CLI_OURS after saying what is wrong. */
int trial_check(const struct cli *cli);

/* Runs `start` in a child, passes signals on, and judges what the segment has counted meanwhile.
 * Returns the child's exit status as shells tell it; CLI_NO when that is 0 and a condition is not
 * kept. */
int trial_run(const struct cli *cli, struct sp_segment *segment, int (*start)(char **command));

#endif
