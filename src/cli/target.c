/* target.c - names in the policy, looked up. */
#include "cli/target.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "cli/look.h"
#include "cli/say.h"

#define TARGET_TEXT  300
#define TARGET_FRESH (60 * SP_SECOND) /* a look-up is not made again so soon */

size_t target_look_up(const char *text, struct sp_addr out[SP_TARGET_ADDRESSES], const char **why)
{
    char host[256];
    const char *colon = strchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    size_t count = 0;
    *why = "it is no HOST:PORT";
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return 0;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    int result = getaddrinfo(host, colon + 1, &hints, &found);
    *why = result ? gai_strerror(result) : "it has no addresses";
    for (struct addrinfo *a = result ? NULL : found; a && count < SP_TARGET_ADDRESSES;
         a = a->ai_next)
        count += sp_addr_from_sockaddr(a->ai_addr, a->ai_addrlen, &out[count]);
    if (result == 0)
        freeaddrinfo(found);
    return count;
}

static bool target_renew(struct sp_segment *segment, const char *text, uint64_t hash, bool anew,
                         const char **why, bool *known)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    uint64_t when = 0, now = sp_wall();
    *known = sp_target_get(segment, hash, addresses, &when) > 0;
    if (*known && !anew && when <= now && now - when < TARGET_FRESH)
        return true;
    size_t count = target_look_up(text, addresses, why);
    if (count)
        sp_target_put(segment, text, addresses, count);
    return count > 0;
}

static void target_resolve_one(struct sp_segment *segment, const struct sp_row *row,
                               const struct target_lines *lines, const struct target_line *line,
                               bool anew, bool quiet)
{
    const char *why;
    char safe[TARGET_TEXT];
    bool known;
    if (target_renew(segment, line->text, line->hash, anew, &why, &known) || quiet)
        return;
    say_error("%.*s: %s %s cannot be looked up: %s; %s", SP_NAME_SIZE, row->name, lines->what,
              say_safe(safe, sizeof safe, line->text, sizeof safe / 4 - 1), why,
              known ? "what it was stands" : lines->until);
}

void target_resolve(struct sp_segment *segment, const struct target_lines *lines, bool anew,
                    bool quiet)
{
    const struct sp_row *row;
    struct target_line line;
    uint64_t generation;
    struct sp_policy *policy = look_policy(segment, &generation);
    for (size_t i = 0; policy && (row = sp_policy_row(policy, i)) != NULL; i++) {
        for (size_t nth = 0; lines->nth(policy, row, nth, &line); nth++) {
            if (line.text)
                target_resolve_one(segment, row, lines, &line, anew, quiet);
        }
    }
    free(policy);
}

static void target_finding(const struct sp_policy *policy, const struct target_lines *lines,
                           const struct target_line *line, sp_finding_fn *say, void *context)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    char text[2 * TARGET_TEXT], safe[TARGET_TEXT];
    const char *why;
    if (target_look_up(line->text, addresses, &why) > 0)
        return;
    snprintf(text, sizeof text, "%s cannot be looked up from here: %s; %s until it can",
             say_safe(safe, sizeof safe, line->text, sizeof safe / 4 - 1), why, lines->without);
    say(context, &(struct sp_finding){.severity = SP_WARNING,
                                      .file = sp_policy_file(policy, line->file),
                                      .line = line->line,
                                      .column = line->column,
                                      .length = 1,
                                      .text = text});
}

void target_findings(const struct sp_policy *policy, const struct target_lines *lines,
                     sp_finding_fn *say, void *context)
{
    const struct sp_row *row;
    struct target_line line;
    for (size_t i = 0; (row = sp_policy_row(policy, i)) != NULL; i++) {
        for (size_t nth = 0; lines->nth(policy, row, nth, &line); nth++) {
            if (line.text)
                target_finding(policy, lines, &line, say, context);
        }
    }
}
