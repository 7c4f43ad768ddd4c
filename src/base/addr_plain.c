/* addr_plain.c - an address as text without libc's help, for where a signal handler may be. */
#include "base/addr.h"

#include <string.h>

struct plain {
    char *out;
    size_t size, length;
};

static void plain_char(struct plain *p, char c)
{
    if (p->length + 1 < p->size)
        p->out[p->length++] = c;
}

static void plain_text(struct plain *p, const char *text, size_t most)
{
    while (most-- > 0 && *text)
        plain_char(p, *text++);
}

static void plain_number(struct plain *p, unsigned n, unsigned base)
{
    if (n >= base)
        plain_number(p, n / base, base);
    plain_char(p, "0123456789abcdef"[n % base]);
}

static void plain_ip(struct plain *p, const struct sp_addr *address)
{
    bool four = address->family == SP_FAMILY_IPV4;
    plain_text(p, "[", !four);
    for (int i = 0; i < (four ? 4 : 16); i += four ? 1 : 2) {
        plain_text(p, four ? "." : ":", i > 0);
        plain_number(p,
                     four ? address->ip[i] : (unsigned)(address->ip[i] << 8 | address->ip[i + 1]),
                     four ? 10 : 16);
    }
    plain_text(p, "]:", four ? 0 : 2);
    plain_text(p, ":", four);
    plain_number(p, address->port, 10);
}

void sp_addr_plain(const struct sp_addr *address, char *out, size_t size)
{
    struct plain p = {out, size, 0};
    if (size == 0)
        return;
    if (address->family == SP_FAMILY_UNIX) {
        plain_text(&p, "unix:", 5);
        plain_text(&p, "@", address->abstract != 0);
        plain_text(&p, address->path, sizeof address->path);
    } else if (address->family != SP_FAMILY_NONE) {
        plain_ip(&p, address);
    }
    out[p.length] = 0;
}
