/* metric_chaos.c - experiments that run, or ran lately: at most as many as the segment keeps. */
#include <bsd/string.h>

#include "base/clock.h"
#include "cli/chaos.h"
#include "cli/metric.h"

typedef void chaos_fn(const struct metric_out *out, const char *name, const struct sp_chaos *chaos);

static void chaos_each(const struct metric_out *out, chaos_fn *put)
{
    struct sp_chaos *known[SP_EXPERIMENTS];
    size_t count = experiment_known(out->look->segment, known);
    for (size_t i = 0; i < count; i++) {
        char name[SP_NAME_SIZE];
        look_name(name, known[i]->name);
        size_t newer = 0;
        while (strncmp(known[newer]->name, known[i]->name, SP_NAME_SIZE) != 0)
            newer++;
        if (newer == i) /* a series has one sample */
            put(out, name, known[i]);
    }
}

static void chaos_active(const struct metric_out *out, const char *name,
                         const struct sp_chaos *chaos)
{
    metric_count(out, name, sp_chaos_stands(chaos, out->look->now) == SP_CHAOS_RUNNING);
}

static void chaos_aborts(const struct metric_out *out, const char *name,
                         const struct sp_chaos *chaos)
{
    metric_count(out, name, atomic_load(&chaos->aborts));
}

/* Two faults of one kind are one series. */
static uint64_t chaos_of_kind(const struct sp_chaos *chaos, unsigned kind, uint32_t target)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < chaos->fault_count && i < SP_EXPERIMENT_FAULTS; i++) {
        if (chaos->faults[i].fault.kind == kind)
            sum += atomic_load(&chaos->faults[i].injected[target]);
    }
    return sum;
}

static void chaos_injections(const struct metric_out *out, const char *name,
                             const struct sp_chaos *chaos)
{
    int target = sp_chaos_target_of(out->look->segment, chaos, out->d->index);
    for (unsigned kind = 0; target >= 0 && kind < SP_FAULT_COUNT; kind++) {
        bool has = false;
        for (unsigned i = 0; i < chaos->fault_count && i < SP_EXPERIMENT_FAULTS; i++)
            has |= chaos->faults[i].fault.kind == kind;
        if (has)
            metric_pair(out, name, sp_faults[kind]->word,
                        chaos_of_kind(chaos, kind, (uint32_t)target));
    }
}

void metric_chaos_active(const struct metric_out *out)
{
    chaos_each(out, chaos_active);
}

void metric_chaos_aborts(const struct metric_out *out)
{
    chaos_each(out, chaos_aborts);
}

void metric_chaos_injections(const struct metric_out *out)
{
    chaos_each(out, chaos_injections);
}
