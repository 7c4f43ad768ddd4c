#include "cli/http.h"

#include "cli/command.h"
#include "cli/say.h"

#ifndef SP_WITH_HTTP

int http_serve(int fd, const struct http *http)
{
    (void)fd;
    (void)http;
    say_error("serve is not in this build: it was made without libmicrohttpd");
    say_more("apt install libmicrohttpd-dev, then make; until then: shearpin metrics --textfile");
    return CLI_SYSTEM;
}

#else

#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define HTTP_LIBRARY     "libmicrohttpd.so.12"
#define HTTP_CONNECTIONS 128u
#define HTTP_TIMEOUT     10u /* seconds that a connection may be silent */

/* X(name without MHD_) */
#define HTTP_CALLS(X)              \
    X(start_daemon)                \
    X(stop_daemon)                 \
    X(run)                         \
    X(get_timeout)                 \
    X(get_daemon_info)             \
    X(create_response_from_buffer) \
    X(add_response_header)         \
    X(queue_response)              \
    X(destroy_response)

static struct {
#define X(name) __typeof__(MHD_##name) *name;
    HTTP_CALLS(X)
#undef X
} mhd;

static int http_load(void)
{
    void *library = dlopen(HTTP_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool whole = library != NULL;
#define X(name) \
    whole = whole && (mhd.name = (__typeof__(mhd.name))dlsym(library, "MHD_" #name)) != NULL;
    HTTP_CALLS(X)
#undef X
    if (whole)
        return CLI_OK;
    say_error("serve needs " HTTP_LIBRARY ": %s", dlerror());
    say_more("apt install libmicrohttpd12");
    return CLI_SYSTEM;
}

/* --- one request --- */

static enum MHD_Result http_send(struct MHD_Connection *connection, unsigned code, const char *type,
                                 char *body, size_t size)
{
    struct MHD_Response *response =
        mhd.create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    mhd.add_response_header(response, "Content-Type", type);
    mhd.add_response_header(response, "Cache-Control", "no-store");
    mhd.add_response_header(response, "X-Content-Type-Options", "nosniff");
    mhd.add_response_header(
        response, "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src "
        "'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        mhd.add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result queued = mhd.queue_response(connection, code, response);
    mhd.destroy_response(response);
    return queued;
}

static unsigned http_ask(const struct http *http, const char *path, const char *method,
                         struct http_answer *answer)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return http->answer(http->context, path, answer);
    fputs("this server only tells: GET or HEAD\n", answer->body);
    return MHD_HTTP_METHOD_NOT_ALLOWED;
}

static enum MHD_Result http_request(void *context, struct MHD_Connection *connection,
                                    const char *path, const char *method, const char *version,
                                    const char *upload, size_t *upload_size, void **seen)
{
    char *body = NULL;
    size_t size = 0;
    (void)version;
    (void)upload;
    if (!*seen) { /* only the head has come so far */
        *seen = connection;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    struct http_answer answer = {"text/plain; charset=utf-8", open_memstream(&body, &size)};
    if (!answer.body)
        return MHD_NO;
    unsigned code = http_ask(context, path, method, &answer);
    if (fclose(answer.body) != 0) {
        free(body);
        return MHD_NO;
    }
    return http_send(connection, code, answer.type, body, size);
}

/* --- until it is told to stop --- */

static volatile sig_atomic_t http_over;

static void http_stop(int signal)
{
    (void)signal;
    http_over = 1;
}

/* Signals come while it sleeps and only then, so none is missed between a look and a sleep. */
static void http_signals(sigset_t *asleep)
{
    struct sigaction stop = {.sa_handler = http_stop};
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, asleep);
    sigdelset(asleep, SIGINT);
    sigdelset(asleep, SIGTERM);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void http_loop(struct MHD_Daemon *daemon, const struct http *http)
{
    sigset_t asleep;
    uint64_t next = sp_now();
    int fd = mhd.get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    http_signals(&asleep);
    while (!http_over) {
        MHD_UNSIGNED_LONG_LONG ms;
        uint64_t now = sp_now();
        if (now >= next) {
            http->tick(http->context);
            next = now + http->pause;
        }
        uint64_t sleep = next > now ? next - now : 0;
        if (mhd.get_timeout(daemon, &ms) == MHD_YES && ms * SP_MS < sleep)
            sleep = ms * SP_MS;
        struct timespec t = {(time_t)(sleep / SP_SECOND), (long)(sleep % SP_SECOND)};
        ppoll(&ready, 1, &t, &asleep);
        mhd.run(daemon);
    }
}

int http_serve(int fd, const struct http *http)
{
    int status = http_load();
    if (status != CLI_OK)
        return status;
    struct MHD_Daemon *daemon = mhd.start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, http_request, (void *)http, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, HTTP_TIMEOUT,
        MHD_OPTION_END);
    if (!daemon) {
        say_error("the web server did not start: %s", strerror(errno));
        return CLI_SYSTEM;
    }
    http_loop(daemon, http);
    mhd.stop_daemon(daemon);
    return CLI_OK;
}

#endif
