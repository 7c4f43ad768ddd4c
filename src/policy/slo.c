/*
 * slo.c - the lines `slo CONDITION for TIME` of a destination, and how often its figures are
 * written down for them.
 */
#include "base/text.h"
#include "policy/condition.h"
#include "policy/reader.h"

#define SLO_MOMENTS (SP_MOMENTS - 2) /* a whole window and a little more is to be there */
#define SLO_STEP    UINT64_C(100)    /* ms, at least */

/* What stands here so far goes: `slo off`, or a destination of its own begins. */
static void slo_clear(struct reader *reader, size_t row)
{
    for (size_t i = 0; i < reader->condition_count; i++)
        if (reader->condition_row[i] == row)
            reader->condition_row[i] = READER_NOWHERE;
}

static void slo_keep(struct reader *reader, const struct sp_condition *condition)
{
    size_t i = reader->condition_count;

    if (i == READER_CONDITIONS_MAX) {
        report_at(reader, &reader->line.word[0], NULL, "more slo lines than a policy can hold");
        return;
    }
    reader->conditions[i] = *condition;
    reader->conditions[i].file = reader->file;
    reader->conditions[i].line = (uint16_t)reader->line.number;
    reader->condition_row[i] = (uint16_t)reader->row;
    reader->condition_count++;
}

void slo_line(struct reader *reader)
{
    struct scan_word *words = reader->line.word, all;
    const struct scan_word *last = &words[reader->line.count - 1];
    struct sp_condition condition;
    struct value_fault fault;

    if (reader->line.count == 1) {
        report_at(reader, &words[0], "slo " CONDITION_EXAMPLE, "'slo' needs a condition");
        return;
    }
    reader->slo_own[reader->row] = true;
    if (reader->line.count == 2 && sp_text_is(words[1].text, words[1].length, "off")) {
        slo_clear(reader, reader->row);
        return;
    }
    all = words[1];
    all.length = (size_t)(last->text + last->length - all.text);
    if (!condition_read(all.text, all.length, &condition, &fault)) {
        all.column += (unsigned)fault.offset;
        all.width = (unsigned)fault.length;
        report_at(reader, &all, fault.cure, "%s", fault.text);
    } else if (condition.window == 0) {
        report_at(reader, last, "slo " CONDITION_EXAMPLE, "say over which time: 'for 5m'");
    } else {
        slo_keep(reader, &condition);
    }
}

/* The conditions of one row, side by side. */
static uint16_t slo_gather(const struct reader *reader, size_t row, struct sp_condition *out)
{
    uint16_t count = 0;

    for (size_t i = 0; i < reader->condition_count; i++)
        if (reader->condition_row[i] == row)
            out[count++] = reader->conditions[i];
    return count;
}

uint32_t slo_moment(const struct sp_condition *conditions, uint16_t count)
{
    uint64_t longest = 0, step;

    for (uint16_t i = 0; i < count; i++)
        longest = conditions[i].window > longest ? conditions[i].window : longest;
    step = (longest / SP_MS + SLO_MOMENTS - 1) / SLO_MOMENTS;
    return longest == 0 ? 0 : (uint32_t)(step < SLO_STEP ? SLO_STEP : step);
}

uint32_t slo_build(const struct reader *reader, struct sp_row *rows, struct sp_condition *out)
{
    uint16_t common = slo_gather(reader, READER_DEFAULTS, out), next = common;

    for (size_t i = 0; i < reader->row_count; i++) {
        bool own = reader->slo_own[i];

        rows[i].slo_first = own ? next : 0;
        rows[i].slo_count = own ? slo_gather(reader, i, out + next) : common;
        rows[i].guards.moment = slo_moment(out + rows[i].slo_first, rows[i].slo_count);
        next += own ? rows[i].slo_count : 0;
    }
    return next;
}
