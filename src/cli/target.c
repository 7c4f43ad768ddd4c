/* target.c - names in the policy, looked up. */
#include "cli/target.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
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

void target_resolve(struct sp_segment *segment, const struct sp_row *row,
                    const struct target_line *line, bool anew, const char *without, bool quiet)
{
    const char *why;
    char safe[TARGET_TEXT];
    bool known;
    if (target_renew(segment, line->text, line->hash, anew, &why, &known) || quiet)
        return;
    say_error("%.*s: %s %s cannot be looked up: %s; %s", SP_NAME_SIZE, row->name, line->what,
              say_safe(safe, sizeof safe, line->text, sizeof safe / 4 - 1), why,
              known ? "what it was stands" : without);
}

void target_finding(const struct sp_policy *policy, const struct target_line *line,
                    const char *without, sp_finding_fn *say, void *context)
{
    struct sp_addr addresses[SP_TARGET_ADDRESSES];
    char text[2 * TARGET_TEXT], safe[TARGET_TEXT];
    const char *why;
    if (target_look_up(line->text, addresses, &why) > 0)
        return;
    snprintf(text, sizeof text, "%s cannot be looked up from here: %s; %s until it can",
             say_safe(safe, sizeof safe, line->text, sizeof safe / 4 - 1), why, without);
    say(context, &(struct sp_finding){.severity = SP_WARNING,
                                      .file = sp_policy_file(policy, line->file),
                                      .line = line->line,
                                      .column = line->column,
                                      .length = 1,
                                      .text = text});
}
