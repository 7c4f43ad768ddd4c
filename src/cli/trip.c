#include <stdio.h>

#include "cli/say.h"
#include "cli/steer.h"

int trip_main(struct cli *cli)
{
    struct steer steer;
    uint64_t until;
    int status = steer_begin(cli, &steer, cli->words[0]);
    if (status == CLI_OK)
        status = steer_until(cli, &steer, &until);
    if (status != CLI_OK)
        return status;
    bool held = until != 0 || cli->until_reset;
    if (held)
        sp_breaker_hold(&steer.call, SP_HOLD_OPEN, until);
    else
        sp_breaker_trip(&steer.call);
    steer_note(cli, &steer, SP_EVENT_TRIP, SP_STATE_OPEN, until);
    steer_warn(cli, &steer);
    if (!cli->quiet)
        printf("%s  %s -> open%s%s%s\n", steer_name(&steer), sp_state_words[steer.before],
               until ? " for " : "", until ? SAY_TIME(cli->lasting) : "",
               held && !until ? " until reset" : "");
    return CLI_OK;
}
