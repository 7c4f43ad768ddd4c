/* trial.c - a command as a child: its signals, its exit status, and the figures on both sides of
 * it. trial_report.c says what they come to. */
#include "cli/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/chaos_report.h"
#include "cli/look.h"
#include "cli/say.h"
#include "cli/trial_report.h"

static const int trial_passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
#define TRIAL_PASSED (sizeof trial_passed / sizeof *trial_passed)

int trial_check(const struct cli *cli)
{
    struct trial_condition condition;
    struct sp_error error;
    struct trial_figures before;
    for (int i = 0; i < cli->slo_count; i++) {
        if (trial_condition(cli->slo[i], &condition, &error) != 0) {
            say_error("--slo '%s': %s", cli->slo[i], error.text);
            return CLI_OURS;
        }
    }
    if (cli->against && trial_load(cli->against, &before, &error) != 0) {
        say_error("--against %s: %s", cli->against, error.text);
        return CLI_OURS;
    }
    FILE *file = cli->save ? fopen(cli->save, "a") : NULL;
    if (cli->save && !file) {
        say_error("--save %s: %s", cli->save, strerror(errno));
        return CLI_OURS;
    }
    if (file)
        fclose(file);
    return CLI_OK;
}

/* What a terminal sends goes to the whole group, the child included; the rest is for us to pass. */
static int trial_wait(pid_t child, const sigset_t *held)
{
    siginfo_t info;
    int status;
    for (;;) {
        int number = sigwaitinfo(held, &info);
        if (number > 0 && number != SIGCHLD && info.si_code <= 0)
            kill(child, number);
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (ended < 0 && errno != EINTR)
            return CLI_OURS;
    }
}

static int trial_child(const struct cli *cli, int (*start)(char **command))
{
    struct sigaction plain = {.sa_handler = SIG_DFL}, chld;
    sigset_t held, before;
    sigemptyset(&held);
    sigaddset(&held, SIGCHLD);
    for (size_t i = 0; i < TRIAL_PASSED; i++)
        sigaddset(&held, trial_passed[i]);
    fflush(NULL);
    sigaction(SIGCHLD, &plain, &chld); /* ignored, it would leave no status */
    sigprocmask(SIG_BLOCK, &held, &before);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGCHLD, &chld, NULL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        int status = start(cli->words);
        fflush(NULL);
        _exit(status);
    }
    int status = CLI_OURS;
    if (child > 0)
        status = trial_wait(child, &held);
    else
        say_error("%s: %s", cli->words[0], strerror(errno));
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

int trial_run(const struct cli *cli, struct sp_segment *segment, int (*start)(char **command))
{
    struct look_mark before = {0};
    struct trial trial = {.cli = cli, .segment = segment, .before = &before};
    if (cli->against && trial_load(cli->against, &trial.against, NULL) != 0)
        return CLI_OURS; /* it was read a moment ago */
    trial.others = look_processes(segment, NULL);
    look_mark(&before, segment);
    uint64_t began = sp_now();
    int status = trial_child(cli, start);
    trial.time = sp_now() - began;
    trial.status = status;
    bool kept = trial_report(&trial);
    const struct sp_chaos *chaos = cli->chaos ? sp_chaos_named(segment, cli->chaos) : NULL;
    if (chaos && !cli->quiet)
        chaos_report_beside(segment, chaos);
    look_unmark(&before);
    return status == CLI_OK && !kept ? CLI_NO : status;
}
