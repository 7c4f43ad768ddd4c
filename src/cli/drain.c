/* drain.c - no new connections to an arm, and wait until those that it has are gone. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/arms.h"
#include "cli/say.h"

#define DRAIN_PAUSE (100 * SP_MS)

struct drain {
    const struct cli *cli;
    struct arms *arms;
    uint32_t arm;
    uint32_t standing;
    bool uncounted; /* there may be more */
};

/* Its share goes to the others, at once. */
static int drain_begin(struct drain *drain)
{
    struct arms *arms = drain->arms;
    uint16_t stable[SP_ARMS_MAX], shares[SP_ARMS_MAX];
    const char *name = arms->lines[drain->arm].name;
    int fd, status = arms_lock_same(arms, &fd);
    if (status != CLI_OK)
        return status;
    arms_stable(arms, stable);
    bool others = arms_spread(arms, stable, drain->arm, 0, shares);
    arms->hand.target = (uint8_t)drain->arm;
    bool held = arms_held(arms), same = memcmp(shares, stable, sizeof shares) == 0;
    if (others && !same && !held)
        sp_shift_set(&arms->hand, shares, SP_SHIFT_DRAIN, sp_now());
    close(fd);
    if (held)
        return arms_busy(arms);
    if (!others) {
        say_error("%s is the only arm of %s with a share; shift it first", name, arms->name);
        say_more("shearpin shift %s --to ARM", arms->name);
        return CLI_NO;
    }
    if (!same)
        arms_event(arms, SP_SHIFT_DRAIN, shares, NULL);
    arms_idle(drain->cli, arms);
    if (!same && !drain->cli->quiet && !drain->cli->json)
        printf("%s  %s -> %s\n", arms->name, ARMS_TEXT_OF(arms, stable),
               ARMS_TEXT_OF(arms, shares));
    return CLI_OK;
}

static void drain_look(struct drain *drain)
{
    struct arms *arms = drain->arms;
    struct sp_arm *arm = sp_arm_named(&arms->segment, arms->dest, arms->lines[drain->arm].name);
    drain->uncounted = false;
    drain->standing = arm ? sp_arm_standing(&arms->segment, arm, &drain->uncounted) : 0;
}

static void drain_tell(const struct drain *drain, uint64_t began, const char *status)
{
    const char *name = drain->arms->lines[drain->arm].name;
    if (drain->cli->json) {
        struct json json = {0};
        json_open(&json, NULL, '{');
        json_word(&json, "kind", "drain");
        json_word(&json, "destination", drain->arms->name);
        json_word(&json, "arm", name);
        json_word(&json, "status", status);
        json_count(&json, "open", drain->standing);
        json_number(&json, "took_s", (double)(sp_now() - began) / (double)SP_SECOND);
        json_close(&json, '}');
        json_end();
    } else if (!drain->cli->quiet && strcmp(status, "waiting") == 0) {
        printf("%s  %s: %s open\n", drain->arms->name, name,
               SAY_COUNT(drain->standing, "connection"));
    }
    fflush(stdout);
}

/* False: a signal came. */
static bool drain_pause(void)
{
    struct timespec time = {0, (long)DRAIN_PAUSE};
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, NULL);
    return sigtimedwait(&held, NULL, &time) < 0;
}

static int drain_wait(struct drain *drain)
{
    uint64_t began = sp_now(), timeout = drain->cli->timeout;
    const char *name = drain->arms->lines[drain->arm].name, *dest = drain->arms->name;
    uint32_t told = UINT32_MAX;
    for (;;) {
        drain_look(drain);
        if (drain->standing == 0)
            break;
        if (drain->standing != told)
            drain_tell(drain, began, "waiting");
        told = drain->standing;
        bool over = timeout && sp_now() - began >= timeout;
        if (over || !drain_pause()) {
            drain_tell(drain, began, over ? "timed_out" : "interrupted");
            say_error("%s still has %s open; it gets no new ones", name,
                      SAY_COUNT(drain->standing, "connection"));
            say_more("to take the drain back: shearpin shift %s --rollback", dest);
            return CLI_NO;
        }
    }
    if (drain->cli->json)
        drain_tell(drain, began, "drained");
    else if (!drain->cli->quiet)
        printf("%s  %s is drained, after %s\n", dest, name, SAY_AGE(sp_now() - began));
    if (drain->uncounted)
        say_error("%s had more connections than could be counted: some may be left", name);
    return CLI_OK;
}

int drain_main(struct cli *cli)
{
    struct arms arms;
    int status = arms_begin(cli, &arms, cli->words[0]);
    if (status != CLI_OK)
        return status;
    int arm = arms_find(cli, &arms, cli->words[1], strlen(cli->words[1]));
    struct drain drain = {.cli = cli, .arms = &arms, .arm = (uint32_t)arm};
    if (arm < 0)
        return CLI_USAGE;
    status = drain_begin(&drain);
    return status == CLI_OK ? drain_wait(&drain) : status;
}
