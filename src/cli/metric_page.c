/* metric_page.c - the text that Prometheus reads. Samples of one metric stand together, whatever
 * segment they are of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/metric.h"
#include "cli/say.h"

/* The edges of the buckets that are shown: 1, 2.5 and 5 of every decade from 10 us to 100 s. They
 * are edges of bins, so what stands in a bucket is an exact sum. */
#define PAGE_FIRST (10 * SP_US)
#define PAGE_LAST  (100 * SP_SECOND)

void metric_escaped(FILE *file, const char *text, size_t max)
{
    char safe[512];
    say_safe(safe, sizeof safe, text, max);
    for (const char *at = safe; *at; at++) {
        if (*at == '"' || *at == '\\')
            putc('\\', file);
        putc(*at, file);
    }
}

static void page_label(const struct metric_out *out, const char **at, const char *value)
{
    size_t length = strcspn(*at, ",");
    fprintf(out->file, "%c%.*s=\"", *at == out->metric->labels ? '{' : ',', (int)length, *at);
    metric_escaped(out->file, value, strlen(value));
    putc('"', out->file);
    *at += length + ((*at)[length] == ',');
}

/* Name and labels; `le` belongs to a histogram. */
static void page_labels(const struct metric_out *out, const char *suffix, const char *value,
                        const char *second, const char *le)
{
    const char *at = out->metric->labels;
    fprintf(out->file, "shearpin_%s%s", out->metric->name, suffix);
    if (out->segment)
        page_label(out, &at, out->segment);
    if (out->d)
        page_label(out, &at, out->d->name);
    if (out->arm)
        page_label(out, &at, out->arm);
    if (value)
        page_label(out, &at, value);
    if (second)
        page_label(out, &at, second);
    if (le)
        fprintf(out->file, ",le=\"%s\"", le);
    fputs("} ", out->file);
}

static void page_series(const struct metric_out *out, const char *suffix, const char *value,
                        const char *le)
{
    page_labels(out, suffix, value, NULL, le);
}

void metric_pair(const struct metric_out *out, const char *value, const char *second, uint64_t n)
{
    page_labels(out, "", value, second, NULL);
    fprintf(out->file, "%llu\n", (unsigned long long)n);
}

void metric_count(const struct metric_out *out, const char *value, uint64_t n)
{
    page_series(out, "", value, NULL);
    fprintf(out->file, "%llu\n", (unsigned long long)n);
}

void metric_number(const struct metric_out *out, const char *value, double n)
{
    page_series(out, "", value, NULL);
    fprintf(out->file, isinf(n) ? "+Inf\n" : "%.15g\n", n);
}

static void page_bucket(const struct metric_out *out, const char *value, uint64_t edge, uint64_t n)
{
    char le[32];
    snprintf(le, sizeof le, "%.9g", (double)edge / (double)SP_SECOND);
    page_series(out, "_bucket", value, edge == SP_NEVER ? "+Inf" : le);
    fprintf(out->file, "%llu\n", (unsigned long long)n);
}

/* No call pays for a true sum: every duration counts as the middle of its bin, 5 % off at most. */
static double page_sum(const uint64_t *bins)
{
    double sum = 0;
    for (uint32_t i = 0; i < SP_BINS; i++) {
        uint64_t low = sp_bin_low(i), high = i + 1 < SP_BINS ? sp_bin_low(i + 1) : low;
        sum += (double)bins[i] * ((double)low + (double)high) / 2 / (double)SP_SECOND;
    }
    return sum;
}

void metric_bins(const struct metric_out *out, const char *value, const uint64_t *bins)
{
    static const uint64_t steps[] = {100, 250, 500};
    uint64_t sum = 0;
    uint32_t bin = 0;
    for (uint64_t decade = PAGE_FIRST / 100; decade <= PAGE_LAST / 100; decade *= 10) {
        for (size_t s = 0; s < 3 && decade * steps[s] <= PAGE_LAST; s++) {
            for (; bin < SP_BINS && sp_bin_low(bin) < decade * steps[s]; bin++)
                sum += bins[bin];
            page_bucket(out, value, decade * steps[s], sum);
        }
    }
    for (; bin < SP_BINS; bin++)
        sum += bins[bin];
    page_bucket(out, value, SP_NEVER, sum);
    page_series(out, "_sum", value, NULL);
    fprintf(out->file, "%.9g\n", page_sum(bins));
    page_series(out, "_count", value, NULL);
    fprintf(out->file, "%llu\n", (unsigned long long)sum);
}

static void page_segment(struct metric_out out, const struct metric_look *look)
{
    out.look = &look->look;
    out.segment = look->segment;
    if (!strstr(out.metric->labels, "destination")) {
        out.metric->put(&out);
        return;
    }
    for (uint32_t i = 0; i < look->look.count; i++) {
        out.d = &look->look.dests[i];
        out.metric->put(&out);
    }
}

void metric_page(FILE *file, const struct metric_look *looks, size_t count)
{
    for (size_t i = 0; i < metric_total; i++) {
        const struct metric *m = &metric_table[i];
        struct metric_out out = {.file = file, .metric = m, .all = looks, .all_count = count};
        fprintf(file, "# HELP shearpin_%s %s\n# TYPE shearpin_%s %s\n", m->name, m->help, m->name,
                metric_type_words[m->type]);
        if (strncmp(m->labels, "segment", strlen("segment")) != 0)
            m->put(&out);
        else
            for (size_t s = 0; s < count; s++)
                page_segment(out, &looks[s]);
    }
}

bool metric_group(FILE *file, const struct group *group)
{
    struct metric_look *looks = calloc(group->count + 1, sizeof *looks);
    if (!looks) {
        say_error("out of memory");
        return false;
    }
    for (size_t i = 0; i < group->count; i++) {
        looks[i].segment = group->seats[i]->name;
        look_since(&looks[i].look, &group->seats[i]->segment, &group->seats[i]->mark, false);
    }
    metric_page(file, looks, group->count);
    for (size_t i = 0; i < group->count; i++)
        look_free(&looks[i].look);
    free(looks);
    return true;
}
