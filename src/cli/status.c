#include "cli/status.h"

#include <stdlib.h>
#include <string.h>

#include "cli/say.h"
#include "cli/waiting.h"

#include "cli/json.h"

/* Marks the destinations that are named on the line, all when none is. */
static int status_choose(const struct cli *cli, const struct look *look, bool *chosen)
{
    uint32_t index;
    for (uint32_t i = 0; i < look->count; i++)
        chosen[i] = cli->count == 0;
    for (int w = 0; w < cli->count; w++) {
        int status = where_dest(cli, look->segment, cli->words[w], &index);
        if (status != CLI_OK)
            return status;
        for (uint32_t i = 0; i < look->count; i++)
            chosen[i] = chosen[i] || look->dests[i].index == index;
    }
    return CLI_OK;
}

static void status_text(const struct cli *cli, const struct look *look, const bool *chosen)
{
    if (!cli->quiet)
        status_head(look);
    status_table_head();
    for (uint32_t i = 0; i < look->count; i++) {
        if (!chosen[i])
            continue;
        status_row(look, &look->dests[i]);
        status_sides(&look->dests[i]);
    }
    if (cli->count == 0)
        status_other(look);
}

int status_main(struct cli *cli)
{
    struct sp_segment segment;
    struct json json = {0};
    struct look look;
    bool chosen[SP_DESTS_MAX];
    uint32_t index;
    int status = CLI_OK;
    if (cli->waiting && cli->count > 1) {
        say_error("--waiting is for one DEST, or for all");
        return CLI_USAGE;
    }
    status = where_attach(cli, &segment);
    for (int w = 0; status == CLI_OK && w < cli->count; w++) /* before the pause, not after it */
        status = where_dest(cli, &segment, cli->words[w], &index);
    if (status != CLI_OK)
        return status;
    if (cli->waiting)
        return waiting_say(cli, &segment, cli->count ? &index : NULL);
    look_take(&look, &segment, cli->interval);
    status = status_choose(cli, &look, chosen);
    if (status == CLI_OK && cli->json) {
        status_json(&json, NULL, &look, chosen);
        json_end();
    } else if (status == CLI_OK && cli->count == 1) {
        for (uint32_t i = 0; i < look.count; i++) {
            if (chosen[i])
                status_depth(&look, &look.dests[i]);
        }
    } else if (status == CLI_OK) {
        status_text(cli, &look, chosen);
    }
    look_free(&look);
    return status;
}
