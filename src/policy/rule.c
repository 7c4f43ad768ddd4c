/*
 * rule.c - what stands behind `match`: names, addresses, networks, unix sockets.
 */
#include "base/addr.h"
#include "base/text.h"
#include "policy/reader.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define RULE_NAME_MAX 253 /* of a host name, RFC 1035 */

/* Part of a word, as a word of its own. */
static struct scan_word rule_part(const struct scan_word *word, size_t from, size_t length)
{
    unsigned quote = word->width > word->length ? 1 : 0;

    return (struct scan_word){word->text + from, length, word->column + (unsigned)from + quote,
                              length > 0 ? (unsigned)length : 1};
}

static bool rule_port(const struct scan_word *word, uint16_t *port)
{
    uint64_t value;

    if (sp_text_parse_count(word->text, word->length, &value) != SP_TEXT_OK || value < 1 ||
        value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* `443` or `8000-8099`. */
static bool rule_ports(struct reader *reader, const struct scan_word *word, struct sp_match *rule)
{
    const char *dash = memchr(word->text, '-', word->length);
    size_t length = dash != NULL ? (size_t)(dash - word->text) : word->length;
    struct scan_word low = rule_part(word, 0, length), high = low;

    if (dash != NULL)
        high = rule_part(word, length + 1, word->length - length - 1);
    if (word->length == 0) {
        report_at(reader, word, "example.com:443, or no colon for every port", "a port is missing");
        return false;
    }
    if (!rule_port(&low, &rule->port_low) || !rule_port(&high, &rule->port_high)) {
        report_at(reader, word, "a port is 1 to 65535, a range 8000-8099", "'%.*s' is no port",
                  SHOWN(word));
        return false;
    }
    if (rule->port_low > rule->port_high) {
        report_at(reader, word, "the lower port first", "'%.*s' ends below its start", SHOWN(word));
        return false;
    }
    return true;
}

/* The `/16:5432` behind an address. `bits`: how many the address was written in. */
static bool rule_prefix(struct reader *reader, const struct scan_word *word, bool mapped,
                        struct sp_match *rule)
{
    unsigned bits = rule->family == SP_FAMILY_IPV4 && !mapped ? 32 : 128;
    uint64_t prefix;

    if (sp_text_parse_count(word->text, word->length, &prefix) != SP_TEXT_OK || prefix > bits ||
        (mapped && prefix < 96)) {
        report_at(reader, word, NULL, "'%.*s' is no prefix: it is %u to %u bits", SHOWN(word),
                  mapped ? 96 : 0, bits);
        return false;
    }
    rule->prefix = (uint8_t)(mapped ? prefix - 96 : prefix);
    return true;
}

/* The network alone: a rule with bits behind its prefix is mostly a slip. */
static void rule_mask(struct reader *reader, const struct scan_word *word, struct sp_match *rule)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    bool ipv4 = rule->family == SP_FAMILY_IPV4;

    if (!sp_addr_mask(rule->ip, rule->prefix))
        return;
    inet_ntop(ipv4 ? AF_INET : AF_INET6, rule->ip, ip, sizeof ip);
    snprintf(reader->cure, sizeof reader->cure, "did you mean '%s%s%s/%u'?", ipv4 ? "" : "[", ip,
             ipv4 ? "" : "]", rule->prefix);
    report_warning_at(reader, word, reader->cure, "'%.*s' has bits beyond its prefix", SHOWN(word));
}

/* IP, and `rest` behind it: nothing, /bits, :ports, or both. */
static bool rule_net(struct reader *reader, const struct scan_word *word,
                     const struct scan_word *ip, struct scan_word rest, struct sp_match *rule)
{
    bool mapped;
    size_t length = 0;

    rule->kind = SP_MATCH_NET;
    rule->family = (uint8_t)sp_addr_parse_ip(ip->text, ip->length, rule->ip, &mapped);
    if (rule->family == SP_FAMILY_NONE) {
        report_at(reader, ip, "10.20.0.0/16:5432, [2001:db8::]/48:5432", "'%.*s' is no address",
                  SHOWN(ip));
        return false;
    }
    rule->prefix = rule->family == SP_FAMILY_IPV4 ? 32 : 128;
    if (rest.length > 0 && rest.text[0] == '/') {
        const char *colon = memchr(rest.text, ':', rest.length);
        struct scan_word bits;

        length = colon != NULL ? (size_t)(colon - rest.text) : rest.length;
        bits = rule_part(&rest, 1, length - 1);
        if (!rule_prefix(reader, &bits, mapped, rule))
            return false;
        rest = rule_part(&rest, length, rest.length - length);
    }
    rule_mask(reader, word, rule);
    if (rest.length == 0)
        return true;
    if (rest.text[0] != ':') {
        report_at(reader, &rest, "[2001:db8::]/48:5432", "unexpected '%.*s'", SHOWN(&rest));
        return false;
    }
    rest = rule_part(&rest, 1, rest.length - 1);
    return rule_ports(reader, &rest, rule);
}

static bool rule_bracketed(struct reader *reader, const struct scan_word *word,
                           struct sp_match *rule)
{
    const char *end = memchr(word->text, ']', word->length);
    size_t length = end != NULL ? (size_t)(end - word->text) : 0;
    struct scan_word ip;

    if (end == NULL) {
        report_at(reader, word, "[2001:db8::1]:5432", "a bracket that nothing closes");
        return false;
    }
    ip = rule_part(word, 1, length - 1);
    if (memchr(ip.text, '/', ip.length) != NULL) {
        report_at(reader, &ip, "the prefix stands behind the bracket: [2001:db8::]/48:5432",
                  "'%.*s' is no address", SHOWN(&ip));
        return false;
    }
    if (memchr(ip.text, ':', ip.length) == NULL) {
        report_at(reader, &ip, "brackets are for IPv6: [2001:db8::1]:5432",
                  "'%.*s' is no IPv6 address", SHOWN(&ip));
        return false;
    }
    return rule_net(reader, word, &ip, rule_part(word, length + 1, word->length - length - 1),
                    rule);
}

static bool rule_unix(struct reader *reader, const struct scan_word *word, struct sp_match *rule)
{
    struct scan_word path = rule_part(word, 5, word->length - 5);

    rule->kind = SP_MATCH_UNIX;
    if (path.length == 0 || (path.text[0] != '/' && path.text[0] != '@' && path.text[0] != '*')) {
        report_at(reader, &path, "unix:/run/redis/*.sock, or unix:@name for an abstract one",
                  "a whole path is missing behind 'unix:'");
        return false;
    }
    rule->text = build_string(reader, path.text, path.length);
    return true;
}

static bool rule_name(struct reader *reader, const struct scan_word *word, struct sp_match *rule)
{
    char name[RULE_NAME_MAX + 1];
    size_t length = word->length;

    if (length > 1 && word->text[length - 1] == '.')
        length--;
    if (length == 0 || length > RULE_NAME_MAX) {
        report_at(reader, word, "*.pay.example.com:443, or *:443 for every host",
                  length == 0 ? "a host is missing" : "a host name has at most 253 characters");
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = word->text[i];

        name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if ((name[i] >= 'a' && name[i] <= 'z') || (c >= '0' && c <= '9') ||
            (c != '\0' && strchr("-_.*?", c) != NULL))
            continue;
        report_at(reader, word, "a host, an address, a network, or unix:/PATH",
                  "'%.*s' is no host name", SHOWN(word));
        return false;
    }
    rule->kind = SP_MATCH_NAME;
    rule->text = build_string(reader, name, length);
    return true;
}

/* Digits and dots were meant as an address; with stars among them, as a network. */
static bool rule_digits(const struct scan_word *word)
{
    bool digit = false;

    for (size_t i = 0; i < word->length; i++) {
        if (word->text[i] == '\0' || strchr("0123456789./*?", word->text[i]) == NULL)
            return false;
        digit = digit || (word->text[i] >= '0' && word->text[i] <= '9');
    }
    return digit;
}

static bool rule_host(struct reader *reader, const struct scan_word *word,
                      const struct scan_word *host, const struct scan_word *rest,
                      struct sp_match *rule)
{
    const char *slash = memchr(host->text, '/', host->length);
    size_t length = slash != NULL ? (size_t)(slash - host->text) : host->length;
    struct scan_word ip = rule_part(host, 0, length), ports;

    if (rule_digits(host) && memchr(host->text, '*', host->length) == NULL &&
        memchr(host->text, '?', host->length) == NULL)
        return rule_net(reader, word, &ip, rule_part(word, length, word->length - length), rule);
    if (rule_digits(host)) {
        report_at(reader, host, "write a network: 10.20.0.0/16", "a star within an address");
        return false;
    }
    if (host->length == 1 && host->text[0] == '*')
        rule->kind = SP_MATCH_ANY;
    else if (!rule_name(reader, host, rule))
        return false;
    if (rest->length == 0)
        return true;
    ports = rule_part(rest, 1, rest->length - 1);
    return rule_ports(reader, &ports, rule);
}

static bool rule_plain(struct reader *reader, const struct scan_word *word, struct sp_match *rule)
{
    const char *colon = memchr(word->text, ':', word->length);
    size_t length = colon != NULL ? (size_t)(colon - word->text) : word->length;
    struct scan_word host = rule_part(word, 0, length);
    struct scan_word rest = rule_part(word, length, word->length - length);

    if (rest.length > 2 && memcmp(rest.text, "://", 3) == 0) {
        report_at(reader, word, "host and port alone: example.com:443", "'%.*s' is a URL",
                  SHOWN(word));
        return false;
    }
    if (rest.length > 1 && memchr(rest.text + 1, ':', rest.length - 1) != NULL) {
        report_at(reader, word, "write IPv6 in brackets: [2001:db8::1]:5432",
                  "'%.*s' has more than one colon", SHOWN(word));
        return false;
    }
    return rule_host(reader, word, &host, &rest, rule);
}

static bool rule_read(struct reader *reader, const struct scan_word *word, struct sp_match *rule)
{
    if (word->length >= 5 && memcmp(word->text, "unix:", 5) == 0)
        return rule_unix(reader, word, rule);
    if (word->length > 0 && word->text[0] == '[')
        return rule_bracketed(reader, word, rule);
    return rule_plain(reader, word, rule);
}

static void rule_word(struct reader *reader, const struct scan_word *word)
{
    struct sp_match rule = {
        .port_high = UINT16_MAX, .file = reader->file, .line = (uint16_t)reader->line.number};
    size_t index = reader->match_count;

    if (!rule_read(reader, word, &rule))
        return;
    rule.source = build_string(reader, word->text, word->length);
    if (index == READER_MATCHES_MAX || rule.source == 0) {
        report_at(reader, word, NULL, "more rules than a policy can hold");
        return;
    }
    if (reader->row >= SP_POLICY_ROWS_MAX)
        return;
    reader->matches[index] = rule;
    reader->match_row[index] = (uint16_t)reader->row;
    reader->match_column[index] = (uint16_t)reader->line.word[0].column;
    reader->match_count++;
    reader->rows[reader->row].match_count++;
}

void rule_words(struct reader *reader)
{
    struct scan_word *words = reader->line.word;

    if (reader->row == READER_DEFAULTS) {
        report_at(reader, &words[0], "move it to a destination",
                  "'match' cannot stand in defaults");
        return;
    }
    if (reader->line.count == 1)
        report_at(reader, &words[0], "match *.pay.example.com:443  10.20.0.0/16:5432",
                  "'match' needs a rule");
    for (size_t i = 1; i < reader->line.count; i++)
        rule_word(reader, &words[i]);
}
