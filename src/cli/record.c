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

/* The last whole line, of this file or of the one before it. */
static bool record_last(const char *path, char line[RECORD_LINE])
{
    char tail[2 * RECORD_LINE] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (fseek(file, -(long)(sizeof tail - 1), SEEK_END) != 0)
        rewind(file);
    size_t got = fread(tail, 1, sizeof tail - 1, file);
    fclose(file);
    while (got > 0 && tail[got - 1] != '\n') /* half a line: its writer was killed */
        got--;
    if (got == 0)
        return false;
    tail[got - 1] = 0;
    const char *start = memrchr(tail, '\n', got - 1);
    snprintf(line, RECORD_LINE, "%.*s", RECORD_LINE - 1, start ? start + 1 : tail);
    return true;
}

static double record_number(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    return at ? strtod(at + strlen(key), NULL) : 0;
}

uint64_t record_next(const struct record *record, const struct sp_segment *segment)
{
    char line[RECORD_LINE], before[4096];
    struct sp_event event;
    snprintf(before, sizeof before, "%s.1", record->path);
    if (!record_last(record->path, line) && !record_last(before, line))
        return 1;
    uint64_t sequence = (uint64_t)record_number(line, "\"sequence\":");
    uint64_t last = sp_event_last(segment), asked = sequence;
    if (sequence == 0 || sequence > last)
        return 1;
    if (last - sequence >= SP_EVENTS) /* overwritten since: nothing can be compared */
        return (uint64_t)(record_number(line, "\"time_s\":") * 1e9) > segment->head->created
                   ? sequence + 1
                   : 1;
    bool same = sp_event_read(segment, &asked, &event) == 1 &&
                event.wall / 1000000 == (uint64_t)(record_number(line, "\"time_s\":") * 1000 + 0.5);
    return same ? sequence + 1 : 1;
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

void record_event(struct record *record, const struct sp_event *event)
{
    char *line = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&line, &size);
    if (!memory)
        return;
    event_write_json(memory, event);
    fclose(memory);
    bool ready = record->file || record_append(record) == 0;
    if (ready && record->bytes > 0 && record->bytes + size > record->most)
        ready = record_rotate(record) == 0;
    if (ready && (fwrite(line, 1, size, record->file) != size || fflush(record->file) != 0))
        record_failed(record, "write to");
    record->bytes += size;
    free(line);
}
