#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/event.h"
#include "cli/follow.h"
#include "cli/kernel.h"
#include "cli/look.h"
#include "cli/say.h"

#define WATCH_TIMEOUT (60 * SP_SECOND)

struct watch {
    const struct cli *cli;
    const struct sp_segment *segment;
    uint64_t timeout;
};

static bool watch_wanted(const struct cli *cli, const struct sp_event *event)
{
    for (int i = 0; i < cli->count; i++) {
        if (strncmp(cli->words[i], event->destination, SP_NAME_SIZE) == 0)
            return true;
    }
    return cli->count == 0;
}

/* --- what CMD is told: never in its own words, so nothing of an event is parsed by a shell --- */

static void watch_set(const char *name, const char *value)
{
    char full[64];
    snprintf(full, sizeof full, "SHEARPIN_EVENT_%s", name);
    setenv(full, value, 1);
}

static void watch_set_number(const char *name, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    watch_set(name, text);
}

static void watch_tell(const struct watch *watch, const struct sp_event *e)
{
    bool breaker = e->kind == SP_EVENT_BREAKER;
    char reason[160] = "", line[EVENT_LINE];
    if (breaker)
        event_reason(e, reason, sizeof reason);
    event_news(e, line, sizeof line);
    watch_set_number("SEQUENCE", atomic_load(&e->sequence));
    watch_set_number("TIME", e->wall / SP_SECOND);
    watch_set("SEGMENT", where_name(watch->segment));
    watch_set("KIND", event_kind(e));
    watch_set("DESTINATION", say_safe(SAY_SAFE(e->destination)));
    watch_set("FROM", breaker ? event_state(e->from) : "");
    watch_set("TO", breaker ? event_state(e->to) : "");
    watch_set("REASON", reason);
    watch_set("TEXT", say_safe(SAY_SAFE(e->text)));
    watch_set_number("PID", e->pid);
    watch_set("COMMAND", say_safe(SAY_SAFE(e->command)));
    watch_set("LINE", line);
}

/* --- running it --- */

static _Noreturn void watch_child(const struct watch *watch, const struct sp_event *event)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    setpgid(0, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    setenv("SHEARPIN", "off", 1); /* whoever raises the alarm is not to be cut off itself */
    watch_tell(watch, event);
    execl("/bin/sh", "sh", "-c", watch->cli->exec, (char *)NULL);
    _exit(CLI_NO_FILE);
}

/* False: it was still there after the timeout, and has been killed. */
static bool watch_done(pid_t pid, uint64_t timeout)
{
    int fd = kernel_pidfd(pid);
    uint64_t end = sp_now() + timeout, now;
    int ended = 0;
    while (fd >= 0 && ended <= 0 && (now = sp_now()) < end) {
        struct pollfd child = {.fd = fd, .events = POLLIN};
        ended = poll(&child, 1, (int)((end - now) / SP_MS + 1));
    }
    if (fd >= 0)
        close(fd);
    if (ended <= 0)
        kill(-pid, SIGKILL);
    return ended > 0;
}

static void watch_event(void *context, const struct sp_event *event)
{
    const struct watch *watch = context;
    int status = 0;
    if (!watch_wanted(watch->cli, event))
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        watch_child(watch, event);
    if (pid < 0) {
        say_error("cannot run it: %s", strerror(errno));
        return;
    }
    setpgid(pid, pid); /* in both, so that it holds whoever is first */
    if (!watch_done(pid, watch->timeout))
        say_error("killed after %s: %s", SAY_TIME(watch->timeout), watch->cli->exec);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        say_error("ended with status %d: %s", WEXITSTATUS(status), watch->cli->exec);
}

int watch_main(struct cli *cli)
{
    struct sp_segment segment;
    struct watch watch = {cli, &segment, cli->timeout ? cli->timeout : WATCH_TIMEOUT};
    uint32_t index;
    if (!cli->exec) {
        say_error("watch needs --exec CMD; to read along: shearpin events -f");
        return CLI_USAGE;
    }
    int status = where_attach(cli, &segment);
    for (int w = 0; status == CLI_OK && w < cli->count; w++)
        status = where_dest(cli, &segment, cli->words[w], &index);
    if (status != CLI_OK)
        return status;
    struct follow f = {.segment = &segment, .on = true, .tell = watch_event, .context = &watch};
    uint64_t wall = sp_wall();
    f.sequence = cli->since ? event_first(&segment) : sp_event_last(&segment) + 1;
    f.since = cli->since && cli->since < wall ? wall - cli->since : 0;
    follow_events(&f);
    return CLI_OK;
}
