/* A whole segment with anything in it: what the command reads and what programs do on their way
 * leads nowhere outside of it, and to an end. The input damages one that was in use: behind its
 * head, in its head, or everywhere; then one of the commands, or all guards, have to do with it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);

#define FOUND 77 /* no exit status of a command */
const char *__asan_default_options(void)
{
    return "detect_leaks=0:exitcode=77"; /* a command ends with its process */
}

#define main shearpin_main
int main(int argc, char **argv);
#include "../../src/cli/main.c"
#undef main
#include "../../src/cli/serve.c"

#include "base/random.h"
#include "segment.h"
#include "state/layout.h"

static const char policy[] =
    "segment fuzz\n"
    "defaults\n    journal 16KiB\n"
    "destination pay\n"
    "    match 127.0.0.1:80 localhost *.example:80\n"
    "    deadline connect 250ms response 2s\n"
    "    breaker streak 2 rate 50% of 4 in 10s slow 50% over 1s of 4 in 10s "
    "open 1s..60s\n"
    "    cap 4 wait 100ms\n    cap inflight 2\n    limit 100/s burst 5\n"
    "    retry 2 backoff 1ms..4ms on refused,timeout\n"
    "    fallback 127.0.0.2:81 when open\n    fallback dr.sample:80\n"
    "    slo p95 < 500ms for 5m\n    slo errors < 1% for 1m\n"
    "destination search\n    match 127.0.0.1:81\n"
    "    split 127.0.0.1:82 share 75% as blue\n"
    "    split 127.0.0.1:83 share 25% as green\n"
    "    breaker streak 3\n"
    "destination each\n    match 127.0.0.0/24:84\n"
    "    breaker streak 2 scope endpoint eject 50%\n    mode enforce 10%\n"
    "destination rest\n    match *\n    mode observe\n"
    "experiment game\n    expect nothing\n    target pay\n    target search\n"
    "    steady errors < 90% for 1m\n"
    "    inject latency 3ms +-1ms share 20%\n    inject refuse at 3..5\n"
    "    last 1h\n    abort errors > 99% for 30s\n    abort pay opens\n";

/* Words of a command; `@` stands for a file in the fuzzer's directory. */
static const char *const commands[][6] = {{"status"},
                                          {"status", "pay"},
                                          {"status", "search"},
                                          {"status", "each"},
                                          {"status", "--json"},
                                          {"status", "--waiting"},
                                          {"top", "--batch", "--frames", "2"},
                                          {"metrics"},
                                          {"events"},
                                          {"events", "--json"},
                                          {"events", "--record", "@events"},
                                          {"journal"},
                                          {"journal", "--json"},
                                          {"journal", "--record", "@journal"},
                                          {"whatif"},
                                          {"whatif", "--json", "-o", "pay.breaker.streak=1"},
                                          {"slo"},
                                          {"slo", "--json"},
                                          {"health"},
                                          {"ready", "pay"},
                                          {"segments", "--json"},
                                          {"suggest"},
                                          {"chaos", "list"},
                                          {"chaos", "status"},
                                          {"chaos", "status", "--json"},
                                          {"chaos", "report", "game"},
                                          {"chaos", "report", "game", "--json"},
                                          {"chaos", "report", "game", "--html", "@report"},
                                          {"chaos", "record", "game", "@record"},
                                          {"chaos", "start", "game", "--also", "-q"},
                                          {"chaos", "stop"},
                                          {"shift", "search"},
                                          {"shift", "search", "--json"},
                                          {"trip", "pay"},
                                          {"hold", "search@blue", "open"},
                                          {"reset", "--all"},
                                          {"disable"},
                                          {"wait", "pay", "open", "--timeout", "10ms"}};
#define COMMANDS (sizeof commands / sizeof *commands)

static char directory[] = "/dev/shm/shearpin-fuzz.XXXXXX", path[256];
static struct sp_segment base; /* of the fuzzer, a process of the segment as long as it lives */
static unsigned char *file, *pristine;

/* --- a clock that sleeps make go on, so that nobody waits --- */

static uint64_t slept;

int nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    slept += (uint64_t)time->tv_sec * SP_SECOND + (uint64_t)time->tv_nsec;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC) {
        uint64_t ns = (uint64_t)now->tv_nsec + slept % SP_SECOND;
        now->tv_sec += (time_t)(slept / SP_SECOND + ns / SP_SECOND);
        now->tv_nsec = (long)(ns % SP_SECOND);
    }
    return (int)result;
}

/* --- the segment --- */

/* What a command leaves behind is gone with its process; here it is every few runs. */
static void leftovers_unmap(void)
{
    char line[512];
    unsigned long from, to;
    static unsigned runs;
    FILE *maps = runs++ % 64 == 0 ? fopen("/proc/self/maps", "re") : NULL;
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && strstr(line, path) && to - from > 4096 &&
            from != (unsigned long)file && from != (unsigned long)base.head)
            munmap((void *)from, (base.size + 4095) / 4096 * 4096 + SP_AT_TAIL);
    }
    if (maps)
        fclose(maps);
}

/* One that leaves much behind. */
static void command_fork(int argc, char **argv)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(shearpin_main(argc, argv));
    if (child > 0 && waitpid(child, &status, 0) == child &&
        (!WIFEXITED(status) || WEXITSTATUS(status) == FOUND))
        abort();
}

static void command_run(const char *const *words)
{
    char files[6][64], *argv[8] = {(char *)"shearpin"};
    int argc = 1;
    for (; argc <= 6 && words[argc - 1]; argc++) {
        const char *word = words[argc - 1];
        snprintf(files[argc - 1], sizeof *files, "%s/x-%s", directory, word + (*word == '@'));
        argv[argc] = *word == '@' ? files[argc - 1] : (char *)word;
    }
    optind = 0; /* getopt begins anew */
    if (strcmp(words[0], "whatif") == 0)
        command_fork(argc, argv);
    else
        shearpin_main(argc, argv);
    leftovers_unmap();
    for (int i = 1; i < argc; i++) {
        if (words[i - 1][0] == '@')
            unlink(argv[i]);
    }
}

/* What `serve` answers after its second look. */
static void serve_run(void)
{
    struct cli cli = {.command = command_named("serve")};
    struct serve serve = {.cli = &cli};
    if (group_attach(&cli, &serve.group) == CLI_OK) {
        group_tick(&cli, &serve.group);
        group_tick(&cli, &serve.group);
        for (size_t i = 0; i < SERVE_PATHS; i++) {
            struct http_answer answer = {.body = stdout};
            serve_answer(&serve, serve_paths[i].path, &answer);
        }
    }
    group_free(&serve.group);
}

static void at_end(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0)
        perror(directory);
}

/* A segment that has seen a little of everything. */
static void segment_make(void)
{
    static _Alignas(8) unsigned char room[SP_POLICY_ROOM];
    static const char *const lived[][6] = {{"chaos", "start", "game", "-q"},
                                           {"hold", "each", "closed"},
                                           {"trip", "rest", "--for", "1h", "--reason", "fuzz"}};
    struct stat st;
    if (sp_policy_read_text("fuzz.conf", policy, strlen(policy), room, sizeof room, NULL, NULL) ||
        sp_place_path(path, sizeof path, directory, "fuzz", NULL, NULL) ||
        sp_segment_open(&base, path, "fuzz", (struct sp_policy *)room, NULL, NULL) ||
        sp_process_join(&base))
        abort();
    for (uint64_t seed = 1; seed < 20; seed++)
        segment_use(&base, seed);
    for (size_t i = 0; i < sizeof lived / sizeof *lived; i++)
        command_run(lived[i]);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || (size_t)st.st_size != base.size)
        abort();
    file = mmap(NULL, base.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pristine = malloc(base.size);
    if (file == MAP_FAILED || !pristine)
        abort();
    memcpy(pristine, file, base.size);
    close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    if (!mkdtemp(directory))
        abort();
    atexit(at_end);
    setenv("SHEARPIN_DIR", directory, 1);
    unsetenv("SHEARPIN_SEGMENT");
    unsetenv("SHEARPIN_POLICY");
    /* what the command says; the fuzzer writes to its own */
    stdout = fopen("/dev/null", "w");
    stderr = fopen("/dev/null", "w");
    if (!stdout || !stderr)
        abort();
    segment_make();
    return 0;
}

/* --- damage --- */

struct input {
    const uint8_t *at;
    size_t left;
};

static uint64_t input_take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && in->left > 0; i++, in->left--)
        value |= (uint64_t)*in->at++ << 8 * i;
    return value;
}

/* The parts of a segment, and the first of the places where most of it is. */
static unsigned char *part(unsigned which, size_t *size)
{
    const struct sp_segment *s = &base;
    const struct {
        const void *at;
        size_t size;
    } parts[] = {{s->head, sizeof *s->head},
                 {s->processes, SP_PROCESSES * sizeof *s->processes},
                 {s->processes, sizeof *s->processes},
                 {s->events, SP_EVENTS * sizeof *s->events},
                 {s->events, 64 * sizeof *s->events},
                 {s->learnt, SP_LEARNT * sizeof *s->learnt},
                 {s->targets, SP_TARGETS * sizeof *s->targets},
                 {s->answers, SP_ANSWERS * sizeof *s->answers},
                 {s->endpoint_keys, SP_ENDPOINTS * sizeof *s->endpoint_keys},
                 {s->endpoints, SP_ENDPOINTS * sizeof *s->endpoints},
                 {s->chaos, sizeof *s->chaos},
                 {s->chaos, SP_EXPERIMENTS * sizeof *s->chaos},
                 {s->marks, SP_MARKS * sizeof *s->marks},
                 {s->tallies, SP_TALLIES * sizeof *s->tallies},
                 {s->policy[0], sizeof *s->policy[0]},
                 {s->policy[0], s->policy_size},
                 {s->policy[1], sizeof *s->policy[1]},
                 {s->policy[1], s->policy_size},
                 {s->leases, 64 * sizeof *s->leases},
                 {&s->dests[0], offsetof(struct sp_dest, queues)},
                 {&s->dests[0], sizeof *s->dests},
                 {&s->dests[1], sizeof *s->dests},
                 {&s->dests[1].shift, sizeof s->dests[1].shift},
                 {&s->dests[2], sizeof *s->dests},
                 {s->dests, s->dest_max * sizeof *s->dests},
                 {s->journal, s->journal_max * sizeof *s->journal},
                 {s->histories, s->history_max * sizeof *s->histories},
                 {s->arms, s->arm_max * sizeof *s->arms}};
    which %= sizeof parts / sizeof *parts;
    *size = parts[which].size;
    return file + ((const char *)parts[which].at - (const char *)s->head);
}

static void noise(unsigned char *at, size_t size, uint64_t seed)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t word = sp_random_next(&seed);
        memcpy(at + i, &word, 8);
    }
}

/* Which part, where in it, how many bytes (0: an odd number in a word), and these. */
static void wound(struct input *in)
{
    static const uint64_t odd[] = {
        0, 1, UINT32_MAX, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, 0x80000000, 0xffff};
    size_t size, length;
    unsigned char *at = part((unsigned)input_take(in, 1), &size);
    at += input_take(in, 3) % size;
    size = (size_t)(file + base.size - at);
    length = input_take(in, 1) % 33;
    uint64_t value = length ? 0 : odd[input_take(in, 1) % 8];
    for (size_t i = 0; i < (length ? length : 8) && i < size; i++)
        at[i] = length ? (unsigned char)input_take(in, 1) : (unsigned char)(value >> 8 * i);
}

enum { WOUNDS, NOISE_IN_A_PART, NOISE_BEHIND_THE_HEAD, NOISE, DAMAGES };

static void damage(struct input *in, unsigned how)
{
    const size_t head = offsetof(struct sp_head, policy);
    size_t size;
    uint64_t seed = how == WOUNDS ? 0 : input_take(in, 4);
    if (how == NOISE_IN_A_PART) {
        unsigned char *at = part((unsigned)input_take(in, 1), &size);
        noise(at, size, seed);
    } else if (how == NOISE_BEHIND_THE_HEAD) {
        noise(file + head, base.size - head, seed);
    } else if (how == NOISE) {
        noise(file, base.size, seed);
    }
    while (in->left >= 5)
        wound(in);
}

/* A program that has the segment mapped, and its policy found valid, when it is damaged; or not. */
static void guards_run(struct input *in, unsigned how, bool mapped)
{
    struct sp_segment segment = {0};
    uint64_t word, seed = input_take(in, 2);
    if (!mapped)
        damage(in, how);
    if (sp_segment_attach(&segment, path, NULL) != 0)
        return;
    sp_process_join(&segment);
    if (mapped) {
        sp_segment_policy(&segment, &word);
        damage(in, how);
    }
    segment_use(&segment, seed);
    sp_process_leave(&segment);
    sp_segment_detach(&segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned how = (unsigned)input_take(&in, 1), what = (unsigned)input_take(&in, 1);
    memcpy(file, pristine, base.size);
    if (what % 2 == 0) {
        guards_run(&in, how % DAMAGES, how & 128);
        return 0;
    }
    damage(&in, how % DAMAGES);
    what = what / 2 % (COMMANDS + 1);
    if (what == COMMANDS)
        serve_run();
    else
        command_run(commands[what]);
    return 0;
}
