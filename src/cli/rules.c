#include "cli/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/fallback.h"
#include "cli/say.h"
#include "cli/split.h"

const char *rules_path(const struct cli *cli, const char *operand)
{
    const char *inherited = getenv("SHEARPIN_POLICY");
    if (operand)
        return operand;
    if (cli->policy)
        return cli->policy;
    return inherited && *inherited ? inherited : RULES_DEFAULT;
}

bool rules_named(const struct cli *cli)
{
    return cli->policy || strcmp(rules_path(cli, NULL), RULES_DEFAULT) != 0 ||
           access(RULES_DEFAULT, F_OK) == 0;
}

struct rules_context {
    struct rules *rules;
    FILE *out;
    enum rules_say say;
    sp_finding_fn *other; /* who speaks instead, or NULL */
    void *other_context;
};

/* The lines are the user's own file, but not always the user's own text: each is made harmless. */
static void rules_print(FILE *out, const struct sp_finding *finding)
{
    char text[4096], safe[4 * 512];
    sp_finding_format(finding, text, sizeof text);
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        fprintf(out, "%s\n", say_safe(safe, sizeof safe, line, (size_t)(end - line)));
    }
}

static void rules_finding(void *context, const struct sp_finding *finding)
{
    struct rules_context *c = context;
    bool error = finding->severity == SP_ERROR;
    *(error ? &c->rules->errors : &c->rules->warnings) += 1;
    if (c->other)
        c->other(c->other_context, finding);
    else if (c->say == RULES_ALL || (c->say == RULES_ERRORS && error))
        rules_print(c->out, finding);
}

static void *rules_room(void)
{
    void *room = mmap(NULL, SP_POLICY_ROOM, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        say_error("no room to read a policy: %s", strerror(errno));
        exit(CLI_SYSTEM);
    }
    return room;
}

static void rules_run(struct rules *rules, const char *path, struct rules_context *context)
{
    void *room = rules_room();
    *rules = (struct rules){0};
    context->rules = rules;
    fflush(stdout);
    if (sp_policy_read(path, room, SP_POLICY_ROOM, rules_finding, context) == 0)
        answer_findings(room, rules_finding, context);
    if (rules->errors == 0)
        rules->policy = room;
}

void rules_read(struct rules *rules, const char *path, FILE *out, enum rules_say say)
{
    rules_run(rules, path, &(struct rules_context){.out = out, .say = say});
}

void rules_read_shared(struct rules *rules, const char *path, FILE *out, enum rules_say say)
{
    struct rules again;
    rules_read(rules, path, out, say);
    char *full = rules->policy ? realpath(path, NULL) : NULL;
    if (!full)
        return;
    rules_read(&again, full, out, RULES_ERRORS);
    rules->policy = again.policy;
    rules->errors += again.errors;
    free(full);
}

void rules_read_with(struct rules *rules, const char *path, sp_finding_fn *say, void *context)
{
    rules_run(rules, path, &(struct rules_context){.other = say, .other_context = context});
}

void rules_read_text(struct rules *rules, const char *name, const char *text, FILE *out)
{
    struct rules_context context = {.rules = rules, .out = out, .say = RULES_ERRORS};
    void *room = rules_room();
    *rules = (struct rules){0};
    if (sp_policy_read_text(name, text, strlen(text), room, SP_POLICY_ROOM, rules_finding,
                            &context) == 0)
        rules->policy = room;
}

void rules_names(struct rules *rules, FILE *out, sp_finding_fn *say, void *context)
{
    struct rules_context names = {
        .rules = rules, .out = out, .say = RULES_ALL, .other = say, .other_context = context};
    if (!rules->policy)
        return;
    fallback_findings(rules->policy, rules_finding, &names);
    split_findings(rules->policy, rules_finding, &names);
}

void rules_summary(const struct rules *rules, char *out, size_t size)
{
    const char *comma = rules->errors && rules->warnings ? ", " : "";
    snprintf(out, size, "%s%s%s", rules->errors ? SAY_COUNT(rules->errors, "error") : "", comma,
             rules->warnings ? SAY_COUNT(rules->warnings, "warning") : "");
}
