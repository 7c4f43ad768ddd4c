/*
 * load.c - users in a closed loop: each asks, waits for the answer however long it takes, rests and
 * asks again:  load PORT SECONDS REST-MS NAME=USERS...
 *
 * Prints for each name `NAME good N...` and `NAME bad N...`: answers in each tenth of a second.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BINS 1200

struct name {
    char text[32];
    int users;
    _Atomic unsigned answers[2][BINS]; /* bad, good */
};

struct user {
    struct name *name;
    int number;
};

static int port, rest_ms;
static uint64_t start, end;

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int is_good(const char *name)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), length, good = 0;
    char text[512];

    length = snprintf(text, sizeof text, "GET /%s HTTP/1.0\r\n\r\n", name);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, text, (size_t)length, MSG_NOSIGNAL) == length &&
        recv(fd, text, sizeof text, 0) > 12)
        good = !memcmp(text + 9, "200", 3);
    close(fd);
    return good;
}

static void *use(void *argument)
{
    struct user *user = argument;
    uint64_t t;

    usleep((unsigned)(rest_ms * 1000 * user->number / user->name->users));
    for (;;) {
        int good = is_good(user->name->text);

        if ((t = now_ms()) >= end)
            return NULL;
        if ((t - start) / 100 < BINS)
            user->name->answers[good][(t - start) / 100]++;
        usleep((unsigned)rest_ms * 1000);
    }
}

static void begin(struct name *name)
{
    for (int i = 0; i < name->users; i++) {
        struct user *user = malloc(sizeof *user);
        pthread_t thread;

        *user = (struct user){name, i};
        if (pthread_create(&thread, NULL, use, user) != 0)
            exit(1);
    }
}

static void report(const struct name *name, int seconds)
{
    for (int good = 1; good >= 0; good--) {
        printf("%s %s", name->text, good ? "good" : "bad");
        for (int i = 0; i < seconds * 10; i++)
            printf(" %u", name->answers[good][i]);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    static struct name names[4];
    int seconds, count = argc - 4;

    if (count < 1 || count > 4 || (seconds = atoi(argv[2])) * 10 > BINS)
        return 2;
    port = atoi(argv[1]);
    rest_ms = atoi(argv[3]);
    start = now_ms();
    end = start + (uint64_t)seconds * 1000;
    puts("started");
    fflush(stdout);
    for (int i = 0; i < count; i++) {
        if (sscanf(argv[4 + i], "%31[^=]=%d", names[i].text, &names[i].users) != 2)
            return 2;
        begin(&names[i]);
    }
    usleep((unsigned)seconds * 1000000);
    for (int i = 0; i < count; i++)
        report(&names[i], seconds);
    return 0;
}
