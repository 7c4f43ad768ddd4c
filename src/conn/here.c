#include "shearpin/held.h"
#include "shearpin/quick.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/probe.h"
#include "base/random.h"
#include "base/text.h"
#include "conn/names.h"
#include "conn/route.h"
#include "shearpin/split.h"

#define HERE_PAGE \
    ((size_t)65536) /* no kernel has larger ones, and it is whole ones that fork wipes */

static sp_half asleep = 1;
static uint32_t unborn = SP_HERE_ALIVE;

static sp_half loose; /* of this process's own faults */

struct sp_here sp_here = {.off = &asleep,
                          .deadline = SP_NEVER,
                          .loose = &loose,
                          .alive = &unborn,
                          .overrides = sp_overrides,

                          .sleepers = sp_sleepers};

/* One mapping for all tables, of which little is ever touched: no huge pages, which are cleared
 * whole. */
static char *here_reserve(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    madvise(at, size, MADV_NOHUGEPAGE);
    return at;
}

static size_t here_pages(size_t size)
{
    return (size + HERE_PAGE - 1) / HERE_PAGE * HERE_PAGE;
}

static void *here_cut(char **at, size_t size)
{
    char *from = *at;
    *at += here_pages(size);
    return from;
}

/* Where the command finds our connections, if the kernel lets it look. */
static void here_publish(void)
{
    struct sp_segment *segment = &sp_here.segment;
    if (segment->self.slot < SP_PROCESSES)
        atomic_store(&segment->processes[segment->self.slot].here, (uintptr_t)&sp_here);
}

void sp_here_start(uint32_t fd_max)
{
    sp_here.pid = sp_here.segment.self.pid;
    sp_here.fd_room = fd_max;
    sp_here.off = &sp_here.segment.head->disabled;
    if (atomic_load(&loose) == 0)
        sp_here.loose = &sp_here.segment.head->loose;
    here_publish();
}

static bool here_tables(uint32_t fd_max)
{
    size_t fds = fd_max * sizeof *sp_here.fds, conns = SP_CONNS_MAX * sizeof *sp_here.conns,
           kept = (size_t)sp_here.segment.dest_max * 2 * sizeof *sp_here.kept;
    char *at = here_reserve(HERE_PAGE + here_pages(fds) + here_pages(conns) + here_pages(kept) +
                            here_pages(fd_max) + here_pages(sp_names_size()));
    if (!at || madvise(at, HERE_PAGE, MADV_WIPEONFORK) != 0)
        return false;
    uint32_t *alive = (uint32_t *)(void *)here_cut(&at, HERE_PAGE);
    *alive = SP_HERE_ALIVE;
    __atomic_store_n(&sp_here.alive, alive, __ATOMIC_RELEASE);
    sp_here.fds = here_cut(&at, fds);
    sp_here.kept = here_cut(&at, kept);
    sp_here.conns = here_cut(&at, conns);
    sp_here.kinds = here_cut(&at, fd_max);
    sp_names_start(here_cut(&at, sp_names_size()));
    return true;
}

/* A child of fork that was born before there were tables still has its parent's slot. */
static void here_born(void)
{
    sp_here.pid = (uint32_t)getpid();
    if (sp_here.segment.self.pid != sp_here.pid) {
        sp_names_changed();
        sp_process_join(&sp_here.segment);
        here_publish();
    }
}

enum { TABLES_NONE, TABLES_COMING, TABLES_THERE };
static sp_half here_state;

/* Not for ever: it may be a signal handler that has interrupted who makes them. */
static bool here_await(void)
{
    for (int i = 0; i < 10000 && atomic_load(&here_state) == TABLES_COMING; i++)
        sched_yield();
    return atomic_load(&here_state) == TABLES_THERE;
}

enum sp_here_tables sp_here_tables(void)
{
    uint32_t none = TABLES_NONE, room = sp_here.fd_room;
    if (room == 0)
        return SP_TABLES_NONE;
    if (!atomic_compare_exchange_strong(&here_state, &none, TABLES_COMING))
        return here_await() ? SP_TABLES_THERE : SP_TABLES_NONE;
    if (!here_tables(room)) {
        sp_here.off = &asleep;
        sp_here.fd_room = 0;
        atomic_store(&here_state, TABLES_NONE);
        return SP_TABLES_LOST;
    }
    here_born();
    __atomic_store_n(&sp_here.fd_max, room, __ATOMIC_RELEASE);
    atomic_store(&here_state, TABLES_THERE);
    return SP_TABLES_THERE;
}

void sp_here_after_fork(void)
{
    if (__atomic_exchange_n(sp_here.alive, SP_HERE_ALIVE, __ATOMIC_ACQ_REL))
        return; /* a thread that was started meanwhile was faster */
    sp_here.pid = (uint32_t)getpid();
    uint32_t high = atomic_load(&sp_here.conn_high);
    for (uint32_t i = 0; i < high; i++) {
        struct sp_conn *conn = &sp_here.conns[i];
        if (atomic_load(&conn->references) == 0)
            continue;
        if (sp_turn_of(atomic_load(&conn->word)) != SP_TURN_CUT)
            atomic_store(&conn->word, 0);
        atomic_store(&conn->permit, 0);
        atomic_store(&conn->content, SP_QUICK_NEVER);
        atomic_store(&conn->told, 0);
        atomic_store(&conn->blocked, 0);
        conn->lease = SP_NO_LEASE;
        sp_conn_mark(conn, SP_CONN_FRESH | SP_CONN_RETRY | SP_CONN_TALLIED, false);
        sp_conn_mark(conn, SP_CONN_INHERITED, true);
        sp_held_forked(conn);
    }
    memset(sp_sleepers, 0, SP_SLEEPERS * sizeof *sp_sleepers);
    atomic_store(&sp_due_watched, 0);
    /* What the parent holds back ends here, too: it may be the child that waits for it. */
    atomic_store(&sp_due_next, atomic_load(&sp_held_count) != 0 ? 0 : sp_here.deadline);
    atomic_store(&sp_due_scanning, 0);
    sp_names_changed(); /* what is known by the pid is known no more */
    sp_process_join(&sp_here.segment);
    if (high > 0)
        sp_process_settle(&sp_here.segment);
    here_publish();
}

/* --- questions to the guards --- */

/* Asked only when every place is taken, so the file is opened anew each time: no fd stays ours. */
static enum sp_life here_alive(void *context, uint32_t slot, uint32_t *now_ms)
{
    struct sp_census census;
    (void)context;
    sp_census_open(&sp_here.segment, &census);
    enum sp_life life = sp_census_life(&sp_here.segment, &census, slot);
    sp_census_close(&census);
    *now_ms = (uint32_t)(sp_now() / SP_MS);
    return life;
}

/* Most calls never ask for it. The upper half of the product is as good as any. */
static uint64_t here_random(uint64_t now)
{
    return (now ^ (uint64_t)sp_here.pid << 32) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
}

/* Whose breaker the connection asks: that of its arm, or of its address. */
static void here_aim(struct sp_call *call, struct sp_aim aim)
{
    call->arm = sp_arm_aimed(call->segment, aim);
    call->endpoint = call->arm ? &call->arm->endpoint : sp_endpoint_at(call->segment, aim);
}

bool sp_here_call(struct sp_call *call, uint32_t dest, uint32_t conn, uint64_t now,
                  struct sp_guards *room)
{
    struct sp_dest *d = sp_segment_dest(&sp_here.segment, dest);
    const struct sp_kept *kept = d ? sp_kept_now(dest) : NULL;
    const struct sp_guards *guards = kept ? &kept->guards : NULL;
    bool found = guards || sp_kept_ask(dest, room, &guards);
    *call = (struct sp_call){.segment = &sp_here.segment,
                             .dest = d,
                             .index = dest,
                             .guards = guards,
                             .now = now,
                             .conn = conn,
                             .random = here_random(now),
                             .alive = here_alive,
                             .wake = sp_here.wake};
    if ((guards->breaker.scope | guards->split) != 0 && conn < SP_CONNS_MAX &&
        !(sp_conn_flags(&sp_here.conns[conn]) & SP_CONN_FALLBACK))
        here_aim(call, sp_here.conns[conn].aim);
    uint32_t odd = found ? atomic_load_explicit(&d->odd, memory_order_relaxed) : 0;
    if (__builtin_expect(odd & SP_DEST_FAULTY, 0))
        sp_here_chaos(now);
    if (!found || (odd & SP_DEST_DISABLED))
        return false;
    return guards->mode == SP_MODE_ENFORCE || guards->mode == SP_MODE_OBSERVE;
}

/* Under `run --observe` without a policy every endpoint is a destination of its own. */
static int here_learn(const struct sp_addr *address, const char *name, uint32_t row, uint64_t word)
{
    char text[SP_NAMES_TEXT + SP_ADDR_TEXT_SIZE];
    struct sp_text_out out = sp_text_out(text, sizeof text);
    if (name)
        sp_text_put(&out, "%s:%u", name, address->port);
    else
        sp_addr_format(address, text, sizeof text);
    return sp_origin_place(&sp_here.segment, text, row, word);
}

/* Matches under the policy in force; a reload meanwhile makes it look again. With no address, what
 * is asked about is the first name, before it is looked up. `lasts`: so it is until then. */
static int here_match(const struct sp_addr *address, const char *const *names, size_t count,
                      uint16_t port, bool learn, bool *lasts)
{
    *lasts = false;
    for (int i = 0; i < 8; i++) {
        uint64_t word;
        const struct sp_policy *policy = sp_segment_policy(&sp_here.segment, &word);
        if (!policy)
            return -1;
        int index = address ? sp_policy_match(policy, address, names, count, NULL)
                            : sp_policy_match_name(policy, names[0], port);
        const struct sp_row *row = index < 0 ? NULL : sp_policy_row(policy, (size_t)index);
        int state = row ? row->state : -1, own = -1;
        bool learns = row && learn && policy->learn != 0;
        *lasts = policy->learn == 0;
        if (!sp_segment_steady(&sp_here.segment, word))
            continue;
        if (learns)
            own = here_learn(address, count > 0 ? names[0] : NULL, (uint32_t)index, word);
        return own >= 0 ? own : state;
    }
    return -1;
}

static int here_of(const struct sp_addr *address, bool learn, bool *lasts)
{
    char text[SP_NAMES_EACH][SP_NAMES_TEXT];
    const char *names[SP_NAMES_EACH];
    size_t count = address->family == SP_FAMILY_UNIX ? 0 : sp_names_of(address, text);
    for (size_t i = 0; i < count; i++)
        names[i] = text[i];
    /* cppcheck-suppress uninitvar ; no more of them are read than `count` says */
    return here_match(address, names, count, 0, learn, lasts);
}

/* Most connects go where an earlier one went. */
static int here_known(const struct sp_addr *address, bool learn)
{
    struct sp_peer peer = sp_peer_of(address->family, address->port, address->ip);
    uint64_t policy = atomic_load_explicit(&sp_here.segment.head->policy, memory_order_acquire);
    uint64_t names = sp_names_state();
    bool lasts, unix_path = address->family == SP_FAMILY_UNIX;
    int dest = unix_path ? ROUTE_UNKNOWN : sp_route_known(&peer, policy);
    if (dest != ROUTE_UNKNOWN)
        return dest;
    dest = here_of(address, learn, &lasts);
    if (lasts && !unix_path)
        sp_route_keep(&peer, policy, names, dest);
    return dest;
}

int sp_here_destination(const struct sp_addr *address)
{
    return here_known(address, false);
}

int sp_here_route(const struct sp_addr *address)
{
    int dest = here_known(address, true);
    if (dest < 0)
        sp_count(&sp_here.segment.head->unmatched, 1);
    return dest;
}

int sp_here_route_name(const char *name, uint16_t port)
{
    bool lasts;
    return here_match(NULL, &name, 1, port, false, &lasts);
}
