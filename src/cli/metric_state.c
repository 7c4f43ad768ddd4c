/* metric_state.c - how a destination stands now: its mode, its breaker, its places. */
#include "cli/endpoints.h"
#include "cli/metric.h"

void metric_mode(const struct metric_out *out)
{
    bool off = !out->d->named || out->d->guards.mode >= SP_MODE_COUNT;
    unsigned mode = off ? SP_MODE_OFF : out->d->guards.mode;
    for (unsigned i = 0; i < SP_MODE_COUNT; i++)
        metric_count(out, sp_mode_words[i], i == mode);
}

void metric_share(const struct metric_out *out)
{
    const struct sp_guards *g = &out->d->guards;
    bool enforcing = out->d->named && g->mode == SP_MODE_ENFORCE;
    uint32_t share = !enforcing ? 0 : g->share ? g->share : SP_SHARE_ALL;
    metric_number(out, NULL, (double)share / SP_SHARE_ALL);
}

/* --- the breaker --- */

enum { CLOSED, OPEN, HALF_OPEN, FORCED_OPEN, DISABLED, STATES };

static int state_of(const struct metric_out *out)
{
    static const int states[SP_STATE_COUNT] = {CLOSED, OPEN, HALF_OPEN};
    const struct look_dest *d = out->d;
    if (out->look->disabled || d->disabled || !d->named || d->guards.mode == SP_MODE_OFF)
        return DISABLED;
    if (d->view.hold != SP_HOLD_NONE)
        return d->view.hold == SP_HOLD_OPEN ? FORCED_OPEN : CLOSED;
    return states[d->view.state];
}

void metric_breaker_state(const struct metric_out *out)
{
    static const char *const words[STATES] = {"closed", "open", "half_open", "forced_open",
                                              "disabled"};
    int state = state_of(out);
    for (int i = 0; i < STATES; i++)
        metric_count(out, words[i], i == state);
}

void metric_transitions(const struct metric_out *out)
{
    const struct sp_dest *dest = &out->look->segment->dests[out->d->index];
    metric_count(out, "closed", atomic_load(&dest->cell.closed));
    metric_count(out, "open", atomic_load(&dest->cell.opened));
    metric_count(out, "half_open", atomic_load(&dest->cell.half_opened));
}

void metric_streak(const struct metric_out *out)
{
    metric_count(out, NULL, out->d->view.state == SP_STATE_CLOSED ? out->d->view.streak : 0);
}

void metric_probes(const struct metric_out *out)
{
    metric_count(out, NULL, out->d->view.probes);
}

/* Where `scope endpoint` is in force. */
void metric_endpoints(const struct metric_out *out)
{
    if (out->d->guards.breaker.scope == SP_SCOPE_ENDPOINT)
        metric_count(out, NULL, endpoints_count(out->look, out->d).known);
}

void metric_endpoints_out(const struct metric_out *out)
{
    if (out->d->guards.breaker.scope == SP_SCOPE_ENDPOINT)
        metric_count(out, NULL, endpoints_count(out->look, out->d).out);
}

/* A monotonic time on the clock of the wall; 0 and what lies ahead never was. */
static void state_time(const struct metric_out *out, uint64_t then)
{
    uint64_t age = out->look->now - then;
    uint64_t ms = (out->look->wall - age) / SP_MS;
    if (then != 0 && then <= out->look->now && age < out->look->wall)
        metric_number(out, NULL, (double)ms / 1000);
}

void metric_last_success(const struct metric_out *out)
{
    state_time(out, out->d->life.last_success);
}

void metric_last_failure(const struct metric_out *out)
{
    state_time(out, out->d->last_failure);
}

/* --- caps and rates: a destination without one has no sample --- */

static void state_limit(const struct metric_out *out, enum sp_cap cap)
{
    if (out->d->guards.cap[cap] > 0)
        metric_count(out, NULL, out->d->guards.cap[cap]);
}

static void state_held(const struct metric_out *out, enum sp_cap cap)
{
    const struct sp_segment *segment = out->look->segment;
    uint32_t count;
    sp_word *words = sp_lease_words(segment, &segment->dests[out->d->index], cap, &count);
    if (out->d->guards.cap[cap] > 0)
        metric_count(out, NULL, words ? look_held(out->look, words, count) : 0);
}

void metric_cap_limit(const struct metric_out *out)
{
    state_limit(out, SP_CAP_CONNECTIONS);
}

void metric_cap_in_use(const struct metric_out *out)
{
    state_held(out, SP_CAP_CONNECTIONS);
}

void metric_cap_waiting(const struct metric_out *out)
{
    if (out->d->capped)
        metric_count(out, NULL, out->d->waiting);
}

void metric_connecting_limit(const struct metric_out *out)
{
    state_limit(out, SP_CAP_CONNECTING);
}

void metric_connecting_in_use(const struct metric_out *out)
{
    state_held(out, SP_CAP_CONNECTING);
}

void metric_inflight_limit(const struct metric_out *out)
{
    state_limit(out, SP_CAP_INFLIGHT);
}

void metric_inflight_in_use(const struct metric_out *out)
{
    state_held(out, SP_CAP_INFLIGHT);
}

void metric_limit_rate(const struct metric_out *out)
{
    static const double seconds[SP_RATE_UNITS] = {1, 60, 3600};
    uint64_t rate = out->d->guards.limit_rate;
    if (sp_rate_count(rate) > 0 && (rate & 3) < SP_RATE_UNITS)
        metric_number(out, NULL, (double)sp_rate_count(rate) / seconds[rate & 3]);
}

void metric_limit_burst(const struct metric_out *out)
{
    const struct sp_guards *g = &out->d->guards;
    if (sp_rate_count(g->limit_rate) > 0)
        metric_count(out, NULL, g->limit_burst ? g->limit_burst : sp_rate_count(g->limit_rate));
}
