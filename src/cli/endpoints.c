#include "cli/endpoints.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/say.h"

static struct sp_call endpoints_call(const struct look *look, const struct look_dest *d)
{
    struct sp_segment *segment = look->segment;
    return (struct sp_call){.segment = segment,
                            .dest = sp_segment_dest(segment, d->index),
                            .index = d->index,
                            .guards = &d->guards,
                            .now = look->now};
}

struct sp_scope_count endpoints_count(const struct look *look, const struct look_dest *d)
{
    struct sp_call call = endpoints_call(look, d);
    if (d->guards.breaker.scope != SP_SCOPE_ENDPOINT)
        return (struct sp_scope_count){0, 0, 0};
    return sp_scope_count(&call);
}

static int endpoints_compare(const void *a, const void *b)
{
    const struct endpoint *x = a, *y = b;
    return strcmp(x->address, y->address);
}

size_t endpoints_list(const struct look *look, const struct look_dest *d,
                      struct endpoint out[SP_ENDPOINTS])
{
    struct sp_call call = endpoints_call(look, d);
    struct sp_addr address;
    size_t count = 0;
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++) {
        struct endpoint *e = &out[count];
        call.endpoint = sp_endpoint_of(look->segment, d->index, i, &address);
        if (!call.endpoint || address.family == SP_FAMILY_NONE)
            continue;
        uint64_t changed = atomic_load(&call.endpoint->cell.changed);
        sp_addr_format(&address, e->address, sizeof e->address);
        sp_breaker_look(&call, &e->view);
        e->since = changed == 0 || changed > look->now ? SP_NEVER : look->now - changed;
        e->calls = atomic_load(&call.endpoint->calls);
        e->errors = atomic_load(&call.endpoint->errors);
        count++;
    }
    qsort(out, count, sizeof *out, endpoints_compare);
    return count;
}

static void endpoints_state(const struct endpoint *e, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    if (e->view.hold != SP_HOLD_NONE)
        sp_text_put(&text, "held %s", e->view.hold == SP_HOLD_OPEN ? "open" : "closed");
    else
        sp_text_put(&text, "%s", sp_state_words[e->view.state]);
    if (e->view.state == SP_STATE_OPEN && e->since != SP_NEVER)
        sp_text_put(&text, " %s", SAY_AGE(e->since));
}

static void endpoints_line(const struct endpoint *e, const char *title)
{
    char state[48], line[200], safe[4 * SP_ADDR_TEXT_SIZE];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    endpoints_state(e, state, sizeof state);
    sp_text_put(&text, "%s, %llu failed", SAY_COUNT(e->calls, "call"),
                (unsigned long long)e->errors);
    if (e->view.state == SP_STATE_HALF_OPEN)
        sp_text_put(&text, "; %u of %u probes succeeded", e->view.successes, e->view.needed);
    else if (e->view.streak > 0)
        sp_text_put(&text, "; %s in a row", SAY_COUNT(e->view.streak, "failure"));
    if (e->view.state == SP_STATE_OPEN && e->view.hold == SP_HOLD_NONE)
        sp_text_put(&text, e->view.until ? "; probe in %s" : "; the next call probes",
                    SAY_TOOK(e->view.until));
    printf("  %-14s%-24s %-14s %s\n", title,
           say_safe(safe, sizeof safe, e->address, sizeof e->address), state, line);
}

void endpoints_print(const struct look *look, const struct look_dest *d)
{
    struct endpoint *list = calloc(SP_ENDPOINTS, sizeof *list);
    size_t count = list ? endpoints_list(look, d, list) : 0;
    for (size_t i = 0; i < count; i++)
        endpoints_line(&list[i], i == 0 ? "endpoints" : "");
    free(list);
}

static void endpoints_json_one(struct json *json, const struct endpoint *e)
{
    static const char *const holds[SP_HOLD_COUNT] = {NULL, "open", "closed"};
    bool waits = e->view.state == SP_STATE_OPEN && e->view.hold == SP_HOLD_NONE;
    json_open(json, NULL, '{');
    json_text(json, "address", e->address, sizeof e->address);
    json_word(json, "state", sp_state_words[e->view.state]);
    json_number(json, "since_s", e->since == SP_NEVER ? NAN : (double)e->since / (double)SP_SECOND);
    if (holds[e->view.hold])
        json_word(json, "hold", holds[e->view.hold]);
    else
        json_null(json, "hold");
    json_count(json, "streak", e->view.streak);
    json_number(json, "next_probe_s", waits ? (double)e->view.until / (double)SP_SECOND : NAN);
    json_count(json, "probes", e->view.probes);
    json_count(json, "calls", e->calls);
    json_count(json, "errors", e->errors);
    json_close(json, '}');
}

void endpoints_json(struct json *json, const struct look *look, const struct look_dest *d)
{
    struct endpoint *list = calloc(SP_ENDPOINTS, sizeof *list);
    size_t count = list ? endpoints_list(look, d, list) : 0;
    struct sp_scope_count out = endpoints_count(look, d);
    json_open(json, "endpoints", '[');
    for (size_t i = 0; i < count; i++)
        endpoints_json_one(json, &list[i]);
    json_close(json, ']');
    json_count(json, "endpoints_out", out.out);
    json_bool(json, "endpoints_all_pass", out.out > out.most);
    json_count(json, "detours_total", d->life.detours);
    json_count(json, "lookup_stale_total", d->life.stale);
    free(list);
}
