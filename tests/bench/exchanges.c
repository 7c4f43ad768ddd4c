/*
 * exchanges - asks an echo on 127.0.0.1 a number of times over one connection, as clients do it:
 *   exchanges recv|read|loop|poll PORT COUNT
 * or connects to it and closes, well or refused, that often:
 *   exchanges connect PORT COUNT
 * or asks once over each of that many connections:
 *   exchanges each PORT COUNT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int queue;

static int hear(int fd, const char *how, char *byte)
{
    struct epoll_event event;
    struct pollfd one = {.fd = fd, .events = POLLIN};

    if (!strcmp(how, "read"))
        return read(fd, byte, 1) == 1;
    if (!strcmp(how, "loop") && epoll_wait(queue, &event, 1, -1) != 1)
        return 0;
    if (!strcmp(how, "poll") && poll(&one, 1, 60000) != 1)
        return 0;
    return recv(fd, byte, 1, 0) == 1;
}

static int connects(const struct sockaddr_in *to, const char *how, int count)
{
    char byte = '?';

    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0 && errno != ECONNREFUSED) {
            perror("connect");
            return 1;
        }
        if (!strcmp(how, "each") && (send(fd, &byte, 1, 0) != 1 || !hear(fd, how, &byte))) {
            perror(how);
            return 1;
        }
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char byte = '?';

    if (argc != 4)
        return 2;
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    if (!strcmp(argv[1], "connect") || !strcmp(argv[1], "each"))
        return connects(&to, argv[1], atoi(argv[3]));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return 1;
    queue = epoll_create1(0);
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN});
    if (!strcmp(argv[1], "loop") || !strcmp(argv[1], "poll"))
        fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < atoi(argv[3]); i++) {
        ssize_t sent = strcmp(argv[1], "read") ? send(fd, &byte, 1, 0) : write(fd, &byte, 1);

        if (sent != 1 || !hear(fd, argv[1], &byte)) {
            perror(argv[1]);
            return 1;
        }
    }
    return 0;
}
