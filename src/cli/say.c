#define LIBBSD_NETBSD_VIS
#include "cli/say.h"

#include <bsd/string.h>
#include <bsd/vis.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "base/text.h"

static void say_line(const char *prefix, const char *format, va_list arguments)
{
    fflush(stdout);
    fputs(prefix, stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void say_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_line("shearpin: ", format, arguments);
    va_end(arguments);
}

void say_more(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_line("  ", format, arguments);
    va_end(arguments);
}

int say_status(int code)
{
    if (code == EACCES || code == EPERM)
        return CLI_DENIED;
    return code == ENOENT ? CLI_UNKNOWN : CLI_SYSTEM;
}

static void say_shell_word(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
    if (*word && strspn(word, plain) == strlen(word)) {
        fprintf(stderr, " %s", word);
        return;
    }
    fputs(" '", stderr);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", stderr);
        else
            fputc(*word, stderr);
    }
    fputc('\'', stderr);
}

/* `wrong` may be NULL: then nothing is. */
static void say_typed(const struct cli *cli, const char *wrong, const char *right)
{
    char word[512];
    fputs(" shearpin", stderr);
    for (int i = 1; i < cli->typed_count; i++) {
        const char *typed = cli->typed[i];
        /* `-s NAME` is a word of its own, `--segment=NAME` is the end of one */
        bool here = wrong && wrong >= typed && wrong <= typed + strlen(typed);
        if (here)
            snprintf(word, sizeof word, "%.*s%s", (int)(wrong - typed), typed, right);
        say_shell_word(here ? word : typed);
    }
    fputc('\n', stderr);
}

void say_corrected(const struct cli *cli, const char *wrong, const char *right)
{
    fputc(' ', stderr);
    say_typed(cli, wrong, right);
}

void say_behind(const struct cli *cli, const char *first)
{
    fprintf(stderr, "  %s", first);
    say_typed(cli, NULL, NULL);
}

/* The process stays in the C locale, where every format is fixed; only this looks at the user's. */
static locale_t say_locale(void)
{
    static locale_t user;
    if (user == NULL)
        user = newlocale(LC_CTYPE_MASK, "", NULL);
    return user;
}

bool say_utf8(void)
{
    locale_t user = say_locale();
    return user != NULL && strcmp(nl_langinfo_l(CODESET, user), "UTF-8") == 0;
}

/* Bytes of one printable character beyond ASCII, 0 when it is none. Marks that turn the direction
 * of writing could make a line read as something else. */
static size_t say_wide(const char *text, size_t length)
{
    wchar_t c;
    mbstate_t state = {0};
    if (!say_utf8())
        return 0;
    locale_t before = uselocale(say_locale());
    size_t n = mbrtowc(&c, text, length, &state);
    uselocale(before);
    if (n == 0 || n > 4 || !iswprint_l((wint_t)c, say_locale()))
        return 0;
    bool turns = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return turns ? 0 : n;
}

const char *say_safe(char *out, size_t size, const char *text, size_t max)
{
    size_t length = strnlen(text, max), at = 0;
    for (size_t i = 0; i < length && at + 5 < size;) {
        size_t wide = (unsigned char)text[i] < 0x80 ? 0 : say_wide(text + i, length - i);
        if (wide > 0) {
            memcpy(out + at, text + i, wide);
            at += wide;
            i += wide;
            continue;
        }
        char *end =
            vis(out + at, (unsigned char)text[i], VIS_CSTYLE | VIS_NL | VIS_TAB | VIS_NOSLASH, 0);
        at = (size_t)(end - out);
        i++;
    }
    out[at] = 0;
    return out;
}

const char *say_symbol(enum say_symbol symbol)
{
    static const char *const words[][3] = {{"*", "~", "o"}, {"●", "◐", "○"}};
    return words[say_utf8()][symbol];
}

const char *say_age(char *out, size_t size, uint64_t ns)
{
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    uint64_t s = ns / SP_SECOND;
    size_t i = 0;
    while (i < 3 && s < 2 * units[i].seconds)
        i++;
    snprintf(out, size, "%llu%c", (unsigned long long)(s / units[i].seconds), units[i].unit);
    return out;
}

const char *say_time(char *out, size_t size, uint64_t ns)
{
    sp_text_format_time(ns, out, size);
    return out;
}

const char *say_took(char *out, size_t size, uint64_t ns)
{
    if (ns < 100 * SP_US)
        snprintf(out, size, "%lluus", (unsigned long long)(ns / SP_US));
    else if (ns < 10 * SP_MS)
        snprintf(out, size, "%.1fms", (double)ns / (double)SP_MS);
    else if (ns < SP_SECOND)
        snprintf(out, size, "%.0fms", (double)ns / (double)SP_MS);
    else
        snprintf(out, size, "%.1fs", (double)ns / (double)SP_SECOND);
    return out;
}

const char *say_count(char *out, size_t size, uint64_t n, const char *noun)
{
    size_t length = strlen(noun);
    bool es = length > 0 && noun[length - 1] == 's';
    snprintf(out, size, "%llu %s%s", (unsigned long long)n, noun, n == 1 ? "" : es ? "es" : "s");
    return out;
}
