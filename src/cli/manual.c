/* manual.c - shearpin(1), from the tables of commands, options and policy keys. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "shearpin/policy.h"

/* Text of ours as roff takes it. A line that begins with a blank stays a line of its own. */
static void manual_text(const char *text)
{
    bool begins = true;
    for (const char *at = text; *at; at++) {
        if (begins && (*at == '.' || *at == '\''))
            fputs("\\&", stdout);
        if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '-')
            fputs("\\-", stdout);
        else
            putchar(*at);
        begins = *at == '\n';
    }
    if (!begins)
        putchar('\n');
}

static void manual_bold(const char *text)
{
    fputs("\\fB", stdout);
    for (; *text; text++)
        fputs(*text == '-' ? "\\-" : (char[2]){*text, 0}, stdout);
    fputs("\\fR", stdout);
}

static void manual_literal(const char *text)
{
    puts(".nf");
    manual_text(text);
    puts(".fi");
}

/* --- commands --- */

static void manual_usage(const char *usage)
{
    for (; *usage; usage++) {
        if (*usage == '-')
            fputs("\\-", stdout);
        else if (*usage != '\n' && !(*usage == ' ' && usage[1] == ' '))
            putchar(*usage);
    }
    putchar('\n');
}

static void manual_option(const struct option_view *o)
{
    char name[64];
    puts(".TP");
    if (o->letter) {
        snprintf(name, sizeof name, "-%c", o->letter);
        manual_bold(name);
        fputs(", ", stdout);
    }
    snprintf(name, sizeof name, "--%s", o->name);
    manual_bold(name);
    if (o->argument)
        printf(" \\fI%s\\fR", o->argument);
    putchar('\n');
    manual_text(o->help);
}

static void manual_options(const struct command *c, bool common)
{
    struct option_view o;
    for (size_t i = 0; options_view(c, i, &o); i++) {
        if (o.common == common)
            manual_option(&o);
    }
}

static void manual_command(const struct command *c)
{
    puts(".TP");
    manual_bold(c->name);
    putchar(' ');
    manual_usage(c->usage);
    if (c->help)
        printf("%c", c->help[0] - 'a' + 'A'), manual_text(c->help + 1), puts(".br");
    if (c->notes)
        manual_text(c->notes);
    struct option_view first;
    if (!options_view(c, 0, &first) || first.common)
        return;
    puts(".RS");
    manual_options(c, false);
    puts(".RE");
}

static void manual_commands(void)
{
    const char *heading = "";
    puts(".SH COMMANDS");
    for (size_t i = 0; i < command_total; i++) {
        const char *group = command_table[i].group ? command_table[i].group : "Help";
        if (strcmp(group, heading) != 0)
            printf(".SS %s\n", group);
        heading = group;
        manual_command(&command_table[i]);
    }
}

/* --- the words of a policy --- */

static void manual_keys(void)
{
    struct sp_guards initial;
    char value[256];
    sp_guards_initial(&initial);
    puts(".SH POLICY");
    manual_text(
        "A policy is a file of sections, destination NAME or defaults, with one directive a "
        "line. What the words mean, and what holds without them:");
    for (size_t i = 0; i < sp_key_total; i++) {
        const struct sp_key *key = &sp_keys[i];
        sp_key_format(key, &initial, value, sizeof value);
        puts(".TP");
        manual_bold(key->directive);
        if (*key->word)
            printf(" %s", key->word);
        printf("  \\fI[%s]\\fR\n", value);
        manual_text(key->help);
    }
}

void manual_print(void)
{
    printf(".\\\" Made by `shearpin help man`.\n.TH SHEARPIN 1 \"\" \"shearpin %s\"\n", SP_VERSION);
    puts(".SH NAME\nshearpin \\- breakers, deadlines, caps and rate limits for programs you cannot "
         "change\n.SH SYNOPSIS\n.B shearpin\n.I COMMAND\n[options]\n.br\n.B shearpin run \\-p\n.I "
         "FILE\n\\-\\-\n.I COMMAND...\n.SH DESCRIPTION");
    manual_text(
        "libshearpin.so is loaded with LD_PRELOAD into an unmodified program and stands between it "
        "and\nlibc's socket calls; there is no proxy and no daemon. What it does is said, per "
        "destination, by a\npolicy file; its state is in shared memory, a segment. This command "
        "starts programs under it,\nand watches and steers what they share.");
    manual_commands();
    puts(".SH OPTIONS\nEvery command takes these.");
    manual_options(command_named("version"), true);
    manual_keys();
    puts(".SH ENVIRONMENT");
    manual_literal(help_environment);
    puts(".SH EXIT STATUS");
    manual_literal(help_exit);
    puts(".SH SEE ALSO\n.BR shearpin\\-json (7),\n.BR ld.so (8)");
}
