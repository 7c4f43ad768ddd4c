/* arms.c - the arms of a destination as `shift` and `drain` need them. */
#include "cli/arms.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/near.h"
#include "base/text.h"
#include "cli/event.h"
#include "cli/say.h"

/* --- which --- */

static void arms_hand(struct arms *arms)
{
    arms->hand = (struct sp_shift_hand){.shift = &arms->segment.dests[arms->dest].shift,
                                        .of = arms->lines[0].of,
                                        .arms = arms->count,
                                        .pid = (uint32_t)getpid(),
                                        .uid = (uint32_t)geteuid(),
                                        .target = ARMS_NOBODY};
    for (uint32_t i = 0; i < arms->count; i++) {
        arms->lines[i].name[SP_ARM_NAME_SIZE - 1] = 0;
        arms->hand.policy[i] = (uint16_t)arms->lines[i].share;
    }
}

int arms_begin(struct cli *cli, struct arms *arms, const char *name)
{
    *arms = (struct arms){.who = cli->reason};
    int status = where_attach(cli, &arms->segment);
    if (status == CLI_OK)
        status = where_dest(cli, &arms->segment, name, &arms->dest);
    if (status != CLI_OK)
        return status;
    strlcpy(arms->name, name, sizeof arms->name);
    sp_segment_guards(&arms->segment, arms->dest, &arms->guards);
    arms->count = (uint32_t)sp_arm_lines(&arms->segment, arms->dest, arms->lines);
    if (arms->count == 0) {
        say_error("%s has no arms to shift between; give it some in the policy and reload", name);
        say_more("split  10.30.1.10:9200  share 100%%  as blue");
        say_more("split  10.30.2.10:9200  share 0%%    as green");
        return CLI_NO;
    }
    arms_hand(arms);
    sp_shift_mourn(&arms->segment, &arms->segment.dests[arms->dest], sp_now());
    return CLI_OK;
}

bool arms_same(struct arms *arms)
{
    struct sp_arm_policy lines[SP_ARMS_MAX];
    return strncmp(arms->segment.dests[arms->dest].name, arms->name, SP_NAME_SIZE) == 0 &&
           sp_arm_lines(&arms->segment, arms->dest, lines) == arms->count &&
           lines[0].of == arms->hand.of;
}

int arms_find(const struct cli *cli, const struct arms *arms, const char *typed, size_t length)
{
    char safe[4 * SP_ARM_NAME_SIZE + 1], all[ARMS_TEXT];
    struct sp_near near = sp_near_begin(typed, length);
    struct sp_text_out names = sp_text_out(all, sizeof all);
    for (uint32_t i = 0; i < arms->count; i++) {
        if (sp_text_is(typed, length, arms->lines[i].name))
            return (int)i;
        sp_near_try(&near, arms->lines[i].name);
        sp_text_put(&names, " %s", arms->lines[i].name);
    }
    say_safe(safe, sizeof safe, typed, length < SP_ARM_NAME_SIZE ? length : SP_ARM_NAME_SIZE);
    if (near.best)
        say_error("%s has no arm '%s'; did you mean '%s'?", arms->name, safe, near.best);
    else
        say_error("%s has no arm '%s'; it has%s", arms->name, safe, all);
    if (near.best && typed[length] == 0)
        say_corrected(cli, typed, near.best);
    return -1;
}

bool arms_idle(const struct cli *cli, const struct arms *arms)
{
    const struct sp_dest *dest = &arms->segment.dests[arms->dest];
    bool off = atomic_load(&arms->segment.head->disabled) || sp_dest_disabled(dest);
    if (!off && arms->guards.mode == SP_MODE_ENFORCE)
        return false;
    if (cli->quiet)
        return true;
    if (off)
        say_error("%s is disabled: connections go where programs want until `shearpin enable`",
                  arms->name);
    else
        say_error("%s is %s: connections go where programs want until its mode is enforce",
                  arms->name, arms->guards.mode == SP_MODE_OBSERVE ? "only observed" : "off");
    return true;
}

/* --- shares --- */

void arms_shares(struct arms *arms, uint16_t out[SP_ARMS_MAX])
{
    sp_shift_in_force(arms->hand.shift, arms->hand.of, arms->hand.policy, arms->count, sp_now(),
                      out);
}

void arms_stable(struct arms *arms, uint16_t out[SP_ARMS_MAX])
{
    struct sp_shift_note note;
    bool set = sp_shift_read(arms->hand.shift, arms->hand.of, &note) && note.arms == arms->count;
    memcpy(out, set ? note.stable : arms->hand.policy, SP_ARMS_MAX * sizeof *out);
}

bool arms_spread(const struct arms *arms, const uint16_t *from, uint32_t to, uint32_t share,
                 uint16_t out[SP_ARMS_MAX])
{
    uint32_t others = 0, left = SP_SHARE_ALL - share, given = 0, largest = to;
    memset(out, 0, SP_ARMS_MAX * sizeof *out);
    for (uint32_t i = 0; i < arms->count; i++)
        others += i == to ? 0 : from[i];
    out[to] = (uint16_t)share;
    if (left == 0 || others == 0)
        return left == 0;
    for (uint32_t i = 0; i < arms->count; i++) {
        if (i == to)
            continue;
        out[i] = (uint16_t)(left * from[i] / others);
        given += out[i];
        if (largest == to || from[i] > from[largest])
            largest = i;
    }
    out[largest] = (uint16_t)(out[largest] + left - given); /* what rounding has left */
    return true;
}

const char *arms_text(const struct arms *arms, const uint16_t *shares, char *out, size_t size)
{
    char share[16], safe[4 * SP_ARM_NAME_SIZE + 1];
    struct sp_text_out text = sp_text_out(out, size);
    for (uint32_t i = 0; i < arms->count; i++) {
        sp_text_format_share(shares[i], share, sizeof share);
        say_safe(safe, sizeof safe, arms->lines[i].name, SP_ARM_NAME_SIZE);
        sp_text_put(&text, "%s%s %s", i ? " " : "", safe, share);
    }
    return out;
}

void arms_json(struct json *json, const char *key, const struct arms *arms, const uint16_t *shares)
{
    json_open(json, key, '{');
    for (uint32_t i = 0; i < arms->count; i++)
        json_number(json, arms->lines[i].name, (double)shares[i] / SP_SHARE_ALL);
    json_close(json, '}');
}

/* The arms of a row as they were before a reload, with the shares that they had; false: those of
 * the policy. */
static bool arms_before(struct arms *arms, const struct sp_policy *before, const struct sp_row *row,
                        uint16_t out[SP_ARMS_MAX])
{
    const struct sp_arm_policy *line;
    *arms = (struct arms){.segment = arms->segment};
    for (uint32_t i = 0; i < row->arm_count && i < SP_ARMS_MAX; i++) {
        if ((line = sp_policy_arm(before, (size_t)row->arm_first + i)) != NULL)
            arms->lines[arms->count++] = *line;
    }
    if (arms->count == 0 || !sp_segment_dest_named(&arms->segment, row->name, &arms->dest))
        return false;
    strlcpy(arms->name, row->name, sizeof arms->name);
    arms_hand(arms);
    arms_shares(arms, out);
    return memcmp(out, arms->hand.policy, arms->count * sizeof *out) != 0;
}

/* Do the policy's own shares say now what `out` says of the lines before? */
static bool arms_agree(struct arms *arms, const uint16_t *out)
{
    struct sp_arm_policy lines[SP_ARMS_MAX];
    if (sp_arm_lines(&arms->segment, arms->dest, lines) != arms->count)
        return false;
    for (uint32_t i = 0; i < arms->count; i++) {
        if (lines[i].share != out[i] ||
            strncmp(lines[i].name, arms->lines[i].name, SP_ARM_NAME_SIZE) != 0)
            return false;
    }
    return true;
}

void arms_reloaded(struct sp_segment *segment, const struct sp_policy *before)
{
    struct arms arms = {.segment = *segment};
    const struct sp_row *row;
    uint16_t shares[SP_ARMS_MAX];
    for (size_t i = 0; (row = sp_policy_row(before, i)) != NULL; i++) {
        if (arms_before(&arms, before, row, shares) && !arms_same(&arms) &&
            !arms_agree(&arms, shares))
            printf("%s: the shares that `shift` had set end with the lines `split` that they were "
                   "for: %s\n",
                   arms.name, ARMS_TEXT_OF(&arms, shares));
    }
}

/* --- changing them --- */

int arms_lock(struct arms *arms, int *fd)
{
    struct sp_error error;
    *fd = sp_shift_lock(&arms->segment, &error);
    if (*fd >= 0)
        return CLI_OK;
    say_error("the shares cannot be changed: %s", error.text);
    return say_status(error.code);
}

int arms_lock_same(struct arms *arms, int *fd)
{
    int status = arms_lock(arms, fd);
    if (status != CLI_OK || arms_same(arms))
        return status;
    close(*fd);
    say_error("%s has other lines `split` since a reload that came in between; nothing is changed",
              arms->name);
    say_more("shearpin shift %s", arms->name);
    return CLI_NO;
}

bool arms_held(const struct arms *arms)
{
    struct sp_shift_note note;
    return sp_shift_read(arms->hand.shift, arms->hand.of, &note) &&
           sp_shift_held(arms->hand.shift, &note, sp_now());
}

int arms_busy(struct arms *arms)
{
    struct sp_shift_note note = {.target = ARMS_NOBODY};
    uint64_t now = sp_wall();
    sp_shift_read(arms->hand.shift, arms->hand.of, &note);
    bool known = note.target < arms->count;
    say_error("%s is being shifted%s%s by %s (pid %u) since %s", arms->name, known ? " to " : "",
              known ? arms->lines[note.target].name : "", event_who(note.uid), note.pid,
              SAY_AGE(now > note.began ? now - note.began : 0));
    say_more("to end that: shearpin shift %s --rollback", arms->name);
    return CLI_NO;
}

void arms_event(struct arms *arms, enum sp_shift_step step, const uint16_t *shares, const char *why)
{
    struct sp_event event = {.kind = SP_EVENT_SHIFT, .reason = (uint8_t)step};
    struct sp_text_out text = sp_text_out(event.text, sizeof event.text);
    uint8_t target = arms->hand.target;
    event.to = target;
    event.a = target < arms->count ? shares[target] : 0;
    strlcpy(event.destination, arms->name, sizeof event.destination);
    sp_text_put(&text, "%s", ARMS_TEXT_OF(arms, shares));
    if (!why)
        why = arms->who;
    if (why)
        sp_text_put(&text, ": %s", why);
    sp_event_write(&arms->segment, &event);
}
