/*
 * build.c - from what was read to the block that is kept.
 */
#include "base/random.h"
#include "policy/block.h"
#include "policy/experiment.h"
#include "policy/reader.h"

#include <string.h>

uint32_t build_string(struct reader *reader, const char *text, size_t length)
{
    uint32_t offset = reader->strings_size;

    if (length >= READER_STRINGS_MAX - offset)
        return 0;
    memcpy(reader->strings + offset, text, length);
    reader->strings[offset + length] = '\0';
    reader->strings_size += (uint32_t)length + 1;
    return offset;
}

struct reader_place build_here(const struct reader *reader, const struct scan_word *word)
{
    return (struct reader_place){reader->file, (uint16_t)reader->line.number,
                                 (uint16_t)word->column};
}

void build_clear(struct reader *reader, size_t row)
{
    memset(&reader->rows[row], 0, sizeof reader->rows[row]);
    memset(&reader->opened[row], 0, sizeof reader->opened[row]);
    memset(reader->set[row], 0, sizeof reader->set[row]);
    memset(&reader->sticky[row], 0, sizeof reader->sticky[row]);
    reader->broken[row] = false;
    reader->slo_own[row] = false;
    reader->rows[row].state = UINT16_MAX;
}

/* A word of the destination wins over the same word in defaults, wherever either stands. */
static void build_guards(const struct reader *reader, size_t row, struct sp_guards *guards)
{
    sp_guards_initial(guards);
    for (size_t key = 0; key < KEY_COUNT; key++) {
        bool own = reader->set[row][key].line > 0 ||
                   (keys_line(key) > 0 && reader->set[row][KEY_RETRY].line > 0);
        size_t from = own ? row : READER_DEFAULTS;

        if (reader->set[from][key].line > 0)
            keys_set(&sp_keys[key], guards, keys_get(&sp_keys[key], &reader->rows[from].guards));
    }
}

/* The place behind what was written so far, for the next array. */
static uint32_t build_next(struct sp_policy *policy, size_t bytes)
{
    uint32_t offset = policy->size;

    policy->size += (uint32_t)((bytes + 7) & ~(size_t)7);
    memset((char *)policy + offset, 0, policy->size - offset);
    return offset;
}

static void *build_at(struct sp_policy *policy, uint32_t offset)
{
    return (char *)policy + offset;
}

/* Rules of one destination side by side: an include may have added some later. */
static void build_matches(const struct reader *reader, struct sp_policy *policy)
{
    struct sp_row *rows;
    struct sp_match *matches;
    uint32_t next = 0;

    policy->matches = build_next(policy, reader->match_count * sizeof *matches);
    policy->match_count = (uint32_t)reader->match_count;
    rows = build_at(policy, policy->rows);
    matches = build_at(policy, policy->matches);
    for (size_t row = 0; row < reader->row_count; row++) {
        rows[row].match_first = next;
        next += rows[row].match_count;
        rows[row].match_count = 0;
    }
    for (size_t i = 0; i < reader->match_count; i++) {
        struct sp_row *row = &rows[reader->match_row[i]];

        matches[row->match_first + row->match_count++] = reader->matches[i];
    }
}

/* Those of `count` lines that stand in section `row` (`rows` says of each where it stands), side by
 * side; how many. */
static uint16_t build_gather(const void *lines, size_t each, const uint16_t *rows, size_t count,
                             size_t row, void *out)
{
    uint16_t gathered = 0;

    for (size_t i = 0; i < count; i++)
        if (rows[i] == row)
            memcpy((char *)out + each * gathered++, (const char *)lines + each * i, each);
    return gathered;
}

/* What their destination is told is when one of them may be needed. */
static void build_fallbacks(const struct reader *reader, struct sp_policy *policy)
{
    struct sp_row *rows = build_at(policy, policy->rows);
    struct sp_fallback *out;

    policy->fallbacks = build_next(policy, reader->fallback_count * sizeof *out);
    out = build_at(policy, policy->fallbacks);
    for (size_t row = 0; row < reader->row_count; row++) {
        uint16_t first = (uint16_t)policy->fallback_count;
        uint16_t count = build_gather(reader->fallbacks, sizeof *out, reader->fallback_row,
                                      reader->fallback_count, row, out + first);

        rows[row].fallback_first = first;
        rows[row].fallback_count = count;
        for (uint16_t i = 0; i < count; i++)
            rows[row].guards.fallback |= out[first + i].when;
        policy->fallback_count = (uint16_t)(first + count);
    }
}

/* Shares that an operator has set are for these very lines. */
static void build_of(struct sp_arm_policy *first, struct sp_arm_policy *end)
{
    uint64_t of = sp_hash("", 0);

    for (struct sp_arm_policy *arm = first; arm < end; arm++) {
        of = sp_hash_more(of, arm->name, sizeof arm->name);
        of = sp_hash_more(of, &arm->hash, sizeof arm->hash);
        of = sp_hash_more(of, &arm->share, sizeof arm->share);
    }
    for (struct sp_arm_policy *arm = first; arm < end; arm++)
        arm->of = of;
}

static void build_arms(const struct reader *reader, struct sp_policy *policy)
{
    struct sp_row *rows = build_at(policy, policy->rows);
    struct sp_arm_policy *out;

    policy->arms = build_next(policy, reader->arm_count * sizeof *out);
    out = build_at(policy, policy->arms);
    for (size_t row = 0; row < reader->row_count; row++) {
        uint16_t first = (uint16_t)policy->arm_count;
        uint16_t count = build_gather(reader->arms, sizeof *out, reader->arm_row, reader->arm_count,
                                      row, out + first);

        rows[row].arm_first = first;
        rows[row].arm_count = count;
        build_of(out + first, out + first + count);
        rows[row].guards.split = count;
        if (count > 0 && reader->sticky[row].line > 0)
            rows[row].guards.split |= SP_SPLIT_STICKY;
        policy->arm_count = (uint16_t)(first + count);
    }
}

static void build_rows(const struct reader *reader, struct sp_policy *policy)
{
    struct sp_row *rows;

    policy->rows = build_next(policy, reader->row_count * sizeof *rows);
    policy->row_count = (uint32_t)reader->row_count;
    rows = build_at(policy, policy->rows);
    for (size_t i = 0; i < reader->row_count; i++) {
        rows[i] = reader->rows[i];
        build_guards(reader, i, &rows[i].guards);
    }
}

static void build_conditions(const struct reader *reader, struct sp_policy *policy)
{
    struct sp_condition *out;

    policy->conditions = build_next(policy, reader->condition_count * sizeof *out);
    out = build_at(policy, policy->conditions);
    policy->condition_count = slo_build(reader, build_at(policy, policy->rows), out);
}

static void build_experiments(const struct reader *reader, struct sp_policy *policy)
{
    size_t bytes = reader->experiment_count * sizeof *reader->experiments;

    policy->experiments = build_next(policy, bytes);
    policy->experiment_count = (uint32_t)reader->experiment_count;
    memcpy(build_at(policy, policy->experiments), reader->experiments, bytes);
    experiment_moments(reader, build_at(policy, policy->rows));
}

static size_t build_settings_of(const struct reader *reader, size_t row, struct sp_setting *out)
{
    size_t count = 0;

    for (size_t key = 0; key < KEY_COUNT; key++) {
        struct reader_place place = reader->set[row][key];

        if (place.line == 0)
            continue;
        out[count++] = (struct sp_setting){
            .row = (uint16_t)(row == READER_DEFAULTS ? SP_ROW_DEFAULTS : row),
            .key = (uint16_t)key,
            .file = place.file,
            .line = place.line,
        };
    }
    return count;
}

static void build_settings(const struct reader *reader, struct sp_policy *policy)
{
    struct sp_setting *out = build_at(policy, policy->size);
    size_t count = build_settings_of(reader, READER_DEFAULTS, out);

    for (size_t row = 0; row < reader->row_count; row++)
        count += build_settings_of(reader, row, out + count);
    policy->settings = policy->size;
    policy->setting_count = (uint32_t)count;
    policy->size += (uint32_t)(count * sizeof *out);
}

static void build_texts(const struct reader *reader, struct sp_policy *policy)
{
    policy->files = build_next(policy, reader->file_count * sizeof *reader->files);
    policy->file_count = (uint32_t)reader->file_count;
    memcpy(build_at(policy, policy->files), reader->files,
           reader->file_count * sizeof *reader->files);
    policy->strings = build_next(policy, reader->strings_size);
    policy->strings_size = reader->strings_size;
    memcpy(build_at(policy, policy->strings), reader->strings, reader->strings_size);
}

struct sp_policy *build_block(struct reader *reader, void *room, uint32_t path)
{
    struct sp_policy *policy = room;

    memset(policy, 0, sizeof *policy);
    policy->magic = SP_POLICY_MAGIC;
    policy->size = sizeof *policy;
    policy->path = path;
    policy->line_defaults = reader->rows[READER_DEFAULTS].line;
    memcpy(policy->segment, reader->segment_name, sizeof policy->segment);
    memcpy(policy->group, reader->segment_group, sizeof policy->group);
    build_rows(reader, policy);
    build_matches(reader, policy);
    build_fallbacks(reader, policy);
    build_arms(reader, policy);
    build_conditions(reader, policy);
    build_experiments(reader, policy);
    build_settings(reader, policy);
    build_texts(reader, policy);
    policy->digest = block_digest(policy);
    return policy;
}
