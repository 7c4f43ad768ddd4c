/* chaos_record.c - writes down what an experiment did. What strikes a call is a matter of seed,
 * fault, destination and ordinal, so the decisions are made once more; that they are as many as
 * were counted is checked. */
#include "cli/chaos_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/say.h"

#define RECORD_MOST 100000000u /* calls of a kind: more are a damaged segment, or a day of them */

const char *const record_words[SP_ORDINAL_COUNT] = {
#define X(id, word) [SP_ORDINAL_##id] = word,
    RECORD_ORDINALS(X)
#undef X
};

/* Does a fault act where this is counted? */
static bool record_acts(const struct sp_fault *fault, enum sp_ordinal of)
{
    for (unsigned bit = 1; bit <= SP_FAULT_ON_WAIT; bit <<= 1) {
        if ((fault->on & bit) && sp_fault_ordinal((uint8_t)bit) == of)
            return true;
    }
    return false;
}

uint64_t record_decisions(const struct sp_chaos *chaos, uint64_t (*counts)[SP_ORDINAL_COUNT],
                          record_fn *tell, void *context)
{
    uint64_t sum = 0;
    for (uint32_t t = 0; t < chaos->target_count; t++) {
        for (uint32_t f = 0; f < chaos->fault_count; f++) {
            for (unsigned of = 0; of < SP_ORDINAL_COUNT; of++) {
                uint64_t count = record_acts(&chaos->faults[f].fault, of) ? counts[t][of] : 0;
                for (uint64_t n = 1; n <= count; n++) {
                    if (!sp_chaos_decides(chaos, t, f, n, chaos->intensity))
                        continue;
                    sum++;
                    if (tell)
                        tell(context, t, f, of, n);
                }
            }
        }
    }
    return sum;
}

struct record_file {
    FILE *file;
    const struct sp_chaos *chaos;
};

static void record_line_of(void *context, uint32_t target, uint32_t fault, enum sp_ordinal of,
                           uint64_t ordinal)
{
    const struct record_file *r = context;
    fprintf(r->file, "strike %s %s %llu %u\n", r->chaos->targets[target].name, record_words[of],
            (unsigned long long)ordinal, fault + 1);
}

static void record_head(const struct record_file *r)
{
    const struct sp_chaos *c = r->chaos;
    char when[32] = "";
    time_t at = (time_t)(c->start_wall / SP_SECOND);
    struct tm t = {0};
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &t));
    fprintf(r->file,
            "# What %s did on %s. Again: shearpin chaos replay FILE\n"
            "experiment %s\nseed %llu\nintensity %u\nlast %s\n",
            c->name, when, c->name, (unsigned long long)c->seed, c->intensity,
            SAY_TIME((c->end - c->start) / SP_MS * SP_MS));
}

static void record_body(const struct record_file *r, uint64_t (*counts)[SP_ORDINAL_COUNT])
{
    const struct sp_chaos *c = r->chaos;
    for (uint32_t f = 0; f < c->fault_count; f++)
        fprintf(r->file, "inject %s\n", c->faults[f].text);
    for (uint32_t t = 0; t < c->target_count; t++) {
        fprintf(r->file, "target %s", c->targets[t].name);
        for (unsigned of = 0; of < SP_ORDINAL_COUNT; of++)
            fprintf(r->file, " %s %llu", record_words[of], (unsigned long long)counts[t][of]);
        fputc('\n', r->file);
    }
    fputs("# strike TARGET WHAT ORDINAL FAULT: by the FAULTth line `inject`\n", r->file);
}

/* Of a replay no more than it was made to. */
static void record_counts(const struct sp_chaos *c, uint64_t (*counts)[SP_ORDINAL_COUNT])
{
    for (uint32_t t = 0; t < c->target_count; t++) {
        for (unsigned of = 0; of < SP_ORDINAL_COUNT; of++) {
            uint64_t count = atomic_load(&c->targets[t].ordinals[of]);
            uint32_t limit = c->targets[t].limits[of];
            count = limit && count >= limit ? limit - 1 : count;
            counts[t][of] = count < RECORD_MOST ? count : RECORD_MOST;
        }
    }
}

static int record_write(const struct sp_chaos *c, const char *path)
{
    uint64_t counts[SP_EXPERIMENT_TARGETS][SP_ORDINAL_COUNT] = {0}, injected = 0;
    struct record_file r = {fopen(path, "we"), c};
    if (!r.file) {
        say_error("%s: %s", path, strerror(errno));
        return CLI_SYSTEM;
    }
    record_counts(c, counts);
    record_head(&r);
    record_body(&r, counts);
    uint64_t sum = record_decisions(c, counts, record_line_of, &r);
    for (uint32_t f = 0; f < c->fault_count; f++)
        injected += experiment_strikes(c, f);
    if (fclose(r.file) != 0) {
        say_error("%s: %s", path, strerror(errno));
        return CLI_SYSTEM;
    }
    printf("%s: %s\n", path, SAY_COUNT(sum, "strike"));
    if (sum == injected)
        return CLI_OK;
    say_error("%llu were counted: %s", (unsigned long long)injected,
              c->ramp ? "while a `ramp` lasts fewer are struck, and which is a matter of time"
                      : "some calls were under way");
    return CLI_NO;
}

int experiment_record(struct cli *cli, struct sp_segment *segment)
{
    if (cli->count != 3) {
        say_error("chaos record wants an experiment and a file: chaos record NAME FILE");
        return CLI_USAGE;
    }
    struct sp_chaos *chaos = experiment_find(cli, segment, cli->words[1]);
    if (!chaos)
        return CLI_UNKNOWN;
    if (sp_chaos_stands(chaos, sp_now()) == SP_CHAOS_RUNNING) {
        say_error("%s runs still; end it first: shearpin chaos stop %s", cli->words[1],
                  cli->words[1]);
        return CLI_NO;
    }
    struct sp_chaos copy;
    memcpy((void *)&copy, (const void *)chaos, sizeof copy);
    copy.target_count =
        copy.target_count < SP_EXPERIMENT_TARGETS ? copy.target_count : SP_EXPERIMENT_TARGETS;
    copy.fault_count =
        copy.fault_count < SP_EXPERIMENT_FAULTS ? copy.fault_count : SP_EXPERIMENT_FAULTS;
    copy.name[SP_NAME_SIZE - 1] = 0;
    return record_write(&copy, cli->words[2]);
}
