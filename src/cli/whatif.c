/* whatif.c - what another policy would have done with the calls that the journal tells of. */
#include "cli/whatif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/look.h"
#include "cli/memory.h"
#include "cli/say.h"
#include "cli/where.h"

/* Everything may be tried, what processes share too. */
static int whatif_override(struct whatif *w)
{
    struct sp_override over[SP_OVERRIDES_MAX];
    struct sp_error error;
    if (!w->cli->set)
        return CLI_OK;
    int count = sp_override_parse_any(w->cli->set, w->policy, over, SP_OVERRIDES_MAX, &error);
    if (count < 0) {
        say_error("-o %s", error.text);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < w->policy->row_count; i++) {
        struct sp_row *row = (struct sp_row *)(void *)((char *)w->policy + w->policy->rows) + i;
        sp_override_apply_any(over, (size_t)count, row->name, &row->guards);
    }
    return CLI_OK;
}

/* -p FILE, else the one in force. */
static int whatif_policy(struct whatif *w, const char *file)
{
    struct rules rules;
    uint64_t generation;
    char summary[96];
    if (!file) {
        w->policy = look_policy(&w->segment, &generation);
        if (!w->policy) {
            say_error("the policy in force in segment %s is damaged", where_name(&w->segment));
            return CLI_SYSTEM;
        }
        snprintf(w->source, sizeof w->source, "generation %llu", (unsigned long long)generation);
        return whatif_override(w);
    }
    rules_read(&rules, file, stderr, RULES_ERRORS);
    if (!rules.policy) {
        rules_summary(&rules, summary, sizeof summary);
        say_error("%s: %s", file, summary);
        return CLI_NO;
    }
    w->policy = memory_new(1, rules.policy->size);
    memcpy(w->policy, rules.policy, rules.policy->size);
    snprintf(w->source, sizeof w->source, "%s", file);
    return whatif_override(w);
}

/* The calls of a file under a policy of a file need no segment. */
static int whatif_source(struct whatif *w, const char *policy)
{
    uint64_t wall = sp_wall(), since = w->cli->since;
    if (w->from && calls_read(&w->file, w->from, since && since < wall ? wall - since : 0) != 0)
        return CLI_SYSTEM;
    int status = w->from && policy ? CLI_OK : where_attach(w->cli, &w->segment);
    if (status != CLI_OK || w->from || w->segment.journal_max > 0)
        return status;
    say_error("segment %s has no journal; with `journal 1MiB` in defaults a new one gets one",
              where_name(&w->segment));
    return CLI_NO;
}

static void whatif_say(struct whatif *w)
{
    replay_run(&w->replay);
    whatif_really(w, false);
    if (w->cli->json)
        whatif_json(w);
    else
        whatif_print(w);
}

int whatif_main(struct cli *cli)
{
    struct whatif w = {.cli = cli, .from = cli->from};
    struct sp_error error;
    const char *file = cli->policy;
    cli->policy = NULL; /* it is tried: it does not say which segment */
    int status = whatif_source(&w, file);
    if (status == CLI_OK)
        status = whatif_policy(&w, file);
    if (status != CLI_OK)
        return status;
    if (sp_segment_private(&w.replay.segment, w.policy, &error) != 0) {
        say_error("%s", error.text);
        return CLI_SYSTEM;
    }
    w.did = memory_new(w.replay.segment.dest_max, sizeof *w.did);
    w.did_trip = memory_new(w.replay.segment.dest_max, sizeof *w.did_trip);
    status = whatif_read(&w);
    if (status == CLI_OK)
        whatif_say(&w);
    free(w.replay.notes);
    free(w.did);
    free(w.did_trip);
    return status;
}
