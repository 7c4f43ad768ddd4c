/* fill.c - the words of a canned answer, and what an HTTP answer gets from us. */
#include "reply/reply.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char *const fill_words[] = {"retry_after", "state", "time"};
#define FILL_WORDS (sizeof fill_words / sizeof *fill_words)
#define FILL_NONE  SIZE_MAX

/* Text that is only counted once it no longer fits. */
struct fill_out {
    char *at;
    size_t room, length;
};

static void fill_put(struct fill_out *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++, out->length++) {
        if (out->length < out->room)
            out->at[out->length] = text[i];
    }
}

static void fill_say(struct fill_out *out, const char *text)
{
    fill_put(out, text, strlen(text));
}

/* The word of the `%{` at `text`: its number, and how long all of it is. FILL_NONE: unknown;
 * *length is 0 when nothing closes it. */
static size_t fill_word(const char *text, size_t left, size_t *length)
{
    const char *end = memchr(text, '}', left < 40 ? left : 40);
    *length = end ? (size_t)(end + 1 - text) : 0;
    for (size_t i = 0; end && i < FILL_WORDS; i++) {
        if (*length == strlen(fill_words[i]) + 3 &&
            memcmp(text + 2, fill_words[i], *length - 3) == 0)
            return i;
    }
    return FILL_NONE;
}

static bool fill_opens(const char *text, size_t left)
{
    return left >= 2 && text[0] == '%' && text[1] == '{';
}

static void fill_value(struct fill_out *out, size_t word, const struct sp_reply_values *values)
{
    char text[64] = "";
    time_t at = (time_t)values->time;
    struct tm t = {0};
    if (word == 0)
        snprintf(text, sizeof text, "%llu", (unsigned long long)values->retry_after);
    else if (word == 1)
        snprintf(text, sizeof text, "%s", values->state);
    else if (gmtime_r(&at, &t) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &t) == 0)
        text[0] = 0;
    fill_say(out, text);
}

static void fill_text(struct fill_out *out, const char *text, size_t size,
                      const struct sp_reply_values *values)
{
    for (size_t i = 0; i < size;) {
        size_t length = 1, word = FILL_NONE;
        if (fill_opens(text + i, size - i))
            word = fill_word(text + i, size - i, &length);
        if (word == FILL_NONE)
            fill_put(out, text + i, length = 1);
        else
            fill_value(out, word, values);
        i += length;
    }
}

/* --- HTTP --- */

static bool fill_http(const char *file, size_t size)
{
    return size >= 5 && memcmp(file, "HTTP/", 5) == 0;
}

/* The line at `at`: its length without its end; *next is where the one behind it begins. */
static size_t fill_line(const char *file, size_t size, size_t at, size_t *next)
{
    const char *end = memchr(file + at, '\n', size - at);
    size_t length = end ? (size_t)(end - file) - at : size - at;
    *next = at + length + (end != NULL);
    return length > 0 && file[at + length - 1] == '\r' ? length - 1 : length;
}

static bool fill_header(const char *line, size_t length, const char *name)
{
    size_t size = strlen(name);
    return length > size && line[size] == ':' && strncasecmp(line, name, size) == 0;
}

/* 204 and 304 never have a body, nor what tells its length. */
static bool fill_bodiless(const char *file, size_t size)
{
    return size >= 12 && (memcmp(file + 9, "204", 3) == 0 || memcmp(file + 9, "304", 3) == 0);
}

/* Returns where the body begins. */
static size_t fill_head(struct fill_out *out, const char *file, size_t size,
                        const struct sp_reply_values *values)
{
    size_t at = 0, next = 0;
    for (; at < size; at = next) {
        size_t length = fill_line(file, size, at, &next);
        if (length == 0)
            return next;
        if (fill_header(file + at, length, "content-length") ||
            fill_header(file + at, length, "connection"))
            continue;
        fill_text(out, file + at, length, values);
        fill_say(out, "\r\n");
    }
    return size;
}

size_t sp_reply_fill(const char *file, size_t size, const struct sp_reply_values *values,
                     bool bodiless, char *out, size_t room)
{
    struct fill_out text = {out, room, 0}, body = {NULL, 0, 0};
    char length[64];
    if (!fill_http(file, size)) {
        fill_text(&text, file, size, values);
        return text.length;
    }
    size_t at = fill_head(&text, file, size, values);
    bool none = fill_bodiless(file, size);
    fill_text(&body, file + at, size - at, values);
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", body.length);
    fill_say(&text, none ? "" : length);
    fill_say(&text, "Connection: close\r\n\r\n");
    if (!none && !bodiless)
        fill_text(&text, file + at, size - at, values);
    return text.length;
}

/* --- is it one? --- */

static bool fill_fault(struct sp_reply_fault *fault, unsigned line, size_t column, size_t length,
                       const char *text)
{
    fault->line = line;
    fault->column = (unsigned)column + 1;
    fault->length = length ? (unsigned)length : 1;
    snprintf(fault->text, sizeof fault->text, "%s", text);
    return false;
}

static bool fill_check_words(const char *file, size_t size, struct sp_reply_fault *fault)
{
    unsigned line = 1;
    for (size_t i = 0, begin = 0, length; i < size; i++) {
        if (file[i] == '\n') {
            line++;
            begin = i + 1;
        }
        if (!fill_opens(file + i, size - i) || fill_word(file + i, size - i, &length) != FILL_NONE)
            continue;
        return fill_fault(fault, line, i - begin, length,
                          length ? "unknown word; possible here: %{retry_after} %{state} %{time}"
                                 : "a '%{' that no '}' closes");
    }
    return true;
}

static bool fill_check_status(const char *line, size_t length, struct sp_reply_fault *fault)
{
    bool known = length >= 12 && memcmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ';
    for (size_t i = 9; known && i < 12; i++)
        known = line[i] >= '0' && line[i] <= '9';
    if (!known)
        return fill_fault(
            fault, 1, 0, length,
            "an HTTP answer begins with a line like: HTTP/1.1 503 Service Unavailable");
    return line[9] >= '2' || fill_fault(fault, 1, 9, 3, "1xx is never the whole answer");
}

static bool fill_check_header(const char *line, size_t length, unsigned number,
                              struct sp_reply_fault *fault)
{
    const char *colon = memchr(line, ':', length);
    if (colon == NULL || colon == line || memchr(line, ' ', (size_t)(colon - line)) != NULL)
        return fill_fault(fault, number, 0, length,
                          "no header; an empty line ends the head: Retry-After: %{retry_after}");
    if (fill_header(line, length, "transfer-encoding"))
        return fill_fault(fault, number, 0, length,
                          "the answer is sent whole, with Content-Length: remove the line");
    return true;
}

static bool fill_check_head(const char *file, size_t size, struct sp_reply_fault *fault)
{
    size_t next, length = fill_line(file, size, 0, &next);
    unsigned number = 1;
    if (!fill_check_status(file, length, fault))
        return false;
    for (size_t at = next; at < size; at = next) {
        length = fill_line(file, size, at, &next);
        if (length == 0)
            return true;
        if (!fill_check_header(file + at, length, ++number, fault))
            return false;
    }
    return true;
}

bool sp_reply_check(const char *file, size_t size, struct sp_reply_fault *fault)
{
    if (size == 0)
        return fill_fault(fault, 0, 0, 0, "it is empty, and an answer says something");
    if (size > SP_REPLY_MAX)
        return fill_fault(fault, 0, 0, 0, "an answer has at most 64KiB");
    return fill_check_words(file, size, fault) &&
           (!fill_http(file, size) || fill_check_head(file, size, fault));
}
