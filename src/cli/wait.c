#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/near.h"
#include "cli/look.h"
#include "cli/say.h"

#define WAIT_PAUSE (10 * SP_MS)

static int wait_state(const struct cli *cli, const char *word, enum sp_state *state)
{
    struct sp_near near = sp_near_begin(word, strlen(word));
    for (int i = 0; i < SP_STATE_COUNT; i++) {
        sp_near_try(&near, sp_state_words[i]);
        if (strcmp(word, sp_state_words[i]) == 0) {
            *state = (enum sp_state)i;
            return CLI_OK;
        }
    }
    say_error("'%s' is no state; possible here are: closed, open, half-open", word);
    if (near.best)
        say_corrected(cli, word, near.best);
    return CLI_USAGE;
}

/* When the open time is over the next call probes: for who waits that is half-open already. */
static enum sp_state wait_look(struct sp_segment *segment, uint32_t index)
{
    struct sp_guards guards;
    struct sp_call call;
    struct sp_breaker_view view;
    where_call(&call, segment, index, &guards);
    sp_breaker_look(&call, &view);
    bool over = view.state == SP_STATE_OPEN && view.hold == SP_HOLD_NONE && view.until == 0;
    return over ? SP_STATE_HALF_OPEN : view.state;
}

int wait_main(struct cli *cli)
{
    struct sp_segment segment;
    enum sp_state state = SP_STATE_CLOSED, seen = SP_STATE_CLOSED;
    uint32_t index = 0;
    uint64_t start = sp_now();
    int status = wait_state(cli, cli->words[1], &state);
    if (status == CLI_OK && cli->timeout == 0) {
        say_error("say how long to wait: --timeout 10s");
        status = CLI_USAGE;
    }
    if (status == CLI_OK)
        status = where_attach(cli, &segment);
    if (status == CLI_OK)
        status = where_dest(cli, &segment, cli->words[0], &index);
    while (status == CLI_OK) {
        seen = wait_look(&segment, index);
        if (seen == state)
            break;
        if (sp_now() - start >= cli->timeout)
            status = CLI_NO;
        else
            look_sleep(WAIT_PAUSE);
    }
    if (status == CLI_NO && !cli->quiet)
        say_error("%s is still %s after %s", cli->words[0], sp_state_words[seen],
                  SAY_TIME(cli->timeout));
    return status;
}
