/* segment.c - creating a segment, mapping it, and what may be read from it. */
#include "shearpin/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digits.h"
#include "base/file.h"
#include "base/random.h"
#include "state/apply.h"
#include "state/layout.h"
#include "state/shared.h"

size_t sp_segment_size(const struct sp_head *head)
{
    return SP_AT_END(head->dest_max, head->lease_max, head->policy_size, head->journal_max,
                     head->history_max, head->arm_max);
}

/* --- may this file be believed at all? --- */

/* A group's segment stands in a directory that is named after the group (place.c). */
static bool segment_group(const char *path, unsigned *gid)
{
    const char *at = strrchr(path, '/');
    uint64_t version, number;
    while (at && at > path && at[-1] != '/')
        at--;
    at = at && strncmp(at, "shearpin.v", 10) == 0 ? sp_digits(at + 10, &version) : NULL;
    if (!at || strncmp(at, ".g", 2) != 0 || !sp_digits(at + 2, &number) || number > UINT32_MAX)
        return false;
    *gid = (unsigned)number;
    return true;
}

static bool segment_stranger(uid_t uid)
{
    return uid != geteuid() && uid != 0;
}

/* Who may write to a directory may put another file in our place, unless it is sticky. */
static int segment_check_directory(const char *path, struct sp_error *error)
{
    char directory[256] = "";
    struct stat st;
    unsigned gid = 0;
    bool shared = segment_group(path, &gid);
    const char *slash = strrchr(path, '/');
    if (slash && slash < path + sizeof directory)
        memcpy(directory, path, (size_t)(slash - path));
    if (sp_file_stat(slash ? directory : ".", &st) != 0)
        return sp_error_set(error, errno, "%s: %s; set SHEARPIN_DIR to a directory that exists",
                            directory, strerror(errno));
    if (shared ? st.st_gid != gid : segment_stranger(st.st_uid))
        return sp_error_set(error, EPERM,
                            "%s belongs to uid %u, gid %u; a segment there could be replaced (set "
                            "SHEARPIN_DIR to a directory of ours or root's)",
                            directory, (unsigned)st.st_uid, (unsigned)st.st_gid);
    if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
        return sp_error_set(error, EPERM,
                            "%s is writable by everybody; a segment there could be "
                            "replaced (chmod o-w, or set SHEARPIN_DIR)",
                            directory);
    return 0;
}

static int segment_check_file(const char *path, const struct stat *st, struct sp_error *error)
{
    unsigned gid = 0;
    bool shared = segment_group(path, &gid);
    if (!S_ISREG(st->st_mode))
        return sp_error_set(error, EPERM, "%s is no regular file", path);
    if (shared && st->st_gid != gid)
        return sp_error_set(error, EPERM, "%s belongs to group %u, not to %u", path,
                            (unsigned)st->st_gid, gid);
    if (!shared && segment_stranger(st->st_uid))
        return sp_error_set(error, EPERM, "%s belongs to uid %u, not to us or root", path,
                            (unsigned)st->st_uid);
    if (st->st_mode & (shared ? S_IRWXO : S_IRWXO | S_IRWXG))
        return sp_error_set(error, EPERM, "%s is open to others (mode %04o); remove it", path,
                            (unsigned)(st->st_mode & 07777));
    return 0;
}

static int segment_check_head(const char *path, const struct sp_head *head, off_t size,
                              struct sp_error *error)
{
    const char *why = NULL;
    if (head->magic != SP_MAGIC)
        why = "is no segment of shearpin";
    else if (head->layout != SP_LAYOUT)
        why = "is a segment of another layout";
    else if (head->dest_max == 0 || head->dest_max > SP_DESTS_MAX ||
             head->lease_max > SP_LEASES_MAX || head->lease_max % 8 ||
             head->policy_size > SP_POLICY_SIZE_MAX || head->policy_size % SP_CACHELINE ||
             head->policy_size < sizeof(struct sp_policy) || head->journal_max > SP_JOURNAL_MAX ||
             head->history_max > SP_HISTORIES_MAX || head->arm_max > SP_PLACES_MAX)
        why = "is damaged: its capacities are out of range";
    else if (head->size != (uint64_t)size || sp_segment_size(head) != head->size)
        why = "is damaged: its size is not what its head says";
    if (!why)
        return 0;
    return sp_error_set(error, EPROTO, "%s %s; remove the file and start again", path, why);
}

/* --- mapping --- */

void sp_segment_point(struct sp_segment *segment, char *at, const struct sp_head *head)
{
    segment->head = (struct sp_head *)(void *)at;
    segment->dest_max = head->dest_max;
    segment->lease_max = head->lease_max;
    segment->policy_size = head->policy_size;
    segment->processes = (struct sp_process *)(void *)(at + SP_AT_PROCESSES);
    segment->events = (struct sp_event *)(void *)(at + SP_AT_EVENTS);
    segment->learnt = (struct sp_learnt *)(void *)(at + SP_AT_LEARNT);
    segment->targets = (struct sp_target *)(void *)(at + SP_AT_TARGETS);
    segment->answers = (struct sp_answer *)(void *)(at + SP_AT_ANSWERS);
    segment->endpoint_keys = (sp_word *)(void *)(at + SP_AT_KEYS);
    segment->endpoints = (struct sp_endpoint *)(void *)(at + SP_AT_ENDPOINTS);
    segment->tallies = (sp_word *)(void *)(at + SP_AT_TALLIES);
    segment->chaos = (struct sp_chaos *)(void *)(at + SP_AT_CHAOS);
    segment->marks = (struct sp_moment *)(void *)(at + SP_AT_MARKS);
    segment->policy[0] = (struct sp_policy *)(void *)(at + SP_AT_POLICY);
    segment->policy[1] = (struct sp_policy *)(void *)(at + SP_AT_POLICY + head->policy_size);
    segment->leases = (sp_word *)(void *)(at + SP_AT_LEASES(head->policy_size));
    at += SP_AT_DESTS(head->lease_max, head->policy_size);
    segment->dests = (struct sp_dest *)(void *)at;
    segment->journal_max = head->journal_max;
    segment->journal = (struct sp_entry *)(void *)(segment->dests + head->dest_max);
    segment->history_max = head->history_max;
    segment->histories =
        (struct sp_history *)(void *)(segment->journal + (head->journal_max + 3) / 4 * 4);
    segment->arm_max = head->arm_max;
    segment->arms = (struct sp_arm *)(void *)(segment->histories + head->history_max);
}

static size_t segment_pages(size_t size)
{
    return (size + 4095) / 4096 * 4096;
}

static size_t segment_span(size_t size)
{
    return segment_pages(size) + SP_AT_TAIL;
}

/* The zeros come with the first look at a policy: most programs never take one, and every mapping
 * costs their start. Threads may do it at once. */
static bool segment_tail(struct sp_segment *segment)
{
    if (!atomic_load_explicit(&segment->tailless, memory_order_acquire))
        return true;
    char *end = (char *)segment->head + segment_pages(segment->size);
    if (mmap(end, SP_AT_TAIL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        return false;
    atomic_store_explicit(&segment->tailless, 0, memory_order_release);
    return true;
}

static int segment_map(struct sp_segment *segment, int fd, const char *path, struct sp_error *error)
{
    struct stat st;
    struct sp_head head;
    if (sp_file_fstat(fd, &st) != 0)
        return sp_error_set(error, errno, "%s: %s", path, strerror(errno));
    if (segment_check_file(path, &st, error) != 0)
        return -1;
    memset(&head, 0, sizeof head);
    if (pread(fd, &head, sizeof head, 0) < 0)
        return sp_error_set(error, errno, "%s: %s", path, strerror(errno));
    if (segment_check_head(path, &head, st.st_size, error) != 0)
        return -1;
    char *at =
        mmap(NULL, segment_span((size_t)st.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return sp_error_set(error, errno, "%s cannot be mapped: %s", path, strerror(errno));
    memset(segment, 0, sizeof *segment);
    sp_segment_point(segment, at, &head);
    segment->size = (size_t)st.st_size;
    atomic_store(&segment->tailless, 1);
    segment->device = st.st_dev;
    segment->inode = st.st_ino;
    segment->self.slot = SP_NO_SLOT;
    memcpy(segment->path, path, strnlen(path, sizeof segment->path - 1));
    return 0;
}

int sp_segment_attach(struct sp_segment *segment, const char *path, struct sp_error *error)
{
    if (strlen(path) >= sizeof segment->path)
        return sp_error_set(error, ENAMETOOLONG, "%.100s... is too long a path", path);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return sp_error_set(error, ENOENT, "%s does not exist", path);
    if (fd < 0)
        return sp_error_set(error, errno, "%s: %s", path, strerror(errno));
    int result = segment_check_directory(path, error);
    if (result == 0)
        result = segment_map(segment, fd, path, error);
    close(fd);
    return result;
}

void sp_segment_detach(struct sp_segment *segment)
{
    if (segment->life && segment->self.pid == (uint32_t)getpid()) /* a fork child has none */
        munmap(segment->life, 4096);
    if (segment->head)
        munmap(segment->head, segment_span(segment->size));
    memset(segment, 0, sizeof *segment);
    segment->self.slot = SP_NO_SLOT;
}

/* --- creating --- */

/* A file of ours that nobody sees yet. All pages are allocated here: a full tmpfs must say ENOSPC
 * now and not raise SIGBUS in somebody's program later. */
static int segment_draft(const char *path, char *draft, size_t size, const char *name,
                         const struct sp_policy *policy, struct sp_error *error)
{
    struct sp_head head;
    memset(&head, 0, sizeof head);
    sp_apply_capacities(&head, policy);
    snprintf(head.name, sizeof head.name, "%s", name);
    snprintf(draft, size, "%s.%d.%08x", path, (int)getpid(), (unsigned)sp_mix(sp_now()));
    unsigned gid;
    mode_t mode = segment_group(path, &gid) ? 0660 : 0600;
    int fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return sp_error_set(error, errno, "%s cannot be created: %s", path, strerror(errno));
    head.magic = SP_MAGIC;
    int full = EINTR;
    while (full == EINTR)
        full = posix_fallocate(fd, 0, (off_t)head.size);
    if (full == 0 && (fchmod(fd, mode) != 0 || pwrite(fd, &head, sizeof head, 0) < 0))
        full = errno;
    if (full == 0)
        return fd;
    close(fd);
    unlink(draft);
    return sp_error_set(error, full, "%s needs %llu KiB: %s", path,
                        (unsigned long long)(head.size >> 10), strerror(full));
}

/* The directory of a group's segments: made by the first, its group inherited by what is in it. */
static void segment_group_directory(const char *path)
{
    char directory[256];
    unsigned gid;
    if (!segment_group(path, &gid))
        return;
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (mkdir(directory, 0770) != 0)
        return;
    if (chown(directory, (uid_t)-1, (gid_t)gid) != 0 || chmod(directory, 02770) != 0)
        rmdir(directory);
}

static int segment_create(struct sp_segment *segment, const char *path, const char *name,
                          const struct sp_policy *policy, bool *created, struct sp_error *error)
{
    char draft[320];
    segment_group_directory(path);
    if (segment_check_directory(path, error) != 0)
        return -1;
    int fd = segment_draft(path, draft, sizeof draft, name, policy, error);
    if (fd < 0)
        return -1;
    int result = segment_map(segment, fd, path, error);
    close(fd);
    if (result == 0 && sp_apply_fill(segment, policy, error) != 0) {
        sp_segment_detach(segment);
        result = -1;
    }
    if (result == 0 && link(draft, path) == 0) {
        *created = true;
    } else if (result == 0) {
        int why = errno;
        sp_segment_detach(segment);
        result = why == EEXIST ? 1 : sp_error_set(error, why, "%s: %s", path, strerror(why));
    }
    unlink(draft);
    return result;
}

int sp_segment_open(struct sp_segment *segment, const char *path, const char *name,
                    const struct sp_policy *policy, bool *created, struct sp_error *error)
{
    struct sp_error own;
    bool made = false;
    if (!error)
        error = &own;
    if (created)
        *created = false;
    for (int i = 0; i < 8; i++) {
        if (sp_segment_attach(segment, path, error) == 0)
            return 0;
        if (error->code != ENOENT || !policy)
            return -1;
        int result = segment_create(segment, path, name, policy, &made, error);
        if (result <= 0) {
            if (created)
                *created = made;
            return result;
        }
    }
    return -1;
}

/* --- the policy in force --- */

const struct sp_policy *sp_segment_policy(struct sp_segment *segment, uint64_t *word)
{
    for (int i = 0; i < 64; i++) {
        uint64_t w = atomic_load_explicit(&segment->head->policy, memory_order_acquire);
        const struct sp_policy *policy = segment->policy[w & 1];
        *word = w;
        if (w == UINT64_MAX) /* would pass for one that was never checked */
            return NULL;
        if (atomic_load_explicit(&segment->checked, memory_order_relaxed) == w + 1)
            return policy;
        bool valid = segment_tail(segment) && sp_policy_valid(policy, segment->policy_size);
        if (!sp_segment_steady(segment, w)) /* it was overwritten under our eyes */
            continue;
        if (!valid)
            return NULL;
        atomic_store_explicit(&segment->checked, w + 1, memory_order_relaxed);
        return policy;
    }
    return NULL;
}

bool sp_segment_steady(const struct sp_segment *segment, uint64_t word)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&segment->head->policy, memory_order_relaxed) == word;
}

/* Bounded by what is mapped and not by what the area says of itself, which may change any time. */
static bool segment_copy_guards(const struct sp_segment *segment, const struct sp_policy *policy,
                                uint32_t index, struct sp_guards *out)
{
    uint64_t rows = __atomic_load_n(&policy->rows, __ATOMIC_RELAXED);
    uint64_t count = __atomic_load_n(&policy->row_count, __ATOMIC_RELAXED);
    if (index >= count || rows % 8 != 0 ||
        rows + (index + UINT64_C(1)) * sizeof(struct sp_row) > segment->policy_size)
        return false;
    const struct sp_row *row = (const struct sp_row *)(const void *)((const char *)policy + rows);
    sp_shared_load(out, &row[index].guards, sizeof *out);
    return true;
}

bool sp_segment_guards(struct sp_segment *segment, uint32_t dest, struct sp_guards *out)
{
    struct sp_dest *d = sp_segment_dest(segment, dest);
    for (int i = 0; d && i < 64; i++) {
        uint64_t word;
        const struct sp_policy *policy = sp_segment_policy(segment, &word);
        uint32_t index = atomic_load_explicit(&d->row[word & 1], memory_order_relaxed);
        bool copied = policy && segment_copy_guards(segment, policy, index, out);
        if (!sp_segment_steady(segment, word))
            continue;
        if (copied)
            return true;
        break;
    }
    memset(out, 0, sizeof *out);
    out->mode = SP_MODE_OFF;
    return false;
}

struct sp_dest *sp_segment_dest(const struct sp_segment *segment, uint32_t index)
{
    return index < segment->dest_max ? &segment->dests[index] : NULL;
}

struct sp_dest *sp_segment_dest_named(const struct sp_segment *segment, const char *name,
                                      uint32_t *index)
{
    for (uint32_t i = 0; *name && i < segment->dest_max; i++) {
        if (strncmp(segment->dests[i].name, name, SP_NAME_SIZE) == 0) {
            if (index)
                *index = i;
            return &segment->dests[i];
        }
    }
    return NULL;
}
