/* quantile.c - the normal distribution by Acklam's approximation, good to 9 digits; Pareto's by its
 * formula. */
#include "fault/quantile.h"

#include <string.h>

#define QUANTILE_TAIL 0.02425

/* Newton's, from a guess with a third or half of the exponent. */
static double quantile_root(double x, int degree)
{
    const int64_t one = INT64_C(1023) << 52;
    int64_t bits;
    double y;
    memcpy(&bits, &x, sizeof bits);
    bits = one + (bits - one) / degree;
    memcpy(&y, &bits, sizeof y);
    for (int i = 0; i < 5; i++)
        y = degree == 2 ? (y + x / y) / 2 : (2 * y + x / (y * y)) / 3;
    return y;
}

/* x = 2^e m: e ln 2 + 2 artanh((m - 1) / (m + 1)) */
static double quantile_log(double x)
{
    uint64_t bits;
    double m, sum = 0;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
    memcpy(&m, &bits, sizeof m);
    double z = (m - 1) / (m + 1), power = z;
    for (int i = 1; i < 30; i += 2) {
        sum += power / i;
        power *= z * z;
    }
    return exponent * 0.6931471805599453 + 2 * sum;
}

/* The polynomial with these coefficients, the highest first. */
static double quantile_sum(const double *c, int count, double x)
{
    double sum = c[0];
    for (int i = 1; i < count; i++)
        sum = sum * x + c[i];
    return sum;
}

double sp_quantile_normal(double u)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01, 1.0};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00, 1.0};
    double tail = u < 0.5 ? u : 1 - u;
    if (tail >= QUANTILE_TAIL) {
        double q = u - 0.5, r = q * q;
        return quantile_sum(a, 6, r) * q / quantile_sum(b, 6, r);
    }
    double q = quantile_root(-2 * quantile_log(tail), 2);
    double x = quantile_sum(c, 6, q) / quantile_sum(d, 5, q);
    return u < 0.5 ? x : -x;
}

/* Least 2 and exponent 3 have the mean 3. */
double sp_quantile_pareto(double u)
{
    return 2 / quantile_root(1 - u, 3) - 2;
}
