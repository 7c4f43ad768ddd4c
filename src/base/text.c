#include "base/text.h"

#include "shearpin/types.h"

#include <stdio.h>
#include <string.h>

struct text_unit {
    const char *word;
    uint64_t factor;
};

/* Largest first: the first one that divides is the one to write. */
static const struct text_unit text_times[] = {
    {"d", 86400 * SP_SECOND},
    {"h", 3600 * SP_SECOND},
    {"m", 60 * SP_SECOND},
    {"s", SP_SECOND},
    {"ms", SP_MS},
    {"us", SP_US},
    {NULL, 0},
};

static const struct text_unit text_sizes[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
    {NULL, 0},
};

static const struct text_unit text_shares[] = {{"%", 100}, {NULL, 0}};

/* A decimal number taken apart: `whole`, and `fraction` in units of 10^-places. */
struct text_number {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale; /* 10^places */
    size_t length;  /* characters used */
};

bool sp_text_is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool text_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool text_grow(uint64_t *value, char digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, (uint64_t)(digit - '0'), value);
}

static enum sp_text text_number(const char *text, size_t length, struct text_number *number)
{
    size_t i = 0;

    *number = (struct text_number){.scale = 1};
    for (; i < length && text_digit(text[i]); i++)
        if (!text_grow(&number->whole, text[i]))
            return SP_TEXT_TOO_BIG;
    if (i == 0)
        return SP_TEXT_NO_NUMBER;
    if (i + 1 < length && text[i] == '.' && text_digit(text[i + 1])) {
        for (i++; i < length && text_digit(text[i]); i++) {
            if (number->scale >= UINT64_C(1000000000))
                return SP_TEXT_TOO_FINE;
            number->scale *= 10;
            text_grow(&number->fraction, text[i]);
        }
    }
    number->length = i;
    return SP_TEXT_OK;
}

/* number x factor, exactly or not at all. */
static enum sp_text text_scale(const struct text_number *number, uint64_t factor, uint64_t *value)
{
    uint64_t whole, fraction;

    if (__builtin_mul_overflow(number->whole, factor, &whole) ||
        __builtin_mul_overflow(number->fraction, factor, &fraction))
        return SP_TEXT_TOO_BIG;
    if (fraction % number->scale != 0)
        return SP_TEXT_TOO_FINE;
    if (__builtin_add_overflow(whole, fraction / number->scale, value))
        return SP_TEXT_TOO_BIG;
    return SP_TEXT_OK;
}

static enum sp_text text_parse(const char *text, size_t length, const struct text_unit *units,
                               uint64_t *value)
{
    struct text_number number;
    enum sp_text status = text_number(text, length, &number);

    if (status != SP_TEXT_OK)
        return status;
    if (number.length == length)
        return SP_TEXT_NO_UNIT;
    for (; units->word != NULL; units++)
        if (sp_text_is(text + number.length, length - number.length, units->word))
            return text_scale(&number, units->factor, value);
    return SP_TEXT_BAD_UNIT;
}

enum sp_text sp_text_parse_time(const char *text, size_t length, uint64_t *ns)
{
    return text_parse(text, length, text_times, ns);
}

enum sp_text sp_text_parse_size(const char *text, size_t length, uint64_t *bytes)
{
    enum sp_text status = text_parse(text, length, text_sizes, bytes);

    return status == SP_TEXT_NO_UNIT ? sp_text_parse_count(text, length, bytes) : status;
}

enum sp_text sp_text_parse_share(const char *text, size_t length, uint32_t *share)
{
    uint64_t value;
    enum sp_text status = text_parse(text, length, text_shares, &value);

    if (status == SP_TEXT_OK && value > UINT32_MAX)
        status = SP_TEXT_TOO_BIG;
    if (status == SP_TEXT_OK)
        *share = (uint32_t)value;
    return status;
}

enum sp_text sp_text_parse_count(const char *text, size_t length, uint64_t *count)
{
    struct text_number number;
    enum sp_text status = text_number(text, length, &number);

    if (status != SP_TEXT_OK)
        return status;
    if (number.length != length || number.scale != 1)
        return SP_TEXT_BAD_UNIT;
    *count = number.whole;
    return SP_TEXT_OK;
}

static size_t text_length(int written)
{
    return written < 0 ? 0 : (size_t)written;
}

static const struct text_unit *text_largest(const struct text_unit *units, uint64_t value)
{
    for (; units->word != NULL; units++)
        if (value % units->factor == 0)
            return units;
    return NULL;
}

size_t sp_text_format_time(uint64_t ns, char *out, size_t size)
{
    const struct text_unit *unit = text_largest(text_times, ns);

    if (ns == 0)
        return text_length(snprintf(out, size, "0s"));
    if (unit == NULL)
        return text_length(snprintf(out, size, "%llu.%03uus", (unsigned long long)(ns / SP_US),
                                    (unsigned)(ns % SP_US)));
    return text_length(
        snprintf(out, size, "%llu%s", (unsigned long long)(ns / unit->factor), unit->word));
}

size_t sp_text_format_size(uint64_t bytes, char *out, size_t size)
{
    const struct text_unit *unit = text_largest(text_sizes, bytes);

    if (bytes == 0 || unit == NULL)
        return text_length(snprintf(out, size, "0B"));
    return text_length(
        snprintf(out, size, "%llu%s", (unsigned long long)(bytes / unit->factor), unit->word));
}

size_t sp_text_format_share(uint32_t share, char *out, size_t size)
{
    unsigned whole = share / 100, rest = share % 100;

    if (rest == 0)
        return text_length(snprintf(out, size, "%u%%", whole));
    if (rest % 10 == 0)
        return text_length(snprintf(out, size, "%u.%u%%", whole, rest / 10));
    return text_length(snprintf(out, size, "%u.%02u%%", whole, rest));
}

size_t sp_text_format_count(uint64_t count, char *out, size_t size)
{
    return text_length(snprintf(out, size, "%llu", (unsigned long long)count));
}

struct sp_text_out sp_text_out(char *buffer, size_t size)
{
    buffer[0] = '\0';
    return (struct sp_text_out){.at = buffer, .size = size};
}

void sp_text_put(struct sp_text_out *out, const char *format, ...)
{
    size_t room = out->size - out->length, wanted;
    va_list arguments;

    va_start(arguments, format);
    wanted = text_length(vsnprintf(out->at + out->length, room, format, arguments));
    va_end(arguments);
    out->length += wanted < room ? wanted : room - 1;
}

void sp_text_put_char(struct sp_text_out *out, char c)
{
    if (out->length + 1 >= out->size)
        return;
    out->at[out->length++] = c;
    out->at[out->length] = '\0';
}
