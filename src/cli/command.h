/*
 * command.h - what a command is, and what it is given.
 *
 * A new command: a row in main.c, a word below, and a file of its name that holds NAME_main. Its
 * usage says which options it takes (options.c), and is its help and its error too.
 */
#ifndef SHEARPIN_CLI_COMMAND_H
#define SHEARPIN_CLI_COMMAND_H

#include "shearpin/types.h"

enum { /* exit statuses; `shearpin help exit` */
       CLI_OK = 0,
       CLI_NO = 1,
       CLI_USAGE = 2,
       CLI_UNKNOWN = 3, /* no such segment or destination */
       CLI_DENIED = 4,
       CLI_SYSTEM = 5,
       CLI_OURS = 125, /* `run`: ours, cannot be run, not found */
       CLI_NO_EXEC = 126,
       CLI_NO_FILE = 127
};

struct cli_inject {
    const char *fault; /* "latency 300ms" */
    const char *dest;  /* NULL until --on said it */
};
#define CLI_SLOS     8
#define CLI_INJECTS  8
#define CLI_SEGMENTS 64

struct cli {
    const struct command *command;
    char **words; /* what is left after the options */
    int count;
    char **typed; /* the whole line as it was typed, for the corrected one */
    int typed_count;

    /* options, one field each; options.c */
    const char *policy, *segment, *reason;
    const char *segments[CLI_SEGMENTS]; /* every -s; `segment` is the last */
    int segment_count;
    const char *root; /* of systemd's directories */
    bool enforce, dry_run;
    const char *listen, *textfile, *exec, *record, *from, *html;
    uint64_t max; /* bytes; 0: not given */
    bool list, syslog;
    char *set; /* every -o, joined by `;`; NULL when there was none */
    bool json, quiet, verbose, help;
    bool observe, private, reload, anyway, follow, until_reset, all, force;
    uint64_t interval, since, lasting, timeout, deadline; /* ns; 0: not given */
    struct cli_inject injects[CLI_INJECTS];
    int inject_count;
    const char *slo[CLI_SLOS]; /* conditions as typed; of --healthy and --abort, too */
    int slo_count;
    const char *save, *against;
    const char *chaos, *seed, *intensity, *only_pid, *only_command, *only_processes;
    bool also;
    bool batch, strict, waiting;
    uint64_t frames, checks, every;  /* every: ns; 0: not given */
    const char *to, *stages, *probe; /* of a shift */
    uint64_t check_every, check_for;
    bool rollback;
};

typedef int command_fn(struct cli *cli); /* returns the exit status */

struct command {
    const char *name;
    const char *group; /* the heading of its line on the page */
    const char *brief; /* what follows the name there; NULL: not on the page */
    const char *help;  /* one line */
    const char *usage; /* what follows the name, whole */
    int least, most;   /* words; most -1: any number */
    command_fn *run;
    const char *notes; /* what `shearpin help NAME` says more */
};

extern const struct command command_table[];
extern const size_t command_total;
const struct command *command_named(const char *name); /* or NULL */

command_fn run_main, check_main, show_main, match_main, reload_main, status_main, events_main,
    wait_main, journal_main, whatif_main, suggest_main, segments_main, rm_main, trip_main,
    hold_main, reset_main, enable_main, disable_main, metrics_main, serve_main, watch_main,
    answers_main, version_main, help_main;
command_fn chaos_main;
command_fn doctor_main, wrap_main, unwrap_main;
command_fn shift_main, drain_main; /* between the arms of a destination */

command_fn top_main, slo_main, health_main, ready_main; /* verdicts, and the live table */

/* The page, and the help of one command (help.c). */
void help_page(void);
void help_usage(const struct command *command);
extern const char help_environment[], help_exit[];

/* shearpin(1), and what bash completes; from the same tables. */
void manual_print(void);
void completion_print(void);

#endif
