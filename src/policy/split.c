/*
 * split.c - what stands behind `split`: an arm, `ADDRESS share P% as NAME`, or `sticky process`;
 * and whether the arms of a destination can be meant.
 */
#include "base/random.h"
#include "base/text.h"
#include "policy/reader.h"

#include <string.h>

#define SPLIT_EXAMPLE "split 10.30.2.10:9200  share 5%  as green"

static bool split_is(const struct scan_word *word, const char *text)
{
    return sp_text_is(word->text, word->length, text);
}

/* --- the words --- */

static bool split_share(struct reader *reader, const struct scan_word *word,
                        struct sp_arm_policy *arm)
{
    if (sp_text_parse_share(word->text, word->length, &arm->share) == SP_TEXT_OK &&
        arm->share <= SP_SHARE_ALL)
        return true;
    report_at(reader, word, "0% to 100%, with two decimals at most", "'%.*s' is no share",
              SHOWN(word));
    return false;
}

static bool split_name(struct reader *reader, const struct scan_word *word,
                       struct sp_arm_policy *arm)
{
    if (!section_name(reader, word, "an arm", SP_ARM_NAME_SIZE))
        return false;
    memset(arm->name, 0, sizeof arm->name);
    memcpy(arm->name, word->text, word->length);
    return true;
}

/* Without `as` an arm is called by its address. */
static bool split_unnamed(struct reader *reader, const struct scan_word *word,
                          struct sp_arm_policy *arm)
{
    if (word->length < SP_ARM_NAME_SIZE) {
        memcpy(arm->name, word->text, word->length);
        return true;
    }
    report_at(reader, word, SPLIT_EXAMPLE, "'%.*s' is too long to be its arm's name: give it one",
              SHOWN(word));
    return false;
}

/* `share 5%  as green`, in either order. */
static bool split_options(struct reader *reader, struct sp_arm_policy *arm)
{
    struct scan_word *words = reader->line.word;
    bool shared = false, named = false, good = true;

    for (size_t at = 2; good && at < reader->line.count; at += 2) {
        bool share = split_is(&words[at], "share"), name = split_is(&words[at], "as");

        if ((!share && !name) || (share ? shared : named)) {
            report_at(reader, &words[at], SPLIT_EXAMPLE, "unexpected '%.*s'", SHOWN(&words[at]));
            return false;
        }
        if (at + 1 == reader->line.count) {
            report_at(reader, &words[at], SPLIT_EXAMPLE, "'%.*s' needs a value", SHOWN(&words[at]));
            return false;
        }
        good = share ? split_share(reader, &words[at + 1], arm)
                     : split_name(reader, &words[at + 1], arm);
        shared |= share;
        named |= name;
    }
    if (good && !shared) {
        report_at(reader, &words[1], SPLIT_EXAMPLE, "'%.*s' needs a share", SHOWN(&words[1]));
        return false;
    }
    return good && (named || split_unnamed(reader, &words[1], arm));
}

/* --- the line --- */

/* `split off`: none of those that other files have named. */
static void split_off(struct reader *reader)
{
    for (size_t i = 0; i < reader->arm_count; i++)
        if (reader->arm_row[i] == reader->row)
            reader->arm_row[i] = READER_REFUSED;
    reader->sticky[reader->row].line = 0;
}

static bool split_twice(struct reader *reader, const struct sp_arm_policy *other,
                        const struct sp_arm_policy *arm)
{
    struct scan_word *word = &reader->line.word[1];

    if (strcmp(other->name, arm->name) == 0)
        report_at(reader, word, "names tell arms apart: rename one",
                  "a second arm '%s'; first on line %u", arm->name, (unsigned)other->line);
    else if (other->hash == arm->hash)
        report_at(reader, word, "remove one of them", "'%.*s' is named twice; first on line %u",
                  SHOWN(word), (unsigned)other->line);
    else
        return false;
    return true;
}

/* Where the arm goes: behind the others, or in the place of one that another file has named so.
 * READER_ARMS_MAX: nowhere. */
static size_t split_place(struct reader *reader, const struct sp_arm_policy *arm)
{
    unsigned count = 0;

    for (size_t i = 0; i < reader->arm_count; i++) {
        const struct sp_arm_policy *other = &reader->arms[i];

        if (reader->arm_row[i] != reader->row)
            continue;
        if (other->file != arm->file && strcmp(other->name, arm->name) == 0)
            return i;
        if (split_twice(reader, other, arm))
            return READER_ARMS_MAX;
        count++;
    }
    if (count < SP_ARMS_MAX && reader->arm_count < READER_ARMS_MAX)
        return reader->arm_count++;
    report_at(reader, &reader->line.word[1], "remove one of them",
              "a destination has at most %u arms", SP_ARMS_MAX);
    return READER_ARMS_MAX;
}

static void split_arm(struct reader *reader)
{
    const struct scan_word *word = &reader->line.word[1];
    struct reader_place here = build_here(reader, word);
    struct sp_arm_policy arm = {.place = SP_NO_ARM};
    struct reader_peer peer;
    size_t place;

    if (!peer_read(reader, word, "HOST:PORT, IP:PORT, [IPV6]:PORT or unix:/PATH", &peer) ||
        !split_options(reader, &arm))
        return;
    arm.kind = peer.kind;
    arm.port = peer.port;
    arm.address = peer.address;
    arm.hash = sp_hash(word->text, word->length);
    arm.file = here.file;
    arm.line = here.line;
    arm.column = here.column;
    arm.text = build_string(reader, word->text, word->length);
    if (arm.text == 0) {
        report_at(reader, word, NULL, "more text than a policy can hold");
        return;
    }
    place = reader->row < SP_POLICY_ROWS_MAX ? split_place(reader, &arm) : READER_ARMS_MAX;
    if (place < READER_ARMS_MAX) {
        reader->arms[place] = arm;
        reader->arm_row[place] = (uint16_t)reader->row;
    }
}

static void split_sticky(struct reader *reader)
{
    struct scan_word *words = reader->line.word;
    size_t count = reader->line.count;

    if (count == 2)
        report_at(reader, &words[1], "split sticky process", "'sticky' needs a value");
    else if (!split_is(&words[2], "process"))
        report_at(reader, &words[2], "split sticky process", "'sticky' cannot be '%.*s'",
                  SHOWN(&words[2]));
    else if (count > 3)
        report_at(reader, &words[3], "split sticky process", "unexpected '%.*s'", SHOWN(&words[3]));
    else
        reader->sticky[reader->row] = build_here(reader, &words[1]);
}

void split_words(struct reader *reader)
{
    struct scan_word *words = reader->line.word;
    size_t count = reader->line.count;

    if (reader->row == READER_DEFAULTS)
        report_at(reader, &words[0], "move it to a destination",
                  "'split' cannot stand in defaults");
    else if (count == 1)
        report_at(reader, &words[0], SPLIT_EXAMPLE, "'split' needs an address");
    else if (split_is(&words[1], "off") && count == 2)
        split_off(reader);
    else if (split_is(&words[1], "sticky"))
        split_sticky(reader);
    else
        split_arm(reader);
}

/* --- can it be meant? --- */

static const char *split_socket(const struct sp_arm_policy *arm)
{
    bool local = arm->kind == SP_FALLBACK_ADDRESS && arm->address.family == SP_FAMILY_UNIX;

    return local ? "unix" : "TCP";
}

static void split_check_kind(struct reader *reader, const struct sp_policy *policy,
                             const struct sp_row *row, const struct sp_arm_policy *first,
                             const struct sp_arm_policy *arm)
{
    struct reader_place place = {arm->file, arm->line, arm->column};
    const char *kind = split_socket(arm);

    if (strcmp(split_socket(first), kind) != 0)
        report_error(reader, place,
                     "'%s': arm '%s' is a %s socket and '%s' a %s one: arms must be of one kind",
                     row->name, arm->name, kind, first->name, split_socket(first));
    else if (!peer_replaces(policy, row, arm->kind, &arm->address))
        report_error(reader, place,
                     "'%s': arm '%s' is another kind of socket than what its programs have: a %s"
                     " socket cannot be connected to it",
                     row->name, arm->name, strcmp(kind, "TCP") == 0 ? "unix" : "TCP");
}

static void split_check_scope(struct reader *reader, const struct sp_row *row, size_t index)
{
    struct reader_place scope = reader->set[index][KEY_SCOPE];

    if (scope.line > 0 && row->guards.breaker.scope == SP_SCOPE_ENDPOINT)
        report_warning(reader, scope,
                       "'%s': scope endpoint does nothing here: each arm has a breaker of its own",
                       row->name);
}

void split_check(struct reader *reader, const struct sp_policy *policy, size_t index)
{
    const struct sp_row *row = sp_policy_row(policy, index);
    const struct sp_arm_policy *first = sp_policy_arm(policy, row->arm_first), *arm = first;
    uint32_t sum = 0;
    char share[16];

    if (row->arm_count == 0) {
        if (reader->sticky[index].line > 0)
            report_warning(reader, reader->sticky[index],
                           "'%s': split sticky does nothing: there are no arms", row->name);
        return;
    }
    for (size_t i = 0; i < row->arm_count; i++) {
        arm = sp_policy_arm(policy, row->arm_first + i);
        sum += arm->share;
        split_check_kind(reader, policy, row, first, arm);
    }
    sp_text_format_share(sum, share, sizeof share);
    if (sum != SP_SHARE_ALL)
        report_error(reader, (struct reader_place){arm->file, arm->line, arm->column},
                     "'%s': the shares of its arms are %s together, not 100%%", row->name, share);
    split_check_scope(reader, row, index);
}
