/*
 * block.h - inside views of a compiled block.
 */
#ifndef POLICY_BLOCK_H
#define POLICY_BLOCK_H

#include "shearpin/policy.h"

const struct sp_setting *block_setting(const struct sp_policy *policy, size_t i); /* or NULL */

/* A text and its length, "" when it is not inside the block. */
const char *block_text(const struct sp_policy *policy, uint32_t offset, size_t *length);

uint64_t block_digest(const struct sp_policy *policy);

#endif
