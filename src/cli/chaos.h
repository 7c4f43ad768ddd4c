/* chaos.h - experiments as the command sees them: from the policy or the command line to a plan,
 * and the words for how they stand. */
#ifndef SHEARPIN_CLI_CHAOS_H
#define SHEARPIN_CLI_CHAOS_H

#include "cli/look.h"
#include "shearpin/chaos.h"

/* The experiment NAME of the policy, or with NULL what --inject, --on and --for say. Returns CLI_OK
 * with `plan` filled, or the exit status after saying what is wrong. */
int experiment_plan(const struct cli *cli, struct sp_segment *segment,
                    const struct sp_policy *policy, const char *name, struct sp_chaos *plan);

/* A target or a fault more of a plan whose seed is set; CLI_OK, or the exit status after saying
 * what is wrong. */
int experiment_target(const struct cli *cli, struct sp_segment *segment, const char *name,
                      struct sp_chaos *plan);
int experiment_fault(struct sp_chaos *plan, const char *text);
/* What --abort says, when the targets are known; and a condition in the words of --abort. */
int experiment_abort(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *plan);
void experiment_aborts(const struct sp_segment *segment, const struct sp_chaos_condition *c,
                       char *out, size_t size);
/* Starts it and says so, if it is steady; CLI_OK, or the exit status. */
int experiment_begin(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *plan,
                     struct sp_chaos **chaos);

/* Do its `steady` conditions hold now? `tell` prints each; else only those that do not, the first
 * of which becomes what it was aborted because of. */
bool experiment_steady(struct sp_segment *segment, struct sp_chaos *plan, bool tell);

/* "latency 400ms +-100ms share 20%, reset share 5%, on payments search" */
void experiment_injects(const struct sp_chaos *chaos, char *out, size_t size);
/* "after 10m, or on 3 abort conditions" */
void experiment_stops(const struct sp_chaos *chaos, char *out, size_t size);
/* The value that a condition met; "too few calls: 49" where it was not steady for that. */
struct sp_measured;
const char *experiment_measured(const struct sp_chaos_condition *c, const struct sp_measured *m,
                                char *out, size_t size);
/* "p99 > 1500ms for 30s (2.14s on payments)"; "" when nothing aborted it. */
void experiment_because(const struct sp_segment *segment, const struct sp_chaos *chaos, char *out,
                        size_t size);
/* "latency 204  reset 51" */
void experiment_injected(const struct sp_chaos *chaos, char *out, size_t size);
/* Of one fault, over its targets. */
uint64_t experiment_strikes(const struct sp_chaos *chaos, uint32_t fault);
/* How it came out, as the exit status has it: 0 for completed. */
int experiment_exit(const struct sp_chaos *chaos);
/* In which order they began, the newest first; returns how many are known. */
size_t experiment_known(const struct sp_segment *segment, struct sp_chaos *out[SP_EXPERIMENTS]);
/* The named one; NULL: the newest. NULL after saying that there is none. */
struct sp_chaos *experiment_find(const struct cli *cli, struct sp_segment *segment,
                                 const char *name);

/* What `chaos NAME` and `run --chaos NAME` do, one file each. */
int experiment_list(struct cli *cli, struct sp_segment *segment);
int experiment_start(struct cli *cli, struct sp_segment *segment);
int experiment_stop(struct cli *cli, struct sp_segment *segment);
int experiment_status(struct cli *cli, struct sp_segment *segment);
int experiment_record(struct cli *cli, struct sp_segment *segment);
int experiment_replay(struct cli *cli, struct sp_segment *segment);
/* Starts or joins the experiment that --chaos names; `fresh`: nothing has run in the segment yet.
 */
int experiment_run(const struct cli *cli, struct sp_segment *segment, bool fresh);
/* Follows one until it is over, or SIGINT ends both. */
int experiment_follow(const struct cli *cli, struct sp_segment *segment, struct sp_chaos *chaos,
                      bool stops);

#endif
