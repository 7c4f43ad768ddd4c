/*
 * Thousands of answers that come right before their deadline, and some that race with it: none is
 * cut early, and none that has arrived is lost. Whatever answered late is counted and set aside.
 */
#include "harness.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define DEADLINE (500 * SP_MS)
#define PARALLEL 1000
#define ROUNDS   10

/* What became of one exchange: in memory that victim and test share. */
struct fate {
    _Atomic uint64_t sent;     /* right before send() */
    _Atomic uint64_t answered; /* right after the server's send() */
    _Atomic uint64_t ended;
    _Atomic int error; /* -1: not heard of */
};

struct fates {
    struct fate at[PARALLEL][ROUNDS];
};

static struct fates *fates_map(const char *path, bool fresh)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || (fresh && ftruncate(fd, sizeof(struct fates)) != 0))
        _exit(123);
    void *map = mmap(NULL, sizeof(struct fates), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        _exit(123);
    return map;
}

/* --- the server: answers a fixed time after the victim's send --- */

struct question {
    uint32_t talker, round;
};

struct pending {
    struct question question;
    uint64_t due;
    int fd;
    unsigned generation;
};

static struct {
    unsigned generation[2 * PARALLEL + 64]; /* of each fd number: an answer is for one connection */
    struct fates *fates;
    uint64_t delay;
    int listener;
    struct pending queue[PARALLEL * ROUNDS];
    size_t first, last;
} late;

static void late_hear(int fd)
{
    struct pending *p = &late.queue[late.last];

    if (recv(fd, &p->question, sizeof p->question, MSG_DONTWAIT) != sizeof p->question) {
        late.generation[fd]++;
        close(fd);
        return;
    }
    p->fd = fd;
    p->generation = late.generation[fd];
    p->due = late.fates->at[p->question.talker][p->question.round].sent + late.delay;
    late.last++;
}

static void late_answer(const struct pending *p)
{
    struct fate *fate = &late.fates->at[p->question.talker][p->question.round];

    if (p->generation == late.generation[p->fd] &&
        send(p->fd, &p->question, sizeof p->question, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        fate->answered = sp_now();
}

/* Asks about the near ones in a loop: what is to race must be exact. */
static int late_wait(void)
{
    uint64_t now = sp_now(), due = late.first < late.last ? late.queue[late.first].due : SP_NEVER;

    if (due == SP_NEVER)
        return -1;
    return due > now + 2 * SP_MS ? (int)((due - now) / SP_MS - 1) : 0;
}

static void *late_serve(void *context)
{
    struct epoll_event events[256];
    int queue = *(int *)context;

    for (;;) {
        int ready = epoll_wait(queue, events, 256, late_wait());
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            struct epoll_event event = {.events = EPOLLIN};

            if (fd != late.listener) {
                late_hear(fd);
                continue;
            }
            event.data.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
            epoll_ctl(queue, EPOLL_CTL_ADD, event.data.fd, &event);
        }
        while (late.first < late.last && late.queue[late.first].due <= sp_now())
            late_answer(&late.queue[late.first++]);
    }
    return NULL;
}

static const char *late_start(struct fates *fates, uint64_t delay)
{
    static char text[32];
    static int queue;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof to;
    pthread_t thread;

    late.fates = fates;
    late.delay = delay;
    late.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(late.listener, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(listen(late.listener, 1024), 0);
    getsockname(late.listener, (struct sockaddr *)&to, &length);
    queue = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(queue, EPOLL_CTL_ADD, late.listener,
              &(struct epoll_event){.events = EPOLLIN, .data.fd = late.listener});
    ck_assert_int_eq(pthread_create(&thread, NULL, late_serve, &queue), 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(to.sin_port));
    return text;
}

/* --- victims --- */

static struct fates *shared;
static const char *target;

static bool begin(int fd, uint32_t talker, uint32_t round)
{
    struct question question = {talker, round};
    struct fate *fate = &shared->at[talker][round];

    if (fd < 0) { /* no connection: told as what became of the first request on it */
        fate->error = errno;
        fate->sent = fate->ended = sp_now();
        return false;
    }
    fate->error = -1;
    fate->sent = sp_now();
    if (send(fd, &question, sizeof question, MSG_NOSIGNAL) == sizeof question)
        return true;
    fate->error = errno;
    fate->ended = sp_now();
    return false;
}

static bool end(int fd, uint32_t talker, uint32_t round)
{
    struct question answer = {0};
    struct fate *fate = &shared->at[talker][round];
    ssize_t got = recv(fd, &answer, sizeof answer, 0);

    if (got < 0 && errno == EAGAIN)
        return true;
    fate->error = got == sizeof answer && answer.talker == talker && answer.round == round ? 0
                  : got < 0                                                                ? errno
                            : ENODATA;
    fate->ended = sp_now();
    return fate->error == 0;
}

/* A connection that was cut is made anew: each exchange has its chance. */
static void *talk_blocking(void *context)
{
    uint32_t talker = (uint32_t)(uintptr_t)context;
    int fd = dial(target);

    for (uint32_t round = 0; round < ROUNDS; round++) {
        if (begin(fd, talker, round) && end(fd, talker, round))
            continue;
        close(fd);
        fd = dial(target);
    }
    return NULL;
}

/* late_blocking ADDRESS FILE TALKERS: a thread each. */
VICTIM(late_blocking)
{
    static pthread_t threads[PARALLEL];
    pthread_attr_t small;
    int talkers = atoi(argv[3]);

    target = argv[1];
    shared = fates_map(argv[2], false);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    for (int i = 0; i < talkers; i++)
        if (pthread_create(&threads[i], &small, talk_blocking, (void *)(uintptr_t)i))
            return 1;
    for (int i = 0; i < talkers; i++)
        pthread_join(threads[i], NULL);
    say("done");
    return 0;
}

struct loop {
    int queue;
    uint32_t first, count, open;
    uint32_t round[PARALLEL];
    int fd[PARALLEL];
};

static void loop_ask(struct loop *loop, uint32_t talker)
{
    while (loop->round[talker] < ROUNDS) {
        if (loop->fd[talker] < 0) {
            struct epoll_event event = {.events = EPOLLIN, .data.u32 = talker};

            loop->fd[talker] = dial(target);
            if (loop->fd[talker] >= 0) {
                fcntl(loop->fd[talker], F_SETFL, O_NONBLOCK);
                epoll_ctl(loop->queue, EPOLL_CTL_ADD, loop->fd[talker], &event);
            }
        }
        if (begin(loop->fd[talker], talker, loop->round[talker]))
            return;
        close(loop->fd[talker]);
        loop->fd[talker] = -1;
        loop->round[talker]++;
    }
    loop->open--;
}

static void loop_hear(struct loop *loop, uint32_t talker)
{
    bool good = end(loop->fd[talker], talker, loop->round[talker]);

    if (good && shared->at[talker][loop->round[talker]].error < 0)
        return;
    if (!good) {
        close(loop->fd[talker]);
        loop->fd[talker] = -1;
    }
    loop->round[talker]++;
    loop_ask(loop, talker);
}

static void *loop_run(void *context)
{
    struct loop *loop = context;
    struct epoll_event events[64];

    loop->queue = epoll_create1(0);
    loop->open = loop->count;
    for (uint32_t i = loop->first; i < loop->first + loop->count; i++) {
        loop->fd[i] = -1;
        loop_ask(loop, i);
    }
    while (loop->open) {
        int ready = epoll_wait(loop->queue, events, 64, -1);
        for (int i = 0; i < ready; i++)
            loop_hear(loop, events[i].data.u32);
    }
    return NULL;
}

/* late_loops ADDRESS FILE TALKERS LOOPS: event loops, each in a thread of its own. */
VICTIM(late_loops)
{
    static struct loop loops[4];
    pthread_t threads[4];
    uint32_t talkers = (uint32_t)atoi(argv[3]), count = (uint32_t)atoi(argv[4]);

    target = argv[1];
    shared = fates_map(argv[2], false);
    for (uint32_t i = 0; i < count; i++) {
        loops[i].first = talkers / count * i;
        loops[i].count = talkers / count;
        if (count == 1)
            loop_run(&loops[0]);
        else if (pthread_create(&threads[i], NULL, loop_run, &loops[i]))
            return 1;
    }
    for (uint32_t i = 0; count > 1 && i < count; i++)
        pthread_join(threads[i], NULL);
    say("done");
    return 0;
}

/* --- judgement --- */

struct verdict {
    unsigned good, late, cut;
};

static struct verdict judge(const struct fates *fates, uint32_t talkers)
{
    struct verdict verdict = {0, 0, 0};

    for (uint32_t t = 0; t < talkers; t++) {
        for (uint32_t r = 0; r < ROUNDS; r++) {
            const struct fate *f = &fates->at[t][r];
            uint64_t lasted = f->ended - f->sent;

            ck_assert_msg(f->sent && f->ended, "exchange %u of %u never ended", r, t);
            if (f->error == 0) {
                verdict.good++;
                continue;
            }
            ck_assert_msg(f->error == ETIMEDOUT, "%u of %u: %s", r, t, word_of(f->error));
            /* On the very edge the answer is heard and the connection cut all the same: that is
             * then told to the next request, at once. */
            bool edge = r > 0 && f[-1].error == 0 && f[-1].ended - f[-1].sent >= DEADLINE;
            if (edge && lasted < DEADLINE) {
                verdict.cut++;
                continue;
            }
            ck_assert_msg(lasted >= DEADLINE, "%u of %u was cut after %llu us", r, t,
                          (unsigned long long)(lasted / SP_US));
            ck_assert_msg(!f->answered || f->answered >= f->sent + DEADLINE,
                          "%u of %u: answered after %llu us, cut after %llu us", r, t,
                          (unsigned long long)((f->answered - f->sent) / SP_US),
                          (unsigned long long)(lasted / SP_US));
            verdict.late += f->answered != 0;
            verdict.cut++;
        }
    }
    return verdict;
}

static struct verdict run(const char *victim, uint64_t delay, const char *talkers,
                          const char *loops)
{
    struct fates *fates = fates_map(world_file("fates"), true);
    const char *address = late_start(fates, delay);

    world_policy("destination d\n match %s\n deadline response 500ms\n", address);
    ck_assert_str_eq(victim_says(victim, address, world_file("fates"), talkers, loops, NULL),
                     "done");
    struct verdict verdict = judge(fates, (uint32_t)atoi(talkers));
    fprintf(stderr, "# %s: %u answered, %u cut, the server was late in %u\n", victim, verdict.good,
            verdict.cut, verdict.late);
    return verdict;
}

/* 10,000 in all; on a machine that cannot answer in time nothing is proved. */
START_TEST(answers_in_time_are_never_cut)
{
    struct verdict loop = run("late_loops", DEADLINE - 10 * SP_MS, "1000", "1");

    if (loop.good < 5000)
        SKIP("the server was late too often");
}
END_TEST

START_TEST(in_loops_of_several_threads)
{
    struct verdict loops = run("late_loops", DEADLINE - 10 * SP_MS, "500", "4");

    if (loops.good < 2500)
        SKIP("the server was late too often");
}
END_TEST

START_TEST(in_blocking_threads)
{
    struct verdict threads = run("late_blocking", DEADLINE - 10 * SP_MS, "200", "1");

    if (threads.good < 1000)
        SKIP("the server was late too often");
}
END_TEST

/* Answers on the very edge: either way, but what had arrived in time is heard. */
START_TEST(a_race_loses_no_answer)
{
    run("late_loops", DEADLINE, "500", "4");
}
END_TEST

START_TEST(a_race_loses_no_answer_when_blocking)
{
    run("late_blocking", DEADLINE, "200", "1");
}
END_TEST

SCENARIO(never_early, answers_in_time_are_never_cut, in_loops_of_several_threads,
         in_blocking_threads, a_race_loses_no_answer, a_race_loses_no_answer_when_blocking)
