/* shift.c - the shares that are in force. */
#include "shearpin/split.h"

void sp_shift_shares(const struct sp_segment *segment, uint32_t dest,
                     const struct sp_arm_policy *arms, size_t count, uint64_t now,
                     uint32_t out[SP_ARMS_MAX])
{
    (void)segment;
    (void)dest;
    (void)now;
    for (size_t i = 0; i < count && i < SP_ARMS_MAX; i++)
        out[i] = arms[i].share;
}
