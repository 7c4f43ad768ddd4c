/* shares.h - shares as they are typed: blue=75% green=25, and 10,25,50,100. */
#ifndef SHEARPIN_CLI_SHARES_H
#define SHEARPIN_CLI_SHARES_H

#include "cli/arms.h"

/* The words behind DEST, one ARM=SHARE for every arm; together 100 %. CLI_OK, or CLI_USAGE after
 * saying what is wrong. */
int shares_read(const struct cli *cli, const struct arms *arms, uint16_t out[SP_ARMS_MAX]);

/* At most `max` rising shares. How many, or -1 after saying what is wrong. */
int shares_stages(const char *text, uint32_t *out, size_t max);

#endif
