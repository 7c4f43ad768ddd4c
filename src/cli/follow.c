#include "cli/follow.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "cli/event.h"
#include "cli/look.h"
#include "cli/say.h"

#define FOLLOW_PAUSE (50 * SP_MS)

static volatile sig_atomic_t follow_stopped;

static void follow_stop(int signal)
{
    (void)signal;
    follow_stopped = 1;
}

bool follow_over(void)
{
    return follow_stopped != 0;
}

static void follow_drain(struct follow *f)
{
    struct sp_event event;
    uint64_t wanted = f->sequence;
    while (!follow_over() && event_next(f->segment, &f->sequence, &event)) {
        uint64_t got = atomic_load(&event.sequence);
        if (got > wanted && wanted > 1)
            say_error("%s overwritten before they could be read", SAY_COUNT(got - wanted, "event"));
        wanted = f->sequence;
        if (event.wall >= f->since)
            f->tell(f->context, &event);
    }
}

bool follow_successor(struct sp_segment *segment)
{
    struct stat st;
    struct sp_segment next = {0};
    bool same = stat(segment->path, &st) == 0 && st.st_dev == segment->device &&
                st.st_ino == segment->inode;
    if (same || sp_segment_attach(&next, segment->path, NULL) != 0)
        return false;
    next.self = segment->self;
    sp_segment_detach(segment);
    *segment = next;
    return true;
}

void follow_until_told(void)
{
    /* no SA_RESTART: the pause ends with the signal */
    struct sigaction stop = {.sa_handler = follow_stop};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
}

void follow_events(struct follow *f)
{
    if (f->on)
        follow_until_told();
    follow_drain(f);
    for (uint64_t looked = sp_now(); f->on && !follow_over() && !ferror(stdout);) {
        look_sleep(FOLLOW_PAUSE);
        follow_drain(f);
        if (sp_now() - looked < SP_SECOND)
            continue;
        if (follow_successor(f->segment))
            f->sequence = 1;
        looked = sp_now();
    }
}
