/* shift.c - the shares of a destination's arms: shown, set, taken back, or moved in stages. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/event.h"
#include "cli/say.h"
#include "cli/shares.h"
#include "cli/split.h"
#include "cli/stages.h"

#define SHIFT_STAGES      "10,25,50,75,100"
#define SHIFT_EVERY       (30 * SP_SECOND)
#define SHIFT_CHECKS      5u
#define SHIFT_CHECKS_LAST 3u
#define SHIFT_CHECK_EVERY (10 * SP_SECOND)
#define SHIFT_CHECK_FOR   (300 * SP_SECOND)
#define SHIFT_CHECK_LIMIT (2 * SP_SECOND) /* a connect, where no deadline says how long */

/* --- shown --- */

static int shift_show_json(struct arms *arms, const struct sp_shift_note *note, bool set, bool held)
{
    struct json json = {0};
    uint16_t now[SP_ARMS_MAX], stable[SP_ARMS_MAX];
    arms_shares(arms, now);
    arms_stable(arms, stable);
    json_open(&json, NULL, '{');
    json_word(&json, "destination", arms->name);
    arms_json(&json, "shares", arms, now);
    arms_json(&json, "stable", arms, stable);
    arms_json(&json, "policy", arms, arms->hand.policy);
    if (set && note->back)
        arms_json(&json, "before", arms, note->before);
    else
        json_null(&json, "before");
    json_bool(&json, "shifting", held);
    json_count(&json, "pid", set ? note->pid : 0);
    json_close(&json, '}');
    json_end();
    return CLI_OK;
}

static int shift_show(const struct cli *cli, struct arms *arms)
{
    struct sp_shift_note note;
    uint16_t now[SP_ARMS_MAX], stable[SP_ARMS_MAX];
    bool set = sp_shift_read(arms->hand.shift, arms->hand.of, &note);
    bool held = set && sp_shift_held(arms->hand.shift, &note, sp_now());
    if (cli->json)
        return shift_show_json(arms, &note, set, held);
    arms_shares(arms, now);
    arms_stable(arms, stable);
    printf("%s  %s\n", arms->name, ARMS_TEXT_OF(arms, now));
    if (held)
        printf("  being shifted by %s (pid %u); stable: %s\n", event_who(note.uid), note.pid,
               ARMS_TEXT_OF(arms, stable));
    if (memcmp(stable, arms->hand.policy, sizeof stable) != 0)
        printf("  the policy says %s\n", ARMS_TEXT_OF(arms, arms->hand.policy));
    if (set && note.back && !held)
        printf("  back to %s: shearpin shift %s --rollback\n", ARMS_TEXT_OF(arms, note.before),
               arms->name);
    return CLI_OK;
}

/* --- set at once, and taken back --- */

static int shift_set(const struct cli *cli, struct arms *arms)
{
    uint16_t before[SP_ARMS_MAX], shares[SP_ARMS_MAX];
    int fd, status = shares_read(cli, arms, shares);
    if (status == CLI_OK) {
        split_resolve(&arms->segment, false, cli->quiet);
        status = arms_lock_same(arms, &fd);
    }
    if (status != CLI_OK)
        return status;
    arms_stable(arms, before);
    enum sp_shift_result result = sp_shift_set(&arms->hand, shares, SP_SHIFT_SET, sp_now());
    close(fd);
    if (result == SP_SHIFT_BUSY)
        return arms_busy(arms);
    arms_event(arms, SP_SHIFT_SET, shares, NULL);
    arms_idle(cli, arms);
    if (!cli->quiet)
        printf("%s  %s -> %s\n", arms->name, ARMS_TEXT_OF(arms, before),
               ARMS_TEXT_OF(arms, shares));
    return CLI_OK;
}

static int shift_back(const struct cli *cli, struct arms *arms)
{
    uint16_t before[SP_ARMS_MAX], shares[SP_ARMS_MAX];
    int fd, status = arms_lock_same(arms, &fd);
    if (status != CLI_OK)
        return status;
    arms_shares(arms, before);
    enum sp_shift_result result = sp_shift_back(&arms->hand, sp_now());
    close(fd);
    arms_shares(arms, shares);
    if (result == SP_SHIFT_NOTHING) {
        say_error("%s: nothing to go back to; in force: %s", arms->name,
                  ARMS_TEXT_OF(arms, shares));
        return CLI_NO;
    }
    arms_event(arms, SP_SHIFT_BACK, shares, NULL);
    if (!cli->quiet)
        printf("%s  %s -> %s\n", arms->name, ARMS_TEXT_OF(arms, before),
               ARMS_TEXT_OF(arms, shares));
    return CLI_OK;
}

/* --- in stages --- */

/* Stages that are no step from what the arm has already are left out. */
static int shift_turns(const struct cli *cli, struct stages *stages)
{
    uint32_t shares[STAGES_MAX];
    char share[16];
    const char *text = cli->stages ? cli->stages : SHIFT_STAGES;
    int count = shares_stages(text, shares, STAGES_MAX);
    if (count < 0)
        return CLI_USAGE;
    for (int i = 0; i < count; i++) {
        if (shares[i] > stages->from[stages->to])
            stages->turns[stages->count++].share = shares[i];
    }
    if (stages->count > 0)
        return CLI_OK;
    sp_text_format_share(stages->from[stages->to], share, sizeof share);
    say_error("%s has %s already; no stage of %s is more", stages->arms->lines[stages->to].name,
              share, text);
    return CLI_NO;
}

static int shift_staged(const struct cli *cli, struct arms *arms)
{
    static struct stages stages;
    uint64_t connect = arms->guards.deadline[SP_DEADLINE_CONNECT];
    int to = arms_find(cli, arms, cli->to, strlen(cli->to));
    if (to < 0)
        return CLI_USAGE;
    if (arms_idle(cli, arms))
        return CLI_NO;
    stages = (struct stages){
        .cli = cli,
        .arms = arms,
        .to = (uint32_t)to,
        .every = cli->every ? cli->every : SHIFT_EVERY,
        .checks = cli->checks ? cli->checks : SHIFT_CHECKS,
        .check_every = cli->check_every ? cli->check_every : SHIFT_CHECK_EVERY,
        .check_for = cli->check_for ? cli->check_for : SHIFT_CHECK_FOR,
        .vet = {.arms = arms, .arm = (uint32_t)to, .command = cli->probe, .heard = cli->verbose}};
    stages.last = stages.checks < SHIFT_CHECKS_LAST ? stages.checks : SHIFT_CHECKS_LAST;
    stages.vet.limit = cli->probe ? stages.check_every : connect ? connect : SHIFT_CHECK_LIMIT;
    arms_stable(arms, stages.from);
    int status = shift_turns(cli, &stages);
    if (status == CLI_OK)
        status = compare_open(&stages.compare, cli, arms, (uint32_t)to);
    if (status != CLI_OK)
        return status;
    split_resolve(&arms->segment, true, cli->quiet);
    status = stages_run(&stages);
    compare_close(&stages.compare);
    return status;
}

int shift_main(struct cli *cli)
{
    struct arms arms;
    bool staged = cli->to || cli->stages || cli->every || cli->slo_count || cli->probe ||
                  cli->checks || cli->check_every || cli->check_for || cli->timeout;
    bool set = cli->count > 1;
    if (staged + set + cli->rollback > 1 || (staged && !cli->to)) {
        say_error(staged && !cli->to ? "say which arm: shift %s --to ARM"
                                     : "shift %s ARM=SHARE..., --to ARM or --rollback: one of them",
                  cli->words[0]);
        say_more("usage: shearpin shift %s", cli->command->usage);
        return CLI_USAGE;
    }
    int status = arms_begin(cli, &arms, cli->words[0]);
    if (status != CLI_OK)
        return status;
    return staged          ? shift_staged(cli, &arms)
           : set           ? shift_set(cli, &arms)
           : cli->rollback ? shift_back(cli, &arms)
                           : shift_show(cli, &arms);
}
