#include "cli/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "cli/sockets_unix.h"

/* --- fds --- */

static bool sockets_add(struct sockets *sockets, int fd, uint64_t inode)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->entries[i].inode == inode) /* a duplicate */
            return true;
    }
    struct sockets_entry *more = reallocarray(sockets->entries, sockets->count + 1, sizeof *more);
    if (!more)
        return false;
    sockets->entries = more;
    sockets->entries[sockets->count++] = (struct sockets_entry){.fd = fd, .inode = inode};
    return true;
}

static int sockets_fds(struct sockets *sockets, pid_t pid)
{
    char path[320], to[64];
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return errno;
    while ((entry = readdir(dir)) != NULL) {
        unsigned long long inode;
        snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, entry->d_name);
        ssize_t length = readlink(path, to, sizeof to - 1);
        to[length > 0 ? length : 0] = 0;
        if (sscanf(to, "socket:[%llu]", &inode) == 1)
            sockets_add(sockets, atoi(entry->d_name), inode);
        else if (strcmp(to, "anon_inode:[io_uring]") == 0)
            sockets->urings++;
    }
    closedir(dir);
    return 0;
}

/* --- which of them are connected, and by whom --- */

enum { TCP_OPEN = 1, TCP_SYN = 2, TCP_HALF = 8, TCP_LISTENS = 10 };

struct tcp_line {
    char local[33], remote[33];
    unsigned local_port, remote_port, state;
    unsigned long long inode;
};

static bool tcp_read(FILE *file, struct tcp_line *line)
{
    char text[512];
    while (fgets(text, sizeof text, file)) {
        if (sscanf(text, "%*d: %32[0-9A-F]:%x %32[0-9A-F]:%x %x %*s %*s %*s %*d %*d %llu",
                   line->local, &line->local_port, line->remote, &line->remote_port, &line->state,
                   &line->inode) == 6)
            return true;
    }
    return false;
}

/* Words of 8 digits, each in the byte order of the machine. */
static void tcp_address(const struct tcp_line *line, struct sp_addr *address)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)line->remote_port)};
    struct sockaddr_in four = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)line->remote_port)};
    uint32_t words[4] = {0};
    bool wide = strlen(line->remote) == 32;
    for (int i = 0; i < (wide ? 4 : 1); i++) {
        char word[9] = "";
        memcpy(word, line->remote + 8 * i, 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    memcpy(&six.sin6_addr, words, 16);
    memcpy(&four.sin_addr, words, 4);
    if (wide)
        sp_addr_from_sockaddr((struct sockaddr *)&six, sizeof six, address);
    else
        sp_addr_from_sockaddr((struct sockaddr *)&four, sizeof four, address);
}

static void tcp_keep(struct sockets *sockets, const struct tcp_line *line)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->entries[i].inode == line->inode)
            tcp_address(line, &sockets->entries[i].peer);
    }
}

/* A connection whose own port somebody here listens on was accepted, not made. */
static void tcp_table(struct sockets *sockets, FILE *file, bool *listens)
{
    struct tcp_line line;
    while (tcp_read(file, &line)) {
        if (line.state == TCP_LISTENS)
            listens[line.local_port & 0xffff] = true;
    }
    if (fseek(file, 0, SEEK_SET) != 0)
        return;
    while (tcp_read(file, &line)) {
        bool connected = line.state == TCP_OPEN || line.state == TCP_SYN || line.state == TCP_HALF;
        if (connected && !listens[line.local_port & 0xffff])
            tcp_keep(sockets, &line);
    }
}

static void sockets_tcp(struct sockets *sockets, pid_t pid)
{
    static const char *const tables[] = {"tcp6", "tcp"}; /* a tcp6 listener accepts for both */
    static bool listens[65536];
    char path[64];
    memset(listens, 0, sizeof listens);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, tables[i]);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        tcp_table(sockets, file, listens);
        fclose(file);
    }
}

static void sockets_peer(void *context, uint64_t inode, const struct sp_addr *peer)
{
    struct sockets *sockets = context;
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->entries[i].inode == inode)
            sockets->entries[i].peer = *peer;
    }
}

static bool sockets_same_namespace(pid_t pid)
{
    struct stat own, other;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    return stat("/proc/self/ns/net", &own) == 0 && stat(path, &other) == 0 &&
           own.st_ino == other.st_ino;
}

int sockets_of(struct sockets *sockets, pid_t pid)
{
    *sockets = (struct sockets){0};
    int result = sockets_fds(sockets, pid);
    if (result != 0)
        return result;
    sockets_tcp(sockets, pid);
    sockets->elsewhere = !sockets_same_namespace(pid);
    if (!sockets->elsewhere)
        sockets_unix(sockets_peer, sockets);
    size_t kept = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->entries[i].peer.family != SP_FAMILY_NONE)
            sockets->entries[kept++] = sockets->entries[i];
    }
    sockets->count = kept;
    return 0;
}

void sockets_free(struct sockets *sockets)
{
    free(sockets->entries);
    *sockets = (struct sockets){0};
}
