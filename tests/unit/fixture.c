#include "fixture.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"

struct fixture fx;

static void *kept[64];

const struct sp_policy *fixture_policy(const char *text)
{
    static _Alignas(8) unsigned char room[SP_POLICY_ROOM];
    static size_t used;
    const struct sp_policy *policy = (struct sp_policy *)room;
    ck_assert_int_eq(
        sp_policy_read_text("test.conf", text, strlen(text), room, sizeof room, NULL, NULL), 0);
    ck_assert_uint_lt(used, sizeof kept / sizeof *kept);
    kept[used] = malloc(policy->size);
    ck_assert_ptr_nonnull(kept[used]);
    memcpy(kept[used], policy, policy->size);
    return kept[used++];
}

const struct sp_policy *fixture_policy_of(unsigned count, unsigned cap)
{
    static char text[256 << 10];
    int n = snprintf(text, sizeof text,
                     "destination db\n    match 10.0.0.1:1\n    breaker streak 3 open 1s..8s\n");
    if (cap)
        n += snprintf(text + n, sizeof text - (size_t)n, "    cap %u\n", cap);
    for (unsigned i = 1; i < count; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "destination d%u\n    match 10.0.0.1:%u\n",
                      i, i + 1);
    return fixture_policy(text);
}

static void fixture_empty(void)
{
    char path[512];
    DIR *directory = opendir(fx.directory);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        snprintf(path, sizeof path, "%s/%s", fx.directory, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove(path);
    }
    if (directory)
        closedir(directory);
}

static void fixture_make_directory(void)
{
    snprintf(fx.directory, sizeof fx.directory, "/dev/shm/shearpin-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx.directory));
}

static void fixture_remove_directory(void)
{
    fixture_empty();
    rmdir(fx.directory);
}

static void fixture_open(void)
{
    struct sp_error error;
    uint32_t index = 0;
    fixture_empty();
    ck_assert_int_eq(sp_place_path(fx.path, sizeof fx.path, fx.directory, "test", NULL, &error), 0);
    const struct sp_policy *policy = fixture_policy_of(1, 4);
    ck_assert_msg(sp_segment_open(&fx.segment, fx.path, "test", policy, NULL, &error) == 0, "%s",
                  error.text);
    ck_assert_int_eq(sp_process_join(&fx.segment), 0);
    ck_assert_ptr_nonnull(sp_segment_dest_named(&fx.segment, "db", &index));
    ck_assert(sp_segment_guards(&fx.segment, index, &fx.guards));
    fx.call = (struct sp_call){.segment = &fx.segment,
                               .dest = sp_segment_dest(&fx.segment, index),
                               .index = index,
                               .guards = &fx.guards,
                               .now = FIXTURE_START,
                               .conn = 1};
}

static void fixture_close(void)
{
    sp_process_leave(&fx.segment);
    sp_segment_detach(&fx.segment);
    fixture_empty();
}

TCase *fixture_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_add_unchecked_fixture(tests, fixture_make_directory, fixture_remove_directory);
    tcase_add_checked_fixture(tests, fixture_open, fixture_close);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return tests;
}

pid_t fixture_fork(int (*work)(void *), void *context)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(work(context));
    return child;
}

int fixture_end(pid_t child)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void fixture_kill(pid_t child)
{
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(fixture_end(child), 128 + SIGKILL);
}

void *fixture_shared(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(at, MAP_FAILED);
    return at;
}

pthread_barrier_t *fixture_barrier(unsigned count)
{
    pthread_barrierattr_t shared;
    pthread_barrier_t *barrier = fixture_shared(sizeof *barrier);
    ck_assert_int_eq(pthread_barrierattr_init(&shared), 0);
    ck_assert_int_eq(pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED), 0);
    ck_assert_int_eq(pthread_barrier_init(barrier, &shared, count), 0);
    pthread_barrierattr_destroy(&shared);
    return barrier;
}

void fixture_forward(uint64_t ns)
{
    fx.call.now += ns;
}

uint64_t fixture_events(enum sp_event_kind kind)
{
    struct sp_event event;
    uint64_t count = 0, last = sp_event_last(&fx.segment);
    for (uint64_t at = 1; at <= last;) {
        if (sp_event_read(&fx.segment, &at, &event) == 1) {
            count += event.kind == kind;
            at++;
        }
    }
    return count;
}

void fixture_noise(void *at, size_t size, uint64_t seed)
{
    uint64_t *words = at;
    for (size_t i = 0; i < size / sizeof *words; i++)
        words[i] = sp_random_next(&seed);
}
