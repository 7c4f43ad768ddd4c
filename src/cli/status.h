/* status.h - the pages of `shearpin status`, all made from one look. */
#ifndef SHEARPIN_CLI_STATUS_H
#define SHEARPIN_CLI_STATUS_H

#include <stdio.h>

#include "cli/look.h"

/* "● open 11s" and why; the first is padded to its column by hand, for a symbol is several bytes.
 */
void status_state(const struct look *look, const struct look_dest *d, char *out, size_t size);
void status_why(const struct look *look, const struct look_dest *d, char *out, size_t size);

void status_head(const struct look *look);
void status_table_head(void);
void status_row(const struct look *look, const struct look_dest *d);
/* With `enforce 10%`: its two sides, one below the other. */
void status_sides(const struct look_dest *d);
void status_other(const struct look *look);
void status_errors(const struct look *look, const struct look_dest *d);
void status_depth(const struct look *look, const struct look_dest *d);
/* `chosen` tells which of look->count destinations are wanted; NULL: all. */
struct json;
void status_json(struct json *json, const char *key, const struct look *look, const bool *chosen);

#endif
