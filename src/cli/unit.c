#include "cli/unit.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/unit_files.h"

bool unit_name(char out[UNIT_NAME], const char *name)
{
    static const char *const kinds[] = {".service", ".socket", ".timer", ".target",
                                        ".mount",   ".path",   ".slice", ".scope"};
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                ":_.@\\-";
    size_t length = strlen(name);
    if (length == 0 || length > UNIT_NAME - 16 || strspn(name, plain) != length || *name == '.')
        return false;
    strlcpy(out, name, UNIT_NAME);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t suffix = strlen(kinds[i]);
        if (length > suffix && strcmp(name + length - suffix, kinds[i]) == 0)
            return true;
    }
    strlcat(out, ".service", UNIT_NAME);
    return true;
}

/* --- values --- */

const char *unit_next(const struct unit *unit, const char *key, size_t *at)
{
    while (*at < unit->count) {
        const struct unit_value *value = &unit->values[(*at)++];
        if (strcmp(value->key, key) == 0)
            return value->value;
    }
    return NULL;
}

const char *unit_last(const struct unit *unit, const char *key)
{
    const char *value, *last = NULL;
    for (size_t at = 0; (value = unit_next(unit, key, &at)) != NULL;)
        last = value;
    return last;
}

bool unit_yes(const struct unit *unit, const char *key)
{
    const char *value = unit_last(unit, key);
    return value && (strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
                     strcasecmp(value, "on") == 0 || strcmp(value, "1") == 0);
}

const char *unit_word(const char **rest, char *out, size_t size)
{
    const char *p = *rest + strspn(*rest, " \t");
    size_t length = 0;
    char quote = 0;
    if (*p == 0)
        return NULL;
    for (; *p && (quote || !strchr(" \t", *p)); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? 0 : *p;
            continue;
        }
        if (*p == '\\' && p[1])
            p++;
        if (length + 1 < size)
            out[length++] = *p;
    }
    out[length] = 0;
    *rest = p;
    return out;
}

/* --- specifiers --- */

static void unit_append(char *out, size_t size, const char *text, size_t length)
{
    size_t have = strlen(out);
    if (have + length < size) {
        memcpy(out + have, text, length);
        out[have + length] = 0;
    }
}

void unit_specify(const struct unit *unit, const char *text, char *out, size_t size)
{
    const char *at = strchr(unit->name, '@'), *dot = strrchr(unit->name, '.');
    const char *prefix_end = at && at < dot ? at : dot;
    *out = 0;
    for (; *text; text++) {
        char c = *text == '%' ? text[1] : 0;
        if (c == '%')
            unit_append(out, size, "%", 1);
        else if (c == 'n')
            unit_append(out, size, unit->name, strlen(unit->name));
        else if (c == 'N')
            unit_append(out, size, unit->name, (size_t)(dot - unit->name));
        else if (c == 'p')
            unit_append(out, size, unit->name, (size_t)(prefix_end - unit->name));
        else if ((c == 'i' || c == 'I') && at && at < dot)
            unit_append(out, size, at + 1, (size_t)(dot - at - 1));
        else if (c != 'i' && c != 'I') {
            unit_append(out, size, text, 1);
            continue;
        }
        text++;
    }
}

bool unit_environment(const struct unit *unit, const char *name, char *out, size_t size)
{
    char word[8192], plain[8192];
    const char *value;
    size_t length = strlen(name);
    bool found = false;
    for (size_t at = 0; (value = unit_next(unit, "Environment", &at)) != NULL;) {
        while (unit_word(&value, word, sizeof word)) {
            unit_specify(unit, word, plain, sizeof plain);
            if (strncmp(plain, name, length) == 0 && plain[length] == '=') {
                strlcpy(out, plain + length + 1, size);
                found = true;
            }
        }
    }
    return found;
}

/* --- reading --- */

bool unit_read(struct unit *unit, const char *root, const char *name)
{
    memset(unit, 0, sizeof *unit);
    if (!unit_name(unit->name, name))
        return false;
    strlcpy(unit->root, root, sizeof unit->root);
    size_t length = strlen(unit->root);
    while (length > 0 && unit->root[length - 1] == '/')
        unit->root[--length] = 0;
    return unit_files(unit);
}

void unit_free(struct unit *unit)
{
    for (size_t i = 0; i < unit->count; i++) {
        free(unit->values[i].key);
        free(unit->values[i].value);
        free(unit->values[i].file);
    }
    free(unit->values);
    unit->values = NULL;
    unit->count = 0;
}

void unit_directory(const struct unit *unit, char *out, size_t size)
{
    snprintf(out, size, "%s/etc/systemd/system/%s.d", unit->root, unit->name);
}
