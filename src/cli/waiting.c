#include "cli/waiting.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/look.h"
#include "cli/peek.h"
#include "cli/say.h"
#include "cli/threads.h"
#include "shearpin/conn.h"

enum waiting_what {
    WAITING_CONNECT,
    WAITING_ANSWER,
    WAITING_PLACE,
    WAITING_RATE,
    WAITING_RETRY,
    WAITING_INJECTED
};
static const char *const waiting_words[] = {"connect", "answer", "place",
                                            "rate",    "retry",  "injected"};
static const char *const waiting_texts[] = {
    "a connect",      "an answer",    "a place: the cap is full",
    "the rate limit", "the next try", "an injected delay"};

struct waiting_row {
    uint32_t slot, dest;
    pid_t tid; /* 0: no thread of it is in the kernel because of that */
    int fd;    /* -1: not known */
    enum waiting_what what;
    uint64_t since; /* ns so far */
    uint64_t left;  /* ns until it is cut; SP_NEVER: nothing cuts it */
};

struct waiting {
    struct sp_segment *segment;
    const uint32_t *only;
    struct waiting_row *rows;
    size_t count;
    unsigned seen, refused; /* processes that could be looked into, and that could not */
};

/* --- gathering --- */

static struct waiting_row *waiting_add(struct waiting *w, uint32_t slot, uint32_t dest,
                                       uint64_t since)
{
    uint64_t now = sp_now();
    if ((w->only && *w->only != dest) || dest >= w->segment->dest_max)
        return NULL;
    struct waiting_row *more = reallocarray(w->rows, w->count + 1, sizeof *w->rows);
    if (!more)
        return NULL;
    w->rows = more;
    w->rows[w->count] = (struct waiting_row){.slot = slot,
                                             .dest = dest,
                                             .fd = -1,
                                             .since = now > since ? now - since : 0,
                                             .left = SP_NEVER};
    return &w->rows[w->count++];
}

static bool waiting_asleep(const struct peek *peek, const struct peek_conn *conn)
{
    for (size_t i = 0; i < peek->sleeper_count; i++) {
        if (peek->sleepers[i].fd == conn->fd && conn->fd >= 0)
            return true;
    }
    return false;
}

static void waiting_conn(struct waiting *w, uint32_t slot, const struct peek *peek,
                         const struct peek_conn *conn, const struct threads *threads)
{
    enum sp_turn turn = sp_turn_of(conn->word);
    uint64_t since = conn->word & ~UINT64_C(7);
    bool waits = turn == SP_TURN_CONNECTING || turn == SP_TURN_EXCHANGE;
    if (!waits || (conn->flags & SP_CONN_INHERITED) || waiting_asleep(peek, conn))
        return;
    struct waiting_row *row = waiting_add(w, slot, conn->dest, since);
    if (!row)
        return;
    row->what = turn == SP_TURN_CONNECTING ? WAITING_CONNECT
                : conn->hold > row->since  ? WAITING_INJECTED
                                           : WAITING_ANSWER;
    row->fd = conn->fd;
    row->tid = conn->fd >= 0 ? threads_on(threads, conn->fd) : 0;
    if (conn->limit)
        row->left = conn->limit > row->since ? conn->limit - row->since : 0;
}

static void waiting_sleepers(struct waiting *w, uint32_t slot, const struct peek *peek, pid_t pid)
{
    static const enum waiting_what whats[] = {WAITING_PLACE, WAITING_RATE, WAITING_RETRY,
                                              WAITING_INJECTED};
    char path[64];
    for (size_t i = 0; i < peek->sleeper_count; i++) {
        const struct peek_sleeper *s = &peek->sleepers[i];
        snprintf(path, sizeof path, "/proc/%d/task/%u", (int)pid, s->tid);
        if (s->why >= sizeof whats / sizeof *whats || access(path, F_OK) != 0)
            continue; /* it leapt out of its sleep and has ended since */
        struct waiting_row *row = waiting_add(w, slot, s->dest, s->since);
        if (!row)
            continue;
        row->what = whats[s->why];
        row->tid = (pid_t)s->tid;
        row->fd = s->fd;
    }
}

/* Whom the kernel does not let us look into: of its waits only the tickets in the segment are
 * known. */
static void waiting_tickets(struct waiting *w, uint32_t slot)
{
    uint64_t now = sp_now();
    for (uint32_t i = 0; i < w->segment->dest_max; i++) {
        for (int line = 0; line < SP_LINES; line++) {
            uint32_t by_slot[SP_PROCESSES] = {0};
            sp_queue_waiting(w->segment, &w->segment->dests[i].queues[line], now, by_slot);
            for (uint32_t n = 0; n < by_slot[slot]; n++) {
                struct waiting_row *row = waiting_add(w, slot, i, SP_NEVER);
                if (row)
                    row->what = WAITING_PLACE;
            }
        }
    }
}

static void waiting_denied(struct waiting *w, uint32_t slot, int code)
{
    const struct sp_process *p = &w->segment->processes[slot];
    char command[4 * sizeof p->command + 1];
    w->refused++;
    say_error("pid %u %s: %s", atomic_load(&p->pid),
              say_safe(command, sizeof command, p->command, sizeof p->command),
              code == EPERM   ? "the kernel does not let us look (another user, or "
                                "kernel.yama.ptrace_scope; try as root)"
              : code == ESRCH ? "it is in another pid namespace"
                              : strerror(code));
    waiting_tickets(w, slot);
}

static void waiting_process(struct waiting *w, uint32_t slot)
{
    struct peek peek;
    struct threads threads;
    pid_t pid = (pid_t)atomic_load(&w->segment->processes[slot].pid);
    int code = peek_take(&peek, w->segment, slot);
    if (code == ENOENT)
        return; /* a command like this one */
    if (code != 0) {
        waiting_denied(w, slot, code);
        return;
    }
    w->seen++;
    threads_of(&threads, pid);
    waiting_sleepers(w, slot, &peek, pid);
    for (size_t i = 0; i < peek.count; i++)
        waiting_conn(w, slot, &peek, &peek.conns[i], &threads);
    threads_free(&threads);
    peek_free(&peek);
}

static int waiting_compare(const void *a, const void *b)
{
    const struct waiting_row *x = a, *y = b;
    return x->since < y->since ? 1 : x->since > y->since ? -1 : 0;
}

/* --- telling --- */

static void waiting_text(const struct waiting *w, const struct waiting_row *row)
{
    const struct sp_process *p = &w->segment->processes[row->slot];
    char command[4 * sizeof p->command + 1], name[4 * SP_NAME_SIZE + 1], tid[16] = "-", what[120];
    struct sp_text_out text = sp_text_out(what, sizeof what);
    if (row->tid)
        snprintf(tid, sizeof tid, "%d", (int)row->tid);
    sp_text_put(&text, "%s", waiting_texts[row->what]);
    if (row->fd >= 0)
        sp_text_put(&text, ", fd %d", row->fd);
    if (row->left != SP_NEVER)
        sp_text_put(&text, "; cut in %s", SAY_TOOK(row->left));
    printf("%-8u%-8s%-16s %-14s %8s  %s\n", atomic_load(&p->pid), tid,
           say_safe(command, sizeof command, p->command, sizeof p->command),
           say_safe(name, sizeof name, w->segment->dests[row->dest].name, SP_NAME_SIZE),
           row->since ? SAY_TOOK(row->since) : "-", what);
}

static void waiting_json(struct json *json, const struct waiting *w, const struct waiting_row *row)
{
    const struct sp_process *p = &w->segment->processes[row->slot];
    json_open(json, NULL, '{');
    json_count(json, "pid", atomic_load(&p->pid));
    json_number(json, "tid", row->tid ? (double)row->tid : NAN);
    json_text(json, "command", p->command, sizeof p->command);
    json_text(json, "destination", w->segment->dests[row->dest].name, SP_NAME_SIZE);
    json_word(json, "waits_for", waiting_words[row->what]);
    json_number(json, "fd", row->fd >= 0 ? (double)row->fd : NAN);
    json_number(json, "since_s", row->since ? (double)row->since / (double)SP_SECOND : NAN);
    json_number(json, "left_s",
                row->left != SP_NEVER ? (double)row->left / (double)SP_SECOND : NAN);
    json_close(json, '}');
}

static void waiting_all(const struct cli *cli, const struct waiting *w)
{
    struct json json = {0};
    if (cli->json) {
        json_open(&json, NULL, '{');
        json_text(&json, "segment", w->segment->head->name, SP_NAME_SIZE);
        json_open(&json, "waiting", '[');
        for (size_t i = 0; i < w->count; i++)
            waiting_json(&json, w, &w->rows[i]);
        json_close(&json, ']');
        json_count(&json, "processes", w->seen);
        json_count(&json, "denied", w->refused);
        json_close(&json, '}');
        json_end();
        return;
    }
    if (w->count > 0)
        printf("%-8s%-8s%-16s %-14s %8s  %s\n", "PID", "THREAD", "COMMAND", "DESTINATION", "FOR",
               "WAITS FOR");
    for (size_t i = 0; i < w->count; i++)
        waiting_text(w, &w->rows[i]);
    if (w->count == 0 && !cli->quiet)
        printf("nobody waits in %s\n", SAY_COUNT(w->seen, "process"));
}

int waiting_say(const struct cli *cli, struct sp_segment *segment, const uint32_t *only)
{
    struct waiting w = {.segment = segment, .only = only};
    bool alive[SP_PROCESSES];
    look_processes(segment, alive);
    for (uint32_t slot = 0; slot < SP_PROCESSES; slot++) {
        if (alive[slot])
            waiting_process(&w, slot);
    }
    if (w.count > 1)
        qsort(w.rows, w.count, sizeof *w.rows, waiting_compare);
    if (w.seen > 0 || w.refused == 0 || w.count > 0)
        waiting_all(cli, &w);
    free(w.rows);
    return w.seen == 0 && w.refused > 0 ? CLI_DENIED : CLI_OK;
}
