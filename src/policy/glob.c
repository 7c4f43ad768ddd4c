#include "policy/glob.h"

#include "shearpin/policy.h"

#include <string.h>

static char glob_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool glob_one(char pattern, char text, enum glob_how how)
{
    /* What a star stands for may be longer than one character. */
    if (pattern == '?')
        return how != GLOB_COVERS || text != '*';
    return pattern == (how == GLOB_FOLD ? glob_lower(text) : text);
}

/* On a mismatch the last star takes one character more; earlier stars never need to. */
bool glob_match(const char *pattern, size_t pattern_length, const char *text, size_t length,
                enum glob_how how)
{
    size_t p = 0, t = 0, star = 0, mark = 0;
    bool starred = false;

    while (t < length) {
        if (p < pattern_length && pattern[p] == '*') {
            starred = true;
            star = ++p;
            mark = t;
        } else if (p < pattern_length && glob_one(pattern[p], text[t], how)) {
            p++;
            t++;
        } else if (starred) {
            p = star;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern_length && pattern[p] == '*')
        p++;
    return p == pattern_length;
}

bool sp_glob(const char *pattern, const char *text)
{
    return glob_match(pattern, strlen(pattern), text, strlen(text), GLOB_EXACT);
}
