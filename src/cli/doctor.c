/* doctor.c - can this be wrapped, is it, and what to do if not. */
#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/examine.h"
#include "cli/proc.h"
#include "cli/say.h"
#include "cli/unit.h"

static bool doctor_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), end = strlen(suffix);
    return length > end && strcmp(text + length - end, suffix) == 0;
}

/* A number is a PID, NAME.service a unit; else a program, and if there is none of that name a
 * unit. */
static bool doctor_target(struct examine *e, const struct cli *cli, const char *target, char *title,
                          size_t size)
{
    char command[64];
    strlcpy(title, target, size);
    if (strspn(target, "0123456789") == strlen(target) && strlen(target) < 10) {
        pid_t pid = (pid_t)atoi(target);
        if (proc_command(pid, command, sizeof command))
            snprintf(title, size, "%d (%s)", (int)pid, command);
        return examine_process(e, pid);
    }
    if (!doctor_suffix(target, ".service") && examine_program(e, target, "", REPORT_BAD))
        return true;
    if (strchr(target, '/') || !examine_unit(e, cli, target))
        return false;
    char name[UNIT_NAME];
    if (unit_name(name, target))
        strlcpy(title, name, size);
    return true;
}

static int doctor_nobody(const char *target)
{
    char command[64];
    bool number = strspn(target, "0123456789") == strlen(target);
    if (number && proc_command((pid_t)atoi(target), command, sizeof command)) {
        say_error("process %s (%s) is the kernel's or another user's: the kernel does not let us "
                  "look",
                  target, command);
        say_more("sudo shearpin doctor %s", target);
        return CLI_DENIED;
    }
    say_error("there is no program, process or unit '%s'", target);
    say_more("shearpin doctor /PATH/TO/PROGRAM, or a PID, or NAME.service");
    return CLI_UNKNOWN;
}

int doctor_main(struct cli *cli)
{
    struct report report = {0};
    struct examine examine;
    char title[4096];
    examine_start(&examine, &report, cli->verbose);
    if (!doctor_target(&examine, cli, cli->words[0], title, sizeof title))
        return doctor_nobody(cli->words[0]);
    if (cli->json)
        report_json(&report, title);
    else
        report_print(&report, title, cli->quiet);
    return report_status(&report);
}
