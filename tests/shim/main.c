/*
 * main.c - runs every scenario that the Makefile found (test_NAME.c -> suite_NAME), or one victim.
 */
#include "harness.h"

#include <ftw.h>
#include <sys/resource.h>

#define X(name) Suite *suite_##name(void);
#include "shim_suites.h"
#undef X

#define TEST_SECONDS 60

Suite *scenario(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, TEST_SECONDS);
    tcase_add_checked_fixture(tcase, world_begin, world_end);
    for (; *tests; tests++)
        tcase_add_test(tcase, *tests);
    suite_add_tcase(suite, tcase);
    return suite;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

/* One directory over all worlds: a test that failed cannot tidy up after itself. */
static int run_suites(void)
{
    static Suite *(*const suites[])(void) = {
#define X(name) suite_##name,
#include "shim_suites.h"
#undef X
        NULL};
    char root[] = "/dev/shm/shearpin-test.XXXXXX";
    SRunner *runner = srunner_create(NULL);

    if (!mkdtemp(root) || chmod(root, 0755) || setenv("WORLD_ROOT", root, 1)) {
        perror(root);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; suites[i]; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (argc >= 3 && !strcmp(argv[1], "--victim"))
        return victim_main(argc - 2, argv + 2);
    return run_suites();
}
