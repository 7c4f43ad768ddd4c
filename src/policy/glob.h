/*
 * glob.h - `*` and `?` over bounded text; no recursion, no allocation.
 */
#ifndef POLICY_GLOB_H
#define POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum glob_how {
    GLOB_EXACT,
    GLOB_FOLD,  /* the text may be upper case; the pattern is lower case */
    GLOB_COVERS /* the text is a pattern too: does this one match all that that one matches? */
};

bool glob_match(const char *pattern, size_t pattern_length, const char *text, size_t length,
                enum glob_how how);

#endif
