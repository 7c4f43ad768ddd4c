/* Any words behind any command: the first byte chooses the command, NULs part the words. They are
 * taken or refused with a sentence, nothing is lost or invented among the words left over, and
 * every -o is shown in the language of the policy. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "../../src/cli/options.c"
#include "../../src/cli/setting.c"

#define FUZZ_WORDS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned said;

void say_error(const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    said++;
}
void say_more(const char *format, ...)
{
    (void)format;
}
const char *say_safe(char *out, size_t size, const char *text, size_t max)
{
    snprintf(out, size, "%.*s", (int)max, text);
    return out;
}
int run_main(struct cli *cli)
{
    return cli->count;
}

static const struct command fuzz_commands[] = {
    {.name = "run",
     .usage = "[-p FILE] [-s NAME] [-o dest.guard.word=VALUE]... [--observe] [--private]\n"
              "         [--reload] [--anyway] [--deadline T] [--inject 'FAULT' --on DEST]...\n"
              "         [--slo 'CONDITION']... [--save FILE] [--against FILE] -- COMMAND...",
     .run = run_main},
    {.name = "show", .usage = "[FILE] [-o dest.guard.word=VALUE]..."},
    {.name = "metrics", .usage = "[-s NAME]... [--textfile FILE] [--list]"},
    {.name = "events",
     .usage = "[-f] [--json] [--since T] [--syslog] [--record FILE [--max SIZE]]"},
    {.name = "top", .usage = "[--interval T] [--batch] [--frames N]"},
    {.name = "version", .usage = ""},
};
#define FUZZ_COMMANDS (sizeof fuzz_commands / sizeof *fuzz_commands)

static const struct sp_policy *fuzz_policy(void)
{
    static const char text[] = "segment fuzz\ndefaults\n    mode observe\n"
                               "destination a\n    match *\n    breaker streak 5\n    cap 64\n";
    static _Alignas(8) unsigned char room[SP_POLICY_ROOM];
    static bool ready;

    if (!ready &&
        sp_policy_read_text("fuzz.conf", text, sizeof text - 1, room, sizeof room, NULL, NULL) != 0)
        abort();
    ready = true;
    return (const void *)room;
}

static void fuzz_set(const struct cli *cli)
{
    static struct setting_over over;
    struct setting_view view;
    char words[SETTING_TEXT], place[SETTING_TEXT];

    if (setting_over_read(cli, fuzz_policy(), &over) != CLI_OK ||
        !setting_view(&view, fuzz_policy(), 0, &over))
        return;
    for (size_t key = 0; key < sp_key_total; key++) {
        setting_words(&view.guards, key, words, sizeof words);
        setting_where(&view, key, place, sizeof place);
    }
}

static void fuzz_words(const struct command *command, int argc, char **argv)
{
    struct cli cli = {.command = command};
    unsigned before = said;

    optind = 0; /* getopt begins anew */
    int status = options_read(&cli, argc, argv);
    if (status != CLI_OK && said == before)
        abort();
    if (cli.count < 0 || cli.count >= argc || cli.words + cli.count != argv + argc)
        abort();
    for (int i = 0; status == CLI_OK && i < cli.inject_count; i++)
        if (!cli.injects[i].fault || !cli.injects[i].dest)
            abort();
    if (status == CLI_OK)
        fuzz_set(&cli);
    free(cli.set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[FUZZ_WORDS + 2], *text, *at;
    int argc = 1;

    if (size == 0)
        return 0;
    const struct command *command = &fuzz_commands[data[0] % FUZZ_COMMANDS];
    text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    argv[0] = strdup(command->name);
    for (at = text; at < text + size && argc <= FUZZ_WORDS; at += strlen(at) + 1)
        argv[argc++] = at;
    argv[argc] = NULL;
    fuzz_words(command, argc, argv);
    free(argv[0]);
    free(text);
    return 0;
}
