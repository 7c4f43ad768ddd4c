/* Any text as an address: what is taken is written so that it reads back as the same address, and
 * what the kernel would be given reads back too. Any bytes as a sockaddr. */
#include "base/addr.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_same(const struct sp_addr *address, const struct sp_addr *again)
{
    if (!sp_addr_equal(address, again) || sp_addr_hash(address) != sp_addr_hash(again))
        abort();
}

static void fuzz_write(const struct sp_addr *address)
{
    char text[SP_ADDR_TEXT_SIZE], plain[SP_ADDR_TEXT_SIZE], cut[8];
    struct sockaddr_storage kernel;
    struct sp_addr again;
    size_t length = sp_addr_format(address, text, sizeof text);

    if (length >= sizeof text || length != strlen(text) || !sp_addr_parse(text, length, &again))
        abort();
    fuzz_same(address, &again);
    sp_addr_plain(address, plain, sizeof plain);
    sp_addr_plain(address, cut, sizeof cut);
    if (!sp_addr_parse(plain, strlen(plain), &again) || strlen(cut) >= sizeof cut)
        abort();
    fuzz_same(address, &again);
    socklen_t given = sp_addr_to_sockaddr(address, &kernel);
    if (given == 0 || !sp_addr_from_sockaddr((struct sockaddr *)&kernel, given, &again))
        abort();
    fuzz_same(address, &again);
    sp_addr_to_family(address, AF_INET6, &kernel);
}

/* A heap block of its size, where every byte too far shows. */
static void fuzz_kernel(const uint8_t *data, size_t size)
{
    struct sp_addr address;
    struct sockaddr *copy = malloc(size ? size : 1);

    memcpy(copy, data, size);
    if (sp_addr_from_sockaddr(copy, (socklen_t)size, &address)) {
        char text[SP_ADDR_TEXT_SIZE];
        sp_addr_format(&address, text, sizeof text);
    }
    free(copy);
}

static void fuzz_network(const struct sp_addr *address, unsigned bits)
{
    unsigned prefix = bits % (address->family == SP_FAMILY_IPV4 ? 33 : 129);
    uint8_t net[16];

    memcpy(net, address->ip, sizeof net);
    sp_addr_mask(net, prefix);
    if (!sp_addr_in(address, address->family, net, prefix) || sp_addr_mask(net, prefix))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_addr address;
    char *text = malloc(size ? size : 1);

    memcpy(text, data, size);
    if (sp_addr_parse(text, size, &address)) {
        fuzz_write(&address);
        if (address.family != SP_FAMILY_UNIX)
            fuzz_network(&address, data[size - 1]);
    }
    free(text);
    fuzz_kernel(data, size);
    return 0;
}
