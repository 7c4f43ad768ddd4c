/* examine_process.c - a live process: is the library in it, is it awake, and what does it see? */
#include "cli/examine.h"

#include <bsd/string.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/judge.h"
#include "cli/look.h"
#include "cli/peek.h"
#include "cli/proc.h"
#include "cli/say.h"
#include "cli/sockets.h"
#include "cli/where.h"

/* Where it is registered: the segment stays attached. */
struct process_place {
    struct sp_segment segment;
    uint32_t slot;
};

/* Before its first connection a process has not said in which namespace its pid is meant. */
static bool process_is(const struct sp_process *p, pid_t pid, uint64_t space)
{
    char command[sizeof p->command];
    uint64_t said = atomic_load(&p->pid_namespace);
    if (atomic_load(&p->pid) != (uint32_t)pid || said != 0)
        return atomic_load(&p->pid) == (uint32_t)pid && said == space;
    return proc_command(pid, command, sizeof command) &&
           strncmp(command, p->command, sizeof command) == 0;
}

static bool process_slot(const struct sp_segment *segment, pid_t pid, uint32_t *slot)
{
    bool alive[SP_PROCESSES];
    uint64_t space = proc_namespace(pid, "pid");
    look_processes(segment, alive);
    for (uint32_t i = 0; i < SP_PROCESSES; i++) {
        const struct sp_process *p = &segment->processes[i];
        if (alive[i] && process_is(p, pid, space)) {
            *slot = i;
            return true;
        }
    }
    return false;
}

static bool process_registered(struct process_place *place, pid_t pid)
{
    struct where_list list;
    bool found = false;
    where_list(&list);
    for (size_t i = 0; i < list.count && !found; i++) {
        memset(place, 0, sizeof *place);
        if (sp_segment_attach(&place->segment, list.entries[i].path, NULL) != 0)
            continue;
        found = process_slot(&place->segment, pid, &place->slot);
        if (!found)
            sp_segment_detach(&place->segment);
    }
    free(list.entries);
    return found;
}

/* In the directory that it uses, and as its user: root does not attach what another user wrote. */
static bool process_find(struct process_place *place, pid_t pid)
{
    char directory[PATH_MAX];
    uid_t uid = proc_uid(pid);
    bool lower = geteuid() == 0 && uid != 0;
    if (proc_environment(pid, "SHEARPIN_DIR", directory, sizeof directory))
        setenv("SHEARPIN_DIR", directory, 1);
    if (lower && (setegid(proc_gid(pid)) != 0 || seteuid(uid) != 0))
        return false;
    bool found = process_registered(place, pid);
    if (lower && (seteuid(0) != 0 || setegid(0) != 0))
        abort();
    return found;
}

/* --- its connections --- */

/* Would the library have known a connection to this address? Names are not asked: what only a name
 * rule takes counts as unmatched. */
static bool process_matched(const struct sp_policy *policy, const struct sp_addr *peer)
{
    int index = policy ? sp_policy_match(policy, peer, NULL, 0, NULL) : -1;
    const struct sp_row *row = index < 0 ? NULL : sp_policy_row(policy, (size_t)index);
    return row && row->guards.mode != SP_MODE_OFF;
}

static bool process_sees(const struct peek *peek, pid_t pid, const struct sockets_entry *entry)
{
    for (size_t i = 0; i < peek->count; i++) {
        if (peek->conns[i].fd == entry->fd ||
            (peek->conns[i].fd >= 0 && proc_socket(pid, peek->conns[i].fd) == entry->inode))
            return true;
    }
    return false;
}

static void process_share(struct examine *e, const struct process_place *place, pid_t pid,
                          const struct sockets *sockets, const struct peek *peek)
{
    uint64_t generation;
    struct sp_segment segment = place->segment;
    struct sp_policy *policy = look_policy(&segment, &generation);
    struct report_sockets *count = &e->report->sockets;
    count->known = true;
    for (size_t i = 0; i < sockets->count; i++) {
        if (process_sees(peek, pid, &sockets->entries[i]))
            count->seen++;
        else if (process_matched(policy, &sockets->entries[i].peer))
            count->missed++;
        else
            count->unmatched++;
    }
    free(policy);
}

static void process_share_line(struct examine *e)
{
    const struct report_sockets *count = &e->report->sockets;
    uint32_t total = count->seen + count->missed;
    char more[80] = "";
    if (count->unmatched > 0)
        snprintf(more, sizeof more, "; %u more to addresses that no rule takes", count->unmatched);
    if (total == 0) {
        report_add(e->report, REPORT_GOOD, "connections", "connections",
                   "none that a destination takes is open now%s", more);
        return;
    }
    report_add(e->report, count->missed ? REPORT_NOTE : REPORT_GOOD, "connections", "connections",
               "the library sees %u of %u: %u%%%s", count->seen, total, count->seen * 100 / total,
               more);
    if (count->missed)
        report_cure(e->report, "see who makes the others",
                    "strace -f -k -e trace=connect -p PID names the caller");
}

static void process_connections(struct examine *e, const struct process_place *place, pid_t pid)
{
    struct sockets sockets;
    struct peek peek;
    int code = sockets_of(&sockets, pid);
    int seen = code == 0 ? peek_take(&peek, &place->segment, place->slot) : code;
    if (seen == 0) {
        process_share(e, place, pid, &sockets, &peek);
        process_share_line(e);
        peek_free(&peek);
    } else {
        report_add(e->report, REPORT_NOTE, "connections", "connections", "not known: %s",
                   strerror(seen));
        report_cure(e->report, "ask as its user or as root", "sudo shearpin doctor PID");
    }
    if (code == 0 && sockets.urings > 0) {
        report_add(e->report, REPORT_NOTE, "io_uring", "io_uring",
                   "it has %s: what goes that way passes libshearpin.so by",
                   SAY_COUNT(sockets.urings, "ring"));
        report_cure(e->report, "switch io_uring off",
                    "in its settings, or with sysctl kernel.io_uring_disabled=2");
    }
    if (code == 0)
        sockets_free(&sockets);
}

/* --- is it wrapped? --- */

int examine_maps(pid_t pid)
{
    char path[64], line[PATH_MAX + 128];
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (!found && fgets(line, sizeof line, file))
        found = strstr(line, "/libshearpin.so") != NULL;
    if (ferror(file))
        found = -1;
    fclose(file);
    return found;
}

static void process_asleep(struct examine *e, pid_t pid)
{
    char value[PATH_MAX];
    const char *why = "it may not have called anything yet, or syslog says why";
    if (proc_environment(pid, "SHEARPIN", value, sizeof value) && strcmp(value, "off") == 0)
        why = "it was started with SHEARPIN=off";
    else if (!proc_environment(pid, "SHEARPIN_POLICY", value, sizeof value) &&
             !proc_environment(pid, "SHEARPIN_SEGMENT", value, sizeof value))
        why = "it was started without SHEARPIN_POLICY";
    report_add(e->report, REPORT_NOTE, "asleep", "wrapped, but asleep",
               "it is in no segment that we see: %s", why);
    report_cure(e->report, "start it under run", "shearpin run -p FILE -- COMMAND");
}

static void process_bare(struct examine *e, pid_t pid)
{
    char value[PATH_MAX];
    bool asked =
        proc_environment(pid, "LD_PRELOAD", value, sizeof value) && strstr(value, "libshearpin.so");
    report_add(e->report, REPORT_NOTE, "bare", "not wrapped",
               asked ? "LD_PRELOAD names libshearpin.so, but ld.so did not load it"
                     : "it does not map libshearpin.so");
    report_cure(e->report, "start it under run", "shearpin run -p FILE -- COMMAND");
    report_cure(e->report, "or wrap its unit", "shearpin wrap UNIT, then restart it");
}

static void process_awake(struct examine *e, const struct process_place *place, pid_t pid)
{
    const struct sp_head *head = place->segment.head;
    bool off = atomic_load(&head->disabled);
    report_add(e->report, off ? REPORT_NOTE : REPORT_GOOD, "attached", "wrapped and attached",
               "segment %s, generation %llu%s", where_name(&place->segment),
               (unsigned long long)sp_segment_generation(atomic_load(&head->policy)),
               off ? ", disabled" : "");
    if (off)
        report_cure(e->report, "switch it on again", "shearpin enable");
    process_connections(e, place, pid);
}

static void process_wrapped(struct examine *e, pid_t pid)
{
    struct process_place place;
    int maps = examine_maps(pid);
    if (maps < 0) {
        report_add(e->report, REPORT_NOTE, "denied", "wrapped?",
                   "not known: the kernel does not let us read its maps");
        report_cure(e->report, "ask as its user or as root", "sudo shearpin doctor PID");
    } else if (maps == 0) {
        process_bare(e, pid);
    } else if (process_find(&place, pid)) {
        process_awake(e, &place, pid);
        sp_segment_detach(&place.segment);
    } else {
        process_asleep(e, pid);
    }
}

/* --- its program, its children --- */

/* What it has loaded by now, plugins too. */
static void process_imports(struct examine *e, pid_t pid, const char *program)
{
    char path[64], line[PATH_MAX + 128], full[PATH_MAX + 64];
    library_clear(&e->imports);
    snprintf(full, sizeof full, "/proc/%d/exe", (int)pid);
    library_look(&e->imports, full);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        char *at = strchr(line, '/');
        line[strcspn(line, "\n")] = 0;
        if (!at || !strstr(at, ".so") || strstr(at, "/libshearpin.so"))
            continue;
        snprintf(full, sizeof full, "/proc/%d/root%s", (int)pid, at);
        library_beside(&e->imports, full);
    }
    if (file)
        fclose(file);
    examine_imports(e, program);
}

void examine_child(struct examine *e, pid_t child, bool wrapped)
{
    struct judge judge;
    char exe[PATH_MAX], link[64], what[PATH_MAX + 16];
    int maps = examine_maps(child);
    snprintf(link, sizeof link, "/proc/%d/exe", (int)child);
    if (maps != 0 || !proc_exe(child, exe, sizeof exe))
        return;
    snprintf(what, sizeof what, "child %s", exe);
    judge_command_as(&judge, link, proc_uid(child), proc_gid(child));
    if (judge.verdict == JUDGE_UNPROTECTED) {
        examine_program(e, link, what, REPORT_NOTE);
    } else if (wrapped) {
        report_add(e->report, REPORT_NOTE, "environment", what,
                   "started without LD_PRELOAD: its environment was cleared, so it is not covered");
        report_cure(e->report, "let children keep LD_PRELOAD",
                    "else write shearpin run -p FILE -- before what starts them");
    }
}

static void process_children(struct examine *e, pid_t pid, bool wrapped)
{
    struct proc_list list;
    proc_descendants(&list, pid);
    for (size_t i = 0; i < list.count; i++)
        examine_child(e, list.pids[i], wrapped);
    free(list.pids);
}

static void process_container(struct examine *e, pid_t pid)
{
    if (proc_namespace(pid, "mnt") == proc_namespace(getpid(), "mnt"))
        return;
    report_add(
        e->report, REPORT_NOTE, "container", "container",
        "it has a file system of its own: libshearpin.so, the policy and /dev/shm must be in "
        "there");
    report_cure(e->report, "mount them into it", "docs/wrapping.md shows how");
}

bool examine_process(struct examine *e, pid_t pid)
{
    char exe[PATH_MAX], link[64];
    struct judge judge;
    if (!proc_exe(pid, exe, sizeof exe))
        return false;
    e->uid = proc_uid(pid);
    e->gid = proc_gid(pid);
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    judge_command_as(&judge, link, e->uid, e->gid);
    bool wrapped = examine_maps(pid) > 0;
    if (judge.verdict == JUDGE_UNPROTECTED && !wrapped) {
        examine_program(e, link, exe, REPORT_BAD);
    } else {
        process_imports(e, pid, exe);
        process_wrapped(e, pid);
    }
    process_container(e, pid);
    process_children(e, pid, wrapped);
    return true;
}
