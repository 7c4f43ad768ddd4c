#include "cli/shares.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/say.h"

/* Hundredths of a percent; `%` may be left out. */
static bool shares_one(const char *text, size_t length, uint32_t *out)
{
    char with[32];
    if (length == 0 || length + 2 > sizeof with)
        return false;
    snprintf(with, sizeof with, "%.*s%s", (int)length, text, text[length - 1] == '%' ? "" : "%");
    return sp_text_parse_share(with, strlen(with), out) == SP_TEXT_OK && *out <= SP_SHARE_ALL;
}

static int shares_word(const struct cli *cli, const struct arms *arms, const char *word,
                       uint16_t *out, bool *said)
{
    char safe[128];
    uint32_t share = 0;
    const char *equal = strchr(word, '=');
    say_safe(safe, sizeof safe, word, 30);
    if (!equal) {
        say_error("'%s' is no share; they are written ARM=SHARE: %s=75%%", safe,
                  arms->lines[0].name);
        return CLI_USAGE;
    }
    int arm = arms_find(cli, arms, word, (size_t)(equal - word));
    if (arm < 0)
        return CLI_USAGE;
    if (!shares_one(equal + 1, strlen(equal + 1), &share)) {
        say_error("'%s' is no share of 0%% to 100%%", safe);
        return CLI_USAGE;
    }
    if (said[arm]) {
        say_error("%s has two shares here", arms->lines[arm].name);
        return CLI_USAGE;
    }
    said[arm] = true;
    out[arm] = (uint16_t)share;
    return CLI_OK;
}

/* They are not made to fit: 75 and 20 may be a slip of 5 as well as a proportion. */
static int shares_sum(const struct arms *arms, const uint16_t *out, const bool *said)
{
    char missing[ARMS_TEXT] = "", share[16];
    uint32_t sum = 0;
    struct sp_text_out text = sp_text_out(missing, sizeof missing);
    for (uint32_t i = 0; i < arms->count; i++) {
        sum += out[i];
        if (!said[i])
            sp_text_put(&text, " %s", arms->lines[i].name);
    }
    if (*missing) {
        say_error("every arm of %s needs a share; missing here:%s", arms->name, missing);
        return CLI_USAGE;
    }
    if (sum == SP_SHARE_ALL)
        return CLI_OK;
    sp_text_format_share(sum, share, sizeof share);
    say_error("%s is %s together, not 100%%", ARMS_TEXT_OF(arms, out), share);
    return CLI_USAGE;
}

int shares_read(const struct cli *cli, const struct arms *arms, uint16_t out[SP_ARMS_MAX])
{
    bool said[SP_ARMS_MAX] = {false};
    int status = CLI_OK;
    memset(out, 0, SP_ARMS_MAX * sizeof *out);
    for (int i = 1; status == CLI_OK && i < cli->count; i++)
        status = shares_word(cli, arms, cli->words[i], out, said);
    return status == CLI_OK ? shares_sum(arms, out, said) : status;
}

int shares_stages(const char *text, uint32_t *out, size_t max)
{
    size_t count = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        bool good = count < max && shares_one(at, length, &out[count]) && out[count] > 0;
        if (!good || (count > 0 && out[count] <= out[count - 1])) {
            char safe[256];
            say_error("--stages '%s': at most %zu shares that rise, like 10,25,50,100",
                      say_safe(safe, sizeof safe, text, 60), max);
            return -1;
        }
        count++;
        at += length;
        if (*at == 0)
            return (int)count;
    }
}
