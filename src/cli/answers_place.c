/* answers_place.c - where canned answers are given: a listener for each kind of socket, on the
 * loopback or in a directory of our own, so that the one who asks is of this machine. */
#include "cli/answers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "cli/answer.h"
#include "cli/fallback.h"

static int place_listen(const struct sockaddr_storage *address, socklen_t length)
{
    int one = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (fd >= 0 && (bind(fd, (const struct sockaddr *)(const void *)address, length) != 0 ||
                    listen(fd, SOMAXCONN) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int place_loopback(const char *text, uint32_t *port)
{
    struct sp_addr address;
    struct sockaddr_storage to;
    sp_addr_parse(text, strlen(text), &address);
    socklen_t length = sp_addr_to_sockaddr(&address, &to);
    int fd = place_listen(&to, length);
    length = sizeof to;
    *port = 0;
    if (fd >= 0 && getsockname(fd, (struct sockaddr *)(void *)&to, &length) == 0 &&
        sp_addr_from_sockaddr((struct sockaddr *)(void *)&to, length, &address))
        *port = address.port;
    return fd;
}

/* Anybody may make a directory in /dev/shm before us: it must be ours, and nobody else's. */
static bool place_directory(const struct answers *a)
{
    char path[sizeof a->segment.path + 16];
    struct stat st, file;
    mode_t mode = a->group ? 0770 : 0700;
    if (!sp_reply_directory(&a->segment, path, sizeof path) ||
        (mkdir(path, mode) != 0 && errno != EEXIST) || lstat(path, &st) != 0 ||
        !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || fstat(a->lock, &file) != 0)
        return false;
    if (a->group && chown(path, (uid_t)-1, file.st_gid) != 0)
        return false;
    return chmod(path, mode) == 0;
}

static int place_local(const struct answers *a, uint32_t dest)
{
    struct sp_addr address = {.family = SP_FAMILY_UNIX};
    struct sockaddr_storage to;
    struct stat file;
    if (!sp_reply_path(&a->segment, dest, address.path, sizeof address.path) || !place_directory(a))
        return -1;
    unlink(address.path);
    socklen_t length = sp_addr_to_sockaddr(&address, &to);
    int fd = place_listen(&to, length);
    if (fd >= 0 && a->group &&
        (fstat(a->lock, &file) != 0 || chown(address.path, (uid_t)-1, file.st_gid) != 0 ||
         chmod(address.path, 0660) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void place_open(struct answers *a, uint32_t dest)
{
    struct answers_place *place = &a->places[dest];
    struct sp_dest *d = &a->segment.dests[dest];
    uint32_t low, high;
    place->fds[0] = place_loopback("127.0.0.1:0", &low);
    place->fds[1] = place_loopback("[::1]:0", &high);
    place->fds[2] = place_local(a, dest);
    atomic_store(&d->reply, low | high << 16);
    atomic_store(&d->reply_local, place->fds[2] >= 0);
}

static void place_close(struct answers *a, uint32_t dest)
{
    struct answers_place *place = &a->places[dest];
    char path[sizeof a->segment.path + 16];
    if (!place->file)
        return;
    atomic_store(&a->segment.dests[dest].reply, 0);
    atomic_store(&a->segment.dests[dest].reply_local, 0);
    for (size_t i = 0; i < ANSWERS_LISTENERS; i++) {
        if (place->fds[i] >= 0)
            close(place->fds[i]);
        place->fds[i] = -1;
    }
    if (sp_reply_path(&a->segment, dest, path, sizeof path))
        unlink(path);
    free(place->file);
    place->file = NULL;
}

/* A file that has become unreadable, or bad, leaves the answer that was given so far. */
static void place_read(struct answers *a, const struct sp_policy *policy,
                       const struct sp_fallback *line, uint32_t dest)
{
    struct answers_place *place = &a->places[dest];
    struct sp_reply_fault fault;
    struct sp_error error;
    size_t size;
    char *file = answer_read(policy, line, &size, &error);
    if (!file || !sp_reply_check(file, size, &fault)) {
        free(file);
        return;
    }
    if (!place->file)
        place_open(a, dest);
    free(place->file);
    place->file = file;
    place->size = size;
}

/* The line of a row that is answered by us; NULL: there is none. */
static const struct sp_fallback *place_line(const struct sp_policy *policy,
                                            const struct sp_row *row)
{
    const struct sp_fallback *line;
    for (size_t nth = 0; (line = fallback_at(policy, row, nth)) != NULL; nth++) {
        if (line->kind == SP_FALLBACK_RESPOND)
            return line;
    }
    return NULL;
}

void answers_load(struct answers *a)
{
    const struct sp_row *row;
    bool *wanted = calloc(a->segment.dest_max, sizeof *wanted);
    struct sp_policy *policy = look_policy(&a->segment, &a->generation);
    for (size_t i = 0; wanted && policy && (row = sp_policy_row(policy, i)) != NULL; i++) {
        const struct sp_fallback *line = place_line(policy, row);
        if (!line || row->state >= a->segment.dest_max)
            continue;
        wanted[row->state] = true;
        place_read(a, policy, line, row->state);
    }
    for (uint32_t dest = 0; wanted && policy && dest < a->segment.dest_max; dest++) {
        if (!wanted[dest])
            place_close(a, dest);
    }
    free(policy);
    free(wanted);
}

void answers_unload(struct answers *a)
{
    char path[sizeof a->segment.path + 16];
    for (uint32_t dest = 0; dest < a->segment.dest_max; dest++)
        place_close(a, dest);
    if (sp_reply_directory(&a->segment, path, sizeof path))
        rmdir(path);
}
