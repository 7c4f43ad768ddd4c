/* chaos.c - the faults that are in force for this process, and what they do to a call. */
#include "shearpin/chaos.h"
#include "shearpin/conn.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/probe.h"
#include "base/random.h"

int sp_here_inject(const char *destination, size_t length, const char *fault,
                   struct sp_error *error)
{
    size_t next = sp_here.fault_count;
    if (next == SP_FAULTS_MAX || length >= SP_NAME_SIZE)
        return sp_error_set(error, EINVAL, "SHEARPIN_SET: at most %u faults, names below %d",
                            SP_FAULTS_MAX, SP_NAME_SIZE);
    if (sp_fault_parse(fault, &sp_here.faults[next].fault, error) != 0)
        return -1;
    memcpy(sp_here.faults[next].destination, destination, length);
    if (sp_here.faults[next].fault.on & SP_FAULT_ON_LOOSE)
        atomic_store(sp_here.loose, SP_FAULT_ON_LOOSE);
    sp_here.fault_count++;
    return 0;
}

static bool chaos_is(const char *name, const struct sp_dest *dest)
{
    return strcmp(name, "*") == 0 || strncmp(name, dest->name, SP_NAME_SIZE) == 0;
}

/* The ordinal is taken by the first fault that asks. */
static bool chaos_strikes(size_t i, struct sp_dest *dest, uint8_t stages, uint64_t *ordinal,
                          struct sp_fault_act *act)
{
    const struct sp_fault *fault = &sp_here.faults[i].fault;
    const char *name = sp_here.faults[i].destination;
    if (*ordinal == 0)
        *ordinal = atomic_fetch_add(&dest->ordinals[sp_fault_ordinal(stages)], 1) + 1;
    if (!sp_fault_apply(fault, sp_hash(name, strlen(name)), *ordinal, act))
        return false;
    SP_PROBE(fault, dest->name, fault->kind, *ordinal);
    sp_count(&dest->injected[fault->kind], 1);
    return true;
}

void sp_here_faults(const struct sp_call *call, uint8_t stages, struct sp_fault_act *act)
{
    uint64_t ordinal = 0;
    memset(act, 0, sizeof *act);
    if (call->dest && (atomic_load(&call->dest->odd) & SP_DEST_FAULTY))
        sp_chaos_faults(call, stages, act);
    for (size_t i = 0; call->dest && i < sp_here.fault_count; i++) {
        if ((sp_here.faults[i].fault.on & stages) &&
            chaos_is(sp_here.faults[i].destination, call->dest))
            chaos_strikes(i, call->dest, stages, &ordinal, act);
    }
}

/* Counted where the fault is; one for all destinations with the first of them. */
static struct sp_dest *chaos_dest(const char *name)
{
    for (uint32_t i = 0; i < sp_here.segment.dest_max; i++) {
        struct sp_dest *dest = &sp_here.segment.dests[i];
        if (dest->name[0] && chaos_is(name, dest))
            return dest;
    }
    return NULL;
}

/* Of live experiments on whichever destination. */
static void chaos_loose(uint8_t stage, struct sp_fault_act *act)
{
    struct sp_call call = {.segment = &sp_here.segment, .now = sp_now()};
    for (uint32_t i = 0; act->error == 0 && i < sp_here.segment.dest_max; i++) {
        call.dest = &sp_here.segment.dests[i];
        call.index = i;
        if (atomic_load(&call.dest->odd) & SP_DEST_FAULTY)
            sp_chaos_faults(&call, stage, act);
    }
}

int sp_here_fault_loose(uint8_t stage)
{
    struct sp_fault_act act = {0};
    if (atomic_load(&sp_here.segment.head->loose) & stage)
        chaos_loose(stage, &act);
    for (size_t i = 0; act.error == 0 && i < sp_here.fault_count; i++) {
        uint64_t ordinal = 0;
        struct sp_dest *dest =
            sp_here.faults[i].fault.on & stage ? chaos_dest(sp_here.faults[i].destination) : NULL;
        if (dest)
            chaos_strikes(i, dest, stage, &ordinal, &act);
    }
    return act.error;
}

/* Once a second and a process: with the first call that begins or ends on a target. */
void sp_here_chaos(uint64_t now)
{
    static sp_word judged;
    uint64_t last = atomic_load_explicit(&judged, memory_order_relaxed);
    if ((now - last >= SP_SECOND || now < last) &&
        atomic_compare_exchange_strong(&judged, &last, now))
        sp_chaos_judge(&sp_here.segment, now);
}
