/*
 * work.c - one kind of work, done and timed on request:
 *   work exchange|connect|refused|file|pread|pipe|zero ADDRESS [fds=N] [held=N:PORT] [spread=N]
 *   work start [NAME=VALUE...]
 *
 * Reads counts from stdin, one a line; does the work so often and prints the nanoseconds it took.
 * ADDRESS is a port of 127.0.0.1 or the path of a unix socket. Work on files holds a connection to
 * it meanwhile. fds: so many more are open; held: so many connections to that port are held;
 * spread: connects go to 127.0.0.1 to 127.0.0.N in turn, so that ports do not run out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE 64

static const char *address;
static unsigned spread = 1, turn;
static int in, out; /* of work on files */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int connect_unix(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(to.sun_path, sizeof to.sun_path, "%s", address);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail(address);
    return fd;
}

static struct sockaddr_in next_address(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % spread)};
}

static int connect_tcp(int port)
{
    struct sockaddr_in to = next_address(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail("connect");
    return fd;
}

static int connection(void)
{
    return *address == '/' ? connect_unix() : connect_tcp(atoi(address));
}

/* 64 bytes there and 64 back; an HTTP request and its answer, so that any proxy takes them. */
static void exchange(int fd)
{
    static const char request[SIZE + 1] = "GET / HTTP/1.1\r\nHost: bench\r\n"
                                          "X-Pad: ........................\r\n\r\n";
    char answer[SIZE];
    size_t got = 0;

    if (send(fd, request, SIZE, MSG_NOSIGNAL) != SIZE)
        fail("send");
    while (got < SIZE) {
        ssize_t more = recv(fd, answer + got, SIZE - got, 0);

        if (more <= 0)
            fail("recv");
        got += (size_t)more;
    }
}

static uint64_t exchanges(long count)
{
    int fd = connection(), on = 1;
    uint64_t start;

    if (*address != '/')
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (int i = 0; i < 20; i++)
        exchange(fd);
    start = now();
    for (long i = 0; i < count; i++)
        exchange(fd);
    start = now() - start;
    close(fd);
    return start;
}

static void connect_once(void)
{
    int fd = connection();

    exchange(fd);
    close(fd);
}

static void refused_once(void)
{
    struct sockaddr_in to = next_address(atoi(address));
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno != ECONNREFUSED)
        fail("not refused");
    close(fd);
}

static void moved(ssize_t got)
{
    if (got != 1)
        fail("one byte");
}

static void read_once(void)
{
    char byte;

    moved(read(in, &byte, 1));
}

static void write_once(void)
{
    moved(write(out, "x", 1));
}

static void pread_once(void)
{
    char byte;

    moved(pread(in, &byte, 1, 0));
}

static void pipe_once(void)
{
    write_once();
    read_once();
}

static void start_once(void)
{
    extern char **environ;
    char *argv[] = {"true", NULL};
    int status;
    pid_t pid;

    if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        fail("true");
}

/* A file of a megabyte in memory: one byte at a time from its beginning. */
static int file(void)
{
    char name[] = "/dev/shm/bench.XXXXXX";
    int fd = mkstemp(name);

    if (fd < 0 || unlink(name) != 0 || ftruncate(fd, 1 << 20) != 0)
        fail(name);
    return fd;
}

static void open_files(const char *kind)
{
    int pair[2];

    if (!strcmp(kind, "pipe")) {
        if (pipe(pair) != 0)
            fail(kind);
        in = pair[0], out = pair[1];
    } else if (!strcmp(kind, "zero")) {
        in = open("/dev/zero", O_RDONLY);
    } else {
        in = out = file();
    }
}

static const struct kind {
    const char *name;
    void (*once)(void);
    bool files; /* holds a connection meanwhile */
} kinds[] = {
    {"exchange", NULL, false}, {"connect", connect_once, false}, {"refused", refused_once, false},
    {"read", read_once, true}, {"write", write_once, true},      {"pread", pread_once, true},
    {"pipe", pipe_once, true}, {"zero", read_once, true},        {"start", start_once, false},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].name, name))
            return &kinds[i];
    fprintf(stderr, "work: no kind %s\n", name);
    exit(2);
}

static uint64_t times(const struct kind *kind, long count)
{
    uint64_t start;

    if (kind->files)
        lseek(in, 0, SEEK_SET);
    if (!kind->once)
        return exchanges(count);
    start = now();
    for (long i = 0; i < count; i++)
        kind->once();
    return now() - start;
}

static void option(char *text)
{
    int many, port;

    if (sscanf(text, "spread=%u", &spread) == 1)
        return;
    if (sscanf(text, "held=%d:%d", &many, &port) == 2)
        while (many-- > 0)
            connect_tcp(port);
    else if (sscanf(text, "fds=%d", &many) == 1)
        while (many-- > 0)
            if (dup(STDERR_FILENO) < 0)
                fail(text);
}

int main(int argc, char **argv)
{
    const struct kind *kind = kind_of(argc > 1 ? argv[1] : "");
    bool starts = kind->once == start_once;
    char line[32];

    if (argc < 3 && !starts)
        return 2;
    address = starts ? NULL : argv[2];
    for (int i = starts ? 2 : 3; i < argc; i++)
        starts ? (void)putenv(argv[i]) : option(argv[i]);
    if (kind->files) {
        exchange(connection());
        open_files(kind->name);
    }
    while (fgets(line, sizeof line, stdin)) {
        printf("%llu\n", (unsigned long long)times(kind, atol(line)));
        fflush(stdout);
    }
    return 0;
}
