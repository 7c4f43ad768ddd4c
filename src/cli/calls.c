#include "cli/calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/event.h"
#include "cli/memory.h"
#include "cli/record.h"
#include "cli/say.h"

static const char *const calls_kinds[] = {"connect", "exchange", "closed"};
#define CALLS_KINDS (sizeof calls_kinds / sizeof *calls_kinds)

/* --- writing --- */

size_t calls_json(char out[CALLS_LINE], const struct calls_line *line)
{
    const struct sp_note *n = &line->note;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    struct json json = {.out = memory};
    if (!memory)
        return 0;
    json_open(&json, NULL, '{');
    json_count(&json, "number", line->number);
    fprintf(memory, ",\"time_s\":%llu.%06u", (unsigned long long)(line->wall / SP_SECOND),
            (unsigned)(line->wall % SP_SECOND / SP_US));
    json_text(&json, "destination", line->destination, SP_NAME_SIZE);
    json_word(&json, "kind", calls_kinds[n->kind % CALLS_KINDS]);
    if (n->kind != SP_ENTRY_CLOSED)
        json_word(&json, "outcome", sp_outcome_word(n->outcome));
    json_number(&json, "took_s", (double)sp_bin_low(n->duration) / (double)SP_SECOND);
    json_count(&json, "process", n->slot);
    json_count(&json, "connection", n->conn);
    if (n->observed)
        json_bool(&json, "observed", true);
    json_close(&json, '}');
    putc('\n', memory);
    fclose(memory);
    snprintf(out, CALLS_LINE, "%s", text);
    free(text);
    return strlen(out);
}

void calls_text(char out[CALLS_LINE], const struct calls_line *line)
{
    const struct sp_note *n = &line->note;
    char clock[32], safe[4 * SP_NAME_SIZE + 1];
    bool closed = n->kind == SP_ENTRY_CLOSED;
    event_clock(line->wall, clock, sizeof clock);
    snprintf(out, CALLS_LINE, "%s.%03u  %-14s %-8s  %-16s %7s   process %u connection %u%s", clock,
             (unsigned)(line->wall % SP_SECOND / SP_MS),
             say_safe(safe, sizeof safe, line->destination, SP_NAME_SIZE),
             calls_kinds[n->kind % CALLS_KINDS], closed ? "" : sp_outcome_word(n->outcome),
             SAY_TOOK(sp_bin_low(n->duration)), n->slot, n->conn, n->observed ? " observed" : "");
}

/* --- reading: nothing in a file is trusted --- */

static bool calls_word(const char *line, const char *key, char *out, size_t size)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *at = strstr(line, quoted);
    size_t length = at ? strcspn(at + strlen(quoted), "\"") : size;
    if (length >= size)
        return false;
    memcpy(out, at + strlen(quoted), length);
    out[length] = 0;
    return true;
}

static int calls_kind(const char *word)
{
    for (size_t i = 0; i < CALLS_KINDS; i++) {
        if (strcmp(word, calls_kinds[i]) == 0)
            return (int)i;
    }
    return -1;
}

static int calls_outcome(const char *word)
{
    for (unsigned i = 0; i < SP_OUTCOME_COUNT; i++) {
        if (strcmp(word, sp_outcome_word(i)) == 0)
            return (int)i;
    }
    return -1;
}

static uint64_t calls_wall(const char *line)
{
    double time = record_number(line, "time_s");
    return time > 0 && time < 1e10 ? (uint64_t)(time * 1e6 + 0.5) * SP_US : 0;
}

/* False: it is no call, or only half of one. */
static bool calls_parse(const char *text, struct calls_line *out)
{
    char kind[16], outcome[24] = "ok";
    double number = record_number(text, "number"), took = record_number(text, "took_s"),
           slot = record_number(text, "process"), conn = record_number(text, "connection");
    *out = (struct calls_line){.wall = calls_wall(text)};
    if (!calls_word(text, "destination", out->destination, SP_NAME_SIZE) ||
        !calls_word(text, "kind", kind, sizeof kind) || calls_kind(kind) < 0 || out->wall == 0)
        return false;
    bool closed = calls_kind(kind) == SP_ENTRY_CLOSED;
    if (!closed && !calls_word(text, "outcome", outcome, sizeof outcome))
        return false;
    if (calls_outcome(outcome) < 0 || !(number >= 0 && number < 1e15) ||
        !(took >= 0 && took < 1e9) || !(slot >= 0 && slot <= SP_PROCESSES) ||
        !(conn >= 0 && conn <= SP_JOURNAL_CONN_MASK))
        return false;
    out->number = (uint64_t)number;
    out->note = (struct sp_note){.kind = (uint8_t)calls_kind(kind),
                                 .outcome = (uint8_t)calls_outcome(outcome),
                                 .duration = (uint16_t)sp_bin_of((uint64_t)(took * 1e9 + 0.5)),
                                 .slot = (uint16_t)slot,
                                 .conn = (uint16_t)conn,
                                 .observed = strstr(text, "\"observed\":true") != NULL};
    return true;
}

static void *calls_room(void *rows, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return rows;
    *room = *room ? 2 * *room : 1024;
    return memory_got(realloc(rows, *room * size));
}

static void calls_changed(struct calls_file *file, const char *text, uint64_t since)
{
    struct calls_change c = {.wall = calls_wall(text)};
    char kind[16];
    if (!calls_word(text, "kind", kind, sizeof kind) || strcmp(kind, "breaker") != 0 ||
        !calls_word(text, "destination", c.destination, sizeof c.destination) ||
        !calls_word(text, "from", c.from, sizeof c.from) ||
        !calls_word(text, "to", c.to, sizeof c.to) || c.wall < since)
        return;
    const char *reason = strstr(text, "\"reason\":");
    if (reason)
        calls_word(reason, "kind", c.why, sizeof c.why);
    file->changes =
        calls_room(file->changes, &file->change_room, file->change_count, sizeof *file->changes);
    file->changes[file->change_count++] = c;
}

static void calls_take(struct calls_file *file, FILE *in, uint64_t since)
{
    struct calls_line line;
    char *text = NULL;
    size_t size = 0;
    uint64_t next = UINT64_MAX; /* nobody knows what stood before the first */
    if (file->count > 0)
        next = file->lines[file->count - 1].number + 1;
    while (getline(&text, &size, in) > 0) {
        if (strncmp(text, "{\"sequence\":", 12) == 0)
            calls_changed(file, text, since);
        if (strncmp(text, "{\"number\":", 10) != 0 || !calls_parse(text, &line))
            continue;
        if (line.wall >= since) {
            file->lost += line.number > next ? line.number - next : 0;
            file->lines = calls_room(file->lines, &file->room, file->count, sizeof *file->lines);
            file->lines[file->count++] = line;
        }
        next = line.number + 1;
    }
    free(text);
}

int calls_read(struct calls_file *file, const char *path, uint64_t since)
{
    char before[4096];
    snprintf(before, sizeof before, "%s.1", path);
    FILE *in = fopen(before, "re");
    *file = (struct calls_file){0};
    if (in) {
        calls_take(file, in, since);
        fclose(in);
    }
    in = fopen(path, "re");
    if (!in) {
        say_error("cannot read %s: %s", path, strerror(errno));
        return -1;
    }
    calls_take(file, in, since);
    fclose(in);
    return 0;
}
