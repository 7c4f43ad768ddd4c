/*
 * front.c - front.py in C: 16 threads; GET /NAME asks the service of that name, one connection a
 * request:  front NAME=PORT...      prints its port
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS 16

static char **services;
static int listener;

static int port_of(const char *name)
{
    size_t length = strcspn(name, " ");

    for (char **s = services; *s; s++)
        if (!strncmp(*s, name, length) && (*s)[length] == '=')
            return atoi(*s + length + 1);
    return 0;
}

/* The answer of the service, or less than one byte. */
static ssize_t ask(int port, char *answer, size_t size)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: front\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t got = -1;

    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
        got = recv(fd, answer, size, 0);
    close(fd);
    return got;
}

static void serve(int fd)
{
    static const char failed[] = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    char request[2048], answer[2048];
    ssize_t got = recv(fd, request, sizeof request - 1, 0);

    if (got <= 5)
        return;
    request[got] = '\0';
    got = ask(port_of(request + 5), answer, sizeof answer);
    if (got > 0)
        send(fd, answer, (size_t)got, MSG_NOSIGNAL);
    else
        send(fd, failed, sizeof failed - 1, MSG_NOSIGNAL);
}

static void *serve_all(void *nothing)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0) {
            serve(fd);
            close(fd);
        }
    }
    return nothing;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    pthread_t thread;

    services = argv + (argc > 0);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0) {
        perror("listen");
        return 1;
    }
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (int i = 1; i < THREADS; i++)
        if (pthread_create(&thread, NULL, serve_all, NULL) != 0)
            return 1;
    serve_all(NULL);
    return 0;
}
