#include "base/addr.h"

#include "base/random.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static_assert(sizeof(struct sp_addr) == 128, "no hidden padding: memcmp compares addresses");
static_assert(sizeof((struct sp_addr *)0)->path == sizeof((struct sockaddr_un *)0)->sun_path,
              "every path but the longest fits with its NUL");

#define ADDR_PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

static const uint8_t addr_mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool addr_from_unix(const struct sockaddr_un *from, size_t length, struct sp_addr *to)
{
    size_t room = length < sizeof *from ? length - ADDR_PATH_OFFSET : sizeof from->sun_path;
    const char *path = from->sun_path;

    to->family = SP_FAMILY_UNIX;
    if (room > 0 && path[0] == '\0') {
        to->abstract = 1;
        path++;
        room--;
        while (room > 0 && path[room - 1] == '\0')
            room--;
        for (size_t i = 0; i < room; i++)
            to->path[i] = path[i] != '\0' ? path[i] : '@';
        return true;
    }
    room = strnlen(path, room);
    if (room >= sizeof to->path) {
        to->family = SP_FAMILY_NONE;
        return false;
    }
    memcpy(to->path, path, room);
    return true;
}

static void addr_from_ipv6(const struct in6_addr *ip, struct sp_addr *to)
{
    if (memcmp(ip->s6_addr, addr_mapped, sizeof addr_mapped) == 0) {
        to->family = SP_FAMILY_IPV4;
        memcpy(to->ip, ip->s6_addr + 12, 4);
        return;
    }
    to->family = SP_FAMILY_IPV6;
    memcpy(to->ip, ip->s6_addr, 16);
}

/* Programs hand us addresses of any alignment, so fields are copied out. */
bool sp_addr_from_sockaddr(const struct sockaddr *from, socklen_t length, struct sp_addr *to)
{
    sa_family_t family;
    union {
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un un;
    } copy;

    memset(to, 0, sizeof *to);
    if (from == NULL || length < sizeof family)
        return false;
    memcpy(&family, from, sizeof family);
    if (family == AF_INET && length >= sizeof copy.ipv4) {
        memcpy(&copy.ipv4, from, sizeof copy.ipv4);
        to->family = SP_FAMILY_IPV4;
        to->port = ntohs(copy.ipv4.sin_port);
        memcpy(to->ip, &copy.ipv4.sin_addr, 4);
        return true;
    }
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, from, length < sizeof copy ? length : sizeof copy);
    if (family == AF_UNIX)
        return addr_from_unix(&copy.un, length, to);
    /* 24: what RFC 2133 had, without the scope; the kernel takes it still. */
    if (family == AF_INET6 && length >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
        to->port = ntohs(copy.ipv6.sin6_port);
        addr_from_ipv6(&copy.ipv6.sin6_addr, to);
        return true;
    }
    return false;
}

static socklen_t addr_to_unix(const struct sp_addr *from, struct sockaddr_storage *to)
{
    struct sockaddr_un *un = (struct sockaddr_un *)to;
    size_t length = strnlen(from->path, sizeof from->path - 1);

    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + (from->abstract ? 1 : 0), from->path, length);
    return (socklen_t)(ADDR_PATH_OFFSET + length + (length > 0 || from->abstract ? 1 : 0));
}

static socklen_t addr_to_ipv4(const struct sp_addr *from, struct sockaddr_storage *to)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)to;

    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(from->port);
    memcpy(&ipv4->sin_addr, from->ip, 4);
    return sizeof *ipv4;
}

static socklen_t addr_to_ipv6(const struct sp_addr *from, struct sockaddr_storage *to)
{
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)to;

    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(from->port);
    if (from->family == SP_FAMILY_IPV6) {
        memcpy(ipv6->sin6_addr.s6_addr, from->ip, 16);
    } else {
        memcpy(ipv6->sin6_addr.s6_addr, addr_mapped, sizeof addr_mapped);
        memcpy(ipv6->sin6_addr.s6_addr + 12, from->ip, 4);
    }
    return sizeof *ipv6;
}

socklen_t sp_addr_to_family(const struct sp_addr *from, int family, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    if (family == AF_UNIX && from->family == SP_FAMILY_UNIX)
        return addr_to_unix(from, to);
    if (family == AF_INET && from->family == SP_FAMILY_IPV4)
        return addr_to_ipv4(from, to);
    if (family == AF_INET6 && (from->family == SP_FAMILY_IPV4 || from->family == SP_FAMILY_IPV6))
        return addr_to_ipv6(from, to);
    return 0;
}

socklen_t sp_addr_to_sockaddr(const struct sp_addr *from, struct sockaddr_storage *to)
{
    static const int families[] = {AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6};
    int family = from->family <= SP_FAMILY_IPV6 ? families[from->family] : AF_UNSPEC;

    return sp_addr_to_family(from, family, to);
}

enum sp_family sp_addr_parse_ip(const char *text, size_t length, uint8_t ip[16], bool *mapped)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr ipv6;

    memset(ip, 0, 16);
    if (mapped != NULL)
        *mapped = false;
    if (length >= sizeof copy || memchr(text, '\0', length) != NULL)
        return SP_FAMILY_NONE;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET, copy, ip) == 1)
        return SP_FAMILY_IPV4;
    if (inet_pton(AF_INET6, copy, &ipv6) != 1)
        return SP_FAMILY_NONE;
    if (memcmp(ipv6.s6_addr, addr_mapped, sizeof addr_mapped) != 0) {
        memcpy(ip, ipv6.s6_addr, 16);
        return SP_FAMILY_IPV6;
    }
    memset(ip, 0, 16);
    memcpy(ip, ipv6.s6_addr + 12, 4);
    if (mapped != NULL)
        *mapped = true;
    return SP_FAMILY_IPV4;
}

static bool addr_parse_unix(const char *path, size_t length, struct sp_addr *to)
{
    if (length > 0 && path[0] == '@') {
        to->abstract = 1;
        path++;
        length--;
    } else if (length == 0) {
        return false;
    }
    if (length >= sizeof to->path || memchr(path, '\0', length) != NULL)
        return false;
    to->family = SP_FAMILY_UNIX;
    memcpy(to->path, path, length);
    return true;
}

static bool addr_parse_port(const char *text, size_t length, struct sp_addr *to)
{
    uint64_t port;

    if (sp_text_parse_count(text, length, &port) != SP_TEXT_OK || port > UINT16_MAX)
        return false;
    to->port = (uint16_t)port;
    return true;
}

static bool addr_parse_bracketed(const char *text, size_t length, struct sp_addr *to)
{
    const char *end = memchr(text, ']', length);
    size_t ip = end != NULL ? (size_t)(end - text) : 0;

    if (ip < 2 || memchr(text, ':', ip) == NULL)
        return false;
    to->family = (uint8_t)sp_addr_parse_ip(text + 1, ip - 1, to->ip, NULL);
    if (to->family == SP_FAMILY_NONE)
        return false;
    if (ip + 1 == length)
        return true;
    return end[1] == ':' && addr_parse_port(end + 2, length - ip - 2, to);
}

static bool addr_parse_plain(const char *text, size_t length, struct sp_addr *to)
{
    const char *colon;
    size_t ip = length;

    to->family = (uint8_t)sp_addr_parse_ip(text, length, to->ip, NULL);
    if (to->family != SP_FAMILY_NONE)
        return true;
    colon = memchr(text, ':', length);
    if (colon == NULL)
        return false;
    ip = (size_t)(colon - text);
    to->family = (uint8_t)sp_addr_parse_ip(text, ip, to->ip, NULL);
    return to->family != SP_FAMILY_NONE && addr_parse_port(colon + 1, length - ip - 1, to);
}

bool sp_addr_parse(const char *text, size_t length, struct sp_addr *to)
{
    bool known;

    memset(to, 0, sizeof *to);
    if (length >= 5 && memcmp(text, "unix:", 5) == 0)
        known = addr_parse_unix(text + 5, length - 5, to);
    else if (length > 0 && text[0] == '[')
        known = addr_parse_bracketed(text, length, to);
    else
        known = addr_parse_plain(text, length, to);
    if (!known)
        memset(to, 0, sizeof *to);
    return known;
}

size_t sp_addr_format(const struct sp_addr *address, char *out, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    int written;

    if (address->family == SP_FAMILY_UNIX) {
        written = snprintf(out, size, "unix:%s%.*s", address->abstract ? "@" : "",
                           (int)sizeof address->path - 1, address->path);
    } else if (address->family == SP_FAMILY_IPV4) {
        inet_ntop(AF_INET, address->ip, ip, sizeof ip);
        written = snprintf(out, size, "%s:%u", ip, (unsigned)address->port);
    } else if (address->family == SP_FAMILY_IPV6) {
        inet_ntop(AF_INET6, address->ip, ip, sizeof ip);
        written = snprintf(out, size, "[%s]:%u", ip, (unsigned)address->port);
    } else {
        written = snprintf(out, size, "?");
    }
    return written < 0 ? 0 : (size_t)written;
}

bool sp_addr_equal(const struct sp_addr *a, const struct sp_addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

uint64_t sp_addr_hash(const struct sp_addr *address)
{
    /* The path is long and mostly empty: only its used part, after the fixed head. */
    uint64_t hash = sp_hash(address, offsetof(struct sp_addr, path));

    if (address->family != SP_FAMILY_UNIX)
        return hash;
    return sp_hash_more(hash, address->path, strnlen(address->path, sizeof address->path));
}

bool sp_addr_in(const struct sp_addr *address, uint8_t family, const uint8_t net[16],
                unsigned prefix)
{
    unsigned bytes = prefix / 8, bits = prefix % 8;

    if (address->family != family || prefix > (family == SP_FAMILY_IPV4 ? 32u : 128u))
        return false;
    if (memcmp(address->ip, net, bytes) != 0)
        return false;
    return bits == 0 || ((address->ip[bytes] ^ net[bytes]) >> (8 - bits)) == 0;
}

bool sp_addr_mask(uint8_t net[16], unsigned prefix)
{
    bool cleared = false;

    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = prefix >= 8 * (i + 1) ? 8 : prefix > 8 * i ? prefix - 8 * i : 0;
        uint8_t mask = (uint8_t)(0xff00u >> kept);

        cleared = cleared || (net[i] & ~mask) != 0;
        net[i] &= mask;
    }
    return cleared;
}
