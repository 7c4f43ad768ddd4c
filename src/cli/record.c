#include "cli/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/event.h"
#include "cli/say.h"

#define RECORD_LINE 2048 /* longer than any */

static int record_failed(struct record *record, const char *what)
{
    if (!record->failed)
        say_error("cannot %s %s: %s", what, record->path, strerror(errno));
    record->failed = true;
    return -1;
}

static int record_append(struct record *record)
{
    record->file = fopen(record->path, "a+e");
    if (!record->file)
        return record_failed(record, "append to");
    bool half = fseek(record->file, -1, SEEK_END) == 0 && getc(record->file) != '\n';
    fseek(record->file, 0, SEEK_END);
    if (half) /* its writer was killed */
        putc('\n', record->file);
    long size = ftell(record->file);
    record->bytes = size > 0 ? (uint64_t)size : 0;
    return 0;
}

int record_open(struct record *record, const char *path, uint64_t bound)
{
    *record = (struct record){.path = path, .most = bound / 2};
    if (record->most < RECORD_LINE) {
        say_error("--max: %u bytes at least, for two files of some lines", 2 * RECORD_LINE);
        return -1;
    }
    return record_append(record);
}

void record_close(struct record *record)
{
    if (record->file && fclose(record->file) != 0)
        record_failed(record, "write to");
    record->file = NULL;
}

/* --- where an earlier run ended --- */

/* Half a line has no end: its writer was killed. */
static char *record_last_of(const char *path, const char *begin)
{
    char *line = NULL, *last = NULL;
    size_t size = 0;
    ssize_t got;
    FILE *file = fopen(path, "re");
    while (file && (got = getline(&line, &size, file)) > 0) {
        if (got < 2 || strcmp(line + got - 2, "}\n") != 0 ||
            strncmp(line, begin, strlen(begin)) != 0)
            continue;
        free(last);
        last = line;
        line = NULL;
        size = 0;
    }
    free(line);
    if (file)
        fclose(file);
    return last;
}

char *record_last(const struct record *record, const char *key)
{
    char before[4096], begin[64];
    snprintf(before, sizeof before, "%s.1", record->path);
    snprintf(begin, sizeof begin, "{\"%s\":", key);
    char *last = record_last_of(record->path, begin);
    return last ? last : record_last_of(before, begin);
}

double record_number(const char *line, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    return at ? strtod(at + strlen(quoted), NULL) : 0;
}

static uint64_t record_after(const struct sp_segment *segment, uint64_t sequence, double time)
{
    struct sp_event event;
    uint64_t last = sp_event_last(segment), asked = sequence;
    if (sequence == 0 || sequence > last)
        return 1;
    if (last - sequence >= SP_EVENTS) /* overwritten since: nothing can be compared */
        return (uint64_t)(time * 1e9) > segment->head->created ? sequence + 1 : 1;
    bool same = sp_event_read(segment, &asked, &event) == 1 &&
                event.wall / 1000000 == (uint64_t)(time * 1000 + 0.5);
    return same ? sequence + 1 : 1;
}

uint64_t record_next(const struct record *record, const struct sp_segment *segment)
{
    char *line = record_last(record, "sequence");
    if (!line)
        return 1;
    uint64_t next = record_after(segment, (uint64_t)record_number(line, "sequence"),
                                 record_number(line, "time_s"));
    free(line);
    return next;
}

/* --- a line --- */

static int record_rotate(struct record *record)
{
    char before[4096];
    snprintf(before, sizeof before, "%s.1", record->path);
    record_close(record);
    if (rename(record->path, before) != 0)
        return record_failed(record, "rename");
    return record_append(record);
}

void record_line(struct record *record, const char *line, size_t size)
{
    bool ready = record->file || record_append(record) == 0;
    if (ready && record->bytes > 0 && record->bytes + size > record->most)
        ready = record_rotate(record) == 0;
    if (ready && fwrite(line, 1, size, record->file) != size)
        record_failed(record, "write to");
    record->bytes += size;
}

void record_flush(struct record *record)
{
    if (record->file && fflush(record->file) != 0)
        record_failed(record, "write to");
}

void record_event(struct record *record, const struct sp_event *event)
{
    char *line = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&line, &size);
    if (!memory)
        return;
    event_write_json(memory, event);
    fclose(memory);
    record_line(record, line, size);
    record_flush(record);
    free(line);
}
