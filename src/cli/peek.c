#include "cli/peek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "shearpin/conn.h"

#define PEEK_STEP 1024u /* connections a read */

_Static_assert(sizeof((struct peek){0}.sleepers) / sizeof(struct peek_sleeper) == SP_SLEEPERS,
               "all");

/* The other side may be anything: what it says is bounded, and what does not fit is left out. */
struct peek_side {
    pid_t pid;
    uint64_t fds, conns; /* addresses over there */
    uint32_t fd_max;
};

static int peek_read(pid_t pid, uint64_t from, void *to, size_t size)
{
    struct iovec here = {.iov_base = to, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = size};
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got == (ssize_t)size)
        return 0;
    return got < 0 && errno != EFAULT ? errno : EPROTO;
}

static bool peek_namespace(const struct sp_process *process)
{
    struct stat st;
    uint64_t space = atomic_load(&process->pid_namespace);
    return space == 0 || (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == space);
}

/* The number counts only while the table says that it names this connection as it is now. */
static int peek_fd(const struct peek_side *side, const struct sp_conn *conn, uint32_t index)
{
    uint64_t entry = 0, expected = (uint64_t)conn->generation << 32 | (index + 1);
    uint32_t fd = conn->fd;
    if (fd >= side->fd_max ||
        peek_read(side->pid, side->fds + fd * sizeof entry, &entry, sizeof entry) != 0)
        return -1;
    return entry == expected ? (int)fd : -1;
}

static void peek_keep(struct peek *peek, const struct peek_side *side, const struct sp_conn *conn,
                      uint32_t index)
{
    uint32_t references = conn->references;
    if (references == 0 || references == UINT32_MAX || conn->dest >= SP_DESTS_MAX)
        return;
    peek->conns[peek->count++] = (struct peek_conn){.fd = peek_fd(side, conn, index),
                                                    .index = index,
                                                    .dest = conn->dest,
                                                    .flags = conn->flags,
                                                    .word = conn->word,
                                                    .cookie = conn->cookie,
                                                    .limit = conn->limit * SP_LIMIT_UNIT,
                                                    .hold = conn->hold * SP_LIMIT_UNIT};
}

static int peek_sleepers(struct peek *peek, pid_t pid, const struct sp_here *here)
{
    struct sp_sleeper all[SP_SLEEPERS];
    int result = peek_read(pid, (uintptr_t)here->sleepers, all, sizeof all);
    if (result != 0)
        return result;
    for (unsigned i = 0; i < SP_SLEEPERS; i++) {
        const struct sp_sleeper *s = &all[i];
        if (s->tid != 0 && s->dest < SP_DESTS_MAX)
            peek->sleepers[peek->sleeper_count++] = (struct peek_sleeper){
                .tid = s->tid, .why = s->why, .dest = s->dest, .fd = s->fd, .since = s->since};
    }
    return 0;
}

static int peek_conns(struct peek *peek, const struct peek_side *side, uint32_t high)
{
    struct sp_conn *step = calloc(PEEK_STEP, sizeof *step);
    peek->conns = calloc(high + 1, sizeof *peek->conns);
    int result = step && peek->conns ? 0 : ENOMEM;
    for (uint32_t at = 0; result == 0 && at < high; at += PEEK_STEP) {
        uint32_t count = high - at < PEEK_STEP ? high - at : PEEK_STEP;
        result = peek_read(side->pid, side->conns + at * sizeof *step, step, count * sizeof *step);
        for (uint32_t i = 0; result == 0 && i < count; i++)
            peek_keep(peek, side, &step[i], at + i);
    }
    free(step);
    if (result != 0)
        peek_free(peek);
    return result;
}

int peek_take(struct peek *peek, const struct sp_segment *segment, uint32_t slot)
{
    struct sp_here here;
    const struct sp_process *process = &segment->processes[slot];
    pid_t pid = (pid_t)atomic_load(&process->pid);
    uint64_t at = atomic_load(&process->here);
    memset(peek, 0, sizeof *peek);
    if (at == 0)
        return ENOENT;
    if (pid <= 0 || !peek_namespace(process))
        return ESRCH;
    int result = peek_read(pid, at, &here, sizeof here);
    bool same = here.pid == (uint32_t)pid && here.segment.self.slot == slot;
    if (atomic_load(&process->pid_namespace) == 0 && (result != 0 || !same))
        return result == EPERM ? EPERM : ESRCH; /* another of that number may be in our namespace */
    if (result != 0)
        return result;
    uint32_t high = here.conn_high;
    if (!same || high > SP_CONNS_MAX)
        return EPROTO;
    struct peek_side side = {.pid = pid,
                             .fds = (uintptr_t)here.fds,
                             .conns = (uintptr_t)here.conns,
                             .fd_max = here.fd_max};
    result = peek_sleepers(peek, pid, &here);
    return result ? result : peek_conns(peek, &side, high);
}

void peek_free(struct peek *peek)
{
    free(peek->conns);
    *peek = (struct peek){0};
}
