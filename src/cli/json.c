#include "cli/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character at `s`, 0 when there is none: no overlong forms, no surrogates. */
static size_t json_utf8(const unsigned char *s, size_t left)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
    if (n < 2 || n > left || s[0] > 0xf4)
        return n == 1;
    unsigned c = s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static FILE *json_out(const struct json *json)
{
    return json->out ? json->out : stdout;
}

static void json_string(FILE *out, const char *text, size_t max)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = strnlen(text, max);
    putc('"', out);
    for (size_t i = 0; i < length;) {
        size_t n = json_utf8(s + i, length - i);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (s[i] < 0x20 || s[i] == 0x7f)
            fprintf(out, "\\u%04x", s[i]);
        else if (s[i] == '"' || s[i] == '\\')
            fprintf(out, "\\%c", s[i]);
        else
            fwrite(s + i, 1, n, out);
        i += n ? n : 1;
    }
    putc('"', out);
}

static void json_key(struct json *json, const char *key)
{
    if (json->comma)
        putc(',', json_out(json));
    json->comma = true;
    if (key) {
        json_string(json_out(json), key, strlen(key));
        putc(':', json_out(json));
    }
}

void json_open(struct json *json, const char *key, char bracket)
{
    json_key(json, key);
    putc(bracket, json_out(json));
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    putc(bracket, json_out(json));
    json->comma = true;
}

void json_text(struct json *json, const char *key, const char *text, size_t max)
{
    json_key(json, key);
    json_string(json_out(json), text, max);
}

void json_word(struct json *json, const char *key, const char *word)
{
    json_text(json, key, word, strlen(word));
}

void json_count(struct json *json, const char *key, uint64_t n)
{
    json_key(json, key);
    fprintf(json_out(json), "%llu", (unsigned long long)n);
}

void json_number(struct json *json, const char *key, double n)
{
    json_key(json, key);
    if (isfinite(n))
        fprintf(json_out(json), "%.9g", n);
    else
        fputs("null", json_out(json));
}

void json_time(struct json *json, const char *key, uint64_t wall)
{
    json_key(json, key);
    fprintf(json_out(json), "%llu.%03u", (unsigned long long)(wall / 1000000000u),
            (unsigned)(wall % 1000000000u / 1000000u));
}

void json_bool(struct json *json, const char *key, bool yes)
{
    json_key(json, key);
    fputs(yes ? "true" : "false", json_out(json));
}

void json_null(struct json *json, const char *key)
{
    json_key(json, key);
    fputs("null", json_out(json));
}

void json_end(void)
{
    putchar('\n');
}
