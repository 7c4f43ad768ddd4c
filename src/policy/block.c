/*
 * block.c - the compiled block: bounded accessors, and the proof that a block is sound.
 *
 * A block may stand in memory that others write, so every field is read once and every index
 * bounded at each use.
 */
#include "policy/block.h"

#include "base/random.h"
#include "policy/keys.h"
#include "shearpin/split.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct sp_policy) % 8 == 0, "the rows behind it are 8-aligned");
static_assert(sizeof(struct sp_row) == 384 && sizeof(struct sp_match) == 36 &&
                  sizeof(struct sp_fallback) == 152 && sizeof(struct sp_setting) == 8 &&
                  sizeof(struct sp_condition) == 24 && sizeof(struct sp_experiment) % 8 == 0,
              "the layout of blocks in segments");

/* The item at `index` of an array at `offset`; NULL when it is not inside the block. */
static const void *block_item(const struct sp_policy *policy, uint32_t offset, uint32_t count,
                              size_t index, size_t item)
{
    uint32_t size = policy->size;

    if (size > SP_POLICY_ROOM || offset % 8 != 0) /* gone mad since it was found valid */
        return NULL;
    if (index >= count || offset > size || (size - offset) / item <= index)
        return NULL;
    return (const char *)policy + offset + index * item;
}

const struct sp_row *sp_policy_row(const struct sp_policy *policy, size_t index)
{
    return block_item(policy, policy->rows, policy->row_count, index, sizeof(struct sp_row));
}

const struct sp_match *sp_policy_match_at(const struct sp_policy *policy, size_t i)
{
    return block_item(policy, policy->matches, policy->match_count, i, sizeof(struct sp_match));
}

const struct sp_fallback *sp_policy_fallback(const struct sp_policy *policy, size_t i)
{
    return block_item(policy, policy->fallbacks, policy->fallback_count, i,
                      sizeof(struct sp_fallback));
}

const struct sp_arm_policy *sp_policy_arm(const struct sp_policy *policy, size_t i)
{
    return block_item(policy, policy->arms, policy->arm_count, i, sizeof(struct sp_arm_policy));
}

const struct sp_condition *sp_policy_condition(const struct sp_policy *policy, size_t i)
{
    return block_item(policy, policy->conditions, policy->condition_count, i,
                      sizeof(struct sp_condition));
}

const struct sp_experiment *sp_policy_experiment(const struct sp_policy *policy, size_t i)
{
    return block_item(policy, policy->experiments, policy->experiment_count, i,
                      sizeof(struct sp_experiment));
}

const struct sp_setting *block_setting(const struct sp_policy *policy, size_t i)
{
    return block_item(policy, policy->settings, policy->setting_count, i,
                      sizeof(struct sp_setting));
}

const char *block_text(const struct sp_policy *policy, uint32_t offset, size_t *length)
{
    uint32_t size = policy->strings_size;
    const char *strings = block_item(policy, policy->strings, size, 0, 1);

    *length = 0;
    if (strings == NULL || offset >= size ||
        block_item(policy, policy->strings, size, size - 1, 1) == NULL)
        return "";
    *length = strnlen(strings + offset, size - offset);
    return *length < size - offset ? strings + offset : "";
}

const char *sp_policy_string(const struct sp_policy *policy, uint32_t offset)
{
    size_t length;

    return block_text(policy, offset, &length);
}

const char *sp_policy_file(const struct sp_policy *policy, size_t index)
{
    const uint32_t *offset =
        block_item(policy, policy->files, policy->file_count, index, sizeof(uint32_t));

    return offset != NULL ? sp_policy_string(policy, *offset) : "";
}

static uint64_t block_digest_text(const struct sp_policy *policy, uint32_t text, uint64_t digest)
{
    const char *string = sp_policy_string(policy, text);

    return sp_hash_more(digest, string, strlen(string) + 1);
}

static uint64_t block_digest_experiment(const struct sp_policy *policy,
                                        const struct sp_experiment *e, uint64_t digest)
{
    const size_t seed = offsetof(struct sp_experiment, seed);

    digest = sp_hash_more(digest, e->name, sizeof e->name);
    digest = block_digest_text(policy, e->expect, digest);
    digest = sp_hash_more(digest, &e->seed, offsetof(struct sp_experiment, spare) - seed);
    for (size_t i = 0; i < e->target_count && i < SP_EXPERIMENT_TARGETS; i++)
        digest = block_digest_text(policy, e->targets[i], digest);
    for (size_t i = 0; i < e->inject_count && i < SP_EXPERIMENT_FAULTS; i++)
        digest = block_digest_text(policy, e->injects[i].text, digest);
    for (size_t i = 0; i < e->proviso_count && i < SP_EXPERIMENT_CONDITIONS; i++) {
        const struct sp_proviso *p = &e->provisos[i];

        digest = block_digest_text(policy, p->destination, digest);
        digest = sp_hash_more(digest, &p->when, 2);
        digest = sp_hash_more(digest, &p->condition.measure, 2);
        digest = sp_hash_more(digest, &p->condition.limit, 2 * sizeof p->condition.limit);
    }
    return digest;
}

/* Everything but where a policy was written: equal digests, equal policies. */
uint64_t block_digest(const struct sp_policy *policy)
{
    uint64_t digest = sp_hash(policy->segment, sizeof policy->segment);
    const struct sp_row *row;
    const struct sp_match *match;
    const struct sp_fallback *fallback;
    const struct sp_condition *condition;
    const struct sp_experiment *experiment;
    const struct sp_arm_policy *arm;

    digest = sp_hash_more(digest, policy->group, sizeof policy->group);
    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++) {
        digest = sp_hash_more(digest, row->name, sizeof row->name);
        digest = sp_hash_more(digest, &row->match_count, sizeof row->match_count);
        digest = sp_hash_more(digest, &row->fallback_count, sizeof row->fallback_count);
        digest = sp_hash_more(digest, &row->arm_count, sizeof row->arm_count);
        digest = sp_hash_more(digest, &row->guards, sizeof row->guards);
        for (size_t c = 0; c < row->slo_count; c++) {
            condition = sp_policy_condition(policy, row->slo_first + c);
            if (condition == NULL)
                break;
            digest = sp_hash_more(digest, &condition->measure, 2);
            digest = sp_hash_more(digest, &condition->limit, 2 * sizeof condition->limit);
        }
    }
    for (size_t i = 0; (match = sp_policy_match_at(policy, i)) != NULL; i++) {
        const char *text = sp_policy_string(policy, match->text);

        digest = sp_hash_more(digest, match, offsetof(struct sp_match, text));
        digest = sp_hash_more(digest, text, strlen(text));
    }
    for (size_t i = 0; (fallback = sp_policy_fallback(policy, i)) != NULL; i++) {
        digest = sp_hash_more(digest, &fallback->hash, sizeof fallback->hash);
        digest = sp_hash_more(digest, &fallback->kind, 2);
    }
    for (size_t i = 0; (experiment = sp_policy_experiment(policy, i)) != NULL; i++)
        digest = block_digest_experiment(policy, experiment, digest);
    for (size_t i = 0; (arm = sp_policy_arm(policy, i)) != NULL; i++) {
        digest = sp_hash_more(digest, arm->name, offsetof(struct sp_arm_policy, text));
        digest = sp_hash_more(digest, &arm->share, sizeof arm->share);
    }
    return digest;
}

static bool block_array(uint32_t offset, uint32_t count, size_t item, uint32_t size)
{
    return offset % 8 == 0 && offset >= sizeof(struct sp_policy) && offset <= size &&
           count <= (size - offset) / item;
}

static bool block_name(const char *name, size_t size, bool empty)
{
    size_t length = strnlen(name, size);

    return length < size && (empty || length > 0);
}

static bool block_guards(const struct sp_guards *guards)
{
    for (size_t key = 0; key < KEY_COUNT; key++)
        if (!keys_allowed(key, keys_get(&sp_keys[key], guards)))
            return false;
    if (guards->fallback > SP_WHEN_ALL)
        return false;
    for (size_t i = 0; i < SP_RETRY_LINES; i++)
        if (guards->retry[i].backoff_min > guards->retry[i].backoff_max)
            return false;
    return guards->breaker.open_min <= guards->breaker.open_max;
}

static bool block_split(const struct sp_row *row)
{
    uint32_t split = row->guards.split;

    return row->arm_count <= SP_ARMS_MAX && SP_SPLIT_COUNT(split) == row->arm_count &&
           (split & ~(SP_SPLIT_STICKY | 0xffu)) == 0;
}

static bool block_row(const struct sp_policy *policy, const struct sp_row *row)
{
    return row != NULL && block_name(row->name, sizeof row->name, false) &&
           row->file < policy->file_count && row->match_first <= policy->match_count &&
           row->match_count <= policy->match_count - row->match_first &&
           row->fallback_first <= policy->fallback_count &&
           row->fallback_count <= policy->fallback_count - row->fallback_first &&
           row->fallback_count <= SP_FALLBACKS_MAX && row->arm_first <= policy->arm_count &&
           row->arm_count <= policy->arm_count - row->arm_first && block_split(row) &&
           row->slo_first <= policy->condition_count &&
           row->slo_count <= policy->condition_count - row->slo_first && block_guards(&row->guards);
}

static bool block_fallback(const struct sp_policy *policy, const struct sp_fallback *fallback)
{
    return fallback != NULL && fallback->kind < SP_FALLBACK_COUNT &&
           fallback->when <= SP_WHEN_ALL && fallback->text < policy->strings_size &&
           fallback->file < policy->file_count && fallback->address.family <= SP_FAMILY_IPV6 &&
           memchr(fallback->address.path, 0, sizeof fallback->address.path) != NULL;
}

static bool block_arm(const struct sp_policy *policy, const struct sp_arm_policy *arm)
{
    return arm != NULL && block_name(arm->name, sizeof arm->name, false) &&
           arm->share <= SP_SHARE_ALL && arm->kind <= SP_FALLBACK_NAME &&
           arm->text < policy->strings_size && arm->file < policy->file_count &&
           arm->address.family <= SP_FAMILY_IPV6 &&
           memchr(arm->address.path, 0, sizeof arm->address.path) != NULL;
}

static bool block_condition(const struct sp_policy *policy, const struct sp_condition *condition)
{
    return condition != NULL && condition->measure < SP_MEASURE_COUNT && condition->above <= 1 &&
           condition->file < policy->file_count;
}

static bool block_experiment(const struct sp_policy *policy, const struct sp_experiment *e)
{
    if (e == NULL || !block_name(e->name, sizeof e->name, false) || e->file >= policy->file_count ||
        e->expect >= policy->strings_size || e->target_count > SP_EXPERIMENT_TARGETS ||
        e->inject_count > SP_EXPERIMENT_FAULTS || e->proviso_count > SP_EXPERIMENT_CONDITIONS)
        return false;
    for (size_t i = 0; i < e->target_count; i++)
        if (e->targets[i] >= policy->strings_size)
            return false;
    for (size_t i = 0; i < e->inject_count; i++)
        if (e->injects[i].text >= policy->strings_size)
            return false;
    for (size_t i = 0; i < e->proviso_count; i++)
        if (e->provisos[i].destination >= policy->strings_size ||
            !block_condition(policy, &e->provisos[i].condition))
            return false;
    return true;
}

static bool block_match(const struct sp_policy *policy, const struct sp_match *match)
{
    if (match == NULL)
        return false;
    bool net = match->kind == SP_MATCH_NET;
    unsigned bits = match->family == SP_FAMILY_IPV4 ? 32 : 128;

    if (net && match->family != SP_FAMILY_IPV4 && match->family != SP_FAMILY_IPV6)
        return false;
    return match->kind < SP_MATCH_COUNT && (!net || match->prefix <= bits) &&
           match->port_low <= match->port_high && match->text < policy->strings_size &&
           match->source < policy->strings_size && match->file < policy->file_count;
}

static bool block_setting_sound(const struct sp_policy *policy, const struct sp_setting *setting)
{
    return setting != NULL &&
           (setting->row < policy->row_count || setting->row == SP_ROW_DEFAULTS) &&
           setting->key < KEY_COUNT && setting->file < policy->file_count;
}

static bool block_ended(const struct sp_policy *p)
{
    uint32_t size = p->strings_size;
    const char *strings = block_item(p, p->strings, size, 0, 1);

    return strings != NULL && block_item(p, p->strings, size, size - 1, 1) != NULL &&
           strings[size - 1] == '\0';
}

static bool block_arrays(const struct sp_policy *p)
{
    return p->row_count <= SP_POLICY_ROWS_MAX &&
           block_array(p->rows, p->row_count, sizeof(struct sp_row), p->size) &&
           block_array(p->matches, p->match_count, sizeof(struct sp_match), p->size) &&
           block_array(p->fallbacks, p->fallback_count, sizeof(struct sp_fallback), p->size) &&
           block_array(p->arms, p->arm_count, sizeof(struct sp_arm_policy), p->size) &&
           block_array(p->settings, p->setting_count, sizeof(struct sp_setting), p->size) &&
           block_array(p->conditions, p->condition_count, sizeof(struct sp_condition), p->size) &&
           p->experiment_count <= SP_EXPERIMENTS_MAX &&
           block_array(p->experiments, p->experiment_count, sizeof(struct sp_experiment),
                       p->size) &&
           block_array(p->files, p->file_count, sizeof(uint32_t), p->size) &&
           block_array(p->strings, p->strings_size, 1, p->size) && p->strings_size > 0 &&
           block_ended(p) && p->path < p->strings_size &&
           block_name(p->segment, sizeof p->segment, true) &&
           block_name(p->group, sizeof p->group, true);
}

/* Others may be writing here: an item that was inside of the block may be outside when it is looked
 * at, and is NULL then. */
bool sp_policy_valid(const struct sp_policy *policy, size_t size)
{
    if (policy == NULL || (uintptr_t)policy % 8 != 0 || size < sizeof *policy ||
        policy->magic != SP_POLICY_MAGIC || policy->size > size || policy->size < sizeof *policy ||
        !block_arrays(policy))
        return false;
    for (size_t i = 0; i < policy->row_count; i++)
        if (!block_row(policy, sp_policy_row(policy, i)))
            return false;
    for (size_t i = 0; i < policy->match_count; i++)
        if (!block_match(policy, sp_policy_match_at(policy, i)))
            return false;
    for (size_t i = 0; i < policy->fallback_count; i++)
        if (!block_fallback(policy, sp_policy_fallback(policy, i)))
            return false;
    for (size_t i = 0; i < policy->arm_count; i++)
        if (!block_arm(policy, sp_policy_arm(policy, i)))
            return false;
    for (size_t i = 0; i < policy->setting_count; i++)
        if (!block_setting_sound(policy, block_setting(policy, i)))
            return false;
    for (size_t i = 0; i < policy->condition_count; i++)
        if (!block_condition(policy, sp_policy_condition(policy, i)))
            return false;
    for (size_t i = 0; i < policy->experiment_count; i++)
        if (!block_experiment(policy, sp_policy_experiment(policy, i)))
            return false;
    for (size_t i = 0; i < policy->file_count; i++) {
        const uint32_t *file =
            block_item(policy, policy->files, policy->file_count, i, sizeof *file);
        if (file == NULL || *file >= policy->strings_size)
            return false;
    }
    return true;
}
