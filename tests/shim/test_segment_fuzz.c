/*
 * Nothing read from a segment is trusted: 10,000 damaged ones lead to wrong decisions at worst,
 * never to a crash. The damage is chosen by a seed, which a failure names: FUZZ_SEED=N repeats it.
 */
#include "harness.h"
#include "shearpin/split.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SEGMENTS 10000
#define BATCH    250
#define VICTIMS  100

static unsigned char *pristine; /* a segment that was in use */
static size_t size;
static char path[256];
static struct sp_addr address;

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Numbers that break bounds more often than any other. */
static uint64_t odd_number(uint64_t *seed)
{
    static const uint64_t odd[] = {0,          1,          0xff,       0x7fff,
                                   0xffff,     0x10000,    0x7fffffff, 0x80000000,
                                   0xffffffff, UINT64_MAX, INT64_MAX,  UINT64_C(1) << 63};
    uint64_t pick = next_random(seed);

    return pick & 1 ? next_random(seed) : odd[(pick >> 1) % (sizeof odd / sizeof *odd)];
}

/* Where it hurts: the head and the two policy areas are small and read at every call. */
static size_t some_place(uint64_t *seed)
{
    const struct sp_head *head = (const void *)pristine;
    size_t policies = size - (size_t)head->dest_max * sizeof(struct sp_dest) -
                      (size_t)head->lease_max * sizeof(sp_word) -
                      (size_t)head->arm_max * sizeof(struct sp_arm) - 2 * (size_t)head->policy_size;

    switch (next_random(seed) % 4) {
    case 0:
        return next_random(seed) % sizeof(struct sp_head);
    case 1:
        return policies + next_random(seed) % 4096;
    case 2:
        return size - 1 - next_random(seed) % (2 * sizeof(struct sp_dest));
    default:
        return next_random(seed) % size;
    }
}

static void damage(unsigned char *bytes, uint64_t *seed)
{
    unsigned wounds = 1 + (unsigned)(next_random(seed) % 24);

    while (wounds--) {
        size_t at = some_place(seed), width = (size_t)1 << next_random(seed) % 4;
        uint64_t value = odd_number(seed);

        at -= at % width;
        if (at + width <= size)
            memcpy(bytes + at, &value, width);
    }
}

static enum sp_life coin(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)now_ms;
    (void)slot;
    return next_random(context) & 1;
}

static void use_dest(struct sp_call *call, uint64_t *seed)
{
    struct sp_admission admission = {0};
    struct sp_wait wait;
    struct sp_breaker_view view;
    struct sp_figures figures;
    struct sp_steer note;

    sp_wait_none(&wait);
    sp_breaker_look(call, &view);
    if (sp_order_admit(call, true, &wait, &admission) == SP_PASS)
        sp_order_settle(call, &admission.permit, true,
                        next_random(seed) % 2 ? SP_OUTCOME_OK : SP_OUTCOME_REFUSED, 1000);
    sp_cap_release(call, &admission);
    sp_order_leave(call, true, &wait);
    if (sp_order_admit(call, false, NULL, &admission) == SP_PASS)
        sp_order_settle(call, &admission.permit, false, SP_OUTCOME_RESET, 1000);
    sp_breaker_trip(call);
    sp_breaker_look(call, &view);
    sp_breaker_reset(call);
    sp_count_sum(call->dest, &figures);
    sp_steer_read(call->dest, &note);
}

static void use_policy(struct sp_segment *segment)
{
    const struct sp_match *which;
    const char *name = "localhost";
    uint64_t word;
    const struct sp_policy *policy = sp_segment_policy(segment, &word);

    if (!policy)
        return;
    sp_policy_match(policy, &address, NULL, 0, &which);
    sp_policy_match(policy, &address, &name, 1, &which);
    for (size_t i = 0; i < 4; i++) {
        const struct sp_row *row = sp_policy_row(policy, i);

        if (row)
            sp_policy_file(policy, row->file);
    }
    sp_segment_steady(segment, word);
}

static void use_segment(struct sp_segment *segment, uint64_t *seed)
{
    struct sp_guards guards;
    struct sp_event event;
    char names[4][208];
    uint64_t sequence = 1;

    sp_process_join(segment);
    use_policy(segment);
    for (uint32_t i = 0; i < 4; i++) {
        struct sp_call call = {.segment = segment,
                               .dest = sp_segment_dest(segment, i),
                               .index = i,
                               .guards = &guards,
                               .now = sp_now(),
                               .random = next_random(seed),
                               .alive = coin,
                               .alive_context = seed};

        sp_segment_guards(segment, i, &guards);
        if (call.dest)
            use_dest(&call, seed);
    }
    sp_segment_dest_named(segment, "d", NULL);
    for (int i = 0; i < 8; i++, sequence++)
        sp_event_read(segment, &sequence, &event);
    sp_learnt_get(segment, &address, names, 4);
    sp_learnt_put(segment, &address, "name.example");
    sp_process_leave(segment);
}

static void use_damaged(unsigned char *map, uint64_t seed)
{
    struct sp_segment segment = {0};

    memcpy(map, pristine, size);
    damage(map, &seed);
    if (sp_segment_attach(&segment, path, NULL))
        return;
    use_segment(&segment, &seed);
    sp_segment_detach(&segment);
}

static void keep_pristine(const char *text)
{
    struct stat status;

    snprintf(path, sizeof path, "%s", world_segment()->path);
    ck_assert(sp_addr_parse(text, strlen(text), &address));
    world_end();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(fstat(fd, &status), 0);
    size = (size_t)status.st_size;
    pristine = malloc(size);
    ck_assert_ptr_nonnull(pristine);
    ck_assert_int_eq(pread(fd, pristine, size, 0), size);
    close(fd);
}

static unsigned char *map_file(void)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    ck_assert_ptr_ne(map, MAP_FAILED);
    close(fd);
    return map;
}

static uint64_t first_seed(void)
{
    const char *text = getenv("FUZZ_SEED");

    return text ? strtoull(text, NULL, 10) : 1;
}

static struct server *used_segment(void)
{
    struct server *server = server_start(AF_INET, ECHO);
    struct server *down = server_start(AF_INET, CLOSED);

    world_policy("destination d\n match %s localhost\n breaker streak 2  rate 50%% of 4 in 10s\n"
                 " cap 4\n deadline connect 1s\n"
                 "destination e\n match %s\n breaker streak 1\n cap 2\n",
                 server->text, down->text);
    ck_assert_str_eq(victim_says("ask", server->text, NULL), "ok");
    ck_assert_str_eq(victim_says("dial", down->text, NULL), "ECONNREFUSED");
    keep_pristine(server->text);
    return server;
}

START_TEST(ten_thousand)
{
    uint64_t seed = first_seed();

    used_segment();
    unsigned char *map = map_file();
    for (int done = 0; done < SEGMENTS; done += BATCH, seed += BATCH) {
        int status;
        uint64_t last;
        pid_t child = fork();

        if (child == 0) {
            for (uint64_t i = seed; i < seed + BATCH; i++) {
                memcpy(pristine + offsetof(struct sp_head, spare0), &i, sizeof i);
                alarm(20);
                use_damaged(map, i);
            }
            _exit(0);
        }
        waitpid(child, &status, 0);
        memcpy(&last, map + offsetof(struct sp_head, spare0), sizeof last);
        ck_assert_msg(status == 0, "status %#x with FUZZ_SEED from %llu (in the file: %llu)",
                      status, (unsigned long long)seed, (unsigned long long)last);
    }
}
END_TEST

/* The same through the library itself: any answer will do, and an exit in order. */
START_TEST(real_programs)
{
    struct server *server = used_segment();
    unsigned char *map = map_file();

    for (uint64_t seed = first_seed(), last = seed + VICTIMS; seed < last; seed++) {
        uint64_t random = seed;

        memcpy(map, pristine, size);
        damage(map, &random);
        struct victim *victim = victim_start("ask", server->text, NULL);
        victim_hear(victim);
        int status = victim_end(victim);
        ck_assert_msg(status == 0, "status %d with FUZZ_SEED=%llu", status,
                      (unsigned long long)seed);
    }
}
END_TEST

SCENARIO(segment_fuzz, ten_thousand, real_programs)
