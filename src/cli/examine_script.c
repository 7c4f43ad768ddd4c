/* examine_script.c - a script only stands before what it starts: `env python3`, or a shell that
 * prepares something and then becomes the real program. */
#include "cli/examine.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/judge.h"

#define SCRIPT_LINES 2000

static const char *script_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool script_shell(const char *interpreter)
{
    static const char *const shells[] = {"sh", "dash", "bash", "ksh", "zsh", "mksh"};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(script_base(interpreter), shells[i]) == 0)
            return true;
    }
    return false;
}

/* The next word of a shell line, without its quotes. Only what needs no shell to tell. */
static char *script_word(char **rest)
{
    char *p = *rest + strspn(*rest, " \t");
    char quote = *p == '"' || *p == '\'' ? *p : 0;
    char *word = quote ? p + 1 : p;
    size_t length = quote ? strcspn(word, (char[]){quote, 0}) : strcspn(word, " \t;&|<>");
    if (*p == 0)
        return NULL;
    *rest = word + length + (word[length] != 0);
    word[length] = 0;
    return word;
}

/* Behind `exec` or `env`: options and VAR=value stand before the program. */
static char *script_program(char *line)
{
    char *word;
    while ((word = script_word(&line)) != NULL) {
        if (strcmp(word, "-a") == 0)
            script_word(&line);
        else if (*word != '-' && !strchr(word, '=') && strcmp(word, "env") != 0)
            return word;
    }
    return NULL;
}

static void script_starts(struct examine *e, const char *script, const char *program)
{
    char what[4200];
    snprintf(what, sizeof what, "then %s", program);
    if (strpbrk(program, "$`*") || strcmp(script_base(program), script_base(script)) == 0) {
        report_add(e->report, REPORT_NOTE, "wrapper", what,
                   "which program that is shows at run time");
        report_cure(e->report, "ask about the process", "shearpin doctor PID, once it runs");
    } else {
        examine_program(e, program, what, REPORT_BAD);
    }
}

/* What would take LD_PRELOAD away again. */
static void script_clears(struct examine *e, const char *line, unsigned number)
{
    char what[32];
    snprintf(what, sizeof what, "line %u", number);
    if (strstr(line, "env -i") || strstr(line, "unset LD_PRELOAD") || strstr(line, "exec -c")) {
        report_add(e->report, REPORT_NOTE, "environment", what,
                   "clears the environment, and LD_PRELOAD with it");
        report_cure(e->report, "wrap what it starts", "write shearpin run -p FILE -- before it");
    } else if (strncmp(line, "LD_PRELOAD=", 11) == 0 ||
               strncmp(line, "export LD_PRELOAD=", 18) == 0) {
        report_add(e->report, REPORT_NOTE, "environment", what, "sets LD_PRELOAD itself%s",
                   strstr(line, "$LD_PRELOAD") || strstr(line, "${LD_PRELOAD")
                       ? " and keeps what was there"
                       : ": what was there is lost");
    }
}

static void script_shell_lines(struct examine *e, const char *script, FILE *file)
{
    char line[4096];
    for (unsigned number = 1; number <= SCRIPT_LINES && fgets(line, sizeof line, file); number++) {
        line[strcspn(line, "\n")] = 0;
        char *at = line + strspn(line, " \t");
        script_clears(e, at, number);
        if (strncmp(at, "exec ", 5) != 0)
            continue;
        char *program = script_program(at + 5);
        if (program && *program && !strchr("<>&0123456789", *program))
            script_starts(e, script, program);
    }
}

static void script_env(struct examine *e, const char *script, FILE *file)
{
    char line[256];
    if (!fgets(line, sizeof line, file))
        return;
    line[strcspn(line, "\n")] = 0;
    char *env = strstr(line, "env"), *program = env ? script_program(env + 3) : NULL;
    if (program)
        script_starts(e, script, program);
}

void examine_script(struct examine *e, const char *script, const char *interpreter)
{
    static unsigned depth;
    FILE *file = depth < 4 ? fopen(script, "re") : NULL;
    if (!file)
        return;
    depth++;
    if (strcmp(script_base(interpreter), "env") == 0)
        script_env(e, script, file);
    else if (script_shell(interpreter))
        script_shell_lines(e, script, file);
    depth--;
    fclose(file);
}
