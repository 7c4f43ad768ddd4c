#include "cli/objective.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/say.h"

bool objective_at(const struct look *look, const struct look_dest *d, size_t i,
                  struct objective *out)
{
    const struct sp_policy *policy = look->policy;
    const struct sp_row *row = policy && d->named ? sp_policy_row(policy, d->rank) : NULL;
    const struct sp_condition *condition =
        row && i < row->slo_count ? sp_policy_condition(policy, row->slo_first + i) : NULL;
    struct sp_span span;
    if (!condition || strncmp(row->name, d->name, SP_NAME_SIZE) != 0) /* a reload in between */
        return false;
    sp_history_span(look->segment, &look->segment->dests[d->index], &d->guards, condition->window,
                    look->now, &span);
    out->condition = *condition;
    out->over = span.time;
    out->file = sp_policy_file(policy, condition->file);
    sp_measure(condition, &span, &out->measured);
    return true;
}

bool objective_broken(const struct look *look, const struct look_dest *d, struct objective *out)
{
    for (size_t i = 0; objective_at(look, d, i, out); i++) {
        if (out->measured.verdict == SP_MEASURED_BROKEN)
            return true;
    }
    return false;
}

/* --- words --- */

/* How long the name before a condition is: one stands there where the second word is followed by
 * the sign that else follows the first. */
static size_t objective_name(const char *text)
{
    static const char ends[] = " \t<>";
    size_t name = strcspn(text, ends), at = name + strspn(text + name, " \t");
    size_t measure = strcspn(text + at, ends);
    at += measure;
    at += strspn(text + at, " \t");
    return measure > 0 && name < SP_NAME_SIZE && (text[at] == '<' || text[at] == '>') ? name : 0;
}

int objective_parse(const char *text, char dest[SP_NAME_SIZE], struct sp_condition *out,
                    struct sp_error *error)
{
    size_t name = objective_name(text);
    memcpy(dest, text, name);
    dest[name] = 0;
    return sp_condition_parse(text + name, strlen(text + name), out, error);
}

const char *objective_value(const struct sp_condition *condition, const struct sp_measured *m,
                            char *out, size_t size)
{
    enum sp_measure_kind kind = sp_measure_kind(condition->measure);
    if (kind == SP_MEASURE_COUNT_KIND)
        snprintf(out, size, "%llu/s", (unsigned long long)m->value);
    else if (m->calls == 0)
        snprintf(out, size, "-");
    else if (kind == SP_MEASURE_SHARE_KIND && (m->value >= 100 || m->value == 0))
        snprintf(out, size, "%.1f%%", (double)m->value / 100);
    else if (kind == SP_MEASURE_SHARE_KIND)
        snprintf(out, size, "%.2f%%", (double)m->value / 100);
    else if (m->value == SP_NEVER)
        snprintf(out, size, "timed out");
    else
        say_took(out, size, m->value);
    return out;
}

static double objective_unit(const struct sp_condition *condition)
{
    static const double units[] = {SP_SECOND, SP_SHARE_ALL, 1};
    return units[sp_measure_kind(condition->measure)];
}

double objective_number(const struct sp_condition *condition, const struct sp_measured *m)
{
    if (m->calls == 0 && m->needed > 0)
        return NAN;
    return m->value == SP_NEVER ? INFINITY : (double)m->value / objective_unit(condition);
}

double objective_limit(const struct sp_condition *condition)
{
    return (double)condition->limit / objective_unit(condition);
}

const char *objective_verdict(const struct sp_measured *measured)
{
    static const char *const words[] = {"kept", "broken", "too few calls"};
    return words[measured->verdict];
}

static const char *objective_verb(unsigned measure)
{
    switch (measure) {
    case SP_MEASURE_ERRORS:
        return "failed";
    case SP_MEASURE_TIMEOUTS:
        return "timed out";
    case SP_MEASURE_REFUSED:
        return "were refused";
    default:
        return "took longer";
    }
}

void objective_why(const struct sp_condition *condition, const struct sp_measured *m, char *out,
                   size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    if (m->verdict == SP_MEASURED_FEW && m->needed == 0) {
        sp_text_put(&text, "nothing was measured yet");
    } else if (m->verdict == SP_MEASURED_FEW) {
        sp_text_put(&text, "needs %s", SAY_COUNT(m->needed, "call"));
    } else if (!condition->above && m->needed > 0) {
        unsigned tail = sp_measure_tail(condition->measure);
        double allowed = tail ? tail / 1000.0 : (double)condition->limit / SP_SHARE_ALL;
        sp_text_put(&text, "%llu of %s %s, %.0f may", (unsigned long long)m->wrong,
                    SAY_COUNT(m->calls, "call"), objective_verb(condition->measure),
                    (double)(uint64_t)(allowed * (double)m->calls + 1e-9));
    }
}

void objective_json(struct json *json, const struct sp_condition *condition,
                    const struct sp_measured *m)
{
    static const char *const names[] = {"holds", "broken", "few"};
    char text[64];
    sp_condition_format(condition, text, sizeof text);
    json_word(json, "slo", text);
    json_word(json, "verdict", names[m->verdict]);
    json_word(json, "measure", sp_measure_word(condition->measure));
    json_number(json, "value", objective_number(condition, m));
    json_number(json, "limit", objective_limit(condition));
    json_count(json, "calls", m->calls);
    json_count(json, "needed", m->needed);
    json_count(json, "wrong", m->wrong);
}
