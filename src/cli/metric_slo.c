/* metric_slo.c - what the policy demands by `slo`, and how it stands. The label is the condition as
 * the policy has it, so a metric holds seconds, shares of 1 or calls a second, as that says. */
#include <math.h>

#include "cli/metric.h"
#include "cli/objective.h"

typedef void slo_fn(const struct metric_out *out, const char *text, const struct objective *o);

static void slo_each(const struct metric_out *out, slo_fn *put)
{
    struct objective o;
    char text[64];
    for (size_t i = 0; objective_at(out->look, out->d, i, &o); i++) {
        sp_condition_format(&o.condition, text, sizeof text);
        put(out, text, &o);
    }
}

/* Too few calls are no verdict, so there is no sample. */
static void slo_kept(const struct metric_out *out, const char *text, const struct objective *o)
{
    if (o->measured.verdict != SP_MEASURED_FEW)
        metric_count(out, text, o->measured.verdict == SP_MEASURED_HOLDS);
}

static void slo_value(const struct metric_out *out, const char *text, const struct objective *o)
{
    double value = objective_number(&o->condition, &o->measured);
    if (!isnan(value))
        metric_number(out, text, value);
}

static void slo_limit(const struct metric_out *out, const char *text, const struct objective *o)
{
    metric_number(out, text, objective_limit(&o->condition));
}

void metric_slo_kept(const struct metric_out *out)
{
    slo_each(out, slo_kept);
}

void metric_slo_value(const struct metric_out *out)
{
    slo_each(out, slo_value);
}

void metric_slo_limit(const struct metric_out *out)
{
    slo_each(out, slo_limit);
}
