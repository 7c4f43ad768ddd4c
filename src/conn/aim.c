/* aim.c - with `scope endpoint`: the breaker of the address that a connection is for, and another
 * address while that one is out. Another is one of the newest answer to a look-up of the same name:
 * never of another name, and never one that has left the answer. */
#include "shearpin/conn.h"

#include <string.h>

/* The newest answer that the address is in, by the newest name that it was looked up by. */
static bool aim_answer(const struct sp_addr *address, struct sp_answer *answer, uint8_t *place)
{
    char names[SP_NAMES_EACH][SP_NAMES_TEXT];
    if (address->family == SP_FAMILY_UNIX || sp_names_of(address, names) == 0 ||
        sp_answer_get(&sp_here.segment, names[0], address->family, answer) < 0)
        return false;
    for (*place = 0; *place < answer->count; ++*place) {
        if (answer->families[*place] == address->family &&
            memcmp(answer->ip[*place], address->ip, sizeof address->ip) == 0)
            return true;
    }
    return false;
}

/* The `step`-th behind the address, with its port. */
static struct sp_addr aim_sibling(const struct sp_addr *address, const struct sp_answer *answer,
                                  unsigned step)
{
    struct sp_addr other = {.family = answer->families[step % answer->count],
                            .port = address->port};
    memcpy(other.ip, answer->ip[step % answer->count], sizeof other.ip);
    return other;
}

/* Whoever could be asked counts for `eject`, asked or not. */
static void aim_count(const struct sp_call *call, const struct sp_addr *address)
{
    struct sp_answer answer;
    uint8_t place;
    if (!aim_answer(address, &answer, &place))
        return;
    for (unsigned i = 1; i < answer.count; i++) {
        struct sp_addr other = aim_sibling(address, &answer, place + i);
        sp_endpoint_aim(call->segment, call->index, &other, call->now, true, NULL);
    }
}

void sp_aim(struct sp_conn *conn, struct sp_call *call, const struct sp_addr *address)
{
    bool fresh = false;
    conn->aim = sp_endpoint_aim(call->segment, call->index, address, call->now, true, &fresh);
    call->endpoint = sp_endpoint_at(call->segment, conn->aim);
    if (fresh)
        aim_count(call, address);
}

bool sp_aim_other(struct sp_conn *conn, struct sp_call *call, struct sp_addr *address)
{
    struct sp_answer answer;
    struct sp_call other = *call;
    uint8_t place;
    if (!aim_answer(address, &answer, &place))
        return false;
    for (unsigned i = 1; i < answer.count; i++) {
        struct sp_addr to = aim_sibling(address, &answer, place + i);
        if (to.family != address->family || sp_here_destination(&to) != (int)call->index)
            continue;
        struct sp_aim aim = sp_endpoint_aim(call->segment, call->index, &to, call->now, true, NULL);
        other.endpoint = sp_endpoint_at(call->segment, aim);
        if (!other.endpoint || sp_scope_out(&other))
            continue;
        conn->aim = aim;
        call->endpoint = other.endpoint;
        *address = to;
        return true;
    }
    return false;
}

bool sp_aim_out(const struct sp_call *call, const struct sp_addr *address)
{
    struct sp_call asked = *call;
    struct sp_addr at;
    bool out = false;
    for (uint32_t i = 0; i < SP_ENDPOINTS; i++) {
        asked.endpoint = sp_endpoint_of(call->segment, call->index, i, &at);
        if (!asked.endpoint || at.family != address->family ||
            memcmp(at.ip, address->ip, sizeof at.ip) != 0 ||
            (address->port != 0 && at.port != address->port))
            continue;
        if (!sp_scope_out(&asked))
            return false;
        out = true;
    }
    return out;
}
