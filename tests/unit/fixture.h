/* A segment of one's own for every test, in a directory of its own: destination "db", the test
 * itself as a process of it, and a clock that only the test moves. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include "shearpin/guard.h"

#include <check.h>
#include <pthread.h>

#define FIXTURE_START (1000 * SP_SECOND)

struct fixture {
    char directory[64];
    char path[128];
    struct sp_segment segment;
    struct sp_guards guards; /* of "db"; a test changes what it likes */
    struct sp_call call;     /* on "db", by `guards` */
};
extern struct fixture fx;

/* A case whose tests find `fx` ready. Its directory goes when the case is over, failed or not. */
TCase *fixture_case(Suite *suite, const char *name);

/* Compiles a policy; it stays until the test is over. */
const struct sp_policy *fixture_policy(const char *text);
/* "db" and further empty destinations d1, d2 .. up to `count` altogether, with `cap` on db. */
const struct sp_policy *fixture_policy_of(unsigned count, unsigned cap);

/* A child that runs `work` and ends with its result; then fixture_end is 0 for 0. */
pid_t fixture_fork(int (*work)(void *), void *context);
int fixture_end(pid_t child);
/* Ends a child at once, and returns when nothing of it is left. */
void fixture_kill(pid_t child);

/* Memory that children share with the test, zeroed. */
void *fixture_shared(size_t size);
/* A barrier in such memory, for `count` processes. */
pthread_barrier_t *fixture_barrier(unsigned count);

void fixture_forward(uint64_t ns);
uint64_t fixture_events(enum sp_event_kind kind);
void fixture_noise(void *at, size_t size, uint64_t seed);

#endif
