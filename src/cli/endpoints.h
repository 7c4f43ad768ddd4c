/* endpoints.h - the addresses of a destination that have a breaker of their own. */
#ifndef SHEARPIN_CLI_ENDPOINTS_H
#define SHEARPIN_CLI_ENDPOINTS_H

#include <stdio.h>

#include "base/addr.h"
#include "cli/json.h"
#include "cli/look.h"

struct endpoint {
    char address[SP_ADDR_TEXT_SIZE];
    struct sp_breaker_view view;
    uint64_t since; /* ns in this state; SP_NEVER: always */
    uint64_t calls, errors;
};

/* Fills `out` with those of a destination, in the order of their addresses; returns how many. */
size_t endpoints_list(const struct look *look, const struct look_dest *d,
                      struct endpoint out[SP_ENDPOINTS]);
/* How many there are, and are out. */
struct sp_scope_count endpoints_count(const struct look *look, const struct look_dest *d);

/* A line for each, below the figures of their destination. */
void endpoints_print(const struct look *look, const struct look_dest *d);
void endpoints_json(struct json *json, const struct look *look, const struct look_dest *d);

#endif
