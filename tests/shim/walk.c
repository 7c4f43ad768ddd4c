/* walk.c - the sockets of a random walk, its peers, and what they do while a call blocks. */
#include "walk.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/time.h>

/* --- chance, and the trace --- */

static __thread uint64_t state;
static __thread int trace = -1;
static __thread volatile sig_atomic_t pipes;

uint32_t pick(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

bool chance(uint32_t percent)
{
    return pick(100) < percent;
}

void note(const char *format, ...)
{
    char line[200];
    va_list arguments;
    int error = errno;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(trace, line, (size_t)length) != length)
        _exit(126);
    errno = error;
}

void settle(void)
{
    usleep(1500);
}

/* --- sockets --- */

static int listeners[KINDS];
static char directory[80];

static const int families[KINDS] = {AF_INET, AF_UNIX, AF_UNIX, AF_UNIX, AF_INET};
static const int types[KINDS] = {SOCK_STREAM, SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM, SOCK_DGRAM};

int walk_aside(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 100);

    close(fd);
    return high;
}

static socklen_t own_address(int kind, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    to->ss_family = (sa_family_t)families[kind];
    if (families[kind] == AF_INET) {
        ((struct sockaddr_in *)to)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(struct sockaddr_in);
    }
    struct sockaddr_un *un = (struct sockaddr_un *)to;
    snprintf(un->sun_path, sizeof un->sun_path, "%s/%d-%d", directory, (int)getpid(), kind);
    return sizeof *un;
}

socklen_t walk_address(int kind, struct sockaddr_storage *to)
{
    socklen_t length = sizeof *to;

    if (families[kind] == AF_UNIX)
        return own_address(kind, to);
    getsockname(listeners[kind], (struct sockaddr *)to, &length);
    return length;
}

socklen_t walk_listen(int kind, int *listener, struct sockaddr_storage *at)
{
    socklen_t length = own_address(kind, at);

    if (families[kind] == AF_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)at;
        strcat(un->sun_path, "-late");
        unlink(un->sun_path);
    }
    *listener = walk_aside(socket(families[kind], types[kind] | SOCK_CLOEXEC, 0));
    if (bind(*listener, (struct sockaddr *)at, length) || listen(*listener, 8) ||
        getsockname(*listener, (struct sockaddr *)at, &length))
        _exit(125);
    return length;
}

static void listen_all(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct sockaddr_storage to;
        socklen_t length = own_address(kind, &to);

        listeners[kind] = walk_aside(socket(families[kind], types[kind] | SOCK_NONBLOCK, 0));
        if (bind(listeners[kind], (struct sockaddr *)&to, length) != 0)
            _exit(125);
        listen(listeners[kind], 64);
    }
}

bool walk_stream(const struct slot *slot)
{
    return types[slot->kind] == SOCK_STREAM;
}

/* The peer of a datagram socket is who all of them are connected to. */
static int peer_of(int kind)
{
    struct pollfd one = {.fd = listeners[kind], .events = POLLIN};

    if (types[kind] == SOCK_DGRAM)
        return fcntl(listeners[kind], F_DUPFD_CLOEXEC, 100);
    poll(&one, 1, 2000);
    return walk_aside(accept(listeners[kind], NULL, NULL));
}

int walk_open(struct slot *slot, int kind, int flags)
{
    struct sockaddr_storage to;
    socklen_t length = walk_address(kind, &to);
    struct pollfd one;

    if (slot->peer >= 0)
        close(slot->peer);
    slot->kind = kind;
    slot->peer = -1;
    slot->fd = socket(families[kind], types[kind] | flags, 0);
    errno = 0;
    int result = connect(slot->fd, (struct sockaddr *)&to, length), error = errno;
    one = (struct pollfd){.fd = slot->fd, .events = POLLOUT};
    if (result == 0 || error == EINPROGRESS) {
        slot->peer = peer_of(kind);
        poll(&one, 1, 2000);
    }
    if (error == EINPROGRESS && chance(40))
        note(" SO_ERROR %d", socket_error(slot->fd));
    errno = error;
    return result;
}

void peer_reset(struct slot *slot)
{
    struct linger linger = {1, 0};

    setsockopt(slot->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(slot->peer);
    slot->peer = -1;
}

/* --- kicks --- */

static struct slot *kicked;
static enum kick kick_what;
static int kick_count;

static void kick_drain(int fd)
{
    static char room[65536];

    while (recv(fd, room, sizeof room, MSG_DONTWAIT) > 0)
        ;
}

static void kick_handler(int number)
{
    int error = errno;

    if (++kick_count >= 6) /* enough waited: the next one ends it */
        sigaction(number, &(struct sigaction){.sa_handler = kick_handler}, NULL);
    if (kick_what == KICK_DRAINS && kicked->peer >= 0)
        kick_drain(kicked->peer);
    if (kick_count == 1 && kick_what == KICK_RESETS && kicked->peer >= 0)
        peer_reset(kicked);
    if (kick_count == 1 && kick_what == KICK_ENDS)
        shutdown(kicked->peer, SHUT_WR);
    if (kick_count <= 2 && kick_what == (kick_count == 1 ? KICK_SAYS : KICK_SAYS_LATE))
        send(kicked->peer, "kicking", 7, MSG_NOSIGNAL | MSG_DONTWAIT);
    errno = error;
}

void kick_begin(enum kick kick, struct slot *slot)
{
    struct sigaction action = {.sa_handler = kick_handler,
                               .sa_flags = kick == KICK_INTERRUPTS ? 0 : SA_RESTART};
    struct itimerval soon = {{0, 40000}, {0, 30000}};

    if (kick == KICK_DRAINS)
        soon.it_interval.tv_usec = soon.it_value.tv_usec = 5000;
    kicked = slot;
    kick_what = kick;
    kick_count = kick == KICK_DRAINS ? -10000 : 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
}

void kick_end(void)
{
    struct itimerval none = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &none, NULL);
}

static void count_pipe(int number)
{
    (void)number;
    pipes++;
}

/* --- the walk --- */

#define SLOTS 4

static const struct walk_call *const groups[] = {walk_sends, walk_receives, walk_waits, walk_fds,
                                                 walk_peers, walk_others,   walk_fresh};

/* A walk by one thread knows the first six groups, or five as the first walks did; one by many
 * those whose results do not depend on which numbers are free. FRESH makes connections only. */
enum width { NARROW, WIDE, THREADS, FRESH };
static enum width width;

static const struct walk_call *any_call(void)
{
    static const uint32_t counts[] = {5, 6, 4};
    uint32_t chosen = width == FRESH ? 6 : pick(counts[width]), count = 0;
    const struct walk_call *group = groups[width == THREADS && chosen == 3 ? 4 : chosen];

    while (group[count].name)
        count++;
    const struct walk_call *call = &group[pick(count)];
    /* What opens sockets and waits for signals is for one thread alone. */
    return width == THREADS && strcmp(call->name, "big") == 0 ? group : call;
}

/* errno stands at 42 before: a call that succeeds must leave it alone. */
static void step(int number, struct slot *slot)
{
    const struct walk_call *call = any_call();
    struct slot odd = *slot, *on = slot;
    static const int strange[] = {-1, 99999, INT32_MAX, 1 << 20, 88};

    if (width != FRESH && chance(5)) {
        odd.fd = strange[pick(5)];
        odd.peer = -1;
        on = &odd;
    }
    note("%d %s kind %d fd %d", number, call->name, on->kind, width == THREADS ? -1 : on->fd);
    pipes = 0;
    if (call->blocks && width != THREADS)
        kick_begin((enum kick)pick(KICKS_AT_RANDOM), slot);
    errno = 42;
    long result = call->run(on);
    int error = errno;
    kick_end();
    note(" = %ld %s%s\n", result, error == 42 ? "" : word_of(error), pipes ? " SIGPIPE" : "");
}

/* Whoever accepts gets what was connected last. */
static void open_alone(struct slot *slot, int number)
{
    static pthread_mutex_t alone = PTHREAD_MUTEX_INITIALIZER;
    int kind = chance(60) ? TCP : (int)pick(width == THREADS ? UNIX_DGRAM : KINDS);
    int flags = width == THREADS || chance(25) ? SOCK_NONBLOCK : 0;

    if (slot->fd >= 0)
        close(slot->fd);
    note("%d open %d %d", number, kind, flags);
    pthread_mutex_lock(&alone);
    note(" = %d", walk_open(slot, kind, flags));
    note(" %d fd %d\n", errno, width == THREADS ? -1 : slot->fd);
    pthread_mutex_unlock(&alone);
}

static void walk(int steps)
{
    struct slot slots[SLOTS];

    for (int i = 0; i < SLOTS; i++)
        slots[i] = (struct slot){.fd = -1, .peer = -1};
    for (int i = 0; i < steps; i++) {
        struct slot *slot = &slots[pick(SLOTS)];

        if (width != FRESH && (slot->fd < 0 || slot->peer < 0 || chance(6)))
            open_alone(slot, i);
        step(i, slot);
    }
}

static void trace_to(const char *file)
{
    trace = walk_aside(open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

static void begin(char **argv)
{
    state = strtoull(argv[1], NULL, 10);
    snprintf(directory, sizeof directory, "%s", argv[3]);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = count_pipe, .sa_flags = SA_RESTART}, NULL);
    listen_all();
}

static void *sleep_on(void *nothing)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;)
        poll(nothing, 0, -1);
    return NULL;
}

/* walk SEED STEPS DIRECTORY FILE [wide|fresh] */
VICTIM(walk)
{
    unlink(argv[4]);
    begin(argv);
    trace_to(argv[4]);
    width = !argv[5] ? NARROW : strcmp(argv[5], "fresh") == 0 ? FRESH : WIDE;
    if (state % 3 == 0) /* with a second thread, waits are sliced */
        pthread_create(&(pthread_t){0}, NULL, sleep_on, NULL);
    walk(atoi(argv[2]));
    say("walked");
    return 0;
}

#define WALKERS 4
struct walker {
    uint64_t seed;
    int steps;
    char file[120];
};

static void *walk_one(void *argument)
{
    struct walker *walker = argument;

    state = walker->seed;
    trace_to(walker->file);
    walk(walker->steps);
    close(trace);
    return NULL;
}

static void append(int to, const char *file)
{
    char block[4096];
    int from = open(file, O_RDONLY | O_CLOEXEC);

    for (ssize_t got; (got = read(from, block, sizeof block)) > 0;)
        if (write(to, block, (size_t)got) != got)
            _exit(126);
    close(from);
    unlink(file);
}

/* walk_threads SEED STEPS DIRECTORY FILE: each thread for itself, none of them ever sleeping for
 * long; their traces are put one after the other. */
VICTIM(walk_threads)
{
    pthread_t threads[WALKERS];
    struct walker walkers[WALKERS];

    unlink(argv[4]);
    begin(argv);
    width = THREADS;
    for (int i = 0; i < WALKERS; i++) {
        walkers[i] = (struct walker){.seed = state * 31 + (uint64_t)i, .steps = atoi(argv[2])};
        snprintf(walkers[i].file, sizeof walkers[i].file, "%s.%d", argv[4], i);
        unlink(walkers[i].file);
        pthread_create(&threads[i], NULL, walk_one, &walkers[i]);
    }
    for (int i = 0; i < WALKERS; i++)
        pthread_join(threads[i], NULL);
    trace_to(argv[4]);
    for (int i = 0; i < WALKERS; i++)
        append(trace, walkers[i].file);
    say("walked");
    return 0;
}
