/* fallback.c - one line `fallback` of the policy in force. */
#include "shearpin/segment.h"

#include <stdio.h>

#include "state/shared.h"

static bool fallback_copy(const struct sp_policy *policy, uint32_t index, uint32_t nth,
                          struct sp_fallback *out, char *text, size_t size)
{
    const struct sp_row *row = sp_policy_row(policy, index);
    if (!row || nth >= row->fallback_count || nth >= SP_FALLBACKS_MAX)
        return false;
    const struct sp_fallback *found = sp_policy_fallback(policy, (size_t)row->fallback_first + nth);
    if (!found)
        return false;
    sp_shared_load(out, found, sizeof *out);
    out->address.path[sizeof out->address.path - 1] = 0; /* the area may be written by anybody */
    if (text)
        snprintf(text, size, "%s", sp_policy_string(policy, out->text));
    return true;
}

bool sp_segment_fallback(struct sp_segment *segment, uint32_t dest, uint32_t nth,
                         struct sp_fallback *out, char *text, size_t size)
{
    struct sp_dest *d = sp_segment_dest(segment, dest);
    for (int i = 0; d && i < 64; i++) {
        uint64_t word;
        const struct sp_policy *policy = sp_segment_policy(segment, &word);
        uint32_t index = atomic_load_explicit(&d->row[word & 1], memory_order_relaxed);
        bool found = policy && fallback_copy(policy, index, nth, out, text, size);
        if (sp_segment_steady(segment, word))
            return found;
    }
    return false;
}
