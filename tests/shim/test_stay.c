/* The timer of a blocking connect stays on its socket until it could matter. Nobody may find it:
 * not a send that has to wait for longer than the connect might have taken, by whomever, and not
 * who asks for it. */
#include "harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* The connect may take 100 ms; the peer begins to read after four times that, and what is sent has
 * no room in the queues of both. */
#define POLICY  "destination d\n match 127.0.0.1\n deadline connect 100ms\n breaker streak 1000\n"
#define SLOW_MS 400
#define LARGE   (size_t)(24 << 20)
#define HEAD    "exec head -c 25165824 /dev/zero >&"
_Static_assert(LARGE == 25165824, "HEAD says the same");

extern char **environ;

static char *large;

static long ms_of(struct timeval time)
{
    return time.tv_sec * 1000 + time.tv_usec / 1000;
}

/* As it stands in the kernel, ms. */
static long in_kernel(int fd, int option)
{
    struct timeval time = {0, 0};
    socklen_t length = sizeof time;

    raw_call(SYS_getsockopt, fd, SOL_SOCKET, option, (long)&time, (long)&length);
    return ms_of(time);
}

/* The send timer, as it stands or as it is told, ms. */
static long timer_of(int fd, bool raw)
{
    struct timeval time = {0, 0};
    socklen_t length = sizeof time;

    if (raw)
        return in_kernel(fd, SO_SNDTIMEO);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, &length) != 0)
        abort();
    return ms_of(time);
}

static int connected(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (const struct sockaddr *)(const void *)at, sizeof *at) != 0)
        abort();
    return fd;
}

/* A child says how much it has read in the end. The first connect to anywhere goes the long way,
 * which leaves nothing. */
static int slow_peer(void)
{
    struct sockaddr_in at;
    int listener = listen_here(&at), fd;
    size_t whole = 0;
    ssize_t got;

    large = calloc(1, LARGE);
    if (!large)
        abort();
    if (fork() == 0) {
        close(accept(listener, NULL, NULL));
        fd = accept(listener, NULL, NULL);
        close(listener);
        usleep(SLOW_MS * 1000);
        while ((got = read(fd, large, LARGE)) > 0)
            whole += (size_t)got;
        say("%zu", whole);
        _exit(0);
    }
    close(listener);
    close(connected(&at));
    fd = connected(&at);
    if (timer_of(fd, true) == 0)
        fprintf(stderr, "nothing stays\n");
    return fd;
}

static void all_raw(int fd)
{
    for (size_t sent = 0; sent < LARGE;) {
        long result = raw_call(SYS_write, fd, (long)large, (long)(LARGE - sent), 0, 0);
        if (result <= 0)
            _exit(2);
        sent += (size_t)result;
    }
}

static void child_ends(pid_t child)
{
    int status = -1;

    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fprintf(stderr, "the child ended with %d\n", status);
}

static const char *head_to(int fd)
{
    static char command[64];

    snprintf(command, sizeof command, HEAD "%d", fd);
    return command;
}
#define SHELL_ARGV(fd) ((char *const[]){"sh", "-c", (char *)(uintptr_t)head_to(fd), NULL})

/* --- one way each of giving the socket more than it can take --- */

static void by_send(int fd)
{
    if (send(fd, large, LARGE, 0) != (ssize_t)LARGE)
        perror("send");
}

static void by_write(int fd)
{
    if (write(fd, large, LARGE) != (ssize_t)LARGE)
        perror("write");
}

static void by_small(int fd)
{
    for (size_t sent = 0; sent < LARGE; sent += 1024) {
        if (send(fd, large, 1024, 0) != 1024)
            perror("send");
    }
}

static void by_writev(int fd)
{
    struct iovec parts[2] = {{large, LARGE / 2}, {large + LARGE / 2, LARGE / 2}};

    if (writev(fd, parts, 2) != (ssize_t)LARGE)
        perror("writev");
}

static void by_pwritev2(int fd)
{
    struct iovec part = {large, LARGE};

    if (pwritev2(fd, &part, 1, -1, 0) != (ssize_t)LARGE)
        perror("pwritev2");
}

static void by_sendmsg(int fd)
{
    struct iovec part = {large, LARGE};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (sendmsg(fd, &message, 0) != (ssize_t)LARGE)
        perror("sendmsg");
}

static void by_sendmmsg(int fd)
{
    struct iovec part = {large, LARGE};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};

    if (sendmmsg(fd, &message, 1, 0) != 1 || message.msg_len != LARGE)
        perror("sendmmsg");
}

static void by_sendfile(int fd)
{
    int file = memfd_create("stay", MFD_CLOEXEC);

    if (file < 0 || ftruncate(file, (off_t)LARGE) != 0)
        abort();
    for (size_t sent = 0; sent < LARGE;) {
        ssize_t moved = sendfile(fd, file, NULL, LARGE - sent);
        if (moved <= 0) {
            perror("sendfile");
            return;
        }
        sent += (size_t)moved;
    }
}

static void by_splice(int fd)
{
    int ends[2];

    if (pipe(ends) != 0)
        abort();
    for (size_t sent = 0; sent < LARGE;) {
        ssize_t in = write(ends[1], large, 65536), moved;
        for (; in > 0; in -= moved, sent += (size_t)moved) {
            moved = splice(ends[0], NULL, fd, NULL, (size_t)in, 0);
            if (moved <= 0) {
                perror("splice");
                return;
            }
        }
    }
}

static void by_dprintf(int fd)
{
    for (size_t sent = 0; sent < LARGE; sent += 65536) {
        if (dprintf(fd, "%65536s", "") != 65536)
            perror("dprintf");
    }
}

static void by_fdopen(int fd)
{
    FILE *file = fdopen(fd, "w");

    if (fwrite(large, 1, LARGE, file) != LARGE || fclose(file) != 0)
        perror("fwrite");
}

static void by_syscall(int fd)
{
    if (syscall(SYS_sendto, fd, large, LARGE, 0L, NULL, 0L) != (long)LARGE)
        perror("syscall");
}

static void by_clone(int fd)
{
    pid_t child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);

    if (child == 0) {
        all_raw(fd);
        _exit(0);
    }
    child_ends(child);
}

static void by_dup(int fd)
{
    all_raw(dup(fd));
}

static void by_fork(int fd)
{
    pid_t child = fork();

    if (child == 0) {
        all_raw(fd);
        _exit(0);
    }
    child_ends(child);
}

static void by_vfork(int fd)
{
    char *const *argv = SHELL_ARGV(0);
    char command[64];
    pid_t child;

    snprintf(command, sizeof command, HEAD "0");
    child = vfork();
    if (child == 0) { /* as who starts a program with the socket as its stdin */
        dup2(fd, 0);
        raw_call(SYS_close, fd, 0, 0, 0, 0);
        execve("/bin/sh", argv, environ);
        _exit(127);
    }
    child_ends(child);
}

static void by_spawn(int fd)
{
    pid_t child = -1;

    if (posix_spawn(&child, "/bin/sh", NULL, NULL, SHELL_ARGV(fd), environ) != 0)
        perror("posix_spawn");
    child_ends(child);
}

static void by_spawnp(int fd)
{
    pid_t child = -1;

    if (posix_spawnp(&child, "sh", NULL, NULL, SHELL_ARGV(fd), environ) != 0)
        perror("posix_spawnp");
    child_ends(child);
}

static void by_system(int fd)
{
    if (system(head_to(fd)) != 0)
        perror("system");
}

static void by_popen(int fd)
{
    FILE *file = popen(head_to(fd), "r");

    if (!file || pclose(file) != 0)
        perror("popen");
}

static void by_execve(int fd)
{
    execve("/bin/sh", SHELL_ARGV(fd), environ);
}
static void by_execv(int fd)
{
    execv("/bin/sh", SHELL_ARGV(fd));
}
static void by_execvp(int fd)
{
    execvp("sh", SHELL_ARGV(fd));
}
static void by_execvpe(int fd)
{
    execvpe("sh", SHELL_ARGV(fd), environ);
}
static void by_execl(int fd)
{
    execl("/bin/sh", "sh", "-c", head_to(fd), NULL);
}
static void by_execlp(int fd)
{
    execlp("sh", "sh", "-c", head_to(fd), NULL);
}
static void by_execle(int fd)
{
    char *const small[] = {"PATH=/usr/bin:/bin", "KEPT=yes", NULL};
    char command[128];

    snprintf(command, sizeof command, "[ \"$KEPT\" = yes ] && %s", head_to(fd));
    execle("/bin/sh", "sh", "-c", command, NULL, small);
}
static void by_fexecve(int fd)
{
    fexecve(open("/bin/sh", O_RDONLY), SHELL_ARGV(fd), environ);
}
static void by_execveat(int fd)
{
    execveat(AT_FDCWD, "/bin/sh", SHELL_ARGV(fd), environ, 0);
}

static void by_rights(int fd)
{
    int pair[2];
    pid_t child;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {large, 1};
    struct msghdr message = {&(struct sockaddr_in){0}, 0, &part, 1, &control, sizeof control, 0};

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    child = (pid_t)raw_call(SYS_fork, 0, 0, 0, 0, 0);
    if (child == 0) {
        if (raw_call(SYS_recvmsg, pair[1], (long)&message, 0, 0, 0) != 1)
            _exit(3);
        memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
        all_raw(fd);
        _exit(0);
    }
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    if (sendmsg(pair[0], &message, 0) != 1)
        perror("sendmsg");
    child_ends(child);
}

static const struct {
    const char *name;
    void (*give)(int fd);
} ways[] = {
#define WAY(name)        \
    {                    \
#name, by_##name \
    }
    WAY(send),     WAY(write),    WAY(small),    WAY(writev),
    WAY(sendmsg),  WAY(sendmmsg), WAY(sendfile), WAY(splice),
    WAY(dprintf),  WAY(fdopen),   WAY(dup),      WAY(fork),
    WAY(syscall),  WAY(clone),    WAY(vfork),    WAY(spawn),
    WAY(spawnp),   WAY(system),   WAY(popen),    WAY(rights),
    WAY(execve),   WAY(execv),    WAY(execvp),   WAY(execvpe),
    WAY(execl),    WAY(execlp),   WAY(execle),   WAY(fexecve),
    WAY(execveat), WAY(pwritev2)
#undef WAY
};
#define WAYS (sizeof ways / sizeof *ways)

/* argv: the way, and whether a small send goes before. */
VICTIM(stay_gives)
{
    int fd = slow_peer();

    if (argv[2] && send(fd, large, 1, 0) != 1)
        perror("send");
    for (size_t i = 0; i < WAYS; i++) {
        if (strcmp(ways[i].name, argv[1]) == 0)
            ways[i].give(fd);
    }
    return 0;
}

/* All at once: most of it is waiting. */
START_TEST(waits_as_long_as_it_takes)
{
    struct victim *victims[WAYS];
    char whole[32];

    world_policy(POLICY);
    snprintf(whole, sizeof whole, "%zu", LARGE + (size_t)_i);
    for (size_t i = 0; i < WAYS; i++)
        victims[i] = victim_start("stay_gives", ways[i].name, _i ? "small" : NULL, NULL);
    for (size_t i = 0; i < WAYS; i++) {
        const char *said = victim_hear(victims[i]);
        ck_assert_msg(strcmp(said, whole) == 0, "by %s%s the peer got %s of %s", ways[i].name,
                      _i ? " after a small send" : "", said, whole);
        ck_assert_int_eq(victim_end(victims[i]), 0);
        ck_assert_str_eq(victims[i]->errors, "");
    }
}
END_TEST

/* One that answers, and to which a connect may take 100 ms. */
static struct server *echo_in_time(void)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n deadline connect 100ms\n breaker streak 5\n",
                 server->text);
    return server;
}

/* --- who asks --- */

VICTIM(stay_shows)
{
    int first = dial(argv[1]), fd = dial(argv[1]), other = dial(argv[1]), third = dial(argv[1]);
    struct timeval own = {5, 0};
    long kept, shown, set;

    close(first);
    ask(fd);
    kept = timer_of(fd, true);
    shown = timer_of(fd, false);
    ask(other);
    setsockopt(other, SOL_SOCKET, SO_SNDTIMEO, &own, sizeof own);
    ask(other);
    set = timer_of(other, true);
    ask(third);
    ask(third);
    say("%s %ld %ld %ld", kept > 0 ? "stays" : "gone", shown, set, timer_of(third, true));
    return 0;
}

START_TEST(shows_nothing_to_who_asks)
{
    struct server *server = echo_in_time();

    ck_assert_str_eq(victim_says("stay_shows", server->text, NULL), "stays 0 5000 0");
}
END_TEST

/* --- where it must not stay at all --- */

VICTIM(stay_nowhere)
{
    struct sockaddr_storage to;
    socklen_t length;
    int fd, on = 1, told = dup(1);
    long standard, deferred;

    close(dial(argv[1]));
    fd = socket_for(argv[1], 0, &to, &length);
    if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) != 0 ||
        connect(fd, (struct sockaddr *)(void *)&to, length) != 0)
        abort();
    deferred = timer_of(fd, true);
    close(1);
    fd = dial(argv[1]);
    standard = fd == 1 ? timer_of(fd, true) : -1;
    dup2(told, 1);
    say("%ld %ld", deferred, standard);
    return 0;
}

/* Where the first send makes the connection, it waits; and who prints to stdout sends unseen. */
START_TEST(is_gone_where_a_first_send_may_wait_or_be_unseen)
{
    struct server *server = echo_in_time();

    ck_assert_str_eq(victim_says("stay_nowhere", server->text, NULL), "0 0");
}
END_TEST

/* --- who may set no options any more --- */

/* A filter that makes a SIGSYS of setsockopt(). */
static const struct sock_fprog *no_options(void)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static const struct sock_fprog filter = {sizeof code / sizeof *code, code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        abort();
    return &filter;
}

VICTIM(stay_sealed)
{
    int fd;

    close(dial(argv[1]));
    fd = dial(argv[1]);
    if (ask(fd) != 0 || timer_of(fd, true) == 0)
        return 1;
    if (argv[2][0] == 'p' ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, no_options())
                          : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, no_options()))
        return 2;
    say("%s %ld", word_of(ask(fd)), timer_of(fd, true));
    return 0;
}

START_TEST(goes_before_a_filter_forbids_it)
{
    struct server *server = echo_in_time();

    ck_assert_str_eq(victim_says("stay_sealed", server->text, "prctl", NULL), "ok 0");
    ck_assert_str_eq(victim_says("stay_sealed", server->text, "seccomp", NULL), "ok 0");
}
END_TEST

/* --- two threads at once --- */

static struct {
    _Atomic int stopped, go_on;
    int fd;
} race;

/* In place of the system call that puts the timer back: the other thread sends meanwhile. */
static void race_stops(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;

    (void)number;
    (void)info;
#ifdef __x86_64__
    at->uc_mcontext.gregs[REG_RAX] = 0;
#else
    at->uc_mcontext.regs[0] = 0;
#endif
    atomic_store(&race.stopped, 1);
    while (!atomic_load(&race.go_on))
        usleep(1000);
}

/* Its setsockopt() is a SIGSYS from here on, so that it stops there. Nobody sees it coming. */
static void race_traps(void)
{
    struct sigaction action = {.sa_sigaction = race_stops, .sa_flags = SA_SIGINFO};

    if (sigaction(SIGSYS, &action, NULL) != 0 ||
        raw_call(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)no_options(), 0, 0) != 0)
        abort();
}

static void *race_first(void *none)
{
    race_traps();
    if (send(race.fd, large, 4096, 0) != 4096) /* not small: the timer goes first */
        perror("send");
    return none;
}

VICTIM(stay_race)
{
    pthread_t first;

    race.fd = slow_peer();
    pthread_create(&first, NULL, race_first, NULL);
    while (!atomic_load(&race.stopped))
        usleep(1000);
    by_send(race.fd);
    atomic_store(&race.go_on, 1);
    pthread_join(first, NULL);
    return 0;
}

/* Nobody takes it for gone while another thread is only about to put it back. */
START_TEST(is_not_said_to_be_gone_before_it_is)
{
    char whole[32];

    world_policy(POLICY);
    snprintf(whole, sizeof whole, "%zu", LARGE + 4096);
    ck_assert_str_eq(victim_says("stay_race", NULL), whole);
}
END_TEST

/* --- while the shim is off, and on sockets that are connected anew --- */

VICTIM(stay_disabled)
{
    int fd = slow_peer();

    send(fd, large, 1, 0);
    pause_here();
    by_send(fd);
    return 0;
}

START_TEST(waits_while_the_shim_is_disabled)
{
    world_policy(POLICY);
    struct victim *victim = victim_start("stay_disabled", NULL);

    AWAIT(world_has_segment() && world_leases("d") == 0 && world_figures("d").sent > 0);
    atomic_store(&world_segment()->head->disabled, 1);
    victim_tell(victim);
    ck_assert_uint_eq(strtoul(victim_hear(victim), NULL, 10), LARGE + 1);
    victim_end(victim);
}
END_TEST

VICTIM(stay_anew)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage to;
    socklen_t length;
    int fd = socket_for(argv[1], 0, &to, &length);

    long kept;

    close(dial(argv[1]));
    if (connect(fd, (struct sockaddr *)(void *)&to, length) != 0)
        abort();
    kept = timer_of(fd, true);
    if (connect(fd, &none, sizeof none) != 0)
        abort();
    say("%s %ld", kept > 0 ? "stays" : "gone", timer_of(fd, true));
    return 0;
}

START_TEST(goes_with_what_is_dissolved)
{
    struct server *server = echo_in_time();

    ck_assert_str_eq(victim_says("stay_anew", server->text, NULL), "stays 0");
}
END_TEST

/* --- the alarm of receives --- */

VICTIM(stay_found)
{
    say("%s %ld", argv[2], in_kernel(atoi(argv[1]), SO_RCVTIMEO));
    return 0;
}

/* argv: an address, and who goes on: itself, or a child. */
VICTIM(stay_alarmed)
{
    char number[16], kept[16];
    int fd = dial(argv[1]);
    bool child = strcmp(argv[2], "child") == 0;

    ask(fd);
    snprintf(number, sizeof number, "%d", fd);
    snprintf(kept, sizeof kept, "%s", in_kernel(fd, SO_RCVTIMEO) > 0 ? "stood" : "none");
    if (!child)
        execl("/nowhere", "nowhere", NULL);
    if (ask(fd) == 0 &&
        in_kernel(fd, SO_RCVTIMEO) == 0) /* an exec that fails changes nothing for long */
        snprintf(kept, sizeof kept, "lost");
    if (!child || fork() == 0)
        execl("/proc/self/exe", "shim", "--victim", "stay_found", number, kept, NULL);
    wait(NULL);
    return 0;
}

START_TEST(leaves_no_alarm_to_what_takes_its_place)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n deadline response 200s\n breaker streak 5\n",
                 server->text);
    ck_assert_str_eq(victim_says("stay_alarmed", server->text, "itself", NULL), "stood 0");
    ck_assert_str_ne(victim_says("stay_alarmed", server->text, "child", NULL), "stood 0");
}
END_TEST

Suite *suite_stay(void);
Suite *suite_stay(void)
{
    Suite *suite = suite_create("stay");
    TCase *tests = tcase_create("stay");

    tcase_add_checked_fixture(tests, world_begin, world_end);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, waits_as_long_as_it_takes, 0, 2);
    tcase_add_test(tests, shows_nothing_to_who_asks);
    tcase_add_test(tests, is_gone_where_a_first_send_may_wait_or_be_unseen);
    tcase_add_test(tests, is_not_said_to_be_gone_before_it_is);
    tcase_add_test(tests, goes_before_a_filter_forbids_it);
    tcase_add_test(tests, waits_while_the_shim_is_disabled);
    tcase_add_test(tests, goes_with_what_is_dissolved);
    tcase_add_test(tests, leaves_no_alarm_to_what_takes_its_place);
    suite_add_tcase(suite, tests);
    return suite;
}
