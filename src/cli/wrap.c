/* wrap.c - the library into a systemd service and out again: a drop-in of variables, nothing else.
 */
#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/dropin.h"
#include "cli/examine.h"
#include "cli/memory.h"
#include "cli/preload.h"
#include "cli/rules.h"
#include "cli/say.h"
#include "cli/where.h"

#define WRAP_OBSERVE "*.mode=observe"

struct wrap {
    struct cli *cli;
    struct unit unit;
    struct dropin dropin;
    char policy[PATH_MAX];
    char name[WHERE_NAME_SIZE];
    char *body;
};

static int wrap_unit(struct wrap *wrap)
{
    struct cli *cli = wrap->cli;
    if (!unit_read(&wrap->unit, cli->root ? cli->root : "", cli->words[0])) {
        say_error("there is no unit '%s'%s%s", cli->words[0], cli->root ? " below " : "",
                  cli->root ? cli->root : "");
        say_more("systemctl list-unit-files --type=service  lists what there is");
        return CLI_UNKNOWN;
    }
    dropin_find(&wrap->dropin, &wrap->unit);
    return CLI_OK;
}

/* Is what stands there for us to touch? */
static int wrap_whose(const struct wrap *wrap, const char *verb)
{
    const char *path = wrap->dropin.path;
    switch (wrap->dropin.state) {
    case DROPIN_NONE:
    case DROPIN_OURS:
        return CLI_OK;
    case DROPIN_CHANGED:
        if (wrap->cli->force)
            return CLI_OK;
        say_error("%s was changed since shearpin wrote it, so it stays; --force %s it", path, verb);
        return CLI_NO;
    case DROPIN_FOREIGN:
        say_error("%s was not written by shearpin, so it stays", path);
        say_more("move what it says to a file of another name, then try again");
        return CLI_NO;
    case DROPIN_DENIED:
        break;
    }
    say_error("%s: %s", path, strerror(errno));
    return say_status(errno);
}

/* --- what may be wrong --- */

static int wrap_doctor(struct wrap *wrap)
{
    struct report report = {0};
    struct examine examine;
    examine_start(&examine, &report, false);
    examine_unit(&examine, wrap->cli, wrap->unit.name);
    if (!wrap->cli->quiet || report_has(&report, REPORT_BAD))
        report_print(&report, wrap->unit.name, false);
    return report_status(&report);
}

static int wrap_readable(struct wrap *wrap)
{
    struct examine examine = {0};
    examine_user(&examine, &wrap->unit);
    if (examine_readable(&examine, wrap->policy))
        return CLI_OK;
    say_error("%s: the user of %s cannot read it, and would run unguarded", wrap->policy,
              wrap->unit.name);
    say_more("chmod a+r %s", wrap->policy);
    return CLI_NO;
}

static int wrap_policy(struct wrap *wrap)
{
    struct rules rules;
    struct cli *cli = wrap->cli;
    const char *path = rules_path(cli, NULL);
    if (!rules_named(cli)) {
        say_error("there is no policy: -p FILE, SHEARPIN_POLICY or " RULES_DEFAULT);
        say_more("to begin with, this one watches everything and touches nothing:");
        say_more(
            "printf 'destination everything\\n    match *\\n    mode observe\\n' >" RULES_DEFAULT);
        return CLI_NO;
    }
    rules_read_shared(&rules, path, stderr, RULES_ERRORS);
    if (!rules.policy || !realpath(path, wrap->policy))
        return CLI_NO;
    if (cli->segment)
        strlcpy(wrap->name, cli->segment, sizeof wrap->name);
    else if (where_policy_name(wrap->name, sizeof wrap->name, &rules, path) != 0)
        return CLI_NO;
    struct sp_override over[SP_OVERRIDES_MAX];
    struct sp_error error;
    if (cli->set && sp_override_parse(cli->set, rules.policy, over, SP_OVERRIDES_MAX, &error) < 0) {
        say_error("-o %s", error.text);
        return CLI_USAGE;
    }
    return wrap_readable(wrap);
}

/* --- the drop-in --- */

/* Environment="NAME=value", with what systemd would read as its own made harmless. */
static void wrap_variable(FILE *out, const char *name, const char *value)
{
    fprintf(out, "Environment=\"%s=", name);
    for (; *value; value++) {
        if (strchr("\"\\", *value))
            fputc('\\', out);
        if (*value == '%')
            fputc('%', out);
        fputc(*value, out);
    }
    fputs("\"\n", out);
}

/* What the unit itself preloads; our own drop-in is not the unit. */
static void wrap_preload(struct wrap *wrap, FILE *out)
{
    char before[8192] = "", library[PRELOAD_SIZE];
    struct unit *unit = &wrap->unit;
    for (size_t i = 0; i < unit->count; i++) {
        if (strcmp(unit->values[i].file, wrap->dropin.path) == 0)
            unit->values[i].key[0] = 0;
    }
    unit_environment(unit, "LD_PRELOAD", before, sizeof before);
    preload_find(library, sizeof library);
    char *all = preload_joined(library, before);
    wrap_variable(out, "LD_PRELOAD", all ? all : library);
    free(all);
}

static void wrap_body(struct wrap *wrap)
{
    size_t size;
    char set[4096];
    const struct cli *cli = wrap->cli;
    FILE *out = memory_got(open_memstream(&wrap->body, &size));
    fputs("[Service]\n", out);
    wrap_preload(wrap, out);
    wrap_variable(out, "SHEARPIN_POLICY", wrap->policy);
    wrap_variable(out, "SHEARPIN_SEGMENT", wrap->name);
    if (getenv("SHEARPIN_DIR"))
        wrap_variable(out, "SHEARPIN_DIR", where_directory());
    snprintf(set, sizeof set, "%s%s%s", cli->enforce ? "" : WRAP_OBSERVE,
             cli->set && !cli->enforce ? ";" : "", cli->set ? cli->set : "");
    if (*set)
        wrap_variable(out, "SHEARPIN_SET", set);
    fclose(out);
}

static void wrap_show(const struct wrap *wrap)
{
    char *text = dropin_text(&wrap->dropin, &wrap->unit, wrap->body), *rest = text, *line;
    printf("%s%s\n", wrap->cli->dry_run ? "would write " : "wrote ", wrap->dropin.path);
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line)
            printf("    %s\n", line);
    }
    free(text);
    if (!wrap->cli->enforce)
        puts("It observes and refuses nothing; with --enforce it does what the policy says.");
    printf("It is in force after:  systemctl daemon-reload && systemctl restart %s\n"
           "Then see:              shearpin doctor %s\n",
           wrap->unit.name, wrap->unit.name);
}

static int wrap_write(struct wrap *wrap)
{
    int code;
    wrap_body(wrap);
    if (!wrap->cli->dry_run && (code = dropin_write(&wrap->dropin, &wrap->unit, wrap->body)) != 0) {
        say_error("%s: %s", wrap->dropin.path, strerror(code));
        return say_status(code);
    }
    if (!wrap->cli->quiet)
        wrap_show(wrap);
    return CLI_OK;
}

int wrap_main(struct cli *cli)
{
    struct wrap wrap = {.cli = cli};
    int status = wrap_unit(&wrap);
    if (status == CLI_OK)
        status = wrap_whose(&wrap, "writes over");
    if (status == CLI_OK)
        status = wrap_policy(&wrap);
    if (status == CLI_OK)
        status = wrap_doctor(&wrap);
    if (status == CLI_OK)
        status = wrap_write(&wrap);
    unit_free(&wrap.unit);
    free(wrap.body);
    return status;
}

/* The unit may be gone by now: its drop-in is all that is asked for. */
int unwrap_main(struct cli *cli)
{
    struct wrap wrap = {.cli = cli};
    bool known = unit_read(&wrap.unit, cli->root ? cli->root : "", cli->words[0]);
    if (!wrap.unit.name[0]) {
        say_error("'%s' is no name of a unit", cli->words[0]);
        return CLI_USAGE;
    }
    dropin_find(&wrap.dropin, &wrap.unit);
    if (wrap.dropin.state == DROPIN_NONE) {
        say_error("%s is not wrapped%s: there is no %s", wrap.unit.name,
                  known ? "" : " and not known", wrap.dropin.path);
        return known ? CLI_NO : CLI_UNKNOWN;
    }
    int status = wrap_whose(&wrap, "removes");
    int code = status == CLI_OK && !cli->dry_run ? dropin_remove(&wrap.dropin) : 0;
    if (code != 0) {
        say_error("%s: %s", wrap.dropin.path, strerror(code));
        status = say_status(code);
    }
    if (status == CLI_OK && !cli->quiet)
        printf("%s%s\nIt is in force after:  systemctl daemon-reload && systemctl restart %s\n",
               cli->dry_run ? "would remove " : "removed ", wrap.dropin.path, wrap.unit.name);
    unit_free(&wrap.unit);
    return status;
}
