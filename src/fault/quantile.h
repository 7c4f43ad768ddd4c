/* quantile.h - distributions with mean 0 and one parameter of 1, as the value that a share `u` of
 * all others lies below. The library has no libm. */
#ifndef SHEARPIN_FAULT_QUANTILE_H
#define SHEARPIN_FAULT_QUANTILE_H

#include <stdint.h>

/* Evenly between 0 and 1, never either of them. */
static inline double sp_quantile_share(uint64_t random)
{
    return ((double)(random >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */
}

double sp_quantile_normal(double u);
/* From 0 on, with mean 1 and a heavy tail: of Pareto's with exponent 3, what lies above its least.
 */
double sp_quantile_pareto(double u);

#endif
