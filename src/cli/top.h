/* top.h - the live table: what is kept from page to page, and how a page looks. */
#ifndef SHEARPIN_CLI_TOP_H
#define SHEARPIN_CLI_TOP_H

#include "cli/look.h"
#include "cli/steer.h"

#define TOP_SPARKS 12

enum top_order { TOP_POLICY, TOP_CALLS, TOP_ERRORS, TOP_REFUSED, TOP_ORDERS };
extern const char *const top_orders[TOP_ORDERS];

struct top {
    struct cli *cli;
    struct steer steer; /* with the segment */
    struct look look;
    struct look_mark mark;
    bool looked, paused;
    enum top_order order;
    uint32_t chosen; /* index of a destination in the segment */
    char asks;       /* 't' or 'r': waiting for y or n */
    char said[160];  /* what came of it */
    struct top_spark {
        char name[SP_NAME_SIZE];
        double rates[TOP_SPARKS]; /* calls a second, oldest first */
    } sparks[SP_DESTS_MAX];       /* by index of the destination */
};

/* The look's destinations in the chosen order. */
void top_sort(struct top *top);
/* The place of the chosen one among them; the first when it is gone. */
uint32_t top_place(const struct top *top);
void top_page(const struct top *top);

#endif
