/*
 * experiment.c - sections `experiment NAME`: what is to be injected where, on which conditions it
 * begins and stops. They are kept as they are written; nothing is started by being read.
 */
#include "policy/experiment.h"

#include "base/near.h"
#include "base/text.h"
#include "policy/condition.h"
#include "shearpin/fault.h"

#include <string.h>

#define EXPERIMENT_LAST_MAX (86400 * SP_SECOND)

typedef void experiment_fn(struct reader *reader, struct sp_experiment *e);

/* The words from the first to the last, one blank between them. */
static uint32_t experiment_text(struct reader *reader, const struct scan_word *words, size_t count)
{
    char text[SCAN_LINE_MAX + 1];
    struct sp_text_out out = sp_text_out(text, sizeof text);

    for (size_t i = 0; i < count; i++)
        sp_text_put(&out, "%s%.*s", i > 0 ? " " : "", (int)words[i].length, words[i].text);
    return build_string(reader, text, out.length);
}

/* From the first word to the end of the line, to be marked or read as a whole. */
static struct scan_word experiment_rest(const struct reader *reader, size_t first)
{
    struct scan_word all = reader->line.word[first];
    const struct scan_word *last = &reader->line.word[reader->line.count - 1];

    all.length = (size_t)(last->text + last->length - all.text);
    all.width = last->column + last->width - all.column;
    return all;
}

static void experiment_full(struct reader *reader, unsigned most)
{
    report_at(reader, &reader->line.word[0], "make two experiments of it",
              "more than %u of '%.*s' in one experiment", most, SHOWN(&reader->line.word[0]));
}

static void experiment_surplus(struct reader *reader)
{
    if (reader->line.count > 2)
        report_at(reader, &reader->line.word[2], NULL, "unexpected '%.*s'",
                  SHOWN(&reader->line.word[2]));
}

/* --- one directive each --- */

static void experiment_expect(struct reader *reader, struct sp_experiment *e)
{
    e->expect = experiment_text(reader, &reader->line.word[1], reader->line.count - 1);
}

static void experiment_target(struct reader *reader, struct sp_experiment *e)
{
    size_t own = reader->experiment;

    for (size_t i = 1; i < reader->line.count; i++) {
        const struct scan_word *word = &reader->line.word[i];

        if (e->target_count == SP_EXPERIMENT_TARGETS) {
            experiment_full(reader, SP_EXPERIMENT_TARGETS);
            return;
        }
        reader->experiment_target[own][e->target_count] = build_here(reader, word);
        e->targets[e->target_count++] = build_string(reader, word->text, word->length);
    }
}

static void experiment_seed(struct reader *reader, struct sp_experiment *e)
{
    const struct scan_word *word = &reader->line.word[1];

    e->seeded = sp_text_parse_count(word->text, word->length, &e->seed) == SP_TEXT_OK;
    if (!e->seeded)
        report_at(reader, word, "seed 918273", "'%.*s' is no number", SHOWN(word));
    experiment_surplus(reader);
}

/* 0 after saying what is wrong. */
static uint64_t experiment_time(struct reader *reader, const char *example)
{
    const struct scan_word *word = &reader->line.word[1];
    uint64_t time = 0;
    enum sp_text status = sp_text_parse_time(word->text, word->length, &time);

    if (status == SP_TEXT_NO_UNIT)
        report_at(reader, word, example, "a time needs a unit: 250ms, 5s, 2m");
    else if (status != SP_TEXT_OK || time == 0 || time > EXPERIMENT_LAST_MAX)
        report_at(reader, word, example, "'%.*s' is no time of at most 1d", SHOWN(word));
    experiment_surplus(reader);
    return status == SP_TEXT_OK && time <= EXPERIMENT_LAST_MAX ? time : 0;
}

static void experiment_ramp(struct reader *reader, struct sp_experiment *e)
{
    e->ramp = experiment_time(reader, "ramp 2m");
}

static void experiment_last(struct reader *reader, struct sp_experiment *e)
{
    uint64_t time = experiment_time(reader, "last 10m");

    e->last = time ? time : EXPERIMENT_LAST_MAX; /* what is wrong is not missing, too */
}

static void experiment_inject(struct reader *reader, struct sp_experiment *e)
{
    struct scan_word all = experiment_rest(reader, 1);
    struct sp_inject *inject = &e->injects[e->inject_count];
    struct sp_fault fault;
    struct sp_error error;

    if (e->inject_count == SP_EXPERIMENT_FAULTS) {
        experiment_full(reader, SP_EXPERIMENT_FAULTS);
        return;
    }
    inject->text = experiment_text(reader, &reader->line.word[1], reader->line.count - 1);
    inject->file = reader->file;
    inject->line = (uint16_t)reader->line.number;
    e->inject_count++;
    if (sp_fault_parse(reader->strings + inject->text, &fault, &error) != 0)
        report_at(reader, &all, NULL, "%s", error.text);
    else if (strlen(reader->strings + inject->text) >= SP_EXPERIMENT_TEXT)
        report_at(reader, &all, NULL, "a fault has at most %u characters", SP_EXPERIMENT_TEXT - 1);
}

static bool experiment_sign(const struct scan_word *word)
{
    return memchr(word->text, '<', word->length) || memchr(word->text, '>', word->length);
}

/* Does the condition begin with the name of a destination? */
static bool experiment_names(const struct reader *reader)
{
    const struct scan_word *words = reader->line.word;
    size_t count = reader->line.count;

    if (count < 3 || experiment_sign(&words[1]) || experiment_sign(&words[2]))
        return count == 3 && sp_text_is(words[2].text, words[2].length, "opens");
    return sp_text_is(words[2].text, words[2].length, "opens") ||
           (count > 3 && experiment_sign(&words[3]));
}

static void experiment_condition(struct reader *reader, struct sp_proviso *proviso, size_t first)
{
    struct scan_word all = experiment_rest(reader, first);
    struct value_fault fault;
    struct sp_condition *c = &proviso->condition;

    if (!condition_read(all.text, all.length, c, &fault)) {
        all.column += (unsigned)fault.offset;
        all.width = (unsigned)fault.length;
        report_at(reader, &all, fault.cure, "%s", fault.text);
    } else if (c->window == 0) {
        report_at(reader, &reader->line.word[reader->line.count - 1], "errors > 10% for 30s",
                  "say over which time: 'for 30s'");
    }
}

/* `abort payments open`: two words without a sign are no condition, but nearly this one. */
static bool experiment_meant_opens(struct reader *reader)
{
    const struct scan_word *last = &reader->line.word[2];
    struct sp_near near;

    if (reader->line.count != 3 || experiment_sign(last) ||
        experiment_sign(&reader->line.word[1]) || sp_text_is(last->text, last->length, "opens"))
        return false;
    near = sp_near_begin(last->text, last->length);
    sp_near_try(&near, "opens");
    if (near.best)
        report_at(reader, last, report_near(reader, near.best), "unknown word '%.*s'", SHOWN(last));
    return near.best != NULL;
}

static void experiment_proviso(struct reader *reader, struct sp_experiment *e,
                               enum sp_proviso_when when)
{
    const struct scan_word *words = reader->line.word;
    struct sp_proviso *proviso = &e->provisos[e->proviso_count];
    size_t first = experiment_names(reader) ? 2 : 1;

    if (e->proviso_count == SP_EXPERIMENT_CONDITIONS) {
        experiment_full(reader, SP_EXPERIMENT_CONDITIONS);
        return;
    }
    *proviso = (struct sp_proviso){.when = (uint8_t)when};
    if (experiment_meant_opens(reader))
        return;
    if (first == 2) {
        proviso->destination = build_string(reader, words[1].text, words[1].length);
        reader->experiment_watched[reader->experiment][e->proviso_count] =
            build_here(reader, &words[1]);
    }
    e->proviso_count++;
    proviso->opens =
        first < reader->line.count && sp_text_is(words[first].text, words[first].length, "opens");
    if (!proviso->opens)
        experiment_condition(reader, proviso, first);
    else if (when == SP_PROVISO_STEADY)
        report_at(reader, &words[first], "abort payments opens", "'opens' is for abort alone");
    if (proviso->opens && first + 1 < reader->line.count)
        report_at(reader, &words[first + 1], "abort payments opens", "unexpected '%.*s'",
                  SHOWN(&words[first + 1]));
    proviso->condition.file = reader->file;
    proviso->condition.line = (uint16_t)reader->line.number;
}

static void experiment_steady(struct reader *reader, struct sp_experiment *e)
{
    experiment_proviso(reader, e, SP_PROVISO_STEADY);
}

static void experiment_abort(struct reader *reader, struct sp_experiment *e)
{
    experiment_proviso(reader, e, SP_PROVISO_ABORT);
}

static const struct {
    const char *word;
    experiment_fn *read;
    bool once;
    const char *example;
} experiment_words[] = {
    {"expect", experiment_expect, true, "expect checkout keeps its error rate under 1%"},
    {"target", experiment_target, false, "target payments"},
    {"seed", experiment_seed, true, "seed 918273"},
    {"steady", experiment_steady, false, "steady errors < 1% for 1m"},
    {"inject", experiment_inject, false, "inject latency 400ms +-100ms  share 20%"},
    {"ramp", experiment_ramp, true, "ramp 2m"},
    {"last", experiment_last, true, "last 10m"},
    {"abort", experiment_abort, false, "abort errors > 10% for 30s"},
};
#define EXPERIMENT_WORDS (sizeof experiment_words / sizeof *experiment_words)

static void experiment_unknown(struct reader *reader, const struct scan_word *word)
{
    struct sp_near near = sp_near_begin(word->text, word->length);

    for (size_t i = 0; i < EXPERIMENT_WORDS; i++)
        sp_near_try(&near, experiment_words[i].word);
    report_at(reader, word, report_near(reader, near.best), "unknown word '%.*s' in an experiment",
              SHOWN(word));
}

static bool experiment_again(struct reader *reader, size_t i, const struct scan_word *word)
{
    struct reader_place *first = &reader->experiment_set[reader->experiment][i];

    if (!experiment_words[i].once || first->line == 0 || first->file != reader->file) {
        *first = build_here(reader, word);
        return false;
    }
    report_at(reader, word, "remove one of them", "'%.*s' is set twice; first on line %u",
              SHOWN(word), (unsigned)first->line);
    return true;
}

void experiment_line(struct reader *reader)
{
    const struct scan_word *word = &reader->line.word[0];

    for (size_t i = 0; i < EXPERIMENT_WORDS; i++) {
        if (!sp_text_is(word->text, word->length, experiment_words[i].word))
            continue;
        if (reader->line.count == 1)
            report_at(reader, word, experiment_words[i].example, "'%.*s' needs a value",
                      SHOWN(word));
        else if (!experiment_again(reader, i, word))
            experiment_words[i].read(reader, &reader->experiments[reader->experiment]);
        return;
    }
    experiment_unknown(reader, word);
}

/* --- the section --- */

void experiment_open(struct reader *reader, const struct scan_word *name)
{
    size_t i = 0;

    while (i < reader->experiment_count &&
           !sp_text_is(name->text, name->length, reader->experiments[i].name))
        i++;
    reader->section = SECTION_SKIPPED;
    if (i == SP_EXPERIMENTS_MAX) {
        report_at(reader, name, NULL, "more than %u experiments", SP_EXPERIMENTS_MAX);
        return;
    }
    if (i < reader->experiment_count && reader->experiment_opened[i].file == reader->file) {
        report_at(reader, name, "join the two sections, or rename one",
                  "'%.*s' is named twice; first on line %u", SHOWN(name),
                  (unsigned)reader->experiment_opened[i].line);
        return;
    }
    if (i == reader->experiment_count) {
        reader->experiment_count++;
        memset(&reader->experiments[i], 0, sizeof reader->experiments[i]);
        memset(reader->experiment_set[i], 0, sizeof reader->experiment_set[i]);
        memcpy(reader->experiments[i].name, name->text, name->length);
        reader->experiments[i].file = reader->file;
        reader->experiments[i].line = (uint16_t)reader->line.number;
    }
    reader->experiment_opened[i] = build_here(reader, name);
    reader->experiment = i;
    reader->section = SECTION_EXPERIMENT;
}

/* --- when all has been read --- */

static const struct sp_row *experiment_row(const struct sp_policy *policy, const char *name)
{
    const struct sp_row *row;

    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static void experiment_known(struct reader *reader, const struct sp_policy *policy,
                             const char *name, struct reader_place place)
{
    struct sp_near near = sp_near_begin(name, strlen(name));
    const struct sp_row *row;

    if (experiment_row(policy, name) != NULL)
        return;
    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++)
        sp_near_try(&near, row->name);
    report_error(reader, place, "there is no destination '%.*s'%s%s%s", SP_NAME_SIZE, name,
                 near.best ? "; did you mean '" : "", near.best ? near.best : "",
                 near.best ? "'?" : "");
}

static void experiment_check_one(struct reader *reader, const struct sp_policy *policy, size_t i)
{
    const struct sp_experiment *e = &reader->experiments[i];
    struct reader_place place = reader->experiment_opened[i];

    for (size_t t = 0; t < e->target_count; t++)
        experiment_known(reader, policy, reader->strings + e->targets[t],
                         reader->experiment_target[i][t]);
    for (size_t p = 0; p < e->proviso_count; p++)
        if (e->provisos[p].destination != 0)
            experiment_known(reader, policy, reader->strings + e->provisos[p].destination,
                             reader->experiment_watched[i][p]);
    if (e->target_count == 0)
        report_error(reader, place,
                     "'%s' has no target: say which destinations it is for: target "
                     "payments",
                     e->name);
    if (e->inject_count == 0)
        report_error(reader, place, "'%s' injects nothing: inject latency 400ms", e->name);
    if (e->last == 0)
        report_error(reader, place, "'%s' has no end: say how long it lasts: last 10m", e->name);
    else if (e->ramp >= e->last)
        report_warning(reader, place, "'%s' is over before its ramp: its shares are never reached",
                       e->name);
}

void experiment_check(struct reader *reader, const struct sp_policy *policy)
{
    for (size_t i = 0; i < reader->experiment_count; i++)
        experiment_check_one(reader, policy, i);
}

/* What is watched needs its last minutes to be kept, whoever else wants them. */
static void experiment_moment(struct sp_row *row, const struct sp_condition *condition)
{
    uint32_t step = slo_moment(condition, 1);

    if (step > row->guards.moment)
        row->guards.moment = step;
}

static bool experiment_watches(const struct reader *reader, const struct sp_experiment *e,
                               const struct sp_proviso *proviso, const char *name)
{
    if (proviso->opens)
        return false;
    if (proviso->destination != 0)
        return strcmp(reader->strings + proviso->destination, name) == 0;
    for (size_t t = 0; t < e->target_count; t++)
        if (strcmp(reader->strings + e->targets[t], name) == 0)
            return true;
    return false;
}

void experiment_moments(const struct reader *reader, struct sp_row *rows)
{
    for (size_t i = 0; i < reader->experiment_count; i++) {
        const struct sp_experiment *e = &reader->experiments[i];

        for (size_t p = 0; p < e->proviso_count; p++)
            for (size_t row = 0; row < reader->row_count; row++)
                if (experiment_watches(reader, e, &e->provisos[p], rows[row].name))
                    experiment_moment(&rows[row], &e->provisos[p].condition);
    }
}
