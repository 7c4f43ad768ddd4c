/* The delays that `latency` draws have the distribution that it names, ordinal by ordinal. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shearpin/fault.h"

#define DRAWS 20000

static double drawn[DRAWS];

static struct sp_fault latency(const char *text)
{
    struct sp_error error = {0};
    struct sp_fault fault;

    ck_assert_msg(sp_fault_parse(text, &fault, &error) == 0, "%s", error.text);
    return fault;
}

static double draw(const struct sp_fault *fault, uint64_t ordinal)
{
    struct sp_fault_act act = {0};

    ck_assert(sp_fault_apply(fault, 1, ordinal, &act));
    return (double)act.delay / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The largest distance to the distribution, in units of what one of a thousand samples exceeds. */
static double kolmogorov_smirnov(const char *text, double (*below)(double))
{
    struct sp_fault fault = latency(text);
    double furthest = 0;

    for (int i = 0; i < DRAWS; i++)
        drawn[i] = draw(&fault, (uint64_t)i + 1);
    qsort(drawn, DRAWS, sizeof *drawn, compare);
    for (int i = 0; i < DRAWS; i++) {
        double p = below(drawn[i]);
        double distance = fmax(fabs(p - (double)i / DRAWS), fabs((i + 1.0) / DRAWS - p));

        furthest = fmax(furthest, distance);
    }
    return furthest / (1.949 / sqrt(DRAWS));
}

static double below_uniform(double ms)
{
    return fmin(fmax((ms - 60) / 80, 0), 1);
}

static double below_normal(double ms)
{
    return erfc(-(ms - 100) / 20 / sqrt(2)) / 2;
}

/* 100 ms at least, 30 ms more in the mean. */
static double below_pareto(double ms)
{
    return ms < 100 ? 0 : 1 - pow((ms - 100) / 60 + 1, -3);
}

START_TEST(draws_are_distributed_as_named)
{
    ck_assert_double_lt(kolmogorov_smirnov("latency 100ms +-40ms seed 3", below_uniform), 1);
    ck_assert_double_lt(kolmogorov_smirnov("latency 100ms +-40ms uniform", below_uniform), 1);
    ck_assert_double_lt(kolmogorov_smirnov("latency 100ms +-20ms normal", below_normal), 1);
    ck_assert_double_lt(kolmogorov_smirnov("latency 100ms +-30ms pareto", below_pareto), 1);
    /* The test can tell them apart. */
    ck_assert_double_gt(kolmogorov_smirnov("latency 100ms +-30ms pareto", below_normal), 5);
    ck_assert_double_gt(kolmogorov_smirnov("latency 100ms +-40ms", below_normal), 5);
    ck_assert_double_gt(kolmogorov_smirnov("latency 101ms +-20ms normal", below_normal), 1);
}
END_TEST

/* Whatever the correlation, the distribution stays; the last tells one draw of another. */
START_TEST(correlation_is_of_neighbours)
{
    struct sp_fault fault = latency("latency 100ms +-20ms normal correlation 80%");
    double sum = 0, squares = 0, products = 0, far = 0;

    for (int i = 0; i < DRAWS; i++)
        drawn[i] = (draw(&fault, (uint64_t)i + 1) - 100) / 20;
    for (int i = 0; i < DRAWS; i++) {
        sum += drawn[i];
        squares += drawn[i] * drawn[i];
        products += i >= 1 ? drawn[i] * drawn[i - 1] : 0;
        far += i >= 20 ? drawn[i] * drawn[i - 20] : 0;
    }
    ck_assert_double_lt(fabs(sum / DRAWS), 0.1);
    ck_assert_double_lt(fabs(squares / DRAWS - 1), 0.1);
    ck_assert_double_lt(fabs(products / DRAWS - 0.8), 0.05);
    ck_assert_double_lt(fabs(far / DRAWS), 0.1);
}
END_TEST

START_TEST(fixed_is_exact_and_nothing_is_negative)
{
    struct sp_fault fixed = latency("latency 7ms fixed"),
                    wide = latency("latency 10ms +-50ms normal");

    for (uint64_t i = 1; i < 1000; i++) {
        ck_assert_double_eq(draw(&fixed, i), 7);
        ck_assert_double_ge(draw(&wide, i), 0);
        ck_assert_double_lt(draw(&wide, i), 400);
    }
}
END_TEST

/* The map from ordinal to delay is the same in every process and whatever came before. */
START_TEST(an_ordinal_alone_decides)
{
    struct sp_fault fault = latency("latency 1s +-500ms pareto correlation 30% seed 9");
    double forth[200];

    for (uint64_t i = 0; i < 200; i++)
        forth[i] = draw(&fault, i + 1);
    for (uint64_t i = 200; i-- > 0;)
        ck_assert_double_eq(draw(&fault, i + 1), forth[i]);
}
END_TEST

START_TEST(stages_are_told_apart)
{
    struct sp_fault fault = latency("latency 5ms on answer");
    struct sp_fault_act act = {0};

    ck_assert_uint_eq(fault.on, SP_FAULT_ON_ANSWER);
    ck_assert(sp_fault_apply(&fault, 1, 1, &act));
    ck_assert_uint_eq(act.delay, 0);
    ck_assert_uint_eq(act.answer, 5000000);
    ck_assert_uint_eq(latency("latency 5ms").on, SP_FAULT_ON_CONNECT | SP_FAULT_ON_REQUEST);
}
END_TEST

START_TEST(mistakes_are_told)
{
    static const char *const wrong[][2] = {
        {"latency", "needs a time"},
        {"latency 5", "needs a unit"},
        {"latency 5ms normal", "needs a spread"},
        {"latency 5ms +-1ms fixed", "no spread"},
        {"latency 5ms correlation", "needs a share"},
        {"latency 5ms correlation 100%", "0% to 99%"},
        {"latency 5ms gauss", "gauss"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct sp_error error = {0};
        struct sp_fault fault;

        ck_assert_int_eq(sp_fault_parse(wrong[i][0], &fault, &error), -1);
        ck_assert_msg(strstr(error.text, wrong[i][1]), "%s: %s", wrong[i][0], error.text);
    }
}
END_TEST

Suite *suite_latency(void);
Suite *suite_latency(void)
{
    Suite *suite = suite_create("latency");
    TCase *tests = tcase_create("latency");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, draws_are_distributed_as_named);
    tcase_add_test(tests, correlation_is_of_neighbours);
    tcase_add_test(tests, fixed_is_exact_and_nothing_is_negative);
    tcase_add_test(tests, an_ordinal_alone_decides);
    tcase_add_test(tests, stages_are_told_apart);
    tcase_add_test(tests, mistakes_are_told);
    return suite;
}
