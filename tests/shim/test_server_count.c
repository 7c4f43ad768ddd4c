/*
 * A cap of 10 under SIGKILL, counted by the server: connections without a queued FIN. While a
 * process dies its sockets outlive its leases for a moment; for 100 ms at most there are more, and
 * not more than the victim had leases.
 */
#include "harness.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define CAP       10
#define PROCESSES 32
#define THREADS   4 /* of victim `hammer` */
#define KILLS     40
#define LIVE_MAX  1024

static struct {
    int listening;
    _Atomic bool stop;
    _Atomic unsigned rounds;
    _Atomic unsigned now;     /* connections at the last round */
    _Atomic unsigned most;    /* beyond the cap, at once */
    _Atomic uint64_t longest; /* ns without a pause */
    struct pollfd live[LIVE_MAX];
    nfds_t count;
} counter;

/* All that were accepted before the poll and have no FIN at it exist at the same time. */
static void count_round(uint64_t *since)
{
    nfds_t kept = 0;
    int fd;

    while (counter.count < LIVE_MAX &&
           (fd = accept4(counter.listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        counter.live[counter.count++] = (struct pollfd){.fd = fd, .events = POLLRDHUP};
    poll(counter.live, counter.count, 0);
    for (nfds_t i = 0; i < counter.count; i++) {
        if (counter.live[i].revents)
            close(counter.live[i].fd);
        else
            counter.live[kept++] = counter.live[i];
    }
    counter.count = kept;
    counter.now = (unsigned)kept;

    uint64_t now = sp_now();
    if (kept <= CAP) {
        *since = now;
        return;
    }
    if (kept - CAP > counter.most)
        counter.most = (unsigned)(kept - CAP);
    if (now - *since > counter.longest)
        counter.longest = now - *since;
}

static void *count_all(void *unused)
{
    uint64_t since = sp_now();

    while (!counter.stop) {
        count_round(&since);
        counter.rounds++;
        usleep(200);
    }
    return unused;
}

static pthread_t start_counting(char *address, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof at;
    pthread_t thread;

    counter.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(counter.listening, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(counter.listening, 256), 0);
    getsockname(counter.listening, (struct sockaddr *)&at, &length);
    snprintf(address, size, "127.0.0.1:%u", ntohs(at.sin_port));
    ck_assert_int_eq(pthread_create(&thread, NULL, count_all, NULL), 0);
    return thread;
}

/* What one process holds. */
static unsigned leases_of(pid_t pid)
{
    struct sp_segment *segment = world_segment();
    unsigned held = 0;
    uint32_t count;
    sp_word *words = sp_lease_words(segment, world_dest("d"), SP_CAP_CONNECTIONS, &count);

    for (uint32_t i = 0; words && i < count; i++) {
        uint64_t word = atomic_load(&words[i]);
        uint32_t slot = sp_lease_slot(word);

        held += word != 0 && slot < SP_PROCESSES && (pid_t)segment->processes[slot].pid == pid &&
                (segment->processes[slot].epoch & 0xfffffu) == sp_lease_epoch(word);
    }
    return held;
}

/* Stopped, so that it keeps what it has, and killed; returns how much that was. */
static unsigned end_one(struct victim *victim)
{
    kill(victim->pid, SIGSTOP);
    ck_assert_int_eq(waitpid(victim->pid, NULL, WUNTRACED), victim->pid);
    unsigned held = leases_of(victim->pid);
    kill(victim->pid, SIGKILL);
    ck_assert_int_eq(waitpid(victim->pid, NULL, 0), victim->pid);
    close(victim->in);
    close(victim->out);
    free(victim);
    return held;
}

/* One that holds something now. */
static struct victim **pick(struct victim **hammers)
{
    struct victim **one = hammers;

    for (int i = 0; i < 1000 && leases_of((*one)->pid) == 0; i++)
        one = &hammers[rand() % PROCESSES];
    return one;
}

START_TEST(beyond_the_cap_by_the_victims_leases_and_for_a_moment)
{
    struct victim *hammers[PROCESSES];
    unsigned beyond = 0, killed = 0;
    uint64_t longest = 0;
    char address[64];
    pthread_t thread = start_counting(address, sizeof address);

    world_policy("destination d\n match %s\n cap %d wait 30s\n", address, CAP);
    for (int i = 0; i < PROCESSES; i++)
        hammers[i] = victim_start("hammer", address, NULL);
    for (int i = 0; i < PROCESSES; i++)
        ck_assert_str_eq(victim_hear(hammers[i]), "ok");
    for (int i = 0; i < KILLS; i++) {
        AWAIT(counter.now >= CAP);
        struct victim **one = pick(hammers);
        ck_assert_uint_eq(counter.most, 0); /* while nobody dies */
        unsigned held = end_one(*one), seen = counter.rounds;
        AWAIT(counter.rounds >= seen + 3); /* its sockets are closed by now */
        ck_assert_msg(counter.most <= held, "%u beyond the cap, the victim had %u", counter.most,
                      held);
        beyond += counter.most;
        killed += held;
        longest = counter.longest > longest ? counter.longest : longest;
        counter.most = 0;
        counter.longest = 0;
        *one = victim_start("hammer", address, NULL);
    }
    for (int i = 0; i < PROCESSES; i++)
        end_one(hammers[i]);
    counter.stop = true;
    pthread_join(thread, NULL);
    fprintf(stderr,
            "# server_count: victims held %u, %u were beyond the cap, "
            "for %.1f ms\n",
            killed, beyond, (double)longest / (double)SP_MS);
    ck_assert_uint_gt(killed, 0);
    ck_assert_uint_le(longest, 100 * SP_MS);
}
END_TEST

SCENARIO(server_count, beyond_the_cap_by_the_victims_leases_and_for_a_moment)
