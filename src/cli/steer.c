#include "cli/steer.h"

#include <bsd/string.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/say.h"

void steer_dest(struct steer *steer, uint32_t index)
{
    struct sp_breaker_view view;
    where_call(&steer->call, &steer->segment, index, &steer->guards);
    steer->call.random = sp_mix(steer->call.now);
    sp_breaker_look(&steer->call, &view);
    steer->before = view.state;
}

int steer_begin(struct cli *cli, struct steer *steer, const char *name)
{
    uint32_t index = 0;
    int status = where_attach(cli, &steer->segment);
    if (status == CLI_OK)
        status = where_dest(cli, &steer->segment, name, &index);
    if (status == CLI_OK)
        steer_dest(steer, index);
    return status;
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
    if (cli->reason) {
        strlcpy(note.reason, cli->reason, sizeof note.reason);
        strlcpy(event.text, cli->reason, sizeof event.text);
    }
    if (dest) {
        memcpy(event.destination, dest->name, sizeof event.destination);
        sp_steer_write(dest, &note);
    }
    sp_event_write(&steer->segment, &event);
}

const char *steer_name(const struct steer *steer)
{
    static char safe[4 * SP_NAME_SIZE + 1];
    return say_safe(safe, sizeof safe, steer->call.dest->name, SP_NAME_SIZE);
}

void steer_warn(const struct cli *cli, const struct steer *steer)
{
    const char *name = steer_name(steer);
    bool off =
        atomic_load(&steer->segment.head->disabled) || atomic_load(&steer->call.dest->disabled);
    if (cli->quiet)
        return;
    if (off)
        say_error("%s is disabled: every call goes straight through until `shearpin enable`", name);
    else if (steer->guards.mode == SP_MODE_OBSERVE)
        say_error("%s is only observed: refusals are counted, and every call goes through", name);
    else if (steer->guards.mode == SP_MODE_OFF)
        say_error("%s is off in the policy in force: nothing is refused", name);
}
