/*
 * metric.h - the one table of metrics: `metrics`, `serve` and docs/metrics.md are made from it, the
 * alerts and the dashboard are checked against it.
 *
 * A new metric is a row in metric_rows.c and a function that puts its samples. Labels never hold an
 * address or a pid: their number is that of the destinations in the policy.
 */
#ifndef SHEARPIN_CLI_METRIC_H
#define SHEARPIN_CLI_METRIC_H

#include <stdio.h>

#include "cli/group.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

struct metric_look {
    const char *segment; /* its name, as -s takes it */
    struct look look;
};

struct metric;
/* Where samples go, and of what they are. */
struct metric_out {
    FILE *file;
    const struct metric *metric;
    const char *segment;     /* as the label has it */
    const struct look *look; /* NULL for what is of no segment */
    const struct look_dest *d;
    const char *arm; /* of d, for the label behind it; NULL: of all */
    const struct metric_look *all;
    size_t all_count;
};
typedef void metric_fn(const struct metric_out *out);

struct metric {
    const char *name; /* after shearpin_ */
    enum metric_type type;
    const char *labels; /* "segment,destination,result": the last is the function's own */
    const char *help;
    metric_fn *put;
};

extern const struct metric metric_table[];
extern const size_t metric_total;
extern const char *const metric_type_words[];

/* One sample; `value` is that of the last label, NULL where there is none. */
void metric_count(const struct metric_out *out, const char *value, uint64_t n);
/* The third and the fourth. */
void metric_pair(const struct metric_out *out, const char *value, const char *second, uint64_t n);
/* One for each outcome of `usual`, and for any other of `total` once it has happened: the sum is
 * every call. */
void metric_outcomes(const struct metric_out *out, const uint64_t *counts, unsigned total,
                     const unsigned *usual, size_t n);
void metric_number(const struct metric_out *out, const char *value, double n);
void metric_bins(const struct metric_out *out, const char *value, const uint64_t *bins);

/* A label's value, harmless. */
void metric_escaped(FILE *file, const char *text, size_t max);

/* Everything as Prometheus reads it. */
void metric_page(FILE *file, const struct metric_look *looks, size_t count);
/* The same of all segments of a group, whose marks were set, as they are now. */
bool metric_group(FILE *file, const struct group *group);

/* --- the functions of the rows, by file --- */

/* metric_segment.c */
metric_fn metric_build_info, metric_processes, metric_processes_lost, metric_unregistered,
    metric_disabled, metric_generation, metric_loaded, metric_reload_failures, metric_unmatched,
    metric_events, metric_journal_entries, metric_journal_capacity;
/* metric_calls.c */
metric_fn metric_connects, metric_exchanges, metric_rejections, metric_detected, metric_expired,
    metric_late, metric_side_exchanges, metric_retries, metric_detours, metric_stale,
    metric_fallbacks, metric_fallback_connects, metric_fallback_exchanges, metric_sent,
    metric_received, metric_injections, metric_connect_time, metric_answer_time, metric_wait_time,
    metric_side_time;
/* metric_state.c */
metric_fn metric_mode, metric_share, metric_breaker_state, metric_transitions, metric_streak,
    metric_probes, metric_endpoints, metric_endpoints_out, metric_last_success, metric_last_failure,
    metric_deadline, metric_cap_limit, metric_cap_in_use, metric_cap_waiting,
    metric_connecting_limit, metric_connecting_in_use, metric_inflight_limit,
    metric_inflight_in_use, metric_limit_rate, metric_limit_burst;
/* metric_chaos.c */
metric_fn metric_chaos_active, metric_chaos_injections, metric_chaos_aborts;
/* metric_split.c */
metric_fn metric_split_share, metric_split_connects, metric_split_exchanges, metric_split_open,
    metric_split_state, metric_split_time;
/* metric_slo.c */
metric_fn metric_slo_kept, metric_slo_value, metric_slo_limit;

#endif
