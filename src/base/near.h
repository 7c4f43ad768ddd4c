/*
 * near.h - "did you mean": the known word nearest to a mistyped one.
 *
 *     struct sp_near near = sp_near_begin(word, length);
 *     for each known word: sp_near_try(&near, known);
 *     if (near.best != NULL) ... did you mean near.best?
 */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

struct sp_near {
    const char *word;
    size_t length;
    unsigned distance; /* of the best so far; at first one more than is near enough */
    const char *best;  /* NULL while nothing was near enough */
};

struct sp_near sp_near_begin(const char *word, size_t length);
void sp_near_try(struct sp_near *near, const char *known);

/* Insertions, deletions, changes and swaps of neighbours (upper and lower case are the same) that
 * lie between two words; large when one is longer than any word we know. */
unsigned sp_near_distance(const char *a, size_t a_length, const char *b, size_t b_length);

#endif
