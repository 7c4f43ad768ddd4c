/*
 * condition.h - reading `p95 < 500ms for 5m`.
 */
#ifndef POLICY_CONDITION_H
#define POLICY_CONDITION_H

#include "policy/value.h"

#define CONDITION_EXAMPLE    "p95 < 500ms for 5m"
#define CONDITION_WINDOW_MIN SP_SECOND
#define CONDITION_WINDOW_MAX (86400 * SP_SECOND)

/* False with `fault` filled: what is wrong, and which of the characters. */
bool condition_read(const char *text, size_t length, struct sp_condition *out,
                    struct value_fault *fault);

#endif
