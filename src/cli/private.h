/* private.h - a segment that goes when its last process does. */
#ifndef SHEARPIN_CLI_PRIVATE_H
#define SHEARPIN_CLI_PRIVATE_H

#include "cli/command.h"
#include "shearpin/segment.h"

/* "private-PID-RANDOM" */
void private_name(char *out, size_t size);
bool private_is(const char *name);

/* Starts the helper that removes the file; it is no child of ours, so that the command never meets
 * a child that it did not start. Returns 0, or -1 with `error` set. */
int private_watch(const struct cli *cli, struct sp_segment *segment, struct sp_error *error);

#endif
