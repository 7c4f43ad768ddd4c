/*
 * server.c - the other side of every exchange: `server THREADS [PATH]` answers what ends in an
 * empty line with 64 bytes of HTTP, on a port of 127.0.0.1 (any address of this host) or a unix
 * socket.
 *
 * It prints its port and lives until its stdin ends. Each thread serves one connection after the
 * other with blocking calls: the least that a server can do. `server 0` answers nothing, and holds
 * any number of connections.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static int listener;

static void serve(int fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n"
                                 "0123456789012345678901234";
    char request[4096];
    ssize_t got;
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    while ((got = recv(fd, request, sizeof request, 0)) > 0)
        if (got >= 4 && !memcmp(request + got - 4, "\r\n\r\n", 4) &&
            send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            break;
    close(fd);
}

static void *serve_all(void *nothing)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            serve(fd);
    }
    return nothing;
}

/* Holds what comes until the other side ends it. */
static void *hold_all(void *nothing)
{
    int queue = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

    epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event);
    while (epoll_wait(queue, &event, 1, -1) == 1) {
        if (event.data.fd != listener) {
            close(event.data.fd);
        } else if ((event.data.fd = accept(listener, NULL, NULL)) >= 0) {
            epoll_ctl(queue, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
    return nothing;
}

static void listen_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, BACKLOG) != 0) {
        perror(path);
        exit(1);
    }
    puts(path);
}

static void listen_tcp(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0) {
        perror("listen");
        exit(1);
    }
    printf("%d\n", ntohs(at.sin_port));
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t thread;

    if (argc > 2)
        listen_unix(argv[2]);
    else
        listen_tcp();
    fflush(stdout);
    if (threads == 0 && pthread_create(&thread, NULL, hold_all, NULL) != 0)
        return 1;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread, NULL, serve_all, NULL) != 0)
            return 1;
    while (getchar() != EOF)
        ;
    return 0;
}
