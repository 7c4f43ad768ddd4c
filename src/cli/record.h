/* record.h - events on disk: FILE and, once it is full, FILE.1, together never more than a bound.
 */
#ifndef SHEARPIN_CLI_RECORD_H
#define SHEARPIN_CLI_RECORD_H

#include <stdio.h>

#include "shearpin/segment.h"

struct record {
    const char *path;
    FILE *file;
    uint64_t most;  /* bytes of one file: half of the bound */
    uint64_t bytes; /* in the file now */
    bool failed;    /* said already */
};

/* -1 after saying why not. */
int record_open(struct record *record, const char *path, uint64_t bound);
/* The sequence to go on with, when the last line that was recorded is of this segment; else 1. */
uint64_t record_next(const struct record *record, const struct sp_segment *segment);
/* A line, on disk when this returns. */
void record_event(struct record *record, const struct sp_event *event);
void record_close(struct record *record);

#endif
