/*
 * read.c - sp_policy_read: text in, block out.
 */
#include "policy/reader.h"

#include <assert.h>
#include <string.h>

#define READ_BLOCK_MAX                                                       \
    (sizeof(struct sp_policy) + SP_POLICY_ROWS_MAX * sizeof(struct sp_row) + \
     READER_MATCHES_MAX * sizeof(struct sp_match) +                          \
     READER_FALLBACKS_MAX * sizeof(struct sp_fallback) +                     \
     READER_ARMS_MAX * sizeof(struct sp_arm_policy) +                        \
     READER_CONDITIONS_MAX * sizeof(struct sp_condition) +                   \
     SP_EXPERIMENTS_MAX * sizeof(struct sp_experiment) +                     \
     (SP_POLICY_ROWS_MAX + 1) * KEY_COUNT * sizeof(struct sp_setting) +      \
     READER_FILES_MAX * sizeof(uint32_t) + READER_STRINGS_MAX + 64)

static_assert(READ_BLOCK_MAX + sizeof(struct reader) <= SP_POLICY_ROOM,
              "the largest block and the reader fit side by side");

/* Arrays are cleared as they fill, so most of the room is never touched. */
static struct reader *read_begin(void *room, size_t size, sp_finding_fn *say, void *context)
{
    struct reader *reader = (void *)((char *)room + ((READ_BLOCK_MAX + 63) & ~(size_t)63));

    if (size < SP_POLICY_ROOM || (uintptr_t)room % 8 != 0)
        return NULL;
    memset(reader, 0, offsetof(struct reader, line));
    reader->say = say;
    reader->context = context;
    build_clear(reader, READER_DEFAULTS);
    reader->match_count = 0;
    reader->fallback_count = 0;
    reader->arm_count = 0;
    reader->condition_count = 0;
    reader->experiment_count = 0;
    reader->file_count = 0;
    reader->pending_count = 0;
    reader->strings[0] = '\0';
    reader->strings_size = 1;
    return reader;
}

static int read_room(const char *name, sp_finding_fn *say, void *context)
{
    struct sp_finding finding = {.severity = SP_ERROR,
                                 .file = name,
                                 .length = 1,
                                 .text = "too little memory was given to read a policy"};

    if (say != NULL)
        say(context, &finding);
    return 1;
}

static int read_end(struct reader *reader, void *room, uint32_t path)
{
    check_block(reader, build_block(reader, room, path));
    return reader->errors;
}

int sp_policy_read(const char *path, void *room, size_t size, sp_finding_fn *say, void *context)
{
    struct reader *reader = read_begin(room, size, say, context);
    uint32_t name;

    if (reader == NULL)
        return read_room(path, say, context);
    name = build_string(reader, path, strlen(path));
    source_file(reader, name, 0);
    return read_end(reader, room, name);
}

int sp_policy_read_text(const char *name, const char *text, size_t length, void *room, size_t size,
                        sp_finding_fn *say, void *context)
{
    struct reader *reader = read_begin(room, size, say, context);
    uint32_t path;

    if (reader == NULL)
        return read_room(name, say, context);
    path = build_string(reader, name, strlen(name));
    reader->name = reader->strings + path;
    reader->files[0] = path;
    memset(&reader->identity[0], 0, sizeof reader->identity[0]);
    reader->file_count = 1;
    source_text(reader, text, length);
    source_included(reader, 0, 0);
    return read_end(reader, room, path);
}
