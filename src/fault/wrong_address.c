/* wrong_address.c - the look-up succeeds, with an address where nobody is. */
#include "fault/rows.h"

#include <string.h>

#include "base/addr.h"

static int wrong_address_take(struct sp_fault *fault, const char *word, size_t length,
                              struct sp_error *error)
{
    uint8_t ip[16] = {0};
    enum sp_family family = sp_addr_parse_ip(word, length, ip, NULL);
    (void)error;
    if (family == SP_FAMILY_NONE)
        return 0;
    fault->family = (uint8_t)family;
    memcpy(fault->ip, ip, sizeof ip);
    return 1;
}

/* 192.0.2.1 is nobody's for ever: it is kept for documents. */
static int wrong_address_whole(struct sp_fault *fault, struct sp_error *error)
{
    static const uint8_t nobody[4] = {192, 0, 2, 1};
    (void)error;
    if (fault->family == SP_FAMILY_NONE) {
        fault->family = SP_FAMILY_IPV4;
        memcpy(fault->ip, nobody, sizeof nobody);
    }
    return 0;
}

static void wrong_address_act(const struct sp_fault *fault, uint64_t random,
                              struct sp_fault_act *act)
{
    (void)random;
    act->wrong = true;
    act->family = fault->family;
    memcpy(act->ip, fault->ip, sizeof act->ip);
}

const struct sp_fault_row sp_fault_wrong_address = {
    .word = "wrong-address",
    .on = SP_FAULT_ON_LOOKUP,
    .help = "wrong-address [IP]",
    .take = wrong_address_take,
    .whole = wrong_address_whole,
    .act = wrong_address_act,
};
