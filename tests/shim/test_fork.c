/* An inherited connection is the parent's: the child neither expires it nor holds its lease. */
#include "harness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The kernel's view, asked past the shim. */
static int tcp_state(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    raw_call(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, (long)&info, (long)&size);
    return info.tcpi_state;
}

static void poll_for(int fd, int milliseconds)
{
    struct pollfd waiting = {.fd = fd, .events = POLLOUT | POLLIN};
    uint64_t end = sp_now() + (uint64_t)milliseconds * SP_MS;

    while (sp_now() < end)
        if (poll(&waiting, 1, 10) > 0)
            break;
}

/* child_polls ADDRESS: under a connect deadline of 100 ms. */
VICTIM(child_polls)
{
    int fd = start_dial(argv[1]);
    pid_t child = fork();
    int status;

    if (child == 0) {
        poll_for(fd, 300);
        _exit(tcp_state(fd) == TCP_SYN_SENT ? 0 : 1);
    }
    waitpid(child, &status, 0);
    say("%d %s", status, tcp_state(fd) == TCP_SYN_SENT ? "untouched" : "cut");
    poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
    say("%s", word_of(socket_error(fd)));
    return 0;
}

START_TEST(child_never_expires)
{
    struct server *server = server_start(AF_INET, DEAF);

    world_policy("destination d\n match %s\n deadline connect 100ms\n", server->text);
    struct victim *victim = victim_start("child_polls", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "0 untouched");
    ck_assert_str_eq(victim_hear(victim), "ETIMEDOUT");
    ck_assert_int_eq(victim_end(victim), 0);
    ck_assert_uint_eq(world_figures("d").connects[SP_OUTCOME_CONNECT_TIMEOUT], 1);
}
END_TEST

/* child_waits ADDRESS: an established connection with a question under way. */
VICTIM(child_waits)
{
    int fd = dial(argv[1]), status;
    char byte = '?';
    bool sent = send(fd, &byte, 1, 0) == 1;
    pid_t child = fork();

    if (child == 0) {
        usleep(1000);
        close(fd);
        _exit(0);
    }
    waitpid(child, &status, 0);
    say("%d %s", status, word_of(sent && recv(fd, &byte, 1, 0) == 1 ? 0 : errno));
    return 0;
}

START_TEST(child_close_is_no_end)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    ck_assert_str_eq(victim_says("child_waits", server->text, NULL), "0 ok");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_ABANDONED], 0);
}
END_TEST

/* child_stays ADDRESS: the parent closes, the child lives on with the inherited fd. */
VICTIM(child_stays)
{
    int fd = dial(argv[1]);

    if (fork() == 0) {
        pause_here();
        _exit(0);
    }
    int second = dial(argv[1]);
    say("%s", word_of(second < 0 ? second : 0));
    close(fd);
    second = dial(argv[1]);
    say("%s", word_of(second < 0 ? second : 0));
    return 0;
}

START_TEST(child_owns_no_lease)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 1\n", server->text);
    struct victim *victim = victim_start("child_stays", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ECONNREFUSED");
    ck_assert_str_eq(victim_hear(victim), "ok");
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* child_dials ADDRESS: what the child connects itself is its own, beside its parent's. */
VICTIM(child_dials)
{
    int fd = dial(argv[1]), status;
    pid_t child = fork();

    if (child == 0) {
        int mine = dial(argv[1]);
        bool asked = mine >= 0 && ask(mine) == 0;
        _exit(asked && dial(argv[1]) == -ECONNREFUSED ? 0 : 1);
    }
    waitpid(child, &status, 0);
    say("%d %s", status, word_of(ask(fd)));
    return 0;
}

START_TEST(child_has_its_own)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 2\n", server->text);
    ck_assert_str_eq(victim_says("child_dials", server->text, NULL), "0 ok");
    ck_assert_uint_eq(world_figures("d").exchanges[SP_OUTCOME_OK], 2);
}
END_TEST

/* child_of_clone ADDRESS: a child that no wrapper of fork() has seen, born before a reload, goes on
 * with the connection of its parent. */
VICTIM(child_of_clone)
{
    int fd = dial(argv[1]), status;
    int first = ask(fd) | ask(fd);
    pid_t child = (pid_t)raw_call(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (child == 0) {
        say("%s", word_of(first));
        pause_here();
        say("%s", word_of(ask(fd)));
        pause_here();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return status;
}

START_TEST(a_child_is_told_nothing_by_a_reload)
{
    struct server *server = server_start(AF_INET, ECHO);
    char *argv[] = {strdup(world_tool("shearpin")), "reload", "-q", NULL};

    world_policy("destination d\n match %s\n cap 9\n", server->text);
    struct victim *victim = victim_start("child_of_clone", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "ok");
    world_policy("destination d\n match %s\n cap 8\n", server->text);
    ck_assert_int_eq(victim_end(victim_exec(argv)), 0);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "ok");
    free(argv[0]);
    ck_assert_uint_eq(world_leases("d"), 2); /* its own, and its parent's */
    victim_tell(victim);
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

SCENARIO(fork, child_never_expires, child_close_is_no_end, child_owns_no_lease, child_has_its_own,
         a_child_is_told_nothing_by_a_reload)
