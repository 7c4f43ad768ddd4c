/* enable.c - the panic switch and its end: one store in the segment, which every process sees at
 * its next call. */
#include <stdio.h>

#include "cli/say.h"
#include "cli/steer.h"

static int enable_switch(struct cli *cli, bool off)
{
    struct steer steer = {0};
    bool all = cli->count == 0;
    int status = all ? where_attach(cli, &steer.segment) : steer_begin(cli, &steer, cli->words[0]);
    if (status == CLI_OK && steer.address[0]) {
        say_error("a destination is %s as a whole, not one address of it",
                  off ? "disabled" : "enabled");
        status = CLI_USAGE;
    }
    if (status != CLI_OK)
        return status;
    if (all)
        atomic_store(&steer.segment.head->disabled, off);
    else
        sp_dest_mark(steer.call.dest, SP_DEST_DISABLED, off);
    steer_note(cli, &steer, off ? SP_EVENT_DISABLE : SP_EVENT_ENABLE, 0, 0);
    if (cli->quiet)
        return CLI_OK;
    printf("%s  %s\n", all ? where_name(&steer.segment) : steer_name(&steer),
           off ? "disabled: every call goes straight through" : "enabled");
    if (!off && !all && atomic_load(&steer.segment.head->disabled))
        say_error("segment %s as a whole is still disabled: shearpin enable",
                  where_name(&steer.segment));
    return CLI_OK;
}

int enable_main(struct cli *cli)
{
    return enable_switch(cli, false);
}

int disable_main(struct cli *cli)
{
    return enable_switch(cli, true);
}
