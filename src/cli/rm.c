#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/look.h"
#include "cli/say.h"
#include "state/process.h"

static int rm_unlink(const struct cli *cli, const char *path)
{
    if (unlink(path) != 0) {
        say_error("%s cannot be removed: %s", path, strerror(errno));
        return say_status(errno);
    }
    if (!cli->quiet)
        printf("%s  removed\n", path);
    return CLI_OK;
}

int rm_main(struct cli *cli)
{
    struct sp_segment segment;
    cli->segment = cli->words[0];
    int status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    int fd = sp_process_reopen(&segment);
    if (fd < 0) {
        say_error("%s: %s", segment.path, strerror(errno));
        return say_status(errno);
    }
    /* Whoever lives holds one of these bytes; while we hold all of them nobody new can join. */
    bool unused = sp_process_lock(fd, SP_LOCK_LIFE, SP_PROCESSES, false) == 0;
    if (unused || cli->force) {
        status = rm_unlink(cli, segment.path);
    } else {
        say_error("segment %s is in use by %s; --force removes it all the same",
                  where_name(&segment), SAY_COUNT(look_processes(&segment, NULL), "process"));
        status = CLI_NO;
    }
    close(fd);
    return status;
}
