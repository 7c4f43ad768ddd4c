/* follow.h - events in their order, those that are there and those to come. */
#ifndef SHEARPIN_CLI_FOLLOW_H
#define SHEARPIN_CLI_FOLLOW_H

#include "shearpin/segment.h"

typedef void follow_fn(void *context, const struct sp_event *event);

struct follow {
    struct sp_segment *segment;
    uint64_t sequence; /* of the next event */
    uint64_t since;    /* wall ns: older ones are left out */
    bool on;           /* go on until SIGINT or SIGTERM, with the segment's successor too */
    follow_fn *tell;
    void *context;
};

/* Says on stderr how many events were overwritten before they could be read. */
void follow_events(struct follow *follow);

/* From now on SIGINT and SIGTERM only end following. */
void follow_until_told(void);
/* One of them came. */
bool follow_over(void);
/* After `shearpin rm` the next program makes a new file under the old name: goes over to that. */
bool follow_successor(struct sp_segment *segment);

#endif
