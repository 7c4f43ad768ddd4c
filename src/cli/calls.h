/* calls.h - the journal's lines as text, and back: for `journal` and `whatif --from`. */
#ifndef SHEARPIN_CLI_CALLS_H
#define SHEARPIN_CLI_CALLS_H

#include "cli/replay.h"
#include "shearpin/segment.h"

/* A line of the journal outside of its segment. */
struct calls_line {
    uint64_t number; /* from 0; 0 again in a segment that was made anew */
    uint64_t wall;   /* ns; to a us */
    char destination[SP_NAME_SIZE];
    struct sp_note note; /* `time` and `dest` mean nothing */
};

/* `{"number":...}` with its newline. Returns its length. */
#define CALLS_LINE 512
size_t calls_json(char out[CALLS_LINE], const struct calls_line *line);
/* `10:41:56.123  payments  exchange  ok  1.1ms   process 3 connection 17` */
void calls_text(char out[CALLS_LINE], const struct calls_line *line);

/* What `journal --record FILE` has written: calls, and the changes of breakers. */
struct calls_change {
    uint64_t wall;
    char destination[SP_NAME_SIZE], from[12], to[12], why[12];
};
struct calls_file {
    struct calls_line *lines;
    size_t count, room;
    struct calls_change *changes;
    size_t change_count, change_room;
    uint64_t lost; /* calls that nobody wrote down: their numbers are missing */
};
/* Reads FILE.1, if there is one, and FILE; calls before `since` (wall ns) are left out. -1 after
 * saying why not. */
int calls_read(struct calls_file *file, const char *path, uint64_t since);

#endif
