/* chaos_replay.c - reads what chaos_record.c wrote and starts that. The decisions in the file must
 * be those that this version makes, so what is replayed is what stands there. */
#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/chaos_record.h"
#include "cli/say.h"

struct replay_file {
    const struct cli *cli;
    struct sp_segment *segment;
    struct sp_chaos plan;
    uint64_t counts[SP_EXPERIMENT_TARGETS][SP_ORDINAL_COUNT];
    FILE *file;
    unsigned line;
    char text[1024];
    bool differs;
};

static int replay_bad(const struct replay_file *r, const char *why)
{
    say_error("%s:%u: %s", r->cli->words[1], r->line, why);
    return CLI_NO;
}

/* The next line that says something, without its newline. */
static bool replay_line(struct replay_file *r)
{
    while (fgets(r->text, sizeof r->text, r->file)) {
        r->line++;
        r->text[strcspn(r->text, "\n")] = 0;
        if (r->text[0] && r->text[0] != '#')
            return true;
    }
    return false;
}

static bool replay_number(const char *word, uint64_t *out)
{
    return word && sp_text_parse_count(word, strlen(word), out) == SP_TEXT_OK;
}

/* NAME connection 17 exchange 6021 ... */
static int replay_target(struct replay_file *r, char *rest)
{
    uint32_t t = r->plan.target_count;
    const char *name = strsep(&rest, " "), *word;
    int status = experiment_target(r->cli, r->segment, name, &r->plan);
    if (status != CLI_OK || r->plan.target_count == t)
        return status;
    r->plan.targets[t].hash = sp_hash(name, strlen(name));
    for (unsigned of = 0; of < SP_ORDINAL_COUNT; of++) {
        word = strsep(&rest, " ");
        if (!word || strcmp(word, record_words[of]) != 0 ||
            !replay_number(strsep(&rest, " "), &r->counts[t][of]) ||
            r->counts[t][of] >= UINT32_MAX - 1)
            return replay_bad(r, "a target has its name, and how many of each were counted");
        r->plan.targets[t].limits[of] = (uint32_t)r->counts[t][of] + 1;
    }
    return CLI_OK;
}

static int replay_word(struct replay_file *r)
{
    char *rest = r->text;
    const char *word = strsep(&rest, " ");
    uint64_t number = 0;
    struct sp_chaos *plan = &r->plan;
    if (!rest)
        return replay_bad(r, "this is nothing that `chaos record` writes");
    if (strcmp(word, "experiment") == 0)
        return strlcpy(plan->name, rest, sizeof plan->name) < sizeof plan->name
                   ? CLI_OK
                   : replay_bad(r, "the name is too long");
    if (strcmp(word, "inject") == 0)
        return experiment_fault(plan, rest);
    if (strcmp(word, "target") == 0)
        return replay_target(r, rest);
    if (strcmp(word, "last") == 0)
        return sp_text_parse_time(rest, strlen(rest), &plan->end) == SP_TEXT_OK
                   ? CLI_OK
                   : replay_bad(r, "`last` wants a time");
    if (strcmp(word, "seed") == 0 && replay_number(rest, &plan->seed))
        return CLI_OK;
    if (strcmp(word, "intensity") == 0 && replay_number(rest, &number) && number <= SP_SHARE_ALL) {
        plan->intensity = (uint32_t)number;
        return CLI_OK;
    }
    return replay_bad(r, "this is nothing that `chaos record` writes");
}

static void replay_compare(void *context, uint32_t target, uint32_t fault, enum sp_ordinal of,
                           uint64_t ordinal)
{
    struct replay_file *r = context;
    char wanted[256];
    snprintf(wanted, sizeof wanted, "strike %s %s %llu %u", r->plan.targets[target].name,
             record_words[of], (unsigned long long)ordinal, fault + 1);
    if (strcmp(r->text, wanted) != 0)
        r->differs = true;
    else if (!replay_line(r))
        r->text[0] = 0;
}

static int replay_read(struct replay_file *r)
{
    int status = CLI_OK;
    bool more;
    while ((more = replay_line(r)) && strncmp(r->text, "strike ", 7) != 0 && status == CLI_OK)
        status = replay_word(r);
    if (status != CLI_OK)
        return status;
    if (!more)
        r->text[0] = 0;
    if (!r->plan.name[0] || r->plan.end == 0 || r->plan.target_count == 0 ||
        r->plan.fault_count == 0)
        return replay_bad(r, "it does not say what to inject, where and how long");
    record_decisions(&r->plan, r->counts, replay_compare, r);
    if (r->differs || r->text[0])
        return replay_bad(r, "these are not the calls that would be struck: the file was changed, "
                             "or is another version's");
    return CLI_OK;
}

static int replay_open(struct replay_file *r, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        say_error("%s: %s", path, strerror(errno));
        return CLI_SYSTEM;
    }
    r->file = file;
    int status = replay_read(r);
    fclose(file);
    return status;
}

int experiment_replay(struct cli *cli, struct sp_segment *segment)
{
    struct replay_file r = {.cli = cli, .segment = segment};
    struct sp_chaos *chaos;
    if (cli->count != 2) {
        say_error("chaos replay wants one file, as `chaos record` writes it");
        return CLI_USAGE;
    }
    r.plan.processes = r.plan.intensity = SP_SHARE_ALL;
    r.plan.adhoc = 1;
    int status = replay_open(&r, cli->words[1]);
    if (status != CLI_OK)
        return status;
    r.plan.start = sp_now();
    r.plan.end += r.plan.start;
    status = experiment_begin(cli, segment, &r.plan, &chaos);
    if (status == CLI_OK && cli->follow)
        return experiment_follow(cli, segment, chaos, true);
    return status;
}
