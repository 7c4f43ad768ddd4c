/* mute.c - the registration of a resting connect with an epoll. An unconnected socket hangs up all
 * the time; edge-triggered and asked for nothing it says so once. What the program registered is
 * read from the kernel, and put back before it can matter: so nobody has to watch epoll_ctl(). */
#include "shim/redial.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define MUTE_ALWAYS  (EPOLLERR | EPOLLHUP)                  /* reported whether asked for or not */
#define MUTE_PRIVATE (EPOLLONESHOT | EPOLLET | EPOLLWAKEUP) /* how to report, not what */

/* --- /proc/self/fdinfo/N:  tfd:        5 events:     2019 data: ffffffff00000005  ... --- */

struct mute_file {
    int fd;
    size_t at, end;
    char text[2048];
};

static bool mute_open(struct mute_file *file, int epoll)
{
    char path[40] = "/proc/self/fdinfo/";
    char digits[12];
    size_t length = strlen(path), n = 0;
    for (unsigned rest = (unsigned)epoll; n == 0 || rest > 0; rest /= 10)
        digits[n++] = (char)('0' + rest % 10);
    while (n > 0)
        path[length++] = digits[--n];
    file->at = file->end = 0;
    file->fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    return file->fd >= 0;
}

/* The next line without its end; NULL: there is none. */
static char *mute_text(struct mute_file *file)
{
    for (;;) {
        char *line = file->text + file->at;
        char *end = memchr(line, '\n', file->end - file->at);
        if (end) {
            *end = 0;
            file->at = (size_t)(end + 1 - file->text);
            return line;
        }
        memmove(file->text, line, file->end - file->at);
        file->end -= file->at;
        file->at = 0;
        ssize_t got = REAL(read)(file->fd, file->text + file->end, sizeof file->text - file->end);
        if (got <= 0)
            return NULL;
        file->end += (size_t)got;
    }
}

/* The number behind `name`, up to the first character that is no digit of its base. */
static uint64_t mute_number(const char *line, const char *name, unsigned base)
{
    const char *at = strstr(line, name);
    uint64_t number = 0;
    if (!at)
        return 0;
    for (at += strlen(name); *at == ' '; at++)
        ;
    for (;; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a' + 10)
                                                    : 16;
        if (digit >= base)
            return number;
        number = number * base + digit;
    }
}

static bool mute_next(struct mute_file *file, struct sp_mute_line *line)
{
    char *text;
    while ((text = mute_text(file))) {
        if (strncmp(text, "tfd:", 4) != 0)
            continue;
        line->fd = (int)mute_number(text, "tfd:", 10);
        line->events = (uint32_t)mute_number(text, "events:", 16);
        line->data = mute_number(text, "data:", 16);
        line->shared = false;
        return true;
    }
    return false;
}

static bool mute_caused(const struct sp_mute_line *line, const struct epoll_event *events,
                        int count)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == line->data && (events[i].events & MUTE_ALWAYS))
            return sp_pending_at(line->fd) != NULL;
    }
    return false;
}

static void mute_share(struct mute_file *file, struct sp_mute_line *lines, size_t found)
{
    struct sp_mute_line other;
    file->at = file->end = 0;
    lseek(file->fd, 0, SEEK_SET);
    while (mute_next(file, &other)) {
        for (size_t i = 0; i < found; i++)
            lines[i].shared |= lines[i].data == other.data && lines[i].fd != other.fd;
    }
}

size_t sp_mute_find(int epoll, const struct epoll_event *events, int count,
                    struct sp_mute_line *lines, size_t max)
{
    struct mute_file file;
    size_t found = 0;
    if (!mute_open(&file, epoll))
        return 0;
    while (found < max && mute_next(&file, &lines[found]))
        found += mute_caused(&lines[found], events, count);
    if (found > 0)
        mute_share(&file, lines, found);
    REAL(close)(file.fd);
    return found;
}

/* --- */

static bool mute_is(uint32_t events)
{
    return (events & ~(uint32_t)MUTE_ALWAYS) == EPOLLET;
}

static bool mute_change(int epoll, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0;
}

/* A one-shot registration has lost what it was for when it fired; but a connect that failed shows
 * all there is, so what was seen is what was asked for. */
static uint32_t mute_original(uint32_t events, uint32_t seen)
{
    events &= ~(uint32_t)MUTE_ALWAYS;
    if ((events & EPOLLONESHOT) && !(events & ~(uint32_t)MUTE_PRIVATE))
        events |= seen & ~(uint32_t)MUTE_ALWAYS;
    return events;
}

/* A second registration is one too many: there is one place to remember what it was. */
static bool mute_set(struct sp_pending *p, int epoll, const struct sp_mute_line *line,
                     uint32_t seen)
{
    if (p->epoll >= 0 && (p->epoll != epoll || p->fd != line->fd))
        return false;
    if (p->epoll >= 0 && mute_is(line->events))
        return true;
    p->fd = line->fd;
    p->data = line->data;
    p->events = mute_original(line->events, seen);
    p->epoll = mute_change(epoll, line->fd, EPOLLET, line->data) ? epoll : -1;
    return p->epoll >= 0;
}

bool sp_mute_begin(struct sp_conn *conn, int epoll, const struct sp_mute_line *line, uint32_t seen)
{
    struct sp_pending *p = sp_pending_of(conn);
    if (atomic_exchange(&p->busy, 1))
        return true; /* another thread is about it; what is still to be seen is seen again */
    bool muted = mute_set(p, epoll, line, seen);
    atomic_store(&p->busy, 0);
    if (muted && !sp_pending_rests(conn)) /* another thread has dialled again meanwhile */
        sp_mute_end(conn);
    return muted;
}

/* What the program has changed meanwhile is as it wants it. */
void sp_mute_end(struct sp_conn *conn)
{
    struct sp_pending *p = sp_pending_of(conn);
    struct mute_file file;
    struct sp_mute_line line;
    for (int i = 0; i < 1000 && atomic_exchange(&p->busy, 1); i++)
        sched_yield();
    uint64_t entry = sp_conn_entry(p->fd);
    bool mine = entry && sp_conn_at(entry) == conn;
    if (p->epoll >= 0 && mine && mute_open(&file, p->epoll)) {
        while (mute_next(&file, &line)) {
            if (line.fd == p->fd && line.data == p->data && mute_is(line.events))
                mute_change(p->epoll, p->fd, p->events, p->data);
        }
        REAL(close)(file.fd);
    }
    p->epoll = -1;
    atomic_store(&p->busy, 0);
}
