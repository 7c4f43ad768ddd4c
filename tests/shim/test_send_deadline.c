/*
 * Sends under `deadline send` and `deadline response`: all bytes arrive intact when the peer is
 * only slow, by every call; a peer that stops reading is noticed on time, without SIGPIPE; an
 * upload that takes longer than `response` is not cut while it goes on.
 */
#include "harness.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>

#define DEADLINE_MS 300
#define LATE_MS     150
#define BYTES       (2u << 20)
#define PARTS       1000

/* --- a peer that reads slowly, or not at all, and says at the end whether all was intact --- */

struct slow {
    int listener;
    _Atomic bool reads;
    _Atomic size_t got, wrong;
    _Atomic bool ended;
    char text[32];
};

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8) + (at >> 16));
}

/* Four times in its life it rests for longer than a quarter of the deadline. */
static void *slow_serve(void *context)
{
    static unsigned char room[32 << 10];
    struct slow *slow = context;
    int fd = accept4(slow->listener, NULL, NULL, SOCK_CLOEXEC);
    ssize_t got;

    while (!slow->reads)
        usleep(1000);
    while ((got = recv(fd, room, sizeof room, 0)) > 0) {
        size_t before = slow->got;

        for (ssize_t i = 0; i < got; i++)
            slow->wrong += room[i] != pattern(before + (size_t)i);
        slow->got = before + (size_t)got;
        usleep(before / (BYTES / 4) != slow->got / (BYTES / 4) ? DEADLINE_MS * 300 : 500);
    }
    send(fd, "!", 1, MSG_NOSIGNAL);
    slow->ended = true;
    close(fd);
    return NULL;
}

static struct slow *slow_start(bool reads)
{
    struct slow *slow = calloc(1, sizeof *slow);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof to;
    pthread_t thread;

    slow->reads = reads;
    slow->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(slow->listener, SOL_SOCKET, SO_RCVBUF, &(int){32 << 10}, sizeof(int));
    ck_assert_int_eq(bind(slow->listener, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(listen(slow->listener, 8), 0);
    getsockname(slow->listener, (struct sockaddr *)&to, &length);
    snprintf(slow->text, sizeof slow->text, "127.0.0.1:%d", ntohs(to.sin_port));
    ck_assert_int_eq(pthread_create(&thread, NULL, slow_serve, slow), 0);
    pthread_detach(thread);
    return slow;
}

/* --- the victim --- */

static unsigned char *content(void)
{
    int fd = memfd_create("content", 0);
    unsigned char *at;

    if (ftruncate(fd, BYTES) ||
        (at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
        _exit(123);
    for (size_t i = 0; i < BYTES; i++)
        at[i] = pattern(i);
    return at;
}

static int content_file(const unsigned char *at)
{
    int fd = memfd_create("file", 0);

    if (write(fd, at, BYTES) != BYTES || lseek(fd, 0, SEEK_SET) != 0)
        _exit(123);
    return fd;
}

/* Uneven parts, so that every boundary is cut through somewhere. */
static size_t parts_of(const unsigned char *at, size_t length, struct iovec *parts, size_t most)
{
    size_t count = 0;

    while (length > 0 && count < most) {
        size_t size = 1 + count * 37 % 9000;

        size = size < length ? size : length;
        parts[count++] = (struct iovec){(void *)(uintptr_t)at, size};
        at += size;
        length -= size;
    }
    return count;
}

static ssize_t send_by(int fd, const char *how, const unsigned char *at, size_t length)
{
    static struct iovec parts[PARTS];
    static int file = -1, ends[2] = {-1, -1};
    struct msghdr message = {.msg_iov = parts};
    struct mmsghdr many;

    if (!strcmp(how, "send"))
        return send(fd, at, length, 0);
    if (!strcmp(how, "sendto"))
        return sendto(fd, at, length, 0, NULL, 0);
    if (!strcmp(how, "write"))
        return write(fd, at, length);
    message.msg_iovlen = parts_of(at, length, parts, PARTS);
    if (!strcmp(how, "writev"))
        return writev(fd, parts, (int)message.msg_iovlen);
    if (!strcmp(how, "sendmsg"))
        return sendmsg(fd, &message, 0);
    if (!strcmp(how, "sendmmsg")) {
        many.msg_hdr = message;
        return sendmmsg(fd, &many, 1, 0) == 1 ? (ssize_t)many.msg_len : -1;
    }
    if (file < 0)
        file = content_file(at);
    if (!strcmp(how, "sendfile"))
        return sendfile(fd, file, NULL, length);
    if (ends[0] < 0 && pipe(ends))
        return -1;
    ssize_t filled = splice(file, NULL, ends[1], NULL, 60000, 0);
    return filled <= 0 ? -1 : splice(ends[0], NULL, fd, NULL, (size_t)filled, 0);
}

/* upload ADDRESS HOW: blocking; then the peer's word that it has all. */
VICTIM(upload)
{
    unsigned char *at = content();
    int fd = dial(argv[1]);
    size_t done = 0;
    char byte;

    /* What the kernel has taken is sent: little of it, so that its reading is no answer's time. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){64 << 10}, sizeof(int));
    while (done < BYTES) {
        ssize_t sent = send_by(fd, argv[2], at + done, BYTES - done);

        if (sent <= 0) {
            say("%s after %zu", word_of(errno), done);
            return 0;
        }
        done += (size_t)sent;
    }
    shutdown(fd, SHUT_WR);
    say("%s", word_of(recv(fd, &byte, 1, 0) < 0 ? errno : 0));
    return 0;
}

static const char *const ways[] = {"send",    "sendto",   "write",    "writev",
                                   "sendmsg", "sendmmsg", "sendfile", "splice"};

static void intact(const char *deadlines, unsigned step)
{
    world_policy("destination d\n match 127.0.0.1\n deadline %s\n", deadlines);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i += step) {
        struct slow *slow = slow_start(true);

        const char *said = victim_says("upload", slow->text, ways[i], NULL);
        ck_assert_msg(!strcmp(said, "ok"), "%s: %s", ways[i], said);
        AWAIT(slow->ended);
        ck_assert_uint_eq(slow->got, BYTES);
        ck_assert_uint_eq(slow->wrong, 0);
    }
}

START_TEST(a_slow_peer_gets_every_byte)
{
    intact("send 300ms", 1);
}
END_TEST

START_TEST(and_has_time_to_answer)
{
    intact("send 300ms  response 300ms  idle 300ms", 2);
}
END_TEST

START_TEST(an_upload_may_last_longer_than_an_answer)
{
    intact("response 300ms", 3);
}
END_TEST

/* --- a peer that does not read --- */

/* stuck ADDRESS HOW: how long after the last byte went the error came, and what every call says. */
VICTIM(stuck)
{
    unsigned char *at = content();
    int fd = dial(argv[1]);
    uint64_t since = sp_now();
    ssize_t sent;

    while ((sent = send_by(fd, argv[2], at, BYTES)) > 0)
        if (sp_now() - since < 100 * SP_MS)
            since = sp_now();
    int error = errno;
    unsigned long took = (unsigned long)((sp_now() - since) / SP_US);
    int again = send(fd, "x", 1, 0) < 0 ? errno : 0;
    say("%s %lu %s", word_of(error), took, word_of(again));
    return 0;
}

START_TEST(a_peer_that_stops_reading)
{
    static const char *const bounded[] = {"send", "sendto", "write", "writev", "sendmsg"};

    world_policy("destination d\n match 127.0.0.1\n deadline send %dms\n", DEADLINE_MS);
    for (unsigned i = 0; i < sizeof bounded / sizeof *bounded; i++) {
        struct slow *slow = slow_start(false);
        char word[32], again[32];
        unsigned long took;

        const char *said = victim_says("stuck", slow->text, bounded[i], NULL);
        ck_assert_int_eq(sscanf(said, "%31s %lu %31s", word, &took, again), 3);
        ck_assert_msg(!strcmp(word, "ETIMEDOUT") && !strcmp(again, "ETIMEDOUT"), "%s: %s",
                      bounded[i], said);
        ck_assert_msg(took >= DEADLINE_MS * 1000 - 5000 && took < (DEADLINE_MS + LATE_MS) * 1000,
                      "%s: after %lu us", bounded[i], took);
        ck_assert_uint_eq(world_figures("d").expired[SP_DEADLINE_SEND], i + 1);
    }
}
END_TEST

/* loops ADDRESS: fills only after it was told that there is room, so it never meets EAGAIN. */
VICTIM(loops)
{
    static unsigned char room[16 << 10];
    int fd = dial(argv[1]), queue = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLOUT};
    uint64_t since = sp_now();

    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
    while (epoll_wait(queue, &event, 1, -1) == 1 && send(fd, room, sizeof room, 0) > 0)
        since = sp_now();
    say("%s %lu", word_of(errno), (unsigned long)((sp_now() - since) / SP_US));
    return 0;
}

START_TEST(is_noticed_by_who_asks_for_room_first)
{
    struct slow *slow = slow_start(false);
    char word[32];
    unsigned long took;

    world_policy("destination d\n match %s\n deadline send %dms\n", slow->text, DEADLINE_MS);
    const char *said = victim_says("loops", slow->text, NULL);
    ck_assert_int_eq(sscanf(said, "%31s %lu", word, &took), 2);
    ck_assert_str_eq(word, "ETIMEDOUT");
    ck_assert_uint_ge(took, DEADLINE_MS * 1000);
    ck_assert_uint_lt(took, (DEADLINE_MS + LATE_MS) * 1000);
}
END_TEST

/* --- a request in pieces --- */

/* pieces ADDRESS COUNT: one every 100 ms, three of which outlast the deadline; then the answer. */
VICTIM(pieces)
{
    int fd = dial(argv[1]), queue = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    uint64_t last = 0;
    char byte;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event);
    for (int i = 0; i < atoi(argv[2]); i++) {
        if (i && epoll_wait(queue, &event, 1, 100) != 0)
            break;
        last = sp_now();
        send(fd, "?", 1, MSG_NOSIGNAL);
    }
    epoll_wait(queue, &event, 1, -1);
    int error = recv(fd, &byte, 1, 0) < 0 ? errno : 0;
    say("%s %lu", word_of(error), (unsigned long)((sp_now() - last) / SP_MS));
    return 0;
}

static void in_pieces(const char *deadlines, unsigned long least, unsigned long most)
{
    struct server *server = server_start(AF_INET, HANG);
    unsigned long took;

    world_policy("destination d\n match %s\n deadline %s\n", server->text, deadlines);
    const char *said = victim_says("pieces", server->text, "6", NULL);
    ck_assert_msg(sscanf(said, "ETIMEDOUT %lu", &took) == 1, "%s", said);
    ck_assert_msg(took >= least && took < most, "%s: %s", deadlines, said);
}

START_TEST(response_counts_from_the_last_piece)
{
    in_pieces("response 300ms", 300, 300 + LATE_MS);
}
END_TEST

START_TEST(total_counts_from_the_first)
{
    in_pieces("response 300ms  total 600ms", 50, 100 + LATE_MS);
}
END_TEST

/* What fits goes, down to the last of it: after a send that its own timer ended there is no room
 * for even a little, as there would be if the last of what was acknowledged had not been used. */
VICTIM(fills_up)
{
    static char big[600000];
    int left = 0;

    for (int i = 0; i < 8; i++) {
        struct sockaddr_in at;
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        listen_here(&at);
        if (connect(fd, (struct sockaddr *)(void *)&at, sizeof at) != 0)
            return 1;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){100000}, sizeof(int));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0, 50000},
                   sizeof(struct timeval));
        ssize_t sent = send(fd, big, sizeof big, 0);
        left += sent <= 0 || sent == (ssize_t)sizeof big || send(fd, big, 9, 0) == 9;
    }
    say("%d", left);
    return 0;
}

START_TEST(fills_what_room_there_is)
{
    world_policy("destination d\n match 127.0.0.1\n deadline response 30s\n");
    victim_says_as_bare("fills_up", NULL);
}
END_TEST

static char piece[100];

/* A unix socket that takes nothing more, and its peer. */
static int full_unix(const char *address, int *peer)
{
    int listener = listen_unix(address + strlen("unix:")), fd = dial(address);

    *peer = accept(listener, NULL, NULL);
    while (send(fd, piece, sizeof piece, MSG_DONTWAIT) > 0)
        ;
    return fd;
}

static int drained = -1;
static void drain(int number)
{
    (void)number;
    if (drained >= 0 && recv(drained, piece, sizeof piece, MSG_DONTWAIT) > 0)
        drained = -1;
}

/* signalled ADDRESS timed|drained: signals whose handler restarts calls come to a send on a full
 * socket, which has a timer of its own, or a little room after the first. */
VICTIM(signalled)
{
    static char big[600000];
    struct itimerval often = {{0, 30000}, {0, 30000}};
    int peer, fd = full_unix(argv[1], &peer);

    if (!strcmp(argv[2], "timed"))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){5, 0}, sizeof(struct timeval));
    else
        drained = peer;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = drain, .sa_flags = SA_RESTART}, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    ssize_t sent = send(fd, big, sizeof big, 0);
    say("%s", sent < 0 ? word_of(errno) : sent < (ssize_t)sizeof big ? "part" : "all");
    return 0;
}

static void signalled(const char *how, const char *what)
{
    char address[256];

    snprintf(address, sizeof address, "unix:%s", world_file("full.sock"));
    world_policy("destination d\n match %s\n deadline response 3s\n", address);
    ck_assert_str_eq(victim_says("signalled", address, how, NULL), what);
}

START_TEST(a_timer_of_its_own_makes_signals_end_it)
{
    signalled("timed", "EINTR");
}
END_TEST

START_TEST(a_send_begins_anew_after_a_signal)
{
    signalled("drained", "part");
}
END_TEST

SCENARIO(send_deadline, a_slow_peer_gets_every_byte, and_has_time_to_answer,
         an_upload_may_last_longer_than_an_answer, a_peer_that_stops_reading,
         is_noticed_by_who_asks_for_room_first, response_counts_from_the_last_piece,
         total_counts_from_the_first, fills_what_room_there_is,
         a_timer_of_its_own_makes_signals_end_it, a_send_begins_anew_after_a_signal)
