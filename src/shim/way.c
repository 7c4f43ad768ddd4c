/* way.c - with a split: the arm that a connect goes to, and its address as the socket takes it. An
 * arm that cannot take it gives its share to the others: its breaker is open, its name was not
 * looked up, or a socket like this cannot be connected to it. */
#include "shim/way.h"

#include "shim/divert.h"

/* The arms of a destination, as far as one connect needs them. */
struct way {
    struct sp_arm_policy lines[SP_ARMS_MAX];
    uint16_t shares[SP_ARMS_MAX];
    uint32_t all; /* those with a place */
};

static void way_read(struct way *way, const struct sp_call *call)
{
    size_t count = sp_arm_lines(call->segment, call->index, way->lines);
    sp_shift_mourn(call->segment, call->dest, call->now);
    sp_arm_shares(call->segment, call->index, way->lines, count, call->now, way->shares);
    way->all = 0;
    for (size_t i = 0; i < count; i++) {
        if (sp_arm_at(call->segment, call->index, way->lines[i].place))
            way->all |= 1u << i;
    }
}

/* One of the addresses of an arm, another for each point. 0: the socket cannot go there. */
static socklen_t way_address(const struct sp_arm_policy *line, const struct sp_call *call, int fd,
                             int family, uint32_t point, struct sockaddr_storage *out)
{
    struct sp_addr found[SP_TARGET_ADDRESSES];
    size_t count = 1;
    found[0] = line->address;
    if (line->kind == SP_FALLBACK_NAME)
        count = sp_target_get(call->segment, line->hash, found, NULL);
    for (size_t i = 0; i < count; i++) {
        socklen_t length = sp_divert_address(fd, family, &found[(point + i) % count], out);
        if (length > 0)
            return length;
    }
    return 0;
}

/* Open, with nothing to be probed. An operator who has tripped the destination speaks for all. */
static bool way_out(const struct sp_call *call, struct sp_arm *arm)
{
    struct sp_call asked = *call;
    asked.arm = arm;
    asked.endpoint = &arm->endpoint;
    return !call->guards->pass && sp_scope_out(&asked);
}

/* Where it goes: to the first that can take it, else to one that is out, which its breaker then
 * refuses. -1: there is none for a socket like this. */
static int way_choose(const struct way *way, const struct sp_call *call, int fd, int family,
                      const struct sp_way *asked, struct sockaddr_storage *out, socklen_t *length)
{
    uint32_t able = way->all, reachable = way->all;
    int at = -1, spare = -1;
    while ((at = sp_split_pick(way->shares, reachable, able, asked->point)) >= 0) {
        *length = way_address(&way->lines[at], call, fd, family, asked->point >> 16, out);
        struct sp_arm *arm = sp_arm_at(call->segment, call->index, way->lines[at].place);
        if (*length == 0 || !arm)
            reachable &= ~(1u << at);
        else if (!(asked->barred >> at & 1) && !way_out(call, arm))
            return at;
        else if (spare < 0)
            spare = at;
        able &= ~(1u << at);
    }
    if (spare >= 0)
        *length = way_address(&way->lines[spare], call, fd, family, asked->point >> 16, out);
    return spare;
}

/* Only counted: which it would have been. */
static void way_observe(const struct way *way, const struct sp_call *call, uint32_t point)
{
    int at = sp_split_pick(way->shares, way->all, way->all, point);
    struct sp_arm *arm =
        at < 0 ? NULL : sp_arm_at(call->segment, call->index, way->lines[at].place);
    if (arm)
        sp_count(&arm->would, 1);
}

bool sp_way_go(struct sp_way *asked, int fd, struct sp_conn *conn, struct sp_call *call, int family,
               struct sockaddr_storage *out, socklen_t *length)
{
    struct way way;
    socklen_t size;
    bool fresh = !asked->drawn;
    sp_way_take(conn, call, NULL);
    way_read(&way, call);
    if (way.all == 0)
        return false;
    if (fresh)
        asked->point = sp_way_point(call);
    asked->drawn = true;
    if (call->guards->mode != SP_MODE_ENFORCE) {
        if (fresh)
            way_observe(&way, call, asked->point);
        return false;
    }
    int at = way_choose(&way, call, fd, family, asked, out, &size);
    if (at < 0)
        return false;
    *length = size;
    sp_way_take(conn, call, sp_arm_at(call->segment, call->index, way.lines[at].place));
    call->others = !(asked->barred >> at & 1);
    asked->at = at;
    return true;
}
