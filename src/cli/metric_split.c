/* metric_split.c - the arms of destinations: a destination without a split has no sample. */
#include "cli/metric.h"
#include "cli/split.h"

typedef void split_fn(const struct metric_out *out, const struct split_arm *arm);

static void split_each(const struct metric_out *out, split_fn *put)
{
    struct split_arm arm;
    struct metric_out of = *out;
    of.arm = arm.name;
    for (size_t nth = 0; split_arm(out->look, out->d, nth, &arm); nth++)
        put(&of, &arm);
}

static void split_put_share(const struct metric_out *out, const struct split_arm *arm)
{
    metric_number(out, NULL, (double)arm->share / SP_SHARE_ALL);
}

static void split_put_connects(const struct metric_out *out, const struct split_arm *arm)
{
    static const unsigned usual[] = {SP_OUTCOME_OK, SP_OUTCOME_REFUSED, SP_OUTCOME_CONNECT_TIMEOUT};
    metric_outcomes(out, arm->figures.connects, SP_OUTCOMES_WIRE, usual,
                    sizeof usual / sizeof *usual);
}

static void split_put_exchanges(const struct metric_out *out, const struct split_arm *arm)
{
    static const unsigned usual[] = {SP_OUTCOME_OK, SP_OUTCOME_RESPONSE_TIMEOUT, SP_OUTCOME_RESET};
    metric_outcomes(out, arm->figures.exchanges, SP_OUTCOMES_WIRE, usual,
                    sizeof usual / sizeof *usual);
}

static void split_put_open(const struct metric_out *out, const struct split_arm *arm)
{
    metric_count(out, NULL, arm->standing);
}

static void split_put_state(const struct metric_out *out, const struct split_arm *arm)
{
    static const char *const words[SP_STATE_COUNT] = {"closed", "open", "half_open"};
    for (unsigned i = 0; i < SP_STATE_COUNT; i++)
        metric_count(out, words[i], i == arm->view.state);
}

static void split_put_time(const struct metric_out *out, const struct split_arm *arm)
{
    metric_bins(out, NULL, arm->figures.answer_time);
}

void metric_split_share(const struct metric_out *out)
{
    split_each(out, split_put_share);
}

void metric_split_connects(const struct metric_out *out)
{
    split_each(out, split_put_connects);
}

void metric_split_exchanges(const struct metric_out *out)
{
    split_each(out, split_put_exchanges);
}

void metric_split_open(const struct metric_out *out)
{
    split_each(out, split_put_open);
}

void metric_split_state(const struct metric_out *out)
{
    split_each(out, split_put_state);
}

void metric_split_time(const struct metric_out *out)
{
    split_each(out, split_put_time);
}
