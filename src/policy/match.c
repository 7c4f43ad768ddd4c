/*
 * match.c - which destination an address belongs to: the first one, top to bottom, that takes the
 * address itself or the name by which it was looked up last.
 */
#include "policy/match.h"

#include "base/addr.h"
#include "policy/block.h"
#include "policy/glob.h"

#include <string.h>

static bool match_port(const struct sp_match *rule, uint16_t port)
{
    return port >= rule->port_low && port <= rule->port_high;
}

static bool match_every_port(const struct sp_match *rule)
{
    return rule->port_low == 0 && rule->port_high == UINT16_MAX;
}

static bool match_ip(const struct sp_addr *address)
{
    return address->family == SP_FAMILY_IPV4 || address->family == SP_FAMILY_IPV6;
}

static bool match_name(const struct sp_policy *policy, const struct sp_match *rule,
                       const struct sp_addr *address, const char *name)
{
    size_t pattern_length, length = strlen(name);
    const char *pattern = block_text(policy, rule->text, &pattern_length);

    if (length > 1 && name[length - 1] == '.')
        length--; /* the root: example.com. is example.com */
    return rule->kind == SP_MATCH_NAME && match_port(rule, address->port) &&
           glob_match(pattern, pattern_length, name, length, GLOB_FOLD);
}

/* An abstract name is matched as it is written, with its @. */
static bool match_unix(const struct sp_policy *policy, const struct sp_match *rule,
                       const struct sp_addr *address)
{
    char text[sizeof address->path + 1];
    size_t pattern_length, at = address->abstract ? 1 : 0;
    size_t length = strnlen(address->path, sizeof address->path);
    const char *pattern = block_text(policy, rule->text, &pattern_length);

    text[0] = '@';
    memcpy(text + at, address->path, length);
    return glob_match(pattern, pattern_length, text, at + length, GLOB_EXACT);
}

static bool match_address(const struct sp_policy *policy, const struct sp_match *rule,
                          const struct sp_addr *address)
{
    switch (rule->kind) {
    case SP_MATCH_ANY:
        return match_every_port(rule) || (match_ip(address) && match_port(rule, address->port));
    case SP_MATCH_NET:
        return match_port(rule, address->port) &&
               sp_addr_in(address, rule->family, rule->ip, rule->prefix);
    case SP_MATCH_UNIX:
        return address->family == SP_FAMILY_UNIX && match_unix(policy, rule, address);
    default:
        return false;
    }
}

/* The first row with a rule that takes the address, or the name if there is one. */
static int match_rows(const struct sp_policy *policy, const struct sp_addr *address,
                      const char *name, const struct sp_match **which)
{
    const struct sp_row *row;
    const struct sp_match *rule;

    for (size_t r = 0; (row = sp_policy_row(policy, r)) != NULL; r++) {
        size_t first = row->match_first, count = row->match_count;

        for (size_t i = 0; i < count; i++) {
            rule = sp_policy_match_at(policy, first + i);
            if (rule == NULL)
                break;
            if (!match_address(policy, rule, address) &&
                (name == NULL || !match_name(policy, rule, address, name)))
                continue;
            if (which != NULL)
                *which = rule;
            return (int)r;
        }
    }
    return -1;
}

int sp_policy_match(const struct sp_policy *policy, const struct sp_addr *address,
                    const char *const *names, size_t name_count, const struct sp_match **which)
{
    if (which != NULL)
        *which = NULL;
    if (address->family == SP_FAMILY_NONE)
        return -1;
    for (size_t i = 0; i < name_count && match_ip(address); i++) {
        int row = names[i] != NULL ? match_rows(policy, address, names[i], which) : -1;

        if (row >= 0)
            return row;
    }
    return match_rows(policy, address, NULL, which);
}

int sp_policy_match_name(const struct sp_policy *policy, const char *name, uint16_t port)
{
    const struct sp_row *row;
    const struct sp_match *rule;

    for (size_t r = 0; (row = sp_policy_row(policy, r)) != NULL; r++) {
        for (size_t i = 0; i < row->match_count; i++) {
            rule = sp_policy_match_at(policy, row->match_first + i);
            if (rule == NULL)
                break;
            struct sp_addr any = {.port = port ? port : rule->port_low};
            if (rule->kind == SP_MATCH_ANY ? match_port(rule, any.port)
                                           : match_name(policy, rule, &any, name))
                return (int)r;
        }
    }
    return -1;
}

static bool match_ports_cover(const struct sp_match *a, const struct sp_match *b)
{
    return a->port_low <= b->port_low && a->port_high >= b->port_high;
}

static bool match_text_covers(const struct sp_policy *policy, const struct sp_match *a,
                              const struct sp_match *b)
{
    size_t a_length, b_length;
    const char *a_text = block_text(policy, a->text, &a_length);
    const char *b_text = block_text(policy, b->text, &b_length);

    return glob_match(a_text, a_length, b_text, b_length, GLOB_COVERS);
}

static bool match_net_covers(const struct sp_match *a, const struct sp_match *b)
{
    struct sp_addr net = {.family = b->family};

    memcpy(net.ip, b->ip, sizeof net.ip);
    return a->prefix <= b->prefix && sp_addr_in(&net, a->family, a->ip, a->prefix);
}

bool match_covers(const struct sp_policy *policy, const struct sp_match *a,
                  const struct sp_match *b)
{
    if (a->kind == SP_MATCH_ANY && match_every_port(a))
        return true;
    if (a->kind == SP_MATCH_ANY)
        return (b->kind == SP_MATCH_NET || b->kind == SP_MATCH_NAME ||
                (b->kind == SP_MATCH_ANY && !match_every_port(b))) &&
               match_ports_cover(a, b);
    if (a->kind != b->kind || !match_ports_cover(a, b))
        return false;
    return a->kind == SP_MATCH_NET ? match_net_covers(a, b) : match_text_covers(policy, a, b);
}
