#include <stdio.h>
#include <string.h>

#include "cli/say.h"
#include "cli/steer.h"

int hold_main(struct cli *cli)
{
    struct steer steer;
    uint64_t until;
    const char *word = cli->words[1];
    bool open = strcmp(word, "open") == 0;
    if (!open && strcmp(word, "closed") != 0) {
        say_error("a breaker can be held open or closed, not '%s'", word);
        say_more("usage: shearpin hold %s", cli->command->usage);
        return CLI_USAGE;
    }
    int status = steer_begin(cli, &steer, cli->words[0]);
    if (status == CLI_OK)
        status = steer_until(cli, &steer, &until);
    if (status != CLI_OK)
        return status;
    sp_breaker_hold(&steer.call, open ? SP_HOLD_OPEN : SP_HOLD_CLOSED, until);
    steer_note(cli, &steer, SP_EVENT_HOLD, open ? SP_HOLD_OPEN : SP_HOLD_CLOSED, until);
    steer_warn(cli, &steer);
    if (!cli->quiet)
        printf("%s  held %s %s%s\n", steer_name(&steer), word, until ? "for " : "until reset",
               until ? SAY_TIME(cli->lasting) : "");
    return CLI_OK;
}
