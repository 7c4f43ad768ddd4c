/* report.h - what was found about a target, for people and for machines. */
#ifndef SHEARPIN_CLI_REPORT_H
#define SHEARPIN_CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_level { REPORT_GOOD, REPORT_NOTE, REPORT_BAD };

struct report_line {
    enum report_level level;
    const char *kind; /* one word, for machines */
    char *what;       /* whom it is about; "": the target itself */
    char *text;
};
struct report_cure {
    const char *what, *how;
};

/* The connections of a process that it made itself, by whether the library knows them. */
struct report_sockets {
    bool known;
    uint32_t seen;
    uint32_t missed;    /* the policy takes their address, the library does not know them */
    uint32_t unmatched; /* no rule takes their address */
};

struct report {
    struct report_line *lines;
    size_t count;
    struct report_cure cures[16];
    size_t cure_count;
    struct report_sockets sockets;
};

void report_add(struct report *report, enum report_level level, const char *kind, const char *what,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What to do about it, once: both are literals. */
void report_cure(struct report *report, const char *what, const char *how);

bool report_has(const struct report *report, enum report_level level);
/* CLI_OK, or CLI_NO when it cannot be wrapped. */
int report_status(const struct report *report);
void report_print(const struct report *report, const char *target, bool quiet);
void report_json(const struct report *report, const char *target);

#endif
