/*
 * peer.c - one address to connect to, as `fallback` and `split` have it: IP:PORT, HOST:PORT or a
 * unix socket.
 */
#include "base/addr.h"
#include "base/text.h"
#include "policy/reader.h"

#include <string.h>

#define PEER_HOST 253 /* characters of a host name, RFC 1035 */

static bool peer_host(const char *text, size_t length)
{
    if (length == 0 || length > PEER_HOST)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!letter && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

static bool peer_name(const struct scan_word *word, struct reader_peer *peer)
{
    const char *colon = memchr(word->text, ':', word->length);
    size_t host = colon != NULL ? (size_t)(colon - word->text) : word->length;
    uint64_t port;

    if (colon == NULL || !peer_host(word->text, host) ||
        sp_text_parse_count(colon + 1, word->length - host - 1, &port) != SP_TEXT_OK || port == 0 ||
        port > UINT16_MAX)
        return false;
    peer->kind = SP_FALLBACK_NAME;
    peer->port = (uint16_t)port;
    return true;
}

static bool peer_whole(const struct sp_addr *address)
{
    return address->family != SP_FAMILY_UNIX ? address->port != 0
           : address->abstract               ? address->path[0] != 0
                                             : address->path[0] == '/';
}

bool peer_read(struct reader *reader, const struct scan_word *word, const char *forms,
               struct reader_peer *peer)
{
    memset(peer, 0, sizeof *peer);
    peer->kind = SP_FALLBACK_ADDRESS;
    if (sp_addr_parse(word->text, word->length, &peer->address)) {
        if (peer_whole(&peer->address))
            return true;
        report_at(reader, word, "10.0.0.7:5432, [2001:db8::1]:5432 or unix:/run/x.sock",
                  peer->address.family == SP_FAMILY_UNIX ? "a whole path is missing in '%.*s'"
                                                         : "'%.*s' has no port",
                  SHOWN(word));
        return false;
    }
    if (peer_name(word, peer))
        return true;
    report_at(reader, word, forms, "'%.*s' is not one address", SHOWN(word));
    return false;
}

bool peer_replaces(const struct sp_policy *policy, const struct sp_row *row, uint8_t kind,
                   const struct sp_addr *address)
{
    bool local = kind == SP_FALLBACK_ADDRESS && address->family == SP_FAMILY_UNIX;

    for (size_t i = 0; i < row->match_count; i++) {
        const struct sp_match *rule = sp_policy_match_at(policy, row->match_first + i);

        if (rule->kind == SP_MATCH_ANY || (rule->kind == SP_MATCH_UNIX) == local)
            return true;
    }
    return row->match_count == 0;
}
