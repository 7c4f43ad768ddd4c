/* The shim keeps no fd, writes to none of 0 to 2, and takes no number that the program expects. */
#include "harness.h"

/* descriptors ADDRESS: before and after a guarded conversation. */
VICTIM(descriptors)
{
    int before = descriptors(), fd = dial(argv[1]);

    ask(fd);
    close(fd);
    say("%d %d %d", before, descriptors(), fd);
    return 0;
}

START_TEST(keeps_no_descriptor)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n deadline connect 1s\n breaker streak 3\n cap 9\n",
                 server->text);
    struct victim *bare = victim_start_bare("descriptors", server->text, NULL);
    char expected[64];
    snprintf(expected, sizeof expected, "%s", victim_hear(bare));
    ck_assert_int_eq(victim_end(bare), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(victim_says("descriptors", server->text, NULL), expected);
}
END_TEST

/* without_standard ADDRESS: starts itself with 0 to 2 closed; the first sockets take them. */
VICTIM(without_standard)
{
    char channel[12];

    snprintf(channel, sizeof channel, "%d", dup(1));
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    execl("/proc/self/exe", "self", "--victim", "low_numbers", argv[1], channel, NULL);
    return 1;
}

/* low_numbers ADDRESS CHANNEL: nothing but the echoed bytes may arrive on them. */
VICTIM(low_numbers)
{
    int channel = atoi(argv[2]), good = 0;

    for (int i = 0; i < 3; i++) {
        int fd = dial(argv[1]);

        good += fd == i && ask(fd) == 0;
    }
    for (int fd = 0; fd < 3; fd++) {
        char byte;

        good += recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
    }
    dup2(channel, 1);
    say("%d", good);
    return 0;
}

START_TEST(leaves_low_numbers_alone)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match %s\n cap 9\n", server->text);
    ck_assert_str_eq(victim_says("without_standard", server->text, NULL), "6");
}
END_TEST

/* A broken policy is said in the log and nowhere else: victim_says() watches stderr. */
START_TEST(complains_elsewhere)
{
    struct server *server = server_start(AF_INET, ECHO);

    world_policy("destination d\n match\n");
    ck_assert_str_eq(victim_says("without_standard", server->text, NULL), "6");
}
END_TEST

SCENARIO(silence, keeps_no_descriptor, leaves_low_numbers_alone, complains_elsewhere)
