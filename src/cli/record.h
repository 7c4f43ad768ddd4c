/* record.h - events and calls on disk, a line of JSON each: FILE and, once it is full, FILE.1,
 * together never more than a bound. */
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
/* The last whole line that begins with this key, here or in the file before it. Free it; NULL. */
char *record_last(const struct record *record, const char *key);
/* What stands behind `"key":`, as a number; 0. */
double record_number(const char *line, const char *key);
/* The sequence to go on with, when the last line that was recorded is of this segment; else 1. */
uint64_t record_next(const struct record *record, const struct sp_segment *segment);
/* A line, on disk when this returns. */
void record_event(struct record *record, const struct sp_event *event);
/* A line with its newline, on disk after record_flush(). */
void record_line(struct record *record, const char *line, size_t size);
void record_flush(struct record *record);
void record_close(struct record *record);

#endif
