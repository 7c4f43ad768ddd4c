/* mute.c - registrations with an epoll that must not report something for a while: of a resting
 * connect, which hangs up all the time, or of a connection of which something is held back. What
 * cannot be switched off is, edge-triggered and asked for nothing, said once. What the program
 * registered is read from the kernel, and put back before it can matter: so nobody has to watch
 * epoll_ctl(). */
#include "shim/mute.h"
#include "shim/redial.h"

#include <errno.h>
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

static uint32_t mute_seen(uint64_t data, const struct epoll_event *events, int count)
{
    uint32_t seen = 0;
    for (int i = 0; i < count; i++)
        seen |= events[i].data.u64 == data ? events[i].events : 0;
    return seen;
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

size_t sp_mute_find(int epoll, const struct epoll_event *events, int count, sp_mute_fn *wanted,
                    struct sp_mute_line *lines, size_t max)
{
    struct mute_file file;
    size_t found = 0;
    if (!mute_open(&file, epoll))
        return 0;
    while (found < max && mute_next(&file, &lines[found])) {
        lines[found].seen = mute_seen(lines[found].data, events, count);
        found += wanted(&lines[found]);
    }
    if (found > 0)
        mute_share(&file, lines, found);
    REAL(close)(file.fd);
    return found;
}

/* --- */

static bool mute_is(uint32_t events, uint32_t set)
{
    return ((events ^ set) & ~(uint32_t)MUTE_ALWAYS) == 0;
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

/* What may still be reported. */
static uint32_t mute_left(uint32_t events, uint32_t seen, uint32_t hide)
{
    uint32_t left = events & ~hide;
    return !(left & ~(uint32_t)MUTE_PRIVATE) || (seen & hide & MUTE_ALWAYS) ? EPOLLET : left;
}

/* A second registration is one too many: there is one place to remember what it was. */
static bool mute_set(struct sp_mute *m, int epoll, const struct sp_mute_line *line, uint32_t hide)
{
    if (m->epoll && (m->epoll != epoll + 1 || m->fd != line->fd))
        return false;
    if (!m->epoll || !mute_is(line->events, m->set))
        m->events = mute_original(line->events, line->seen);
    m->fd = line->fd;
    m->data = line->data;
    m->set = mute_left(m->events, line->seen, hide);
    if (m->epoll && mute_is(line->events, m->set))
        return true;
    m->epoll = mute_change(epoll, line->fd, m->set, line->data) ? epoll + 1 : 0;
    m->was = m->epoll ? m->epoll : m->was;
    return m->epoll != 0;
}

bool sp_mute_blind(const struct sp_mute_line *line)
{
    return (line->events & EPOLLONESHOT) && !(line->seen & ~(uint32_t)MUTE_ALWAYS);
}

/* As it is by now. False: it is gone. */
static bool mute_reread(int epoll, struct sp_mute_line *line)
{
    struct mute_file file;
    struct sp_mute_line now;
    bool found = false;
    if (!mute_open(&file, epoll))
        return false;
    while (!found && mute_next(&file, &now))
        found = now.fd == line->fd && now.data == line->data;
    if (found)
        line->events = now.events;
    REAL(close)(file.fd);
    return found;
}

/* What was read when it was muted says nothing any more after it has been put back: it would be
 * taken for what the program wants. */
bool sp_mute_set(struct sp_mute *m, int epoll, const struct sp_mute_line *line, uint32_t hide)
{
    struct sp_mute_line now = *line;
    sp_held_lock(&m->busy);
    bool back = !m->epoll && m->was == epoll + 1 && mute_is(line->events, m->set);
    bool muted = (back && (!mute_reread(epoll, &now) || sp_mute_blind(&now))) ||
                 mute_set(m, epoll, &now, hide);
    sp_held_unlock(&m->busy);
    return muted;
}

/* What the program has changed meanwhile is as it wants it. */
void sp_mute_lift(struct sp_mute *m, const struct sp_conn *conn)
{
    struct mute_file file;
    struct sp_mute_line line;
    sp_held_lock(&m->busy);
    uint64_t entry = m->epoll ? sp_conn_entry(m->fd) : 0;
    bool mine = entry && sp_conn_at(entry) == conn;
    if (mine && mute_open(&file, m->epoll - 1)) {
        while (mute_next(&file, &line)) {
            if (line.fd == m->fd && line.data == m->data && mute_is(line.events, m->set))
                mute_change(m->epoll - 1, m->fd, m->events, m->data);
        }
        REAL(close)(file.fd);
    }
    m->epoll = 0;
    sp_held_unlock(&m->busy);
}

/* It asked for nothing, so it says that it hangs up and no more, perhaps long after it was put
 * back. A one-shot registration that is the program's again must not be touched for that: it
 * stands, or has told another thread what it was for. */
bool sp_mute_echo(struct sp_mute *m, int epoll, const struct sp_mute_line *line)
{
    sp_held_lock(&m->busy);
    bool ours = m->was == epoll + 1 && m->data == line->data;
    sp_held_unlock(&m->busy);
    return ours && sp_mute_blind(line);
}

/* It has fired for a rest that is over, and must do so again for what comes of the next try. */
static void mute_again(struct sp_mute *m, int epoll, const struct sp_mute_line *line)
{
    uint32_t events = mute_original(line->events, line->seen);
    sp_held_lock(&m->busy);
    if (!m->epoll && !sp_mute_blind(line) && !mute_is(events, line->events))
        mute_change(epoll, line->fd, events, line->data);
    sp_held_unlock(&m->busy);
}

/* --- a connect that rests --- */

static bool mute_failed(const struct sp_mute_line *line)
{
    return (line->seen & MUTE_ALWAYS) && sp_pending_at(line->fd) != NULL;
}

size_t sp_mute_failed(int epoll, const struct epoll_event *events, int count,
                      struct sp_mute_line *lines, size_t max)
{
    return sp_mute_find(epoll, events, count, mute_failed, lines, max);
}

bool sp_mute_begin(struct sp_conn *conn, int epoll, const struct sp_mute_line *line)
{
    struct sp_mute *m = &sp_pending_of(conn)->mute;
    enum sp_turn turn = sp_turn_of(atomic_load(&conn->word));
    if (turn == SP_TURN_CONNECTING) { /* another thread has dialled again meanwhile */
        mute_again(m, epoll, line);
        return true;
    }
    if ((turn != SP_TURN_RESTING && turn != SP_TURN_STARTING) ||
        !sp_mute_set(m, epoll, line, UINT32_MAX))
        return false;
    if (!sp_pending_rests(conn))
        sp_mute_end(conn);
    return true;
}

void sp_mute_end(struct sp_conn *conn)
{
    sp_mute_lift(&sp_pending_of(conn)->mute, conn);
}
