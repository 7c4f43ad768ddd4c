/* http.h - the web server of `serve`: libmicrohttpd, loaded when it is needed, so that no other
 * command pays for it and for what it loads itself. */
#ifndef SHEARPIN_CLI_HTTP_H
#define SHEARPIN_CLI_HTTP_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>

/* An answer to GET or HEAD. `body` is written to; returns the status code. */
struct http_answer {
    const char *type; /* preset to text/plain */
    FILE *body;
};
typedef unsigned http_fn(void *context, const char *path, struct http_answer *answer);
/* Called at least every `pause`. */
typedef void http_tick_fn(void *context);

struct http {
    http_fn *answer;
    http_tick_fn *tick;
    uint64_t pause; /* ns */
    void *context;
};

/* Serves on a listening socket until SIGINT or SIGTERM. No threads: a slow reader delays nobody.
 * Returns an exit status, after saying what is wrong. */
int http_serve(int fd, const struct http *http);

#endif
