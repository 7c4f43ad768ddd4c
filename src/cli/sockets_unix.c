#include "cli/sockets_unix.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"

#define UNIX_ESTABLISHED 1

struct unix_socket {
    uint32_t inode, peer;
    struct sp_addr name;
};
struct unix_list {
    struct unix_socket *sockets;
    size_t count, room;
};

static int unix_ask(void)
{
    struct {
        struct nlmsghdr head;
        struct unix_diag_req ask;
    } request = {.head = {.nlmsg_len = sizeof request,
                          .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .ask = {.sdiag_family = AF_UNIX,
                         .udiag_states = 1u << UNIX_ESTABLISHED,
                         .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER}};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd >= 0 && send(fd, &request, sizeof request, 0) != (ssize_t)sizeof request) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void unix_name(struct sp_addr *name, const void *data, size_t length)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (length == 0 || length > sizeof un.sun_path)
        return;
    memcpy(un.sun_path, data, length);
    sp_addr_from_sockaddr((const struct sockaddr *)&un,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length), name);
}

static void unix_keep(struct unix_list *list, const struct nlmsghdr *head)
{
    const struct unix_diag_msg *message = NLMSG_DATA(head);
    struct unix_socket found = {.inode = message->udiag_ino};
    int length = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof *message));
    if (message->udiag_type != SOCK_STREAM)
        return;
    for (const struct rtattr *a = (const struct rtattr *)(message + 1); RTA_OK(a, length);
         a = RTA_NEXT(a, length)) {
        if (a->rta_type == UNIX_DIAG_NAME)
            unix_name(&found.name, RTA_DATA(a), RTA_PAYLOAD(a));
        else if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(a) >= sizeof found.peer)
            memcpy(&found.peer, RTA_DATA(a), sizeof found.peer);
    }
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        struct unix_socket *more = reallocarray(list->sockets, room, sizeof *more);
        if (!more)
            return;
        list->sockets = more;
        list->room = room;
    }
    list->sockets[list->count++] = found;
}

/* False: that was the end of the dump. */
static bool unix_read(struct unix_list *list, const void *data, ssize_t got)
{
    for (const struct nlmsghdr *h = data; got > 0 && NLMSG_OK(h, (size_t)got);
         h = NLMSG_NEXT(h, got)) {
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
            return false;
        if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
            unix_keep(list, h);
    }
    return got > 0;
}

static int unix_compare(const void *a, const void *b)
{
    const struct unix_socket *x = a, *y = b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

void sockets_unix(sockets_unix_fn *each, void *context)
{
    _Alignas(struct nlmsghdr) static char data[32768];
    struct unix_list list = {0};
    int fd = unix_ask();
    while (fd >= 0 && unix_read(&list, data, recv(fd, data, sizeof data, 0)))
        ;
    if (fd >= 0)
        close(fd);
    if (list.count > 0)
        qsort(list.sockets, list.count, sizeof *list.sockets, unix_compare);
    for (size_t i = 0; i < list.count; i++) {
        struct unix_socket key = {.inode = list.sockets[i].peer};
        const struct unix_socket *peer =
            bsearch(&key, list.sockets, list.count, sizeof key, unix_compare);
        if (peer && peer->name.path[0] && !list.sockets[i].name.path[0])
            each(context, list.sockets[i].inode, &peer->name);
    }
    free(list.sockets);
}
