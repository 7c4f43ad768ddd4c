/* victim.c - starting victims, and what victims start with. */
#include "harness.h"

#include <dirent.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define ARGUMENTS_MAX 16

/* --- the test's side --- */

static int gate[2] = {-1, -1};

void victim_gate_shut(void)
{
    ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
}

void victim_gate_open(void)
{
    close(gate[0]);
    close(gate[1]);
    gate[0] = gate[1] = -1;
}

static uid_t as_user;
static gid_t as_group;

void victim_as(uid_t uid, gid_t group)
{
    as_user = uid;
    as_group = group;
}

static void change_user(void)
{
    if (as_user && (setgroups(1, &as_group) || setresgid(as_user, as_user, as_user) ||
                    setresuid(as_user, as_user, as_user)))
        _exit(124);
}

/* Between fork and exec in a process that may have threads: system calls only. */
static void become(char *const argv[], char *const environment[], int in, int out, int errors)
{
    char byte;

    change_user();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (gate[0] >= 0) {
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
    }
    dup2(in, 0);
    dup2(out, 1);
    dup2(errors, 2);
    execve(argv[0], argv, environment);
    _exit(127);
}

static char **with_preload(const char *preload)
{
    static char entry[1024];
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    char **environment = calloc(count + 2, sizeof *environment);
    ck_assert_ptr_nonnull(environment);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
            environment[kept++] = environ[i];
    snprintf(entry, sizeof entry, "LD_PRELOAD=%s", preload);
    if (*preload)
        environment[kept] = entry;
    return environment;
}

/* PRELOAD_BEFORE: what must stand before the shim, such as a sanitizer's library. */
static const char *preload_line(void)
{
    static char line[1024];
    const char *before = getenv("PRELOAD_BEFORE"), *after = getenv("PRELOAD_AFTER");

    snprintf(line, sizeof line, "%s%s%s%s%s", before ? before : "", before ? ":" : "",
             world_tool("libshearpin.so"), after ? ":" : "", after ? after : "");
    return line;
}

static struct victim *start(char *const argv[], const char *preload)
{
    struct victim *victim = calloc(1, sizeof *victim);
    int in[2], out[2];
    char **environment = with_preload(preload);

    ck_assert_ptr_nonnull(victim);
    ck_assert_int_eq(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
    int errors = open(world_file("stderr"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    ck_assert_int_ge(errors, 0);
    victim->pid = fork();
    ck_assert_int_ge(victim->pid, 0);
    if (victim->pid == 0)
        become(argv, environment, in[0], out[1], errors);
    close(in[0]);
    close(out[1]);
    close(errors);
    free(environment);
    victim->in = in[1];
    victim->out = out[0];
    return victim;
}

static struct victim *start_self(const char *preload, const char *name, va_list arguments)
{
    char *argv[ARGUMENTS_MAX] = {"/proc/self/exe", "--victim", (char *)name};
    size_t count = 3;

    while (count < ARGUMENTS_MAX - 1 && (argv[count] = va_arg(arguments, char *)))
        count++;
    return start(argv, preload);
}

struct victim *victim_start(const char *name, ...)
{
    va_list arguments;

    va_start(arguments, name);
    struct victim *victim = start_self(preload_line(), name, arguments);
    va_end(arguments);
    return victim;
}

struct victim *victim_start_bare(const char *name, ...)
{
    va_list arguments;

    va_start(arguments, name);
    struct victim *victim = start_self("", name, arguments);
    va_end(arguments);
    return victim;
}

struct victim *victim_exec(char *const argv[])
{
    return start(argv, preload_line());
}

const char *victim_hear(struct victim *victim)
{
    size_t length = 0;
    char c;

    while (read(victim->out, &c, 1) == 1 && c != '\n')
        if (length < sizeof victim->line - 1)
            victim->line[length++] = c;
    victim->line[length] = '\0';
    return victim->line;
}

void victim_tell(struct victim *victim)
{
    ck_assert_int_eq(write(victim->in, "\n", 1), 1);
}

static void read_errors(struct victim *victim)
{
    int fd = open(world_file("stderr"), O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, victim->errors, sizeof victim->errors - 1);

    victim->errors[length > 0 ? length : 0] = '\0';
    close(fd);
}

int victim_end(struct victim *victim)
{
    int status;

    close(victim->in);
    while (waitpid(victim->pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    close(victim->out);
    read_errors(victim);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

const char *victim_says(const char *name, ...)
{
    static char line[sizeof((struct victim *)0)->line];
    va_list arguments;

    va_start(arguments, name);
    struct victim *victim = start_self(preload_line(), name, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "%s", victim_hear(victim));
    int status = victim_end(victim);
    ck_assert_msg(status == 0, "victim %s: status %d, said '%s' %s", name, status, line,
                  victim->errors);
    ck_assert_str_eq(victim->errors, "");
    free(victim);
    return line;
}

void victim_says_as_bare(const char *name, const char *address)
{
    struct victim *bare = victim_start_bare(name, address, NULL);
    char heard[sizeof bare->line];

    snprintf(heard, sizeof heard, "%s", victim_hear(bare));
    ck_assert_int_eq(victim_end(bare), 0);
    ck_assert_str_eq(victim_says(name, address, NULL), heard);
}

uint64_t crowded_out(pid_t pid)
{
    char path[64] = "/proc/thread-self/schedstat";
    unsigned long long waited = 0;

    if (pid)
        snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%*u %llu", &waited) != 1)
        waited = 0;
    if (file)
        fclose(file);
    return waited;
}

bool victim_blocks(const struct victim *victim, int signal)
{
    char path[64], line[128];
    unsigned long long blocked = 0;

    snprintf(path, sizeof path, "/proc/%d/status", victim->pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
            break;
    if (file)
        fclose(file);
    return blocked >> (signal - 1) & 1;
}

/* --- the victim's side --- */

static struct victim_entry *victims;

void victim_add(struct victim_entry *entry)
{
    entry->next = victims;
    victims = entry;
}

int victim_main(int argc, char **argv)
{
    for (struct victim_entry *entry = victims; entry; entry = entry->next)
        if (!strcmp(entry->name, argv[0]))
            return entry->run(argc, argv);
    fprintf(stderr, "no victim %s\n", argv[0]);
    return 127;
}

void say(const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    if (write(1, line, (size_t)length) != length)
        _exit(126);
}

void pause_here(void)
{
    char byte;

    if (read(0, &byte, 1) < 0)
        _exit(126);
}

const char *word_of(int error)
{
    return error ? strerrorname_np(error < 0 ? -error : error) : "ok";
}

int socket_for(const char *text, int flags, struct sockaddr_storage *to, socklen_t *length)
{
    bool mapped = !strncmp(text, "mapped:", 7);
    struct sp_addr address;

    if (mapped)
        text += 7;
    if (!sp_addr_parse(text, strlen(text), &address))
        _exit(125);
    *length =
        mapped ? sp_addr_to_family(&address, AF_INET6, to) : sp_addr_to_sockaddr(&address, to);
    int fd = socket(to->ss_family, SOCK_STREAM | flags, 0);
    if (fd < 0)
        _exit(125);
    return fd;
}

static int dial_with(const char *text, int flags, int pending)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd = socket_for(text, flags, &to, &length);

    if (connect(fd, (struct sockaddr *)&to, length) == 0 || errno == pending)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

int dial(const char *text)
{
    return dial_with(text, 0, 0);
}

int start_dial(const char *text)
{
    return dial_with(text, SOCK_NONBLOCK, EINPROGRESS);
}

int ask(int fd)
{
    char byte = '?';

    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
        return errno;
    ssize_t got = recv(fd, &byte, 1, 0);
    return got == 1 ? 0 : got == 0 ? ENODATA : errno;
}

int listen_here(struct sockaddr_in *at)
{
    socklen_t length = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)(void *)at, sizeof *at) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)(void *)at, &length) != 0)
        abort();
    return fd;
}

int listen_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    if (bind(fd, (struct sockaddr *)(void *)&at, sizeof at) != 0 || listen(fd, 8) != 0)
        abort();
    return fd;
}

int dial_reset(void)
{
    struct linger hard = {1, 0};
    struct sockaddr_in at;
    int listener = listen_here(&at), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (connect(fd, (struct sockaddr *)(void *)&at, sizeof at) == 0)
        abort();
    int peer = accept(listener, NULL, NULL);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(peer);
    close(listener);
    return fd;
}

int socket_error(int fd)
{
    int error = -1;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
    return error;
}

int descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count - 3; /* . and .. and the directory itself */
}

long raw_call(long number, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8) : "memory");
    return x0;
#else
#error "no raw system call for this machine"
#endif
}
