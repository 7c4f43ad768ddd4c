#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/answer.h"
#include "cli/event.h"
#include "cli/http.h"
#include "cli/metric.h"
#include "cli/page.h"
#include "cli/say.h"
#include "cli/status.h"

#define SERVE_LISTEN "127.0.0.1:9464"
#define SERVE_PAUSE  SP_SECOND
#define SERVE_EVENTS 20

struct serve {
    struct cli *cli;
    struct group group;
    int fd; /* it listens on */
    bool said;
    bool failed; /* somebody cannot give canned answers, which was said */
};

/* --- /status.json: what `status --json` prints of each segment, and what lies behind it --- */

static void serve_past(struct json *json, const struct group_seat *seat)
{
    json_open(json, "history", '{');
    for (uint32_t i = 0; seat->past && i < seat->look.count; i++) {
        const struct look_dest *d = &seat->look.dests[i];
        json_open(json, d->name, '[');
        for (size_t t = 0; t < GROUP_PAST; t++)
            json_number(json, NULL, (double)seat->past[d->index][t]);
        json_close(json, ']');
    }
    json_close(json, '}');
}

static void serve_events(struct json *json, const struct group_seat *seat)
{
    struct sp_event event;
    uint64_t last = sp_event_last(&seat->segment), sequence = event_first(&seat->segment);
    if (last > SERVE_EVENTS && sequence + SERVE_EVENTS <= last)
        sequence = last - SERVE_EVENTS + 1;
    json_open(json, "events", '[');
    while (event_next(&seat->segment, &sequence, &event))
        event_json(json, &event);
    json_close(json, ']');
}

static void serve_status(const struct group *group, FILE *out)
{
    struct json json = {.out = out};
    json_open(&json, NULL, '{');
    json_open(&json, "segments", '[');
    for (size_t i = 0; i < group->count; i++) {
        const struct group_seat *seat = group->seats[i];
        json_open(&json, NULL, '{');
        json_word(&json, "name", seat->name);
        status_json(&json, "status", &seat->look, NULL);
        serve_past(&json, seat);
        serve_events(&json, seat);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
}

/* The page comes with its first figures in it. Inside of a script only '<' could end it. */
static void serve_page(const struct group *group, FILE *out)
{
    char *status = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&status, &size);
    const char *gap = memmem(page_text, page_size, PAGE_GAP, strlen(PAGE_GAP));
    if (file) {
        serve_status(group, file);
        fclose(file);
    }
    if (gap && status) {
        fwrite(page_text, 1, (size_t)(gap - page_text), out);
        for (size_t i = 0; i < size; i++) {
            if (status[i] == '<')
                fputs("\\u003c", out);
            else
                putc(status[i], out);
        }
        gap += strlen(PAGE_GAP);
        fwrite(gap, 1, (size_t)(page_text + page_size - gap), out);
    }
    free(status);
}

/* --- the paths --- */

static unsigned serve_home(struct serve *serve, struct http_answer *answer)
{
    answer->type = "text/html; charset=utf-8";
    serve_page(&serve->group, answer->body);
    return 200;
}

static unsigned serve_json(struct serve *serve, struct http_answer *answer)
{
    answer->type = "application/json";
    serve_status(&serve->group, answer->body);
    putc('\n', answer->body);
    return 200;
}

static unsigned serve_metrics(struct serve *serve, struct http_answer *answer)
{
    answer->type = "text/plain; version=0.0.4; charset=utf-8";
    return metric_group(answer->body, &serve->group) ? 200 : 500;
}

/* It answers, so it lives. */
static unsigned serve_health(struct serve *serve, struct http_answer *answer)
{
    (void)serve;
    fputs("ok\n", answer->body);
    return 200;
}

static unsigned serve_ready(struct serve *serve, struct http_answer *answer)
{
    size_t count = serve->group.count;
    if (count == 0)
        fputs("nothing is running under shearpin\n", answer->body);
    else
        fprintf(answer->body, "%s\n", SAY_COUNT(count, "segment"));
    return count > 0 ? 200 : 503;
}

static const struct serve_path {
    const char *path;
    unsigned (*answer)(struct serve *serve, struct http_answer *answer);
} serve_paths[] = {{"/", serve_home},
                   {"/metrics", serve_metrics},
                   {"/status.json", serve_json},
                   {"/healthz", serve_health},
                   {"/readyz", serve_ready}};
#define SERVE_PATHS (sizeof serve_paths / sizeof *serve_paths)

static unsigned serve_answer(void *context, const char *path, struct http_answer *answer)
{
    for (size_t i = 0; i < SERVE_PATHS; i++) {
        if (strcmp(path, serve_paths[i].path) == 0)
            return serve_paths[i].answer(context, answer);
    }
    fputs("there is", answer->body);
    for (size_t i = 0; i < SERVE_PATHS; i++)
        fprintf(answer->body, " %s", serve_paths[i].path);
    putc('\n', answer->body);
    return 404;
}

/* --- where --- */

static int serve_bad(const char *text, const char *why)
{
    say_error("cannot listen on %s: %s", text, why);
    say_more("--listen wants ADDRESS:PORT, like " SERVE_LISTEN " or [::]:9464; port 0 takes any");
    return -1;
}

static int serve_bound(const struct addrinfo *at)
{
    int one = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, 128) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

/* A listening socket, or -1 after saying why not. */
static int serve_listen(const char *text)
{
    char host[256];
    const char *colon = strrchr(text, ':'), *from = text, *to = colon;
    uint64_t port;
    struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (!colon || colon == text || !colon[1])
        return serve_bad(text, "it is no address with a port");
    if (sp_text_parse_count(colon + 1, strlen(colon + 1), &port) != SP_TEXT_OK || port > 65535)
        return serve_bad(text,
                         "a port is 0 to 65535"); /* getaddrinfo() would take the rest of it */
    if (*text == '[' && colon[-1] == ']')
        from++, to--;
    snprintf(host, sizeof host, "%.*s", (int)(to - from), from);
    int code = getaddrinfo(host, colon + 1, &hints, &list);
    if (code != 0)
        return serve_bad(text, gai_strerror(code));
    int fd = serve_bound(list);
    freeaddrinfo(list);
    return fd >= 0 ? fd : serve_bad(text, strerror(errno));
}

static void serve_say(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t length = sizeof at;
    char host[64], port[16];
    if (getsockname(fd, (struct sockaddr *)&at, &length) != 0 ||
        getnameinfo((struct sockaddr *)&at, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    bool brackets = at.ss_family == AF_INET6;
    printf("http://%s%s%s:%s/\n", brackets ? "[" : "", host, brackets ? "]" : "", port);
    fflush(stdout);
}

/* The canned answers that a policy names are given as long as we are here. */
static void serve_replies(struct serve *serve)
{
    struct sp_error error = {0};
    int failed = 0;
    for (size_t i = 0; i < serve->group.count; i++) {
        struct group_seat *seat = serve->group.seats[i];
        if (!seat->gone && answer_start(&seat->segment, &error) != 0)
            failed++;
    }
    if (failed > 0 && !serve->failed)
        say_error("%s", error.text);
    serve->failed = failed > 0;
}

static void serve_tick(void *context)
{
    struct serve *serve = context;
    group_tick(serve->cli, &serve->group);
    serve_replies(serve);
    if (!serve->said && !serve->cli->quiet)
        serve_say(serve->fd);
    serve->said = true;
}

int serve_main(struct cli *cli)
{
    struct serve serve = {.cli = cli};
    struct http http = {serve_answer, serve_tick, SERVE_PAUSE, &serve};
    serve.fd = serve_listen(cli->listen ? cli->listen : SERVE_LISTEN);
    if (serve.fd < 0)
        return CLI_SYSTEM;
    int status = http_serve(serve.fd, &http);
    group_free(&serve.group);
    return status;
}
