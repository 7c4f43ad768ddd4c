/* start.c - the constructor: finds the policy and the segment, or leaves the shim asleep. Nothing
 * that goes wrong here may be felt by the program; one line says what it was. */
#include "shim/lowat.h"
#include "shim/shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/digits.h"

#define FDS_MAX (1u << 20)

extern void *sp_stub_syscall; /* of the stubs in assembly */
void *sp_stub_syscall;
const void *sp_socket_bottom;

/* --- which segment, under which policy --- */

static const char *start_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The first finding is what the one line is about; `check` shows them all. */
static void start_finding(void *context, const struct sp_finding *finding)
{
    struct sp_error *error = context;
    char where[32] = ""; /* or the whole file is meant */
    if (finding->severity != SP_ERROR || error->code != 0)
        return;
    if (finding->line)
        snprintf(where, sizeof where, ":%u:%u", finding->line, finding->column);
    sp_error_set(error, EINVAL, "%s%s: %s; see all with: shearpin check %s", finding->file, where,
                 finding->text, finding->file);
}

static const struct sp_policy *start_policy(const char *path, struct sp_error *error)
{
    void *room = mmap(NULL, SP_POLICY_ROOM, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    error->code = 0;
    if (room == MAP_FAILED) {
        sp_error_set(error, errno, "no memory to read %s", path);
        return NULL;
    }
    if (sp_policy_read(path, room, SP_POLICY_ROOM, start_finding, error) != 0) {
        if (error->code == 0)
            sp_error_set(error, EINVAL, "%s has mistakes; see them with: shearpin check %s", path,
                         path);
        munmap(room, SP_POLICY_ROOM);
        return NULL;
    }
    return room;
}

/* The segment of `policy`, or of that name: attached when there is one. */
static int start_attach(const char *name, const char *path, const struct sp_policy *policy,
                        bool create, struct sp_error *error)
{
    char own[SP_NAME_SIZE * 2 + 4], place[256];
    const char *group = name ? NULL : policy->group;
    if (!name) {
        if (sp_place_name(own, sizeof own, policy, path, error) != 0)
            return -1;
        name = own;
    }
    if (sp_place_path(place, sizeof place, start_env("SHEARPIN_DIR"), name, group, error) != 0)
        return -1;
    return sp_segment_open(&sp_here.segment, place, name, create ? policy : NULL, NULL, error);
}

/* What is in force stands in the segment: the policy is read only where there is none yet. */
static int start_segment(const char *name, const char *path, struct sp_error *error)
{
    struct sp_policy named;
    if (name || sp_policy_named(path, &named)) {
        if (start_attach(name, path, &named, false, error) == 0)
            return 0;
        if (error->code != ENOENT || !path)
            return -1;
    }
    const struct sp_policy *policy = start_policy(path, error);
    if (!policy)
        return -1;
    int result = start_attach(name, path, policy, true, error);
    munmap((void *)(uintptr_t)policy, SP_POLICY_ROOM);
    return result;
}

/* --- SHEARPIN_SET --- */

/* One `dest.guard.word=VALUE`, or `dest.inject=FAULT` as `run --inject` passes it. */
static int start_setting(const char *one, struct sp_error *error)
{
    const char *equals = strchr(one, '=');
    size_t key = equals ? (size_t)(equals - one) : 0;
    if (key > 7 && strncmp(equals - 7, ".inject", 7) == 0)
        return sp_here_inject(one, key - 7, equals + 1, error);
    int count = sp_override_parse(one, NULL, sp_here.overrides + sp_here.override_count,
                                  SP_OVERRIDES_MAX - sp_here.override_count, error);
    if (count < 0)
        return -1;
    sp_here.override_count += (size_t)count;
    return 0;
}

static void start_settings(const char *text)
{
    char one[512];
    struct sp_error error;
    while (text && *text) {
        size_t length = strcspn(text, ";");
        if (length > 0 && length < sizeof one) {
            memcpy(one, text, length);
            one[length] = 0;
            if (start_setting(one + strspn(one, " "), &error) != 0)
                sp_say("%s; the setting is ignored", error.text);
        }
        text += length + (text[length] == ';');
    }
}

/* --- start and end --- */

/* Absolute, CLOCK_MONOTONIC, so that children inherit the same end. */
static void start_deadline(const char *text)
{
    uint64_t at;
    const char *end = text ? sp_digits(text, &at) : NULL;
    if (!end || *end || at == 0)
        return;
    sp_here.deadline = at;
    uint64_t now = sp_now();
    sp_due_arm(at, at > now ? at - now : SP_MS);
}

static uint32_t start_fds(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max > FDS_MAX)
        return FDS_MAX;
    return limit.rlim_max < 1024 ? 1024 : (uint32_t)limit.rlim_max;
}

static bool start_wanted(const char *name, const char *path)
{
    const char *off = start_env("SHEARPIN");
    return (name || path) && !(off && strcmp(off, "off") == 0) && !getauxval(AT_SECURE);
}

bool sp_shim_tables(void)
{
    enum sp_here_tables tables = sp_here_tables();
    if (tables == SP_TABLES_LOST)
        sp_say("this program runs unguarded: no memory for the tables");
    return tables == SP_TABLES_THERE;
}

__attribute__((constructor)) static void start(void)
{
    int saved = errno;
    struct sp_error error;
    sp_socket_bottom = environ;
    sp_real_start();
    sp_stub_syscall = (void *)sp_real.syscall;
    const char *name = start_env("SHEARPIN_SEGMENT"), *path = start_env("SHEARPIN_POLICY");
    if (start_wanted(name, path)) {
        if (start_segment(name, path, &error) != 0) {
            sp_say("this program runs unguarded: %s", error.text);
        } else {
            sp_process_join(&sp_here.segment);
            start_settings(start_env("SHEARPIN_SET"));
            start_deadline(start_env("SHEARPIN_DEADLINE"));
            sp_here.wake = sp_await_wake;
            sp_here_start(start_fds());
            if (sp_here.fault_count != 0) /* no other start is to pay for it */
                sp_lowat_inherited();
        }
    }
    errno = saved;
}

__attribute__((destructor)) static void end(void)
{
    if (sp_here.fd_room && sp_here.segment.self.pid == (uint32_t)getpid())
        sp_process_leave(&sp_here.segment);
}
