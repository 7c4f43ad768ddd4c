/* metric_segment.c - what is known of a whole segment. */
#include <string.h>

#include "cli/metric.h"

#define VERSION_SIZE sizeof((struct sp_head){0}.version)

static const char *segment_version(const struct metric_look *look)
{
    return look->look.segment->head->version;
}

/* Segments of one layout may have been made by several versions: each is named once. */
void metric_build_info(const struct metric_out *out)
{
    for (size_t i = 0; i < out->all_count; i++) {
        const char *version = segment_version(&out->all[i]);
        size_t same = 0;
        while (strncmp(version, segment_version(&out->all[same]), VERSION_SIZE) != 0)
            same++;
        if (same < i)
            continue;
        fputs("shearpin_build_info{version=\"", out->file);
        metric_escaped(out->file, version, VERSION_SIZE);
        fprintf(out->file, "\",abi=\"%u\"} 1\n", SP_LAYOUT);
    }
}

void metric_processes(const struct metric_out *out)
{
    metric_count(out, NULL, out->look->processes);
}

void metric_processes_lost(const struct metric_out *out)
{
    metric_count(out, NULL, atomic_load(&out->look->segment->head->lost));
}

void metric_unregistered(const struct metric_out *out)
{
    metric_count(out, NULL, atomic_load(&out->look->segment->head->unregistered));
}

void metric_disabled(const struct metric_out *out)
{
    metric_count(out, NULL, out->look->disabled);
}

void metric_generation(const struct metric_out *out)
{
    metric_count(out, NULL, out->look->generation);
}

void metric_loaded(const struct metric_out *out)
{
    uint64_t ms = out->look->loaded / SP_MS;
    metric_number(out, NULL, (double)ms / 1000);
}

void metric_reload_failures(const struct metric_out *out)
{
    metric_count(out, NULL, atomic_load(&out->look->segment->head->policy_failures));
}

void metric_unmatched(const struct metric_out *out)
{
    metric_count(out, NULL, out->look->unmatched);
}

void metric_events(const struct metric_out *out)
{
    metric_count(out, NULL, sp_event_last(out->look->segment));
}

void metric_journal_entries(const struct metric_out *out)
{
    uint64_t oldest;
    if (out->look->segment->journal_max > 0)
        metric_count(out, NULL, sp_journal_count(out->look->segment, &oldest));
}

void metric_journal_capacity(const struct metric_out *out)
{
    if (out->look->segment->journal_max > 0)
        metric_count(out, NULL, out->look->segment->journal_max);
}
