/* chaos.c - `chaos VERB [EXPERIMENT]`. A verb more is a row below. */
#include "cli/chaos.h"

#include <string.h>

#include "base/near.h"
#include "cli/chaos_report.h"
#include "cli/say.h"

static int chaos_report_main(struct cli *cli, struct sp_segment *segment)
{
    struct sp_chaos *chaos = experiment_find(cli, segment, cli->count > 1 ? cli->words[1] : NULL);
    return chaos ? chaos_report(cli, segment, chaos) : CLI_UNKNOWN;
}

static const struct {
    const char *verb;
    int (*run)(struct cli *cli, struct sp_segment *segment);
} chaos_verbs[] = {
    {"list", experiment_list},     {"start", experiment_start},   {"stop", experiment_stop},
    {"status", experiment_status}, {"report", chaos_report_main}, {"record", experiment_record},
    {"replay", experiment_replay},
};

int chaos_main(struct cli *cli)
{
    struct sp_segment segment;
    const char *verb = cli->words[0];
    struct sp_near near = sp_near_begin(verb, strlen(verb));
    for (size_t i = 0; i < sizeof chaos_verbs / sizeof *chaos_verbs; i++) {
        if (strcmp(verb, chaos_verbs[i].verb) == 0) {
            int status = where_attach(cli, &segment);
            return status == CLI_OK ? chaos_verbs[i].run(cli, &segment) : status;
        }
        sp_near_try(&near, chaos_verbs[i].verb);
    }
    say_error("chaos cannot '%s'%s%s%s", verb, near.best ? "; did you mean '" : "",
              near.best ? near.best : "", near.best ? "'?" : "");
    if (near.best)
        say_corrected(cli, verb, near.best);
    return CLI_USAGE;
}
