/* mute.h - registrations with an epoll that must not report something for a while (mute.c). */
#ifndef SHEARPIN_SHIM_MUTE_H
#define SHEARPIN_SHIM_MUTE_H

#include "shearpin/held.h"
#include "shim/shim.h"

/* A registration as the kernel has it. */
struct sp_mute_line {
    int fd;
    uint32_t events;
    uint32_t seen; /* of the events under its data */
    uint64_t data;
    bool shared; /* its data is that of others, too: events cannot be told apart */
};
typedef bool sp_mute_fn(const struct sp_mute_line *line);

/* The registrations that are `wanted`, at most `max`; each is asked about once. */
size_t sp_mute_find(int epoll, const struct epoll_event *events, int count, sp_mute_fn *wanted,
                    struct sp_mute_line *lines, size_t max);
/* Of a registration as `line` says, nothing in `hide` is reported until sp_mute_lift(). False: it
 * cannot be had. */
bool sp_mute_set(struct sp_mute *m, int epoll, const struct sp_mute_line *line, uint32_t hide);
void sp_mute_lift(struct sp_mute *m, const struct sp_conn *conn);

/* A one-shot registration says no more than that it hangs up: what else it asked for is not known.
 * Had we changed it, the echo of that is all it is. */
bool sp_mute_blind(const struct sp_mute_line *line);
bool sp_mute_echo(struct sp_mute *m, int epoll, const struct sp_mute_line *line);

/* The registrations of pending connects that may have caused one of these events. */
size_t sp_mute_failed(int epoll, const struct epoll_event *events, int count,
                      struct sp_mute_line *lines, size_t max);
/* No event of a resting connect, until sp_mute_end(). False: it cannot be had, or is over. */
bool sp_mute_begin(struct sp_conn *conn, int epoll, const struct sp_mute_line *line);
void sp_mute_end(struct sp_conn *conn);

#endif
