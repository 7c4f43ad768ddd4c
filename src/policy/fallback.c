/*
 * fallback.c - what stands behind `fallback`: an address, or `respond FILE`; and whether it can be
 * meant for its destination.
 */
#include "base/addr.h"
#include "base/random.h"
#include "base/text.h"
#include "policy/reader.h"

#include <string.h>

#define FALLBACK_EXAMPLE "fallback pay-dr.example.com:443  when open,failed"
#define FALLBACK_HOST    253 /* characters of a host name, RFC 1035 */

static const struct {
    const char *word;
    enum sp_when when;
} fallback_whens[] = {{"open", SP_WHEN_OPEN}, {"failed", SP_WHEN_FAILED}};
#define FALLBACK_WHENS (sizeof fallback_whens / sizeof *fallback_whens)

size_t sp_when_format(unsigned when, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);

    for (size_t i = 0; i < FALLBACK_WHENS; i++)
        if (when & fallback_whens[i].when)
            sp_text_put(&text, "%s%s", text.length > 0 ? "," : "", fallback_whens[i].word);
    return text.length;
}

/* --- when --- */

static unsigned fallback_when(const char *word, size_t length)
{
    for (size_t i = 0; i < FALLBACK_WHENS; i++)
        if (sp_text_is(word, length, fallback_whens[i].word))
            return fallback_whens[i].when;
    return 0;
}

static bool fallback_list(struct reader *reader, const struct scan_word *word, uint8_t *when)
{
    const char *end = word->text + word->length, *at = word->text;

    for (;; at++) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma != NULL ? comma : end) - at);
        unsigned one = fallback_when(at, length);

        if (one == 0) {
            report_at(reader, word, "possible here: open failed, or both: open,failed",
                      "unknown occasion '%.*s'", (int)(length < 64 ? length : 64), at);
            return false;
        }
        *when |= (uint8_t)one;
        at += length;
        if (comma == NULL)
            return true;
    }
}

/* `when open,failed`, from words[at] on. Without it: both. */
static bool fallback_occasions(struct reader *reader, size_t at, struct sp_fallback *fallback)
{
    struct scan_word *words = reader->line.word;
    size_t count = reader->line.count;

    if (at == count) {
        fallback->when = SP_WHEN_ALL;
        return true;
    }
    if (!sp_text_is(words[at].text, words[at].length, "when")) {
        report_at(reader, &words[at], FALLBACK_EXAMPLE, "unexpected '%.*s'", SHOWN(&words[at]));
        return false;
    }
    if (at + 1 == count) {
        report_at(reader, &words[at], "when open,failed", "'when' needs a value");
        return false;
    }
    if (at + 2 < count) {
        report_at(reader, &words[at + 2], "with commas between: when open,failed",
                  "unexpected '%.*s'", SHOWN(&words[at + 2]));
        return false;
    }
    return fallback_list(reader, &words[at + 1], &fallback->when);
}

/* --- where to --- */

static bool fallback_address(struct reader *reader, const struct scan_word *word,
                             struct sp_fallback *fallback)
{
    struct reader_peer peer;

    if (!peer_read(reader, word, "HOST:PORT, IP:PORT, [IPV6]:PORT, unix:/PATH, or respond FILE",
                   &peer))
        return false;
    fallback->kind = peer.kind;
    fallback->port = peer.port;
    fallback->address = peer.address;
    return true;
}

/* --- the line --- */

/* `fallback off`: none of those that other files have named. */
static void fallback_off(struct reader *reader)
{
    for (size_t i = 0; i < reader->fallback_count; i++)
        if (reader->fallback_row[i] == reader->row)
            reader->fallback_row[i] = READER_REFUSED;
}

/* More of them than a destination may have, or one twice? */
static bool fallback_more(struct reader *reader, const struct scan_word *word,
                          const struct sp_fallback *fallback)
{
    unsigned count = 0;

    for (size_t i = 0; i < reader->fallback_count; i++) {
        const struct sp_fallback *other = &reader->fallbacks[i];

        if (reader->fallback_row[i] != reader->row)
            continue;
        count++;
        if (other->kind == SP_FALLBACK_RESPOND && fallback->kind == SP_FALLBACK_RESPOND) {
            report_at(reader, word, "remove one of them", "a second 'respond'; first on line %u",
                      (unsigned)other->line);
            return false;
        }
        if (other->hash == fallback->hash &&
            (other->kind == SP_FALLBACK_RESPOND) == (fallback->kind == SP_FALLBACK_RESPOND)) {
            report_at(reader, word, "remove one of them", "'%.*s' is named twice; first on line %u",
                      SHOWN(word), (unsigned)other->line);
            return false;
        }
    }
    if (count < SP_FALLBACKS_MAX && reader->fallback_count < READER_FALLBACKS_MAX)
        return true;
    report_at(reader, word, "remove one of them", "a destination has at most %u fallbacks",
              SP_FALLBACKS_MAX);
    return false;
}

static void fallback_add(struct reader *reader, const struct scan_word *word, size_t behind,
                         struct sp_fallback *fallback)
{
    struct reader_place place = build_here(reader, word);

    if (!fallback_occasions(reader, behind, fallback))
        return;
    fallback->hash = sp_hash(word->text, word->length);
    fallback->file = place.file;
    fallback->line = place.line;
    fallback->column = place.column;
    fallback->text = build_string(reader, word->text, word->length);
    if (fallback->text == 0) {
        report_at(reader, word, NULL, "more text than a policy can hold");
    } else if (reader->row < SP_POLICY_ROWS_MAX && fallback_more(reader, word, fallback)) {
        reader->fallback_row[reader->fallback_count] = (uint16_t)reader->row;
        reader->fallbacks[reader->fallback_count++] = *fallback;
    }
}

void fallback_words(struct reader *reader)
{
    struct scan_word *words = reader->line.word;
    size_t count = reader->line.count;
    struct sp_fallback fallback = {0};

    if (reader->row == READER_DEFAULTS) {
        report_at(reader, &words[0], "move it to a destination",
                  "'fallback' cannot stand in defaults");
    } else if (count == 1) {
        report_at(reader, &words[0], FALLBACK_EXAMPLE, "'fallback' needs an address");
    } else if (sp_text_is(words[1].text, words[1].length, "off") && count == 2) {
        fallback_off(reader);
    } else if (sp_text_is(words[1].text, words[1].length, "respond")) {
        fallback.kind = SP_FALLBACK_RESPOND;
        if (count == 2 || words[2].length == 0)
            report_at(reader, &words[1], "fallback respond answers/503.http",
                      "'respond' needs a file");
        else
            fallback_add(reader, &words[2], 3, &fallback);
    } else if (fallback_address(reader, &words[1], &fallback)) {
        fallback_add(reader, &words[1], 2, &fallback);
    }
}

/* --- can it be meant? --- */

static bool fallback_own(const struct sp_policy *policy, size_t row,
                         const struct sp_fallback *fallback)
{
    char host[FALLBACK_HOST + 1];
    const char *text = sp_policy_string(policy, fallback->text);
    size_t length = strcspn(text, ":");

    if (fallback->kind == SP_FALLBACK_ADDRESS)
        return sp_policy_match(policy, &fallback->address, NULL, 0, NULL) == (int)row;
    if (fallback->kind != SP_FALLBACK_NAME || length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    return sp_policy_match_name(policy, host, fallback->port) == (int)row;
}

/* Ports where TLS is spoken from the first byte on. */
static bool fallback_tls(const struct sp_policy *policy, const struct sp_match *rule)
{
    static const uint16_t ports[] = {443,  465,  636,  853,  989,  990,  992,  993, 995,
                                     5061, 5671, 5986, 6443, 6697, 8443, 8883, 9443};

    if (rule->kind == SP_MATCH_NAME &&
        strncmp(sp_policy_string(policy, rule->text), "https", 5) == 0)
        return true;
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (rule->port_low == ports[i] && rule->port_high == ports[i])
            return true;
    return false;
}

static void fallback_plain(struct reader *reader, const struct sp_policy *policy,
                           const struct sp_row *row, struct reader_place place)
{
    for (size_t i = 0; i < row->match_count; i++) {
        const struct sp_match *rule = sp_policy_match_at(policy, row->match_first + i);

        if (!fallback_tls(policy, rule))
            continue;
        report_warning(reader, place,
                       "'%s': %.200s speaks TLS, and the answer is plain text: its programs would"
                       " see a broken handshake",
                       row->name, sp_policy_string(policy, rule->source));
        return;
    }
}

static void fallback_check_one(struct reader *reader, const struct sp_policy *policy, size_t index,
                               const struct sp_fallback *fallback)
{
    const struct sp_row *row = sp_policy_row(policy, index);
    const struct sp_breaker_policy *breaker = &row->guards.breaker;
    struct reader_place place = {fallback->file, fallback->line, fallback->column};
    const char *text = sp_policy_string(policy, fallback->text);

    if (fallback->kind == SP_FALLBACK_RESPOND)
        fallback_plain(reader, policy, row, place);
    else if (!peer_replaces(policy, row, fallback->kind, &fallback->address))
        report_error(reader, place,
                     "'%s': %.200s is another kind of socket than what it replaces: a %s cannot"
                     " be connected to it",
                     row->name, text,
                     fallback->address.family == SP_FAMILY_UNIX ? "TCP socket" : "unix socket");
    else if (fallback_own(policy, index, fallback))
        report_error(reader, place, "'%s': its fallback %.200s is the destination itself",
                     row->name, text);
    if (fallback->when == SP_WHEN_OPEN &&
        (row->guards.pass || breaker->streak + breaker->rate + breaker->slow == 0))
        report_warning(reader, place, "'%s': fallback %.200s when open does nothing: %s", row->name,
                       text,
                       row->guards.pass ? "breaker pass refuses nobody"
                                        : "the breaker has no streak, rate or slow");
}

void fallback_check(struct reader *reader, const struct sp_policy *policy, size_t index)
{
    const struct sp_row *row = sp_policy_row(policy, index);

    for (size_t i = 0; i < row->fallback_count; i++)
        fallback_check_one(reader, policy, index,
                           sp_policy_fallback(policy, row->fallback_first + i));
}
