/*
 * reply.h - canned answers: a file with a few words to be filled in, and when to send it.
 *
 * A file that begins with `HTTP/1.` is an HTTP answer: its head may end its lines as any editor
 * does, and Content-Length and `Connection: close` are written by us. Any other file is sent as it
 * is, after the first bytes of a request. In both, %{retry_after} %{state} %{time} are filled in.
 */
#ifndef SP_REPLY_H
#define SP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_REPLY_MAX (64u << 10) /* bytes of a file */

/* What is wrong with a file, and where in it; line 0: the file as a whole. */
struct sp_reply_fault {
    unsigned line, column, length;
    char text[160];
};
bool sp_reply_check(const char *file, size_t size, struct sp_reply_fault *fault);

struct sp_reply_values {
    uint64_t retry_after; /* seconds to the next probe, at least 1 */
    const char *state;    /* of the breaker */
    uint64_t time;        /* seconds of the wall's clock */
};
/* Fills a file in. Returns the length, of which not more than `room` was written. `bodiless`: the
 * request was a HEAD. */
size_t sp_reply_fill(const char *file, size_t size, const struct sp_reply_values *values,
                     bool bodiless, char *out, size_t room);

/* A request as it comes in. Zero-initialise. */
struct sp_request {
    uint8_t state;
    bool head;    /* a HEAD: the answer has no body */
    bool expects; /* `Expect: 100-continue`: the body is not sent before an answer */
    bool chunked;
    uint8_t seen;    /* characters of `line` */
    char line[64];   /* the beginning of the line that is being read, in small letters */
    uint32_t length; /* of that line */
    uint64_t left;   /* bytes of the body, or of the chunk, that are to come */
    uint64_t total;  /* bytes so far */
};
/* Hands over what came next. True: the request is whole, or as much of it as is waited for; an
 * answer may go. */
bool sp_request_feed(struct sp_request *request, const char *bytes, size_t size);

#endif
