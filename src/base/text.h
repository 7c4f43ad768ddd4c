/*
 * text.h - values as people write them: 250ms, 64KiB, 0.5%, 20; and back.
 *
 * Parsers take `length` characters and want all of them to belong to the value. Formatters write
 * what the parser reads back as the same value, NUL-terminate, and return the length as snprintf
 * does. Nothing here depends on the locale.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sp_text {
    SP_TEXT_OK,
    SP_TEXT_NO_NUMBER, /* does not begin with a digit, or is empty */
    SP_TEXT_NO_UNIT,   /* a number and nothing behind it, where a unit must stand */
    SP_TEXT_BAD_UNIT,  /* something unknown behind the number */
    SP_TEXT_TOO_BIG,   /* does not fit */
    SP_TEXT_TOO_FINE   /* more decimals than the value can keep */
};

/* ns: `250ms 1.5s 2m 1h`; units us ms s m h d. A time needs a unit, zero too. */
enum sp_text sp_text_parse_time(const char *text, size_t length, uint64_t *ns);
/* Bytes: `512B 64KiB 1.5MiB 2GiB`; a bare number is bytes. */
enum sp_text sp_text_parse_size(const char *text, size_t length, uint64_t *bytes);
/* Hundredths of a percent: `50% 0.5%`. */
enum sp_text sp_text_parse_share(const char *text, size_t length, uint32_t *share);
/* Digits only. */
enum sp_text sp_text_parse_count(const char *text, size_t length, uint64_t *count);

/* The largest unit that gives a whole number: 60s is "1m", 1.5 s is "1500ms". */
size_t sp_text_format_time(uint64_t ns, char *out, size_t size);
size_t sp_text_format_size(uint64_t bytes, char *out, size_t size);
size_t sp_text_format_share(uint32_t share, char *out, size_t size);
size_t sp_text_format_count(uint64_t count, char *out, size_t size);

/* Text that grows in a buffer of fixed size and is always NUL-terminated. */
struct sp_text_out {
    char *at;
    size_t size;   /* of the buffer, at least 1 */
    size_t length; /* written; what did not fit was dropped */
};

struct sp_text_out sp_text_out(char *buffer, size_t size);
void sp_text_put(struct sp_text_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sp_text_put_char(struct sp_text_out *out, char c);

bool sp_text_is(const char *text, size_t length, const char *word);

#endif
