/* request.c - when has a request come whole? HTTP/1 is known by its first line; of anything else
 * the first bytes are enough. Nothing is kept of it, and no more of it is waited for than fits. */
#include "reply/reply.h"

#include <string.h>
#include <strings.h>

#define REQUEST_METHOD 20u          /* characters; longer ones do not exist */
#define REQUEST_MOST   (1u << 20)   /* bytes that an answer is held back for */
#define REQUEST_CHUNK  (1ull << 40) /* larger sizes are no sizes */

enum {
    REQUEST_FIRST,
    REQUEST_HEAD,
    REQUEST_BODY,
    REQUEST_SIZE,
    REQUEST_CHUNKED,
    REQUEST_TRAILER,
    REQUEST_DONE
};

static void request_line_begin(struct sp_request *r)
{
    r->seen = 0;
    r->length = 0;
}

static void request_line_add(struct sp_request *r, char c)
{
    if (c == '\r')
        return;
    if (r->seen < sizeof r->line - 1)
        r->line[r->seen++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    r->line[r->seen] = 0;
    r->length++;
}

/* Can the first line so far still be one of HTTP? METHOD, a blank, anything. */
static bool request_method(const struct sp_request *r, char c)
{
    bool before = memchr(r->line, ' ', r->seen) == NULL;
    if (!before)
        return true;
    if (c == ' ')
        return r->seen > 0;
    return c >= 'A' && c <= 'Z' && r->seen < REQUEST_METHOD;
}

static uint64_t request_number(const char *text, unsigned base)
{
    uint64_t value = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    for (; *text && value < REQUEST_CHUNK; text++) {
        unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
                         : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
                                                        : base;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    return value;
}

/* The end of the head: what follows it? */
static uint8_t request_body(struct sp_request *r)
{
    if (r->expects)
        return REQUEST_DONE;
    if (r->chunked)
        return REQUEST_SIZE;
    return r->left > 0 ? REQUEST_BODY : REQUEST_DONE;
}

static uint8_t request_header(struct sp_request *r)
{
    if (r->length == 0)
        return request_body(r);
    if (strncmp(r->line, "content-length:", 15) == 0)
        r->left = request_number(r->line + 15, 10);
    else if (strncmp(r->line, "transfer-encoding:", 18) == 0)
        r->chunked = strstr(r->line + 18, "chunked") != NULL;
    else if (strncmp(r->line, "expect:", 7) == 0)
        r->expects = strstr(r->line + 7, "100-continue") != NULL;
    return REQUEST_HEAD;
}

/* ` HTTP/1.1` may stand behind more of a path than is kept, so a cut line is believed. */
static uint8_t request_first(struct sp_request *r)
{
    bool whole = r->length == r->seen;
    if (memchr(r->line, ' ', r->seen) == NULL || (whole && strstr(r->line, " http/1.") == NULL))
        return REQUEST_DONE;
    r->head = strncmp(r->line, "head ", 5) == 0;
    return REQUEST_HEAD;
}

static uint8_t request_line(struct sp_request *r)
{
    switch (r->state) {
    case REQUEST_FIRST:
        return request_first(r);
    case REQUEST_HEAD:
        return request_header(r);
    case REQUEST_SIZE:
        if (r->length == 0) /* behind a chunk */
            return REQUEST_SIZE;
        r->left = request_number(r->line, 16);
        return r->left ? REQUEST_CHUNKED : REQUEST_TRAILER;
    case REQUEST_TRAILER:
        return r->length ? REQUEST_TRAILER : REQUEST_DONE;
    default:
        return r->state;
    }
}

/* A byte that belongs to a line. */
static void request_byte(struct sp_request *r, char c)
{
    if (c == '\n') {
        r->state = request_line(r);
        request_line_begin(r);
    } else if (r->state == REQUEST_FIRST && !request_method(r, c)) {
        r->state = REQUEST_DONE;
    } else {
        request_line_add(r, c);
    }
}

/* Bytes of a body or chunk; returns how many of them. */
static size_t request_skip(struct sp_request *r, size_t size)
{
    size_t part = r->left < size ? (size_t)r->left : size;
    r->left -= part;
    if (r->left == 0)
        r->state = r->state == REQUEST_CHUNKED ? REQUEST_SIZE : REQUEST_DONE;
    return part;
}

bool sp_request_feed(struct sp_request *r, const char *bytes, size_t size)
{
    r->total += size;
    for (size_t i = 0; i < size && r->state != REQUEST_DONE;) {
        if (r->state == REQUEST_BODY || r->state == REQUEST_CHUNKED)
            i += request_skip(r, size - i);
        else
            request_byte(r, bytes[i++]);
    }
    return r->state == REQUEST_DONE || r->total > REQUEST_MOST;
}
