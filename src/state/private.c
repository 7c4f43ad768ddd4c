/* private.c - a segment in memory that nobody else sees, to try a policy in. */
#include "shearpin/segment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state/apply.h"

int sp_segment_private(struct sp_segment *segment, const struct sp_policy *policy,
                       struct sp_error *error)
{
    struct sp_head head = {.magic = SP_MAGIC};
    memset(segment, 0, sizeof *segment);
    sp_apply_capacities(&head, policy);
    segment->size = head.size;
    char *at = mmap(NULL, head.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return sp_error_set(error, errno, "no memory for a segment of %llu KiB",
                            (unsigned long long)(head.size >> 10));
    memcpy(at, &head, sizeof head);
    sp_segment_point(segment, at, &head);
    segment->self.pid = (uint32_t)getpid();
    atomic_store(&segment->processes[0].epoch, 1);
    segment->self.epoch = 1;
    return sp_apply_fill(segment, policy, error);
}
