/* suggest.c - a policy drafted from what was seen, every line with its evidence. Limits are
 * generous: they are to catch what is broken, not what is slow today. */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/look.h"
#include "cli/say.h"

#define SUGGEST_COLUMN 62
#define SUGGEST_LEAST  20u /* calls below which figures prove little */

struct suggest {
    const struct look_dest *d;
    const struct sp_dest *dest;
    uint64_t connects; /* that succeeded */
    uint64_t answers;
    bool silent; /* was sent to, and never answered */
};

static void suggest_line(const char *words, const char *evidence)
{
    printf("    %-*s  # %s\n", SUGGEST_COLUMN - 4, words, evidence);
}

/* The next of 1, 2.5, 5 of a decade: numbers that people would have chosen. */
static uint64_t suggest_round(uint64_t ns)
{
    for (uint64_t unit = SP_MS;; unit *= 10) {
        if (ns <= unit)
            return unit;
        if (ns <= unit * 5 / 2)
            return unit * 5 / 2;
        if (ns <= unit * 5)
            return unit * 5;
    }
}

static uint64_t suggest_most(const uint64_t *bins)
{
    uint32_t top = SP_BINS;
    while (top > 0 && bins[top - 1] == 0)
        top--;
    return top == 0 ? 0 : sp_bin_low(top < SP_BINS ? top : SP_BINS - 1);
}

/* Three times what nearly all took and twice what the slowest took, and never less than `least`. */
static void suggest_deadline(const char *word, const uint64_t *bins, uint64_t least)
{
    uint64_t nearly = sp_bin_quantile(bins, 0.999), most = suggest_most(bins);
    uint64_t limit = 3 * nearly > 2 * most ? 3 * nearly : 2 * most;
    char words[80], evidence[160];
    limit = suggest_round(limit > least ? limit : least);
    if (limit > 24 * 3600 * SP_SECOND)
        return;
    snprintf(words, sizeof words, "deadline  %s %s", word, SAY_TIME(limit));
    snprintf(evidence, sizeof evidence, "%llu took p50 %s, p99 %s, at most %s",
             (unsigned long long)look_sum(bins, SP_BINS), SAY_TOOK(sp_bin_quantile(bins, 0.5)),
             SAY_TOOK(sp_bin_quantile(bins, 0.99)), SAY_TOOK(most));
    suggest_line(words, evidence);
}

/* A breaker that would have been open all the time helps nobody. */
static void suggest_breaker(const struct suggest *s)
{
    char words[120], evidence[120], share[16];
    uint64_t errors = s->d->errors, calls = s->silent ? s->connects + errors : s->d->calls;
    double ratio = calls ? (double)errors / (double)calls : 0;
    uint32_t rate = (uint32_t)(ratio * 2 * 100 + 0.999) * 100;
    snprintf(evidence, sizeof evidence, "%llu of %s failed", (unsigned long long)errors,
             SAY_COUNT(calls, s->silent ? "connect" : "call"));
    if (ratio >= 0.4) {
        strlcat(evidence, ": find out why before there is a breaker", sizeof evidence);
        printf("    # %s\n", evidence);
        return;
    }
    sp_text_format_share(rate > 5000 ? rate : 5000, share, sizeof share);
    snprintf(words, sizeof words, "breaker   %srate %s of 20 in 10s  open 1s..60s",
             ratio < 0.1 ? "streak 5  " : "", share);
    suggest_line(words, evidence);
}

static void suggest_cap(const struct suggest *s)
{
    char words[40], evidence[80];
    uint32_t peak = atomic_load(&s->dest->peak), cap = 4;
    if (peak == 0)
        return;
    if (peak >= s->d->guards.cap[SP_CAP_CONNECTIONS]) {
        printf("    # no cap: %u connections at once and perhaps more\n", peak);
        return;
    }
    while (cap < 2 * peak)
        cap *= 2;
    snprintf(words, sizeof words, "cap       %u", cap < 4096 ? cap : 4096);
    snprintf(evidence, sizeof evidence, "at most %u at once", peak);
    suggest_line(words, evidence);
}

static void suggest_exchange(const struct suggest *s)
{
    char evidence[120];
    snprintf(evidence, sizeof evidence, "%llu bytes were sent on %s, none came back",
             (unsigned long long)s->d->life.sent, SAY_COUNT(s->connects, "connection"));
    suggest_line("exchange  none", evidence);
    suggest_line("success   connect", "no answer can prove that it works");
}

static void suggest_match(const struct suggest *s, const struct sp_policy *policy)
{
    char safe[4 * 64], words[4 * 64 + 16];
    const struct sp_row *row;
    if (atomic_load(&s->dest->origin.state) & SP_ORIGIN_READY) {
        const char *text = s->dest->origin.text;
        snprintf(words, sizeof words, "match     %s", say_safe(safe, sizeof safe, text, 252 / 4));
        printf("    %s\n", words);
        return;
    }
    for (size_t i = 0; policy && (row = sp_policy_row(policy, i)) != NULL; i++) {
        if (strncmp(row->name, s->d->name, SP_NAME_SIZE) != 0)
            continue;
        for (size_t m = 0; m < row->match_count; m++) {
            const struct sp_match *rule = sp_policy_match_at(policy, row->match_first + m);
            if (rule)
                printf("    match     %s\n",
                       say_safe(safe, sizeof safe, sp_policy_string(policy, rule->source), 60));
        }
    }
}

static void suggest_one(const struct look *look, const struct look_dest *d)
{
    struct suggest s = {.d = d, .dest = &look->segment->dests[d->index]};
    s.connects = d->life.connects[SP_OUTCOME_OK];
    s.answers = d->life.exchanges[SP_OUTCOME_OK];
    s.silent = s.connects > 0 && d->life.sent > 0 && d->life.received == 0 && s.answers == 0;
    bool rest = look->policy && look->policy->learn && /* what found no place of its own */
                !(atomic_load(&s.dest->origin.state) & SP_ORIGIN_READY);
    if (rest && s.connects + d->calls > 0)
        printf("\n# %s went to endpoints that found no place of their own\n",
               SAY_COUNT(s.connects + d->calls, "call"));
    if (rest || s.connects + d->calls == 0)
        return;
    printf("\ndestination %s\n", d->name);
    suggest_match(&s, look->policy);
    if (s.connects + d->calls < SUGGEST_LEAST)
        printf("    # seen %s only: watch for longer\n", SAY_COUNT(s.connects + d->calls, "time"));
    if (s.silent)
        suggest_exchange(&s);
    if (s.connects > 0)
        suggest_deadline("connect", d->life.connect_time, 250 * SP_MS);
    else
        printf("    # no connect has ever succeeded\n");
    if (s.answers > 0)
        suggest_deadline("response", d->life.answer_time, 100 * SP_MS);
    suggest_breaker(&s);
    suggest_cap(&s);
}

int suggest_main(struct cli *cli)
{
    struct sp_segment segment;
    struct look look;
    int status = where_attach(cli, &segment);
    if (status != CLI_OK)
        return status;
    look_take(&look, &segment, 0);
    uint64_t age = look.wall > segment.head->created ? look.wall - segment.head->created : 0;
    printf("# drafted by `shearpin suggest` from segment %s: %s of programs at work\n"
           "# observe first; then `mode enforce 10%%`, then `enforce`\n"
           "defaults\n    mode      observe\n",
           where_name(&segment), SAY_AGE(age));
    uint64_t seen = 0;
    for (uint32_t i = 0; i < look.count; i++) {
        suggest_one(&look, &look.dests[i]);
        seen += look.dests[i].life.connects[SP_OUTCOME_OK] + look.dests[i].calls;
    }
    look_free(&look);
    if (seen > 0)
        return CLI_OK;
    say_error("segment %s has seen no connect yet", where_name(&segment));
    return CLI_NO;
}
