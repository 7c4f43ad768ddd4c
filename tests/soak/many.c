/* many PORT: asks redis PING over a connection of its own each time, until its stdin ends. Then it
 * says how many connections it made and how many answers it got. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(unsigned short port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct linger at_once = {1, 0}; /* no TIME_WAIT: there are more connections than ports */
    char answer[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    int up = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    int answered =
        up && send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, answer, sizeof answer, 0) > 0;
    close(fd);
    return up + answered;
}

int main(int argc, char **argv)
{
    struct pollfd end = {.fd = 0, .events = POLLIN};
    unsigned long connected = 0, answered = 0;

    if (argc < 2)
        return 2;
    for (unsigned i = 0; i % 64 != 0 || poll(&end, 1, 0) == 0; i++) {
        int came = ask((unsigned short)atoi(argv[1]));
        connected += came > 0;
        answered += came > 1;
        if (i % 64 == 0)
            printf("%lu %lu\n", connected, answered), fflush(stdout);
    }
    printf("%lu %lu\n", connected, answered);
    return 0;
}
