/*
 * value.h - one value of one key, from text. Used by policies and by -o.
 */
#ifndef POLICY_VALUE_H
#define POLICY_VALUE_H

#include "shearpin/policy.h"

/* What is wrong with a value, and where inside it. */
struct value_fault {
    char text[200];
    char cure[160]; /* "" when there is none */
    size_t offset;  /* of the characters to mark */
    size_t length;
};

bool value_parse(size_t key, const char *text, size_t length, uint64_t *value,
                 struct value_fault *fault);

/* "a time: 250ms, 5s, 2m" - what a value of the key looks like. */
void value_example(size_t key, char *out, size_t size);

#endif
