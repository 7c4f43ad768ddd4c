/* stages.c - one stage after the other, under a lease that this process renews: whatever ends it,
 * the stable shares are in force without it. */
#include "cli/stages.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/say.h"

static const int stages_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
#define STAGES_SIGNALS (sizeof stages_signals / sizeof *stages_signals)

static void stages_held(sigset_t *held)
{
    sigemptyset(held);
    for (size_t i = 0; i < STAGES_SIGNALS; i++)
        sigaddset(held, stages_signals[i]);
}

static enum stages_end stages_say(struct stages *stages, enum stages_end end, const char *why)
{
    if (why)
        snprintf(stages->why, sizeof stages->why, "%s", why);
    return stages->end = end;
}

/* Is there still somebody who wants this, and may we? */
static enum stages_end stages_allowed(struct stages *stages, uint64_t now)
{
    uint64_t timeout = stages->cli->timeout;
    if (!arms_same(stages->arms))
        return stages_say(stages, STAGES_CHANGED, "a reload has other lines `split`");
    if (sp_shift_renew(&stages->arms->hand, now) != SP_SHIFT_DONE)
        return stages_say(stages, STAGES_LOST,
                          "it was ended by another command, or this one was "
                          "stopped for too long");
    if (timeout && now - stages->began >= timeout) {
        char why[sizeof stages->why];
        struct sp_text_out text = sp_text_out(why, sizeof why);
        sp_text_put(&text, "not done after %s%s%s", SAY_TIME(timeout), *stages->why ? ": " : "",
                    stages->why);
        return stages_say(stages, STAGES_TIMEOUT, why);
    }
    return STAGES_GO_ON;
}

/* Sleeps a little, and stays the owner. */
static enum stages_end stages_tick(struct stages *stages)
{
    struct timespec time = {0, (long)SP_SHIFT_RENEW};
    siginfo_t info;
    sigset_t held;
    stages_held(&held);
    int number = sigtimedwait(&held, &info, &time);
    if (number > 0 && number != SIGCHLD) {
        char why[64];
        snprintf(why, sizeof why, number == SIGINT ? "interrupted" : "ended by signal %d", number);
        return stages_say(stages, STAGES_STOPPED, why);
    }
    enum stages_end end = stages_allowed(stages, sp_now());
    if (end == STAGES_GO_ON)
        progress_tell(stages, PROGRESS_LOOK);
    return end;
}

/* --- checks --- */

/* Looks at the figures while all is on the new arm, too. */
static enum stages_end stages_look(struct stages *stages, uint64_t now, bool *few)
{
    struct stages_turn *turn = &stages->turns[stages->at];
    char why[sizeof stages->why];
    enum sp_measured_verdict verdict = compare_look(&stages->compare, now, why, sizeof why);
    turn->arm = stages->compare.arm;
    turn->rest = stages->compare.rest;
    turn->took = now - stages->turn;
    *few = verdict == SP_MEASURED_FEW;
    if (verdict == SP_MEASURED_BROKEN)
        return stages_say(stages, STAGES_FAILED, why);
    if (*few)
        stages_say(stages, STAGES_GO_ON, why);
    return STAGES_GO_ON;
}

static enum stages_end stages_checked(struct stages *stages, enum vet_answer answer,
                                      uint64_t needed)
{
    bool last = stages->phase == STAGES_LAST;
    if (answer == VET_WAIT)
        return STAGES_GO_ON;
    stages->passed = answer == VET_HEALTHY ? stages->passed + 1 : 0;
    stages_say(stages, STAGES_GO_ON, answer == VET_HEALTHY ? "" : stages->vet.why);
    progress_tell(stages, PROGRESS_CHECK);
    if (answer == VET_SICK && last) {
        char why[sizeof stages->why];
        snprintf(why, sizeof why, "a last check failed: %s", stages->vet.why);
        return stages_say(stages, STAGES_FAILED, why);
    }
    return stages->passed == needed ? STAGES_DONE : STAGES_GO_ON;
}

static enum stages_end stages_never(struct stages *stages, uint64_t needed)
{
    char why[sizeof stages->why], last[sizeof stages->vet.why];
    snprintf(last, sizeof last, "%s", stages->vet.why);
    snprintf(why, sizeof why, "%s was not healthy %llu times in a row within %s%s%s",
             stages->arms->lines[stages->to].name, (unsigned long long)needed,
             SAY_TIME(stages->check_for), *last ? ": " : "", last);
    return stages_say(stages, STAGES_SICK, why);
}

/* `needed` healthy ones in a row. DONE, or what has ended it. */
static enum stages_end stages_checks(struct stages *stages, uint64_t needed)
{
    uint64_t begin = sp_now(), next = begin;
    struct vet *vet = &stages->vet;
    bool last = stages->phase == STAGES_LAST, few;
    enum stages_end end = STAGES_GO_ON;
    for (stages->passed = 0; end == STAGES_GO_ON;) {
        uint64_t now = sp_now();
        bool asks = vet->child != 0;
        if (!last && !asks && now - begin >= stages->check_for)
            return stages_never(stages, needed);
        if (!asks && now >= next) {
            vet_begin(vet, now);
            next = now + stages->check_every;
        }
        end = stages_tick(stages);
        if (end == STAGES_GO_ON && vet->child != 0)
            end = stages_checked(stages, vet_end(vet, sp_now()), needed);
        if (end == STAGES_GO_ON && last)
            end = stages_look(stages, sp_now(), &few);
    }
    vet_stop(vet);
    return stages_say(stages, end, NULL);
}

/* --- stages --- */

/* One store for the whole segment. */
static enum stages_end stages_put(struct stages *stages)
{
    struct arms *arms = stages->arms;
    enum sp_shift_result result = SP_SHIFT_LOST;
    int fd;
    if (arms_lock(arms, &fd) == CLI_OK) {
        result = sp_shift_try(&arms->hand, stages->shares, sp_now());
        close(fd);
    }
    if (result != SP_SHIFT_DONE)
        return stages_say(stages, STAGES_LOST, "it was ended by another command");
    arms_event(arms, SP_SHIFT_STAGE, stages->shares, NULL);
    return STAGES_GO_ON;
}

static enum stages_end stages_turn(struct stages *stages)
{
    struct stages_turn *turn = &stages->turns[stages->at];
    uint64_t length =
        stages->compare.longest > stages->every ? stages->compare.longest : stages->every;
    bool few = true;
    arms_spread(stages->arms, stages->from, stages->to, turn->share, stages->shares);
    stages->waits = false;
    stages_say(stages, STAGES_GO_ON, "");
    compare_begin(&stages->compare, sp_now());
    enum stages_end end = stages_put(stages);
    stages->turn = sp_now();
    if (end == STAGES_GO_ON)
        progress_tell(stages, PROGRESS_STAGE);
    while (end == STAGES_GO_ON && (few || turn->took < length)) {
        end = stages_tick(stages);
        if (end == STAGES_GO_ON)
            end = stages_look(stages, sp_now(), &few);
        bool waits = few && turn->took >= length;
        if (end == STAGES_GO_ON && waits && !stages->waits) {
            stages->waits = true;
            progress_tell(stages, PROGRESS_WAITS);
        }
    }
    if (end != STAGES_GO_ON)
        return end;
    turn->held = true;
    progress_tell(stages, PROGRESS_HELD);
    return STAGES_GO_ON;
}

static enum stages_end stages_all(struct stages *stages)
{
    stages->phase = STAGES_CHECKS;
    enum stages_end end = stages_checks(stages, stages->checks);
    if (end != STAGES_DONE)
        return end;
    stages->phase = STAGES_TURNS;
    for (stages->at = 0; stages->at < stages->count; stages->at++) {
        end = stages_turn(stages);
        if (end != STAGES_GO_ON)
            return end;
    }
    stages->at = stages->count - 1;
    stages->phase = STAGES_LAST;
    progress_tell(stages, PROGRESS_LAST);
    return stages_checks(stages, stages->last);
}

/* --- the beginning and the end --- */

static int stages_begin(struct stages *stages)
{
    struct arms *arms = stages->arms;
    char why[SP_ARM_NAME_SIZE + 4];
    int fd, status = arms_lock_same(arms, &fd);
    if (status != CLI_OK)
        return status;
    arms->hand.target = (uint8_t)stages->to;
    enum sp_shift_result result = sp_shift_begin(&arms->hand, sp_now());
    close(fd);
    if (result != SP_SHIFT_DONE)
        return arms_busy(arms);
    snprintf(why, sizeof why, "to %s", arms->lines[stages->to].name);
    arms_event(arms, SP_SHIFT_BEGIN, stages->from, why);
    return CLI_OK;
}

/* Whatever it was: keeps what was shifted, or gives it up. */
static void stages_finish(struct stages *stages)
{
    struct arms *arms = stages->arms;
    bool done = stages->end == STAGES_DONE;
    enum sp_shift_result result = SP_SHIFT_LOST;
    int fd;
    if (arms_lock(arms, &fd) == CLI_OK) {
        result = done ? sp_shift_keep(&arms->hand, sp_now()) : sp_shift_drop(&arms->hand, sp_now());
        close(fd);
    }
    if (done && result != SP_SHIFT_DONE)
        stages_say(stages, STAGES_LOST, "it was ended by another command");
    else if (done)
        arms_event(arms, SP_SHIFT_KEEP, stages->shares, NULL);
    else if (result == SP_SHIFT_DONE)
        arms_event(arms, SP_SHIFT_BACK, stages->from, stages->why);
    if (stages->end != STAGES_DONE)
        arms_shares(arms, stages->shares);
    stages->phase = STAGES_OVER;
}

int stages_run(struct stages *stages)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t held;
    stages_held(&held);
    sigprocmask(SIG_BLOCK, &held, NULL);
    sigaction(SIGCHLD, &plain, NULL); /* ignored, it would leave no status */
    signal(SIGPIPE, SIG_IGN);
    stages->began = stages->turn = sp_now();
    memcpy(stages->shares, stages->from, sizeof stages->shares);
    int status = stages_begin(stages);
    if (status != CLI_OK)
        return status;
    progress_tell(stages, PROGRESS_BEGIN);
    stages_say(stages, stages_all(stages), NULL);
    stages_finish(stages);
    progress_tell(stages, PROGRESS_END);
    return stages->end == STAGES_DONE ? CLI_OK : CLI_NO;
}
