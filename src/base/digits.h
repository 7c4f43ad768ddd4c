/*
 * digits.h - the number at the front of a text. With headers of glibc 2.38 or later strtoul() and
 * sscanf() are symbols of that release (__isoc23_strtoul), and the library is for older ones too.
 */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits alone, without sign or blank. Returns where they end; NULL: there are none, or
 * they do not fit. */
static inline const char *sp_digits(const char *text, uint64_t *number)
{
    const char *at = text;
    for (*number = 0; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*at - '0'), number))
            return NULL;
    return at > text ? at : NULL;
}

#endif
