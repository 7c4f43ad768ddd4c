/* trial_report.h - the figures of a measured run: shown, judged, saved, compared. */
#ifndef SHEARPIN_CLI_TRIAL_REPORT_H
#define SHEARPIN_CLI_TRIAL_REPORT_H

#include "cli/look.h"

/* What is saved and compared. Seconds, shares of 1; NAN where there is nothing to tell from. */
enum trial_figure {
    TRIAL_RATE,
    TRIAL_P50,
    TRIAL_P95,
    TRIAL_P99,
    TRIAL_ERRORS,
    TRIAL_TIMEOUTS,
    TRIAL_MB,
    TRIAL_FIGURES
};
struct trial_figures {
    double value[TRIAL_FIGURES];
};

struct trial {
    const struct cli *cli;
    struct sp_segment *segment;
    const struct look_mark *before;
    struct trial_figures against; /* what --against FILE says */
    uint64_t time;                /* ns that it took */
    uint32_t others;              /* processes in the segment when it began */
    int status;                   /* of the command */
};

/* `p95 < 500ms` over all calls, or `payments p95 < 500ms` over those of one destination. */
struct trial_condition {
    char dest[SP_NAME_SIZE]; /* "": all */
    struct sp_condition condition;
};
int trial_condition(const char *text, struct trial_condition *out, struct sp_error *error);

int trial_load(const char *path, struct trial_figures *out, struct sp_error *error);

/* Says it all on stderr, and saves it. True: every condition is kept. */
bool trial_report(const struct trial *trial);

#endif
