/* help.c - the page, the help of one command, and two topics; made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/rules.h"
#include "cli/say.h"

#define LEFT_WIDTH  22
#define HELP_WIDTH  27
#define RIGHT_WIDTH 14

/* --- the page --- */

static bool help_bare(const struct command *c)
{
    return !c->help && c->brief && !*c->brief;
}

static void help_call(const struct command *c, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", c->name, *c->brief ? " " : "", c->brief);
}

/* Names without a word to say about them share one cell, with the next that has one or alone:
 * trip | hold | reset. */
static size_t help_cell(size_t i, char *call, size_t size)
{
    const char *group = command_table[i].group;
    help_call(&command_table[i], call, size);
    for (; help_bare(&command_table[i]) && i + 1 < command_total; i++) {
        const struct command *next = &command_table[i + 1];
        if (!next->group || strcmp(next->group, group) != 0 || !next->brief || *next->brief)
            break;
        size_t length = strlen(call);
        snprintf(call + length, size - length, " | %s", next->name);
    }
    return i + 1;
}

static size_t help_next(size_t i)
{
    while (i < command_total && (!command_table[i].group || !command_table[i].brief))
        i++;
    return i;
}

static void help_row(const char *heading, size_t *at)
{
    char left[96], right[96];
    const struct command *first = &command_table[*at];
    size_t end = help_cell(*at, left, sizeof left);
    const char *help = command_table[end - 1].help ? command_table[end - 1].help : "";
    *at = help_next(end);
    printf("  %-10s%-*s", heading, *help ? LEFT_WIDTH : 0, left);
    bool room = *at < command_total && strlen(help) < HELP_WIDTH &&
                strlen(left) < LEFT_WIDTH + (*help ? 2 : HELP_WIDTH) &&
                strcmp(command_table[*at].group, first->group) == 0 &&
                !help_bare(&command_table[*at]);
    if (!room) {
        printf("%s\n", help);
        return;
    }
    const struct command *second = &command_table[*at];
    help_call(second, right, sizeof right);
    *at = help_next(*at + 1);
    int width = (int)(LEFT_WIDTH + HELP_WIDTH - (*help ? LEFT_WIDTH : strlen(left)));
    if (second->help)
        printf("%-*s%-*s%s\n", width, help, RIGHT_WIDTH, right, second->help);
    else
        printf("%-*s%s\n", width, help, right);
}

void help_page(void)
{
    const char *heading = "";
    puts("shearpin - breakers, deadlines, caps and rate limits for programs you cannot change\n");
    for (size_t i = help_next(0); i < command_total;) {
        bool same = strcmp(command_table[i].group, heading) == 0;
        heading = command_table[i].group;
        help_row(same ? "" : heading, &i);
    }
    puts("\n  shearpin help COMMAND explains one; help environment; help exit.  Start here:  "
         "shearpin run --observe -- COMMAND\n\n"
         "Options that mean the same everywhere: -p FILE policy, -s NAME segment, "
         "-o destination.guard.word=VALUE (repeatable),\n"
         "--json, -q, -v, -h. Exit: 0 done or yes, 1 the answer is no, 2 usage, "
         "3 no such segment or destination, 4 not allowed,\n"
         "5 system error; `run`: the command's own, 125 ours, 126 cannot be run, 127 not found, "
         "128+N killed by signal N.");
}

/* --- one command, one topic --- */

void help_usage(const struct command *command)
{
    printf("usage: shearpin %s %s\n\n", command->name, command->usage);
    if (command->help)
        printf("%c%s.\n", command->help[0] - 'a' + 'A', command->help + 1);
    if (command->notes)
        printf("%s\n", command->notes);
    putchar('\n');
    options_help(command);
}

const char help_environment[] =
    "SHEARPIN_POLICY    the policy file, where -p does not say one (else " RULES_DEFAULT ")\n"
    "SHEARPIN_SEGMENT   the name of the segment, where -s does not say one\n"
    "SHEARPIN_DIR       the directory of segments, where /dev/shm will not do\n"
    "SHEARPIN_SET       words changed for this process tree: payments.deadline.connect=1s;...\n"
    "                   `run -o` writes it; what is shared (caps, rates, thresholds) stays\n"
    "SHEARPIN_DEADLINE  when this process tree must be done, in ns of CLOCK_MONOTONIC\n"
    "SHEARPIN_LOG       a file for what the library has to say; it never writes to fds 0 to 2\n"
    "SHEARPIN=off       the panic switch: the library forwards every call untouched\n"
    "NO_COLOR           not empty: `top` draws without colours; TERM=dumb: plain tables\n"
    "LD_PRELOAD         `run` puts libshearpin.so first and keeps what was there\n";

const char help_exit[] = "  0  done, or yes\n"
                         "  1  the answer is no: a mistake in the policy, not in time, an slo "
                         "that is broken,\n"
                         "     unhealthy, not ready; with --strict, degraded\n"
                         "  2  usage\n"
                         "  3  no such segment or destination\n"
                         "  4  not allowed\n"
                         "  5  system error\n"
                         "`run` ends as its command does, for it becomes it; with --slo "
                         "also:\n"
                         "  1  the command ended with 0, but a condition was not kept or the "
                         "calls were too few\n"
                         "125  ours: bad policy, bad option, the command would run "
                         "unprotected\n"
                         "126  the command cannot be run\n"
                         "127  the command was not found\n"
                         "128+N  as shells say it: killed by signal N\n";

static void help_print_environment(void)
{
    fputs(help_environment, stdout);
}

static void help_print_exit(void)
{
    fputs(help_exit, stdout);
}

static const struct help_topic {
    const char *name;
    void (*print)(void);
} help_topics[] = {{"environment", help_print_environment},
                   {"exit", help_print_exit},
                   {"man", manual_print},
                   {"bash", completion_print}};
#define HELP_TOPICS (sizeof help_topics / sizeof *help_topics)

static int help_unknown(const struct cli *cli, const char *topic)
{
    struct sp_near near = sp_near_begin(topic, strlen(topic));
    for (size_t i = 0; i < command_total; i++)
        sp_near_try(&near, command_table[i].name);
    for (size_t i = 0; i < HELP_TOPICS; i++)
        sp_near_try(&near, help_topics[i].name);
    say_error("there is no help for '%s'%s%s%s", topic, near.best ? "; did you mean '" : "",
              near.best ? near.best : "", near.best ? "'?" : "");
    if (near.best)
        say_corrected(cli, topic, near.best);
    else
        say_more("shearpin help  lists the commands; environment and exit are topics, too");
    return CLI_USAGE;
}

int help_main(struct cli *cli)
{
    const char *topic = cli->count ? cli->words[0] : NULL;
    const struct command *command = topic ? command_named(topic) : NULL;
    if (!topic)
        help_page();
    if (command)
        help_usage(command);
    if (!topic || command)
        return CLI_OK;
    for (size_t i = 0; i < HELP_TOPICS; i++) {
        if (strcmp(topic, help_topics[i].name) == 0) {
            help_topics[i].print();
            return CLI_OK;
        }
    }
    return help_unknown(cli, topic);
}
