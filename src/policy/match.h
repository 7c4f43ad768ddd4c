/*
 * match.h - rules against addresses, and rules against rules.
 */
#ifndef POLICY_MATCH_H
#define POLICY_MATCH_H

#include "shearpin/policy.h"

/* Does `a` take every address that `b` takes? Says no when it cannot tell. */
bool match_covers(const struct sp_policy *policy, const struct sp_match *a,
                  const struct sp_match *b);

#endif
