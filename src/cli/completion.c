/* completion.c - what bash completes, from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"

/* Words behind the command: whatever its usage names. */
static const struct {
    const char *in_usage, *kind;
} completion_kinds[] = {{"-- COMMAND", "command"},
                        {"DEST", "destinations"},
                        {"FILE", "files"},
                        {"TARGET", "files"},
                        {"[COMMAND |", "topics"}};

static const char *completion_kind(const struct command *c)
{
    if (strcmp(c->name, "rm") == 0)
        return "segments";
    for (size_t i = 0; i < sizeof completion_kinds / sizeof *completion_kinds; i++) {
        const char *at = strstr(c->usage, completion_kinds[i].in_usage);
        bool argument =
            at && at > c->usage + 2 && strchr("pedt", at[-2]); /* -p FILE, --record .. */
        if (at && !argument)
            return completion_kinds[i].kind;
    }
    return "";
}

static void completion_case(const struct command *c)
{
    struct option_view o;
    printf("    %s) kind='%s' options='", c->name, completion_kind(c));
    for (size_t i = 0; options_view(c, i, &o); i++) {
        if (o.letter)
            printf("-%c ", o.letter);
        printf("--%s ", o.name);
    }
    printf("'");
    if (strstr(c->usage, "DEST STATE"))
        printf(" more='closed open half-open'");
    if (strstr(c->usage, "open|closed"))
        printf(" more='open closed'");
    puts(" ;;");
}

static const char completion_head[] =
    "# Made by `shearpin help bash`.\n"
    "_shearpin_destinations() {\n"
    "    shearpin status -q --interval 1ms ${segment:+-s \"$segment\"} 2>/dev/null |\n"
    "        awk 'NR > 1 && $1 != \"other\" { print $1 }'\n"
    "}\n"
    "_shearpin() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local i kind='' options='' more='' segment=''\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        [ \"${COMP_WORDS[i]}\" != -s ] || segment=${COMP_WORDS[i + 1]}\n"
    "        if [ \"${COMP_WORDS[i]}\" = -- ]; then\n"
    "            declare -F _command_offset >/dev/null && _command_offset $((i + 1))\n"
    "            return\n"
    "        fi\n"
    "    done\n"
    "    COMPREPLY=()\n";

static const char completion_tail[] =
    "    case $previous in\n"
    "    -p | --policy | --textfile | --record | --save | --against)\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
    "    -s | --segment) kind=segments options='' more='' ;;\n"
    "    --on) kind=destinations options='' more='' ;;\n"
    "    esac\n"
    "    [[ $current = -* ]] && kind=options\n"
    "    case $kind in\n"
    "    options) more=$options ;;\n"
    "    destinations) more=\"$more $(_shearpin_destinations)\" ;;\n"
    "    segments) more=$(shearpin segments -q 2>/dev/null | awk '{ print $1 }') ;;\n"
    "    topics) more=\"$commands environment exit man bash\" ;;\n"
    "    files) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
    "    command) mapfile -t COMPREPLY < <(compgen -c -- \"$current\"); return ;;\n"
    "    esac\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$more\" -- \"$current\")\n"
    "}\n"
    "complete -o default -F _shearpin shearpin\n";

void completion_print(void)
{
    fputs(completion_head, stdout);
    printf("    local commands='");
    for (size_t i = 0; i < command_total; i++)
        printf("%s%s", i ? " " : "", command_table[i].name);
    puts("'\n    if ((COMP_CWORD == 1)); then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$current\")\n"
         "        return\n    fi\n    case ${COMP_WORDS[1]} in");
    for (size_t i = 0; i < command_total; i++)
        completion_case(&command_table[i]);
    puts("    esac");
    fputs(completion_tail, stdout);
}
