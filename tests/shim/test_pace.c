/* Injected bandwidth on programs that wait for many things at once: as many bytes a second as it
 * says, either way, and all of them, whatever they wait with. */
#include "harness.h"

#include <sys/epoll.h>

#define WHOLE ((size_t)64 << 10)
#define RATE  "bandwidth 128KiB/s"

/* What it waits with: poll, or epoll with these flags. */
static int paced_wait(const char *mode, int epoll, int fd, bool out)
{
    short events = (short)(POLLIN | (out ? POLLOUT : 0));
    struct pollfd one = {.fd = fd, .events = events};
    uint32_t flags = strcmp(mode, "edge") == 0      ? EPOLLET
                     : strcmp(mode, "oneshot") == 0 ? EPOLLONESHOT
                                                    : 0;
    struct epoll_event event = {.events = (uint32_t)events | flags, .data.u64 = 0xabc00000001};
    static int asked;

    if (strcmp(mode, "poll") == 0)
        return poll(&one, 1, 5000);
    if (asked != events || (flags & EPOLLONESHOT)) { /* edge-triggered: only when it changes */
        if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) != 0)
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        asked = events;
    }
    return epoll_wait(epoll, &event, 1, 5000);
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8));
}

/* paced_loop MODE ADDRESS: 64 KiB there and back at once; ms, bytes that came right, and waits. */
VICTIM(paced_loop)
{
    static unsigned char out[WHOLE], in[WHOLE];
    size_t sent = 0, got = 0, right = 0;
    unsigned waits = 0;
    int epoll = epoll_create1(0), fd = dial(argv[2]);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    poll(NULL, 0, 0);
    for (size_t i = 0; i < WHOLE; i++)
        out[i] = pattern(i);
    uint64_t start = sp_now();
    while (got < WHOLE) {
        ssize_t n = 0;
        while (sent < WHOLE && (n = send(fd, out + sent, WHOLE - sent, 0)) > 0)
            sent += (size_t)n;
        if (n < 0 && errno != EAGAIN)
            return 1;
        while (got < WHOLE && (n = recv(fd, in + got, WHOLE - got, 0)) > 0)
            got += (size_t)n;
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return 2;
        if (got < WHOLE && paced_wait(argv[1], epoll, fd, sent < WHOLE) != 1)
            return 3;
        waits++;
    }
    for (size_t i = 0; i < WHOLE; i++)
        right += in[i] == pattern(i);
    say("%lu %zu %u", (unsigned long)((sp_now() - start) / SP_MS), right, waits);
    return 0;
}

static const char *const modes[] = {"poll", "level", "edge", "oneshot"};

static void paced_by(const char *mode, int family)
{
    struct server *server = server_start(family, ECHO);
    unsigned long took;
    size_t right;
    unsigned waits;

    world_env("SHEARPIN_SET", "d.inject=" RATE);
    world_policy("destination d\n match %s\n", server->text);
    const char *said = victim_says("paced_loop", mode, server->text, NULL);
    ck_assert_msg(sscanf(said, "%lu %zu %u", &took, &right, &waits) == 3, "%s: %s", mode, said);
    ck_assert_uint_eq(right, WHOLE);
    ck_assert_msg(took >= 450 && took < 2000, "%s: %lu ms", mode, took);
    ck_assert_msg(waits < 300, "%s: %u waits", mode, waits);
}

START_TEST(a_loop_is_paced)
{
    paced_by(modes[_i], AF_INET);
}
END_TEST

START_TEST(a_loop_on_a_unix_socket_is_paced)
{
    paced_by(modes[_i], AF_UNIX);
}
END_TEST

/* paced_plain ADDRESS: the same of calls that block; nobody gets less than he asked to send. */
VICTIM(paced_plain)
{
    static unsigned char bytes[WHOLE / 2];
    int fd = dial(argv[1]);
    uint64_t start = sp_now();
    ssize_t sent = send(fd, bytes, sizeof bytes, 0);
    unsigned long out = (unsigned long)((sp_now() - start) / SP_MS);

    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_WAITALL);
    say("%zd %lu %zd", sent, out, got);
    return 0;
}

START_TEST(a_send_that_blocks_sends_all)
{
    struct server *server = server_start(AF_INET, ECHO);
    unsigned long out;
    size_t sent, got;

    world_env("SHEARPIN_SET", "d.inject=" RATE);
    world_policy("destination d\n match %s\n", server->text);
    ck_assert_int_eq(
        sscanf(victim_says("paced_plain", server->text, NULL), "%zu %lu %zu", &sent, &out, &got),
        3);
    ck_assert_uint_eq(sent, WHOLE / 2);
    ck_assert_uint_eq(got, WHOLE / 2);
    ck_assert_uint_ge(out, 220);
    ck_assert_uint_lt(out, 2000);
}
END_TEST

Suite *suite_pace(void);
Suite *suite_pace(void)
{
    const TTest *const once[] = {a_send_that_blocks_sends_all, NULL};
    Suite *suite = scenario("pace", once);
    TCase *tests = tcase_create("loops");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, world_begin, world_end);
    tcase_add_loop_test(tests, a_loop_is_paced, 0, sizeof modes / sizeof *modes);
    tcase_add_loop_test(tests, a_loop_on_a_unix_socket_is_paced, 0, sizeof modes / sizeof *modes);
    suite_add_tcase(suite, tests);
    return suite;
}
