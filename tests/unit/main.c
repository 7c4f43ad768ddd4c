/* Runs every suite that the Makefile found: one a file, tests/unit/test_NAME.c -> suite_NAME(). */
#include <check.h>
#include <stdlib.h>

#define X(name) Suite *suite_##name(void);
#include "unit_suites.h"
#undef X

int main(void)
{
    static Suite *(*const suites[])(void) = {
#define X(name) suite_##name,
#include "unit_suites.h"
#undef X
        NULL};
    SRunner *runner = srunner_create(NULL);

    for (size_t i = 0; suites[i]; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
