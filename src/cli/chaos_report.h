/* chaos_report.h - what an experiment was and what it showed: as text, as JSON, as a page. */
#ifndef SHEARPIN_CLI_CHAOS_REPORT_H
#define SHEARPIN_CLI_CHAOS_REPORT_H

#include "cli/json.h"
#include "shearpin/chaos.h"
#include "shearpin/guard.h"

/* Prints `chaos report` as the options say, and returns its exit status: 0 where the experiment
 * runs or is completed and nothing deviated from what was expected. */
struct cli;
int chaos_report(const struct cli *cli, struct sp_segment *segment, const struct sp_chaos *chaos);
/* The same for people, on stderr: of a command whose own output is another's. */
void chaos_report_beside(struct sp_segment *segment, const struct sp_chaos *chaos);

/* --- for the files that print it --- */

enum { REPORT_BEFORE, REPORT_DURING, REPORT_AFTER, REPORT_PHASES };

struct report_target {
    const struct sp_chaos_target *target;
    struct sp_guards guards;
    struct sp_chaos_sum sums[REPORT_PHASES]; /* `time` 0: not known */
};

/* A line `steady`, over the calls of one target while the faults were there. */
struct report_verdict {
    const struct sp_condition *condition;
    const char *target;
    struct sp_measured measured;
};

#define REPORT_EVENTS  256
#define REPORT_LEARNED 32
struct chaos_view {
    const struct sp_segment *segment;
    FILE *out;             /* for people */
    struct sp_chaos chaos; /* a copy; its counts are bounded */
    enum sp_chaos_state state;
    uint64_t now, end; /* monotonic ns; `end`: or now */
    uint64_t end_wall;
    struct report_target targets[SP_EXPERIMENT_TARGETS];
    struct report_verdict verdicts[SP_EXPERIMENT_TARGETS * SP_EXPERIMENT_CONDITIONS];
    size_t verdict_count;
    bool deviated;
    struct sp_event events[REPORT_EVENTS]; /* of the targets, from the start on; the oldest */
    size_t event_count;
    char learned[REPORT_LEARNED][240];
    size_t learned_count;
};

/* chaos_learn.c: what the figures show, a sentence each. */
void chaos_learn(struct chaos_view *view);
void chaos_text(const struct chaos_view *view);             /* chaos_text.c */
void chaos_json(const struct chaos_view *view);             /* chaos_json.c */
void chaos_html(const struct chaos_view *view, FILE *file); /* chaos_html.c */

/* 3m12s, 800ms. */
const char *view_took(char *out, size_t size, uint64_t ns);
#define VIEW_TOOK(ns) view_took((char[32]){0}, 32, ns)
/* `latency`, or the whole text where there are two of them. */
const char *view_fault_name(const struct chaos_view *view, unsigned fault);
uint64_t view_injected(const struct chaos_view *view, unsigned fault);
uint64_t
view_calls(const struct chaos_view *view); /* of all targets, while the faults were there */
/* What ended it: `p99 > 1500ms for 30s`, `payments opens`; false: nothing did. And the value, "" of
 * an opening. */
bool view_because(const struct chaos_view *view, char *out, size_t size, char *value,
                  size_t value_size);
const struct sp_chaos_condition *view_cause(const struct chaos_view *view);
const char *view_cause_dest(const struct chaos_view *view);
/* The line that does it again. */
void view_rerun(const struct chaos_view *view, char *out, size_t size);

#endif
