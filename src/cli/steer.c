#include "cli/steer.h"

#include <bsd/string.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/say.h"
#include "shearpin/split.h"

void steer_dest(struct steer *steer, uint32_t index)
{
    struct sp_breaker_view view;
    where_call(&steer->call, &steer->segment, index, &steer->guards);
    steer->address[0] = 0;
    steer->call.random = sp_mix(steer->call.now);
    sp_breaker_look(&steer->call, &view);
    steer->before = view.state;
}

/* The arm behind the @ of search@green; false: there is none of that name. */
static bool steer_arm(struct steer *steer, const char *text)
{
    struct sp_arm *arm = sp_arm_named(&steer->segment, steer->call.index, text);
    if (strlen(text) >= SP_ARM_NAME_SIZE || !arm)
        return false;
    steer->call.arm = arm;
    steer->call.endpoint = &arm->endpoint;
    strlcpy(steer->address, text, sizeof steer->address);
    return true;
}

static bool steer_address(struct steer *steer, const char *text)
{
    struct sp_addr address;
    if (!sp_addr_parse(text, strlen(text), &address))
        return false;
    struct sp_aim aim =
        sp_endpoint_aim(&steer->segment, steer->call.index, &address, steer->call.now, false, NULL);
    steer->call.endpoint = sp_endpoint_at(&steer->segment, aim);
    if (steer->call.endpoint)
        sp_addr_format(&address, steer->address, sizeof steer->address);
    return steer->call.endpoint != NULL;
}

/* What stands behind the @ of payments@10.4.0.7:443. */
static int steer_endpoint(struct steer *steer, const char *text)
{
    struct sp_breaker_view view;
    char safe[4 * SP_ADDR_TEXT_SIZE];
    if (!steer_arm(steer, text) && !steer_address(steer, text)) {
        say_error("%s has no breaker for %s; `shearpin status %s` lists those that it has",
                  steer_name(steer), say_safe(safe, sizeof safe, text, SP_ADDR_TEXT_SIZE - 1),
                  steer_name(steer));
        return CLI_UNKNOWN;
    }
    sp_breaker_look(&steer->call, &view);
    steer->before = view.state;
    return CLI_OK;
}

int steer_begin(struct cli *cli, struct steer *steer, const char *name)
{
    uint32_t index = 0;
    char dest[SP_NAME_SIZE];
    const char *at = strchr(name, '@');
    size_t length = at ? (size_t)(at - name) : strlen(name);
    bool address = at && length < sizeof dest;
    int status = where_attach(cli, &steer->segment);
    if (address) {
        memcpy(dest, name, length);
        dest[length] = 0;
    }
    if (status == CLI_OK)
        status = where_dest(cli, &steer->segment, address ? dest : name, &index);
    if (status != CLI_OK)
        return status;
    steer_dest(steer, index);
    return address ? steer_endpoint(steer, at + 1) : CLI_OK;
}

int steer_until(const struct cli *cli, const struct steer *steer, uint64_t *until)
{
    *until = cli->lasting ? steer->call.now + cli->lasting : 0;
    if (cli->lasting && cli->until_reset) {
        say_error("--for and --until-reset contradict each other; say one of them");
        return CLI_USAGE;
    }
    return CLI_OK;
}

void steer_note(const struct cli *cli, struct steer *steer, enum sp_event_kind kind, unsigned to,
                uint64_t until)
{
    struct sp_dest *dest = steer->call.dest;
    bool ends = kind == SP_EVENT_RESET || kind == SP_EVENT_ENABLE;
    struct sp_steer note = {.kind = ends ? SP_EVENT_NONE : kind,
                            .uid = (uint32_t)geteuid(),
                            .pid = (uint32_t)getpid(),
                            .wall = sp_wall(),
                            .until = until};
    struct sp_event event = {.kind = (uint16_t)kind,
                             .from = (uint8_t)steer->before,
                             .to = (uint8_t)to,
                             .reason = SP_TRIP_OPERATOR,
                             .a = until};
    struct sp_text_out text = sp_text_out(event.text, sizeof event.text);
    if (dest && steer->address[0])
        sp_text_put(&text, "%s%s", steer->address, cli->reason ? ": " : "");
    if (cli->reason)
        sp_text_put(&text, "%s", cli->reason);
    if (cli->reason)
        strlcpy(note.reason, cli->reason, sizeof note.reason);
    if (dest) {
        memcpy(event.destination, dest->name, sizeof event.destination);
        if (!steer->address[0]) /* the note is the destination's */
            sp_steer_write(dest, &note);
    }
    sp_event_write(&steer->segment, &event);
}

const char *steer_name(const struct steer *steer)
{
    static char safe[4 * SP_NAME_SIZE + SP_ADDR_TEXT_SIZE + 2];
    say_safe(safe, sizeof safe, steer->call.dest->name, SP_NAME_SIZE);
    if (steer->address[0]) {
        strlcat(safe, "@", sizeof safe);
        strlcat(safe, steer->address, sizeof safe);
    }
    return safe;
}

void steer_warn(const struct cli *cli, const struct steer *steer)
{
    const char *name = steer_name(steer);
    bool off = atomic_load(&steer->segment.head->disabled) || sp_dest_disabled(steer->call.dest);
    if (cli->quiet)
        return;
    if (off)
        say_error("%s is disabled: every call goes straight through until `shearpin enable`", name);
    else if (steer->guards.mode == SP_MODE_OBSERVE)
        say_error("%s is only observed: refusals are counted, and every call goes through", name);
    else if (steer->guards.mode == SP_MODE_OFF)
        say_error("%s is off in the policy in force: nothing is refused", name);
}
