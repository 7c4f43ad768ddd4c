/* A name rule matches addresses that the process has looked up, and no others. */
#include "harness.h"

#include <netdb.h>
#include <netinet/in.h>

/* look_up WAY ADDRESS: asks for localhost, then connects by number. */
static bool look_up(const char *way)
{
    struct addrinfo *list = NULL, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct hostent entry, *found = NULL;
    char room[1024];
    int error = 0;

    if (!strcmp(way, "getaddrinfo")) {
        error = getaddrinfo("localhost", NULL, &hints, &list);
        if (!error)
            freeaddrinfo(list);
        return !error;
    }
    if (!strcmp(way, "gethostbyname"))
        return gethostbyname("localhost") != NULL;
    if (!strcmp(way, "gethostbyname2"))
        return gethostbyname2("localhost", AF_INET) != NULL;
    if (!strcmp(way, "gethostbyname_r"))
        return !gethostbyname_r("localhost", &entry, room, sizeof room, &found, &error) && found;
    if (!strcmp(way, "gethostbyname2_r"))
        return !gethostbyname2_r("localhost", AF_INET, &entry, room, sizeof room, &found, &error) &&
               found;
    return true; /* none */
}

VICTIM(look_up)
{
    if (!look_up(argv[1]))
        return 1;
    if (argc > 3) {
        execl("/proc/self/exe", "self", "--victim", "dial", argv[2], NULL);
        return 1;
    }
    int fd = dial(argv[2]);
    say("%s", word_of(fd < 0 ? fd : 0));
    return 0;
}

/* The destination refuses everything: who is refused was matched. */
static struct server *named(void)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match LocalHost:%u\n breaker streak 1  open 60s\n", server->port);
    world_env("SHEARPIN_SET", "d.inject=refuse");
    return server;
}

START_TEST(every_way_to_look_up)
{
    static const char *const ways[] = {"getaddrinfo", "gethostbyname", "gethostbyname2",
                                       "gethostbyname_r", "gethostbyname2_r"};
    struct server *server = named();

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *said = victim_says("look_up", ways[i], server->text, NULL);
        ck_assert_msg(!strcmp(said, "ECONNREFUSED"), "%s: %s", ways[i], said);
    }
    ck_assert_str_eq(victim_says("look_up", "none", server->text, NULL), "ok");
    ck_assert_uint_eq(atomic_load(&world_segment()->head->unmatched), 1);
}
END_TEST

START_TEST(names_survive_exec)
{
    struct server *server = named();

    ck_assert_str_eq(victim_says("look_up", "getaddrinfo", server->text, "exec", NULL),
                     "ECONNREFUSED");
    ck_assert_str_eq(victim_says("look_up", "none", server->text, "exec", NULL), "ok");
}
END_TEST

SCENARIO(lookup, every_way_to_look_up, names_survive_exec)
