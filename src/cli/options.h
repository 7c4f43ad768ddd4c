/* options.h - one table of all options; a command takes those that its usage names, and the ones
 * that mean the same everywhere. */
#ifndef SHEARPIN_CLI_OPTIONS_H
#define SHEARPIN_CLI_OPTIONS_H

#include "cli/command.h"

/* Reads argv (argv[0] is the command's name) into `cli`; cli->command is set. Returns CLI_OK, or
 * CLI_USAGE when it has said what is wrong. */
int options_read(struct cli *cli, int argc, char **argv);

/* The options that a command takes, its own first, one at a time from 0; `common` says that every
 * command takes it. False: there are no more. NULL for what it has not got. */
struct option_view {
    const char *name, *argument, *help;
    char letter; /* 0: none */
    bool common;
};
bool options_view(const struct command *command, size_t i, struct option_view *out);

/* The lines of `shearpin help COMMAND` about the options that it takes. */
void options_help(const struct command *command);

#endif
