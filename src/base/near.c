#include "base/near.h"

#include <string.h>

#define NEAR_LONGEST 64

static unsigned near_least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static char near_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Damerau-Levenshtein in its restricted form: three rows of the table are enough. */
unsigned sp_near_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][NEAR_LONGEST + 1];

    if (a_length > NEAR_LONGEST || b_length > NEAR_LONGEST)
        return NEAR_LONGEST + 1;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = near_lower(a[i - 1]), y = near_lower(b[j - 1]);

            now[j] = near_least(near_least(last[j], now[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == near_lower(b[j - 2]) && y == near_lower(a[i - 2]))
                now[j] = near_least(now[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

struct sp_near sp_near_begin(const char *word, size_t length)
{
    unsigned allowed = length <= 4 ? 1 : length <= 7 ? 2 : 3;

    /* One letter is near to every other. */
    if (length < 2)
        allowed = 0;
    return (struct sp_near){.word = word, .length = length, .distance = allowed + 1};
}

void sp_near_try(struct sp_near *near, const char *known)
{
    unsigned distance = sp_near_distance(near->word, near->length, known, strlen(known));

    if (distance < near->distance) {
        near->distance = distance;
        near->best = known;
    }
}
