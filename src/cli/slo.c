#include <stdio.h>
#include <string.h>

#include "cli/objective.h"
#include "cli/say.h"
#include "cli/setting.h"

struct slo_tally {
    unsigned all, broken;
    struct json json;
};

static void slo_text(const struct look *look, const struct look_dest *d, const struct objective *o,
                     bool first)
{
    char name[4 * SP_NAME_SIZE + 1] = "", text[64], place[300], why[200];
    if (first)
        say_safe(name, sizeof name, d->name, SP_NAME_SIZE);
    sp_condition_format(&o->condition, text, sizeof text);
    setting_place(look->policy, o->condition.file, o->condition.line, place, sizeof place);
    objective_why(&o->condition, &o->measured, why, sizeof why);
    printf("%-14s %-24s%10s%9llu  %-14s %s", name, text,
           OBJECTIVE_VALUE(&o->condition, &o->measured), (unsigned long long)o->measured.calls,
           objective_verdict(&o->measured), place);
    if (*why)
        printf("  %s", why);
    if (o->over < o->condition.window)
        printf("%s %s so far", *why ? ";" : " ",
               o->over < 2 * SP_SECOND ? SAY_TOOK(o->over) : SAY_AGE(o->over));
    putchar('\n');
}

static void slo_json(struct slo_tally *tally, const struct look_dest *d, const struct objective *o)
{
    struct json *json = &tally->json;
    json_open(json, NULL, '{');
    json_text(json, "destination", d->name, SP_NAME_SIZE);
    objective_json(json, &o->condition, &o->measured);
    json_number(json, "over_s", (double)o->over / (double)SP_SECOND);
    json_word(json, "file", o->file);
    json_count(json, "line", o->condition.line);
    json_close(json, '}');
}

static void slo_dest(const struct cli *cli, const struct look *look, const struct look_dest *d,
                     struct slo_tally *tally)
{
    struct objective o;
    for (size_t i = 0; objective_at(look, d, i, &o); i++) {
        if (tally->all++ == 0 && !cli->json && !cli->quiet)
            printf("%-14s %-24s%10s%9s  %-14s %s\n", "DESTINATION", "SLO", "MEASURED", "CALLS",
                   "VERDICT", "LINE");
        tally->broken += o.measured.verdict == SP_MEASURED_BROKEN;
        if (cli->json)
            slo_json(tally, d, &o);
        else if (!cli->quiet || o.measured.verdict == SP_MEASURED_BROKEN)
            slo_text(look, d, &o, i == 0 || cli->quiet);
    }
}

static int slo_none(const struct cli *cli)
{
    say_error("%s%sno `slo` in the policy in force, so there is nothing to judge",
              cli->count ? cli->words[0] : "there is", cli->count ? " has " : " ");
    say_more("add one to the destination:  slo p95 < 500ms for 5m");
    return CLI_NO;
}

int slo_main(struct cli *cli)
{
    struct sp_segment segment;
    struct look look;
    struct look_mark mark = {0};
    struct slo_tally tally = {0};
    uint32_t index = 0;
    int status = where_attach(cli, &segment);
    if (status == CLI_OK && cli->count > 0)
        status = where_dest(cli, &segment, cli->words[0], &index);
    if (status != CLI_OK)
        return status;
    look_mark(&mark, &segment);
    look_since(&look, &segment, &mark, false);
    if (cli->json) {
        json_open(&tally.json, NULL, '{');
        json_text(&tally.json, "segment", segment.head->name, SP_NAME_SIZE);
        json_open(&tally.json, "slo", '[');
    }
    for (uint32_t i = 0; i < look.count; i++) {
        if (cli->count == 0 || look.dests[i].index == index)
            slo_dest(cli, &look, &look.dests[i], &tally);
    }
    if (cli->json) {
        json_close(&tally.json, ']');
        json_count(&tally.json, "broken", tally.broken);
        json_close(&tally.json, '}');
        json_end();
    }
    look_free(&look);
    look_unmark(&mark);
    return tally.all == 0 ? slo_none(cli) : tally.broken ? CLI_NO : CLI_OK;
}
