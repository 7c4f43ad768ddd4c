/* Every way to send starts an exchange, every way to receive ends it, and peeking does neither. */
#include "harness.h"

#include <sys/ioctl.h>
#include <sys/uio.h>

/* The fortified twins, as old programs call them. */
ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t length, size_t room, int flags,
                       struct sockaddr *from, socklen_t *size);
ssize_t __read_chk(int fd, void *buffer, size_t length, size_t room);

static bool send_by(int fd, int way)
{
    char byte = '?';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr many = {.msg_hdr = message};

    switch (way) {
    case 0:
        return send(fd, &byte, 1, 0) == 1;
    case 1:
        return sendto(fd, &byte, 1, 0, NULL, 0) == 1;
    case 2:
        return sendmsg(fd, &message, 0) == 1;
    case 3:
        return sendmmsg(fd, &many, 1, 0) == 1 && many.msg_len == 1;
    case 4:
        return write(fd, &byte, 1) == 1;
    default:
        return writev(fd, &part, 1) == 1;
    }
}

static bool receive_by(int fd, int way)
{
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr many = {.msg_hdr = message};
    ssize_t got;

    switch (way) {
    case 0:
        got = recv(fd, &byte, 1, 0);
        break;
    case 1:
        got = recvfrom(fd, &byte, 1, 0, NULL, NULL);
        break;
    case 2:
        got = recvmsg(fd, &message, 0);
        break;
    case 3:
        got = recvmmsg(fd, &many, 1, 0, NULL);
        break;
    case 4:
        got = read(fd, &byte, 1);
        break;
    case 5:
        got = readv(fd, &part, 1);
        break;
    case 6:
        got = __recv_chk(fd, &byte, 1, 1, 0);
        break;
    case 7:
        got = __recvfrom_chk(fd, &byte, 1, 1, 0, NULL, NULL);
        break;
    default:
        got = __read_chk(fd, &byte, 1, 1);
    }
    return got == 1 && byte == '?';
}

#define SENDS    6
#define RECEIVES 9

/* converse ADDRESS: all pairs over one connection. */
VICTIM(converse)
{
    int fd = dial(argv[1]), good = 0;

    for (int s = 0; s < SENDS; s++)
        for (int r = 0; r < RECEIVES; r++)
            good += send_by(fd, s) && receive_by(fd, r);
    say("%d", good);
    return 0;
}

static void all_pairs(int family)
{
    struct server *server = server_start(family, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1\n", server->text);
    ck_assert_str_eq(victim_says("converse", server->text, NULL), "54");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.connects[SP_OUTCOME_OK], 1);
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_OK], SENDS * RECEIVES);
    ck_assert_uint_eq(figures.sent, SENDS * RECEIVES);
    ck_assert_uint_eq(figures.received, SENDS * RECEIVES);
    ck_assert_uint_gt(sp_bin_quantile(figures.answer_time, 0.5), 0);
}

START_TEST(every_pair_over_tcp)
{
    all_pairs(AF_INET);
}
END_TEST

START_TEST(every_pair_over_unix)
{
    all_pairs(AF_UNIX);
}
END_TEST

/* peek ADDRESS: peeks, empty transfers and errors in between move nothing. */
VICTIM(peek)
{
    int fd = dial(argv[1]);
    char byte = '?';

    send(fd, &byte, 0, 0);
    recv(fd, &byte, 1, MSG_DONTWAIT);
    recv(fd, &byte, 1, MSG_ERRQUEUE | MSG_DONTWAIT);
    say("asked");
    pause_here();
    send(fd, &byte, 1, 0);
    recv(fd, &byte, 1, MSG_PEEK);
    say("peeked");
    pause_here();
    recv(fd, &byte, 1, 0);
    say("answered");
    return 0;
}

static uint64_t exchanges(void)
{
    return world_figures("d").exchanges[SP_OUTCOME_OK];
}

START_TEST(peeking_moves_nothing)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1\n", server->text);
    struct victim *victim = victim_start("peek", server->text, NULL);
    ck_assert_str_eq(victim_hear(victim), "asked");
    ck_assert_uint_eq(exchanges(), 0);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "peeked");
    ck_assert_uint_eq(exchanges(), 0);
    victim_tell(victim);
    ck_assert_str_eq(victim_hear(victim), "answered");
    ck_assert_uint_eq(exchanges(), 1);
    ck_assert_int_eq(victim_end(victim), 0);
}
END_TEST

/* pipelined ADDRESS: three questions, then three answers, are one exchange. */
VICTIM(pipelined)
{
    int fd = dial(argv[1]), got = 0;
    char bytes[3] = "abc";

    for (int i = 0; i < 3; i++)
        send(fd, bytes + i, 1, 0);
    while (got < 3) {
        ssize_t more = recv(fd, bytes, sizeof bytes, 0);

        if (more <= 0)
            return 1;
        got += (int)more;
    }
    say("%d", got);
    return 0;
}

START_TEST(pipelined_is_one)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n breaker streak 1\n", server->text);
    ck_assert_str_eq(victim_says("pipelined", server->text, NULL), "3");
    ck_assert_uint_eq(exchanges(), 1);
}
END_TEST

/* send_only ADDRESS: three sends to a peer that never answers. */
VICTIM(send_only)
{
    int fd = dial(argv[1]);

    for (int i = 0; i < 3; i++)
        if (send(fd, "x", 1, 0) != 1)
            return 1;
    close(fd);
    say("ok");
    return 0;
}

START_TEST(exchange_none_waits_for_nothing)
{
    struct server *server = server_start(AF_INET, HANG);

    world_policy("destination d\n match %s\n exchange none\n success connect\n breaker streak 1\n",
                 server->text);
    ck_assert_str_eq(victim_says("send_only", server->text, NULL), "ok");
    struct sp_figures figures = world_figures("d");
    ck_assert_uint_eq(figures.exchanges[SP_OUTCOME_ABANDONED], 0);
    ck_assert_uint_eq(figures.sent, 3);
}
END_TEST

SCENARIO(exchange, every_pair_over_tcp, every_pair_over_unix, peeking_moves_nothing,
         pipelined_is_one, exchange_none_waits_for_nothing)
