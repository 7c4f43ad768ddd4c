#include "state/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digits.h"
#include "base/file.h"

int sp_process_reopen(const struct sp_segment *segment)
{
    int fd = open(segment->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    if (fd < 3) {
        int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        close(fd);
        fd = higher;
    }
    struct stat st;
    if (fd >= 0 && (sp_file_fstat(fd, &st) != 0 || st.st_dev != segment->device ||
                    st.st_ino != segment->inode)) {
        close(fd);
        errno = ESTALE;
        return -1;
    }
    return fd;
}

int sp_process_lock(int fd, long byte, long length, bool wait)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = length};
    int result;
    do
        result = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    while (result != 0 && errno == EINTR);
    return result;
}

/* Field 22 of /proc/PID/stat; the command in field 2 may hold blanks and parentheses. 0: there is
 * no such process. `ended`: all of its threads have, the state in field 3 is that of the first
 * alone. */
static uint64_t process_start(uint32_t pid, bool *ended)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    char *p = strrchr(text, ')');
    if (!p)
        return 0;
    p++;
    char state = p[0] ? p[1] : 0;
    uint64_t threads = 1, start = 0;
    for (int field = 2; field < 21 && p; field++) {
        p = strchr(p + 1, ' ');
        if (p && field == 18)
            sp_digits(p + 1, &threads);
    }
    *ended = (state == 'Z' || state == 'X') && threads <= 1;
    return p && sp_digits(p + 1, &start) ? start : 0;
}

uint64_t sp_process_ticks(void)
{
    return sp_clock_enter(CLOCK_BOOTTIME) / (1000 * SP_MS / (uint64_t)getauxval(AT_CLKTCK));
}

uint64_t sp_process_started(struct sp_segment *segment)
{
    bool ended;
    uint64_t start = __atomic_load_n(&segment->self.start, __ATOMIC_RELAXED);
    if (start == 0) {
        start = process_start(segment->self.pid, &ended);
        __atomic_store_n(&segment->self.start, start, __ATOMIC_RELAXED);
    }
    return start;
}

static uint64_t process_namespace(void)
{
    struct stat st;
    return sp_file_stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

/* What the pid says: only pids of our own namespace mean anything. */
static enum sp_life process_seen(const struct sp_process *p, const struct sp_census *census)
{
    uint32_t pid = atomic_load(&p->pid);
    bool ended = false;
    if (pid == 0 || atomic_load(&p->pid_namespace) != census->pid_namespace)
        return SP_LIFE_DYING;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return SP_LIFE_GONE;
    uint64_t start = process_start(pid, &ended);
    if (start && (start > atomic_load(&p->start) || ended))
        return SP_LIFE_GONE;
    return SP_LIFE_DYING;
}

/* What a slot held is gone with its owner. Who takes it over frees the leases at once if the
 * owner's sockets are known to be closed, so that a cap is never full of programs that have ended.
 */
static void process_sweep(struct sp_segment *segment, uint32_t slot)
{
    const struct sp_process *p = &segment->processes[slot];
    if (atomic_load(&p->pid) == 0 || atomic_load(&p->pid_namespace) == 0)
        return;
    struct sp_census census = {.fd = -1, .pid_namespace = process_namespace()};
    uint32_t used = atomic_load(&segment->head->lease_used);
    if (process_seen(p, &census) != SP_LIFE_GONE)
        return;
    for (uint32_t i = 0; i < used && i < segment->lease_max; i++) {
        uint64_t lease = atomic_load_explicit(&segment->leases[i], memory_order_relaxed);
        if (lease != 0 && !(lease & SP_LEASE_DEAD) && sp_lease_slot(lease) == slot)
            atomic_compare_exchange_strong(&segment->leases[i], &lease, 0);
    }
}

/* Whoever holds the lock of a slot owns it, so a slot whose owner died half way is as good as any.
 * The epoch rises first: the leases of the former owner are void from there on. */
static void process_take(struct sp_segment *segment, uint32_t slot)
{
    struct sp_process *p = &segment->processes[slot];
    struct sp_self *self = &segment->self;
    if (atomic_load(&p->pid) != 0 && !atomic_load(&p->left))
        atomic_fetch_add(&segment->head->lost, 1);
    process_sweep(segment, slot);
    self->epoch = (atomic_fetch_add(&p->epoch, 1) + 1) & 0xfffffu;
    self->slot = slot;
    self->shard = slot % SP_SHARDS;
    memcpy(p->command, self->command, sizeof p->command);
    p->uid = (uint32_t)geteuid();
    p->joined = sp_clock_enter(CLOCK_REALTIME);
    atomic_store(&p->pid_namespace, 0);
    atomic_store(&p->start, sp_process_ticks());
    atomic_store(&p->left, 0);
    atomic_store(&p->here, 0);
    atomic_store(&p->pid, self->pid);
}

static bool process_find(struct sp_segment *segment, int fd)
{
    atomic_fetch_or(&segment->processes[0].left, 0); /* one fault, where a look first means two */
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t slot = 0; slot < SP_PROCESSES; slot++) {
            const struct sp_process *p = &segment->processes[slot];
            if (pass == 0 && atomic_load(&p->pid) != 0 && !atomic_load(&p->left))
                continue;
            if (sp_process_lock(fd, SP_LOCK_LIFE + slot, 1, false) == 0) {
                process_take(segment, slot);
                return true;
            }
        }
    }
    return false;
}

int sp_process_join(struct sp_segment *segment)
{
    struct sp_self *self = &segment->self;
    memset(self, 0, sizeof *self);
    self->slot = SP_NO_SLOT;
    self->pid = (uint32_t)getpid();
    self->shard = self->pid % SP_SHARDS;
    prctl(PR_GET_NAME, self->command);
    segment->life = NULL;

    int fd = sp_process_reopen(segment);
    /* The mapping keeps the open file, and with it the lock, when the fd is gone. */
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    bool found = false;
    if (page != MAP_FAILED && madvise(page, 4096, MADV_DONTFORK) == 0)
        found = process_find(segment, fd);
    if (fd >= 0)
        close(fd);
    if (found) {
        segment->life = page;
        return 0;
    }
    if (page != MAP_FAILED)
        munmap(page, 4096);
    atomic_fetch_add(&segment->head->unregistered, 1);
    return -1;
}

void sp_process_settle(struct sp_segment *segment)
{
    if (segment->self.slot < SP_PROCESSES)
        atomic_store(&segment->processes[segment->self.slot].pid_namespace, process_namespace());
}

void sp_process_leave(struct sp_segment *segment)
{
    if (segment->self.slot >= SP_PROCESSES)
        return;
    /* The lock stays until the image is gone: calls after exit handlers still use the slot. */
    atomic_store(&segment->processes[segment->self.slot].left, 1);
}

void sp_census_open(const struct sp_segment *segment, struct sp_census *census)
{
    census->fd = sp_process_reopen(segment);
    census->pid_namespace = process_namespace();
}

void sp_census_close(struct sp_census *census)
{
    if (census->fd >= 0)
        close(census->fd);
    census->fd = -1;
}

enum sp_life sp_census_life(const struct sp_segment *segment, const struct sp_census *census,
                            uint32_t slot)
{
    if (slot >= SP_PROCESSES)
        return SP_LIFE_GONE;
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SP_LOCK_LIFE + slot, .l_len = 1};
    bool asked = census->fd >= 0 && fcntl(census->fd, F_OFD_GETLK, &lock) == 0;
    if (asked && lock.l_type != F_UNLCK)
        return SP_LIFE_ALIVE;
    enum sp_life seen = process_seen(&segment->processes[slot], census);
    return asked || seen == SP_LIFE_GONE ? seen : SP_LIFE_ALIVE;
}

bool sp_census_alive(const struct sp_segment *segment, const struct sp_census *census,
                     uint32_t slot)
{
    return sp_census_life(segment, census, slot) == SP_LIFE_ALIVE;
}
