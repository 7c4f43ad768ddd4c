/*
 * unguarded.c - N reads or writes on an fd that no destination takes, in a process that holds a
 * guarded connection:  unguarded read|write|recv N ADDRESS-PORT
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void hold_connection(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to) != 0) {
        perror("connect");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    long count = argc == 4 ? atol(argv[2]) : 0, good = 0;
    int pair[2];
    char byte = 'x';

    if (count <= 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
        return 2;
    hold_connection(argv[3]);
    for (long i = 0; i < count; i++) {
        if (!strcmp(argv[1], "write"))
            good += write(pair[0], &byte, 1) == 1 && recv(pair[1], &byte, 1, 0) == 1;
        else if (!strcmp(argv[1], "read"))
            good += send(pair[0], &byte, 1, 0) == 1 && read(pair[1], &byte, 1) == 1;
    }
    return good == count ? 0 : 1;
}
