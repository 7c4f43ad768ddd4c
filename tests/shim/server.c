/* server.c - the other side: one thread a server, in the test process. */
#include "harness.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/un.h>

static socklen_t bind_to(struct server *server, struct sockaddr_storage *address)
{
    static unsigned number;
    char name[16];

    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)server->family};
    if (server->family == AF_INET) {
        ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(struct sockaddr_in);
    }
    if (server->family == AF_INET6) {
        ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
        return sizeof(struct sockaddr_in6);
    }
    struct sockaddr_un *local = (struct sockaddr_un *)address;
    snprintf(name, sizeof name, "sock%u", number++);
    snprintf(local->sun_path, sizeof local->sun_path, "%s", world_file(name));
    return sizeof *local;
}

/* A victim that was forked but has not yet reached its exec keeps the file open, and its events
 * with it: they would name a number that means something else by then. */
static void end(int queue, int fd)
{
    epoll_ctl(queue, EPOLL_CTL_DEL, fd, NULL);
    close(fd);
}

static void end_with_reset(int queue, int fd)
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    end(queue, fd);
}

static void answer(struct server *server, int queue, int fd)
{
    char buffer[4096];

    switch (atomic_load(&server->behaviour)) {
    case HANG:
        epoll_ctl(queue, EPOLL_CTL_DEL, fd, NULL);
        return;
    case RESET:
        end_with_reset(queue, fd);
        return;
    default:
        break;
    }
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0 || server->behaviour == EOF_EARLY) {
        end(queue, fd);
        return;
    }
    server->answered += (unsigned long)got;
    if (send(fd, buffer, (size_t)got, MSG_NOSIGNAL) < 0)
        end(queue, fd);
}

static void welcome(struct server *server, int queue)
{
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (server->behaviour == GREETING)
        send(fd, "hello\n", 6, MSG_NOSIGNAL);
    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    server->accepted++;
}

static void *serve(void *context)
{
    struct server *server = context;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server->fd};
    int queue = epoll_create1(EPOLL_CLOEXEC);

    epoll_ctl(queue, EPOLL_CTL_ADD, server->fd, &event);
    for (;;) {
        if (epoll_wait(queue, &event, 1, -1) < 1)
            continue;
        if (event.data.fd == server->fd)
            welcome(server, queue);
        else
            answer(server, queue, event.data.fd);
    }
    return NULL;
}

static void serve_in_thread(struct server *server)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, serve, server), 0);
    pthread_detach(thread);
}

/* Connects until one attempt is left without an answer. */
static void fill_backlog(const struct sockaddr_storage *address, socklen_t length)
{
    for (int tries = 0; tries < 16; tries++) {
        int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct pollfd waiting = {.fd = fd, .events = POLLOUT};

        ck_assert_int_ge(fd, 0);
        if (connect(fd, (const struct sockaddr *)address, length) == 0)
            continue;
        if (errno == EAGAIN || (errno == EINPROGRESS && poll(&waiting, 1, 50) == 0))
            return;
    }
    ck_abort_msg("the backlog never filled up");
}

struct server *server_start(int family, enum behaviour behaviour)
{
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_storage address;
    struct sp_addr name;

    ck_assert_ptr_nonnull(server);
    server->family = family;
    server->behaviour = (int)behaviour;
    server->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t length = bind_to(server, &address);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&address, &length), 0);
    ck_assert(sp_addr_from_sockaddr((struct sockaddr *)&address, length, &name));
    server->port = name.port;
    sp_addr_format(&name, server->text, sizeof server->text);

    if (behaviour != CLOSED)
        ck_assert_int_eq(listen(server->fd, behaviour == DEAF ? 0 : 1024), 0);
    if (behaviour == DEAF)
        fill_backlog(&address, length);
    else if (behaviour != CLOSED)
        serve_in_thread(server);
    return server;
}

void server_become(struct server *server, enum behaviour behaviour)
{
    int before = atomic_exchange(&server->behaviour, (int)behaviour);

    if (before != CLOSED && before != DEAF)
        return;
    ck_assert_int_eq(listen(server->fd, 1024), 0);
    serve_in_thread(server);
}

unsigned server_accepted(struct server *server)
{
    struct pollfd backlog = {.fd = server->fd, .events = POLLIN};

    while (poll(&backlog, 1, 0) > 0 && (backlog.revents & POLLIN))
        usleep(200);
    return server->accepted;
}
