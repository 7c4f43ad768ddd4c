#include <stdio.h>

#include "cli/say.h"
#include "cli/steer.h"
#include "shearpin/split.h"

/* With a destination, its addresses and arms that have a breaker of their own. */
static void reset_endpoints(const struct steer *steer)
{
    struct sp_call call = steer->call;
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++) {
        call.endpoint = sp_endpoint_of(call.segment, call.index, i, NULL);
        if (call.endpoint)
            sp_breaker_reset(&call);
    }
    for (uint32_t i = 0; i < call.segment->arm_max; i++) {
        call.arm = sp_arm_at(call.segment, call.index, i);
        call.endpoint = call.arm ? &call.arm->endpoint : NULL;
        if (call.arm)
            sp_breaker_reset(&call);
    }
}

static void reset_one(const struct cli *cli, struct steer *steer)
{
    sp_breaker_reset(&steer->call);
    if (!steer->address[0])
        reset_endpoints(steer);
    steer_note(cli, steer, SP_EVENT_RESET, SP_STATE_CLOSED, 0);
    if (!cli->quiet)
        printf("%s  %s -> closed\n", steer_name(steer), sp_state_words[steer->before]);
}

int reset_main(struct cli *cli)
{
    struct steer steer;
    if (cli->all == (cli->count == 1)) {
        say_error(cli->all ? "reset DEST or reset --all, not both" : "reset what?");
        say_more("usage: shearpin reset %s", cli->command->usage);
        return CLI_USAGE;
    }
    int status =
        cli->all ? where_attach(cli, &steer.segment) : steer_begin(cli, &steer, cli->words[0]);
    if (status != CLI_OK)
        return status;
    if (!cli->all)
        reset_one(cli, &steer);
    for (uint32_t i = 0; cli->all && i < steer.segment.dest_max; i++) {
        if (!steer.segment.dests[i].name[0])
            continue;
        steer_dest(&steer, i);
        reset_one(cli, &steer);
    }
    return CLI_OK;
}
