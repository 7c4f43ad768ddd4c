/* world.c - the directory, the policy and the segment of one test. */
#include "harness.h"

#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>

static char directory[64];
static struct sp_segment segment;
static const char *group;

static void scrub_environment(void)
{
    static const char *const names[] = {"SHEARPIN",     "SHEARPIN_POLICY",   "SHEARPIN_SEGMENT",
                                        "SHEARPIN_DIR", "SHEARPIN_DEADLINE", "SHEARPIN_SET",
                                        "SHEARPIN_LOG", "LD_PRELOAD"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

void world_begin(void)
{
    const char *root = getenv("WORLD_ROOT");

    snprintf(directory, sizeof directory, "%s/XXXXXX", root ? root : "/dev/shm");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    scrub_environment();
    setenv("SHEARPIN_DIR", directory, 1);
    setenv("SHEARPIN_LOG", world_file("log"), 1);
    setenv("SHEARPIN_POLICY", world_file("policy.conf"), 1);
    segment = (struct sp_segment){0};
}

/* What a test leaves goes with the root of all worlds. */
void world_end(void)
{
    if (segment.head)
        sp_segment_detach(&segment);
    segment = (struct sp_segment){0};
}

const char *world_file(const char *name)
{
    static char paths[3][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 3];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* The test program stands in BUILD/tests. */
const char *world_tool(const char *name)
{
    static char paths[3][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 3];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

    ck_assert_int_gt(length, 0);
    path[length] = '\0';
    for (int up = 0; up < 2; up++)
        *strrchr(path, '/') = '\0';
    snprintf(path + strlen(path), PATH_MAX - strlen(path), "/%s", name);
    return path;
}

void world_group(const char *name)
{
    group = name;
}

void world_policy(const char *format, ...)
{
    FILE *file = fopen(world_file("policy.conf"), "w");
    va_list arguments;

    ck_assert_ptr_nonnull(file);
    fprintf(file, group ? "segment test group %s\n" : "segment test\n", group);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    ck_assert_int_eq(fclose(file), 0);
}

void world_env(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static int attach(struct sp_error *error)
{
    char path[256];

    if (segment.head)
        return 0;
    if (sp_place_path(path, sizeof path, getenv("SHEARPIN_DIR"), "test", group, error))
        return -1;
    return sp_segment_attach(&segment, path, error);
}

struct sp_segment *world_segment(void)
{
    struct sp_error error;

    ck_assert_msg(attach(&error) == 0, "%s", error.text);
    return &segment;
}

bool world_has_segment(void)
{
    struct sp_error error;

    return attach(&error) == 0;
}

struct sp_dest *world_dest(const char *name)
{
    struct sp_dest *dest = sp_segment_dest_named(world_segment(), name, NULL);

    ck_assert_msg(dest != NULL, "the segment has no destination '%s'", name);
    return dest;
}

struct sp_figures world_figures(const char *dest)
{
    struct sp_figures figures;

    sp_count_sum(world_dest(dest), &figures);
    return figures;
}

/* For a segment that this process only looks at, everybody is alive. */
static enum sp_life everybody(void *context, uint32_t slot, uint32_t *now_ms)
{
    (void)now_ms;
    (void)context, (void)slot;
    return true;
}

struct sp_breaker_view world_breaker(const char *name)
{
    struct sp_guards guards;
    struct sp_breaker_view view;
    struct sp_call call = {
        .segment = world_segment(), .guards = &guards, .now = sp_now(), .alive = everybody};

    call.dest = sp_segment_dest_named(call.segment, name, &call.index);
    ck_assert_ptr_nonnull(call.dest);
    sp_segment_guards(call.segment, call.index, &guards);
    sp_breaker_look(&call, &view);
    return view;
}

unsigned world_leases(const char *name)
{
    uint32_t count;
    sp_word *words = sp_lease_words(world_segment(), world_dest(name), SP_CAP_CONNECTIONS, &count);

    return words ? sp_lease_held(&segment, words, count) : 0;
}

unsigned world_events(enum sp_event_kind kind)
{
    struct sp_event event;
    uint64_t last = sp_event_last(world_segment());
    unsigned found = 0;

    for (uint64_t sequence = 1; sequence <= last; sequence++)
        if (sp_event_read(&segment, &sequence, &event) == 1 && event.kind == kind)
            found++;
    return found;
}

unsigned world_log(char *first, size_t size)
{
    FILE *file = fopen(world_file("log"), "r");
    char line[1024];
    unsigned lines = 0;

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (lines++ == 0 && first)
            snprintf(first, size, "%s", line);
    fclose(file);
    return lines;
}

struct server *world_faulty_server(struct server *server, const char *fault, const char *guards)
{
    char set[128];

    snprintf(set, sizeof set, "d.inject=%s", fault);
    world_env("SHEARPIN_SET", set);
    world_policy("destination d\n match %s\n %s\n", server->text, guards);
    return server;
}

struct server *world_faulty(const char *fault, const char *guards)
{
    return world_faulty_server(server_start(AF_INET, ECHO), fault, guards);
}
