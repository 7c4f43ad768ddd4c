/* progress.c - how far a shift is: bars on a terminal, lines for who keeps them, JSON for
 * machines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/say.h"
#include "cli/stages.h"

#define PROGRESS_BAR  20u
#define PROGRESS_LINE 320

static const char *progress_target(const struct stages *stages)
{
    return stages->arms->lines[stages->to].name;
}

static const char *progress_share(uint32_t share, char *out, size_t size)
{
    sp_text_format_share(share, out, size);
    return out;
}
#define PROGRESS_SHARE(share) progress_share(share, (char[16]){0}, 16)

/* "green 0.0% of 1203 calls, p95 12ms" */
static void progress_figures(struct sp_text_out *text, const char *name,
                             const struct compare_figures *figures)
{
    sp_text_put(text, "%s ", name);
    if (figures->calls == 0) {
        sp_text_put(text, "no calls");
        return;
    }
    sp_text_put(text, "%.1f%% errors of %s",
                100.0 * (double)figures->errors / (double)figures->calls,
                SAY_COUNT(figures->calls, "call"));
    if (figures->p95 == SP_NEVER)
        sp_text_put(text, ", p95 timed out");
    else if (figures->p95 != 0)
        sp_text_put(text, ", p95 %s", SAY_TOOK(figures->p95));
}

static const char *progress_others(const struct stages *stages)
{
    return stages->arms->count == 2 ? stages->arms->lines[1 - stages->to].name : "the others";
}

static void progress_both(const struct stages *stages, const struct stages_turn *turn,
                          struct sp_text_out *text)
{
    progress_figures(text, progress_target(stages), &turn->arm);
    sp_text_put(text, "   ");
    progress_figures(text, progress_others(stages), &turn->rest);
}

static const char *progress_status(enum stages_end end)
{
    static const char *const words[STAGES_ENDS] = {
        [STAGES_GO_ON] = "running",       [STAGES_DONE] = "completed",
        [STAGES_SICK] = "unhealthy",      [STAGES_FAILED] = "failed",
        [STAGES_STOPPED] = "interrupted", [STAGES_TIMEOUT] = "timed_out",
        [STAGES_LOST] = "lost",           [STAGES_CHANGED] = "changed"};
    return words[end];
}

/* --- lines --- */

static void progress_begins(const struct stages *stages)
{
    char address[160];
    printf("%s  shift to %s (%s) from %s\n", stages->arms->name, progress_target(stages),
           vet_address(stages->arms, stages->to, address, sizeof address),
           ARMS_TEXT_OF(stages->arms, stages->from));
}

static void progress_checked(const struct stages *stages)
{
    uint64_t needed = stages->phase == STAGES_LAST ? stages->last : stages->checks;
    if (stages->passed == 0)
        printf("%s  a check of %s failed, 0 of %llu healthy: %s\n", stages->arms->name,
               progress_target(stages), (unsigned long long)needed, stages->why);
    else if (stages->passed == needed || stages->cli->verbose)
        printf("%s  %s is healthy, %llu of %llu checks\n", stages->arms->name,
               progress_target(stages), (unsigned long long)stages->passed,
               (unsigned long long)needed);
}

static void progress_ended(const struct stages *stages)
{
    struct arms *arms = stages->arms;
    uint64_t took = sp_now() - stages->began;
    if (stages->end == STAGES_DONE) {
        printf("%s  shifted to %s in %s: %s\n", arms->name, progress_target(stages), SAY_AGE(took),
               ARMS_TEXT_OF(arms, stages->shares));
        printf("  back to %s: shearpin shift %s --rollback\n", ARMS_TEXT_OF(arms, stages->from),
               arms->name);
        return;
    }
    fflush(stdout);
    say_error("%s is not shifted to %s: %s", arms->name, progress_target(stages), stages->why);
    if (stages->end == STAGES_CHANGED)
        say_more("in force now: what the policy says; see: shearpin shift %s", arms->name);
    else
        say_more("in force after %s: %s", SAY_AGE(took), ARMS_TEXT_OF(arms, stages->shares));
}

static void progress_line(const struct stages *stages, enum progress_news news)
{
    const struct stages_turn *turn = &stages->turns[stages->at < stages->count ? stages->at : 0];
    char line[PROGRESS_LINE];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    switch (news) {
    case PROGRESS_BEGIN:
        progress_begins(stages);
        break;
    case PROGRESS_CHECK:
        progress_checked(stages);
        break;
    case PROGRESS_STAGE:
        printf("%s  %s\n", stages->arms->name, ARMS_TEXT_OF(stages->arms, stages->shares));
        break;
    case PROGRESS_WAITS:
        printf("%s  waits at %s: %s\n", stages->arms->name, PROGRESS_SHARE(turn->share),
               stages->why);
        break;
    case PROGRESS_HELD:
        progress_both(stages, turn, &text);
        printf("%s  %s held for %s: %s\n", stages->arms->name, PROGRESS_SHARE(turn->share),
               SAY_AGE(turn->took), line);
        break;
    case PROGRESS_END:
        progress_ended(stages);
        break;
    default:
        break;
    }
}

/* --- bars: the lines that are being drawn are gone over again --- */

static unsigned progress_drawn;

static unsigned progress_columns(void)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
    return known ? size.ws_col : 80;
}

/* A line, cut at the edge: two lines for one would spoil the next drawing. */
static void progress_put(const char *line)
{
    unsigned columns = progress_columns() - 1, at = 0;
    for (; *line; line++) {
        at += (*line & 0xc0) != 0x80;
        if (at <= columns)
            putchar(*line);
    }
    fputs("\033[K\n", stdout);
    progress_drawn++;
}

static void progress_bar(struct sp_text_out *text, uint64_t part, uint64_t all)
{
    uint64_t filled = all ? part * PROGRESS_BAR / all : 0;
    for (uint64_t i = 0; i < PROGRESS_BAR; i++)
        sp_text_put(text, "%s", i < filled ? (say_utf8() ? "█" : "#") : (say_utf8() ? "─" : "-"));
}

static void progress_turn(const struct stages *stages, uint32_t i)
{
    const struct stages_turn *turn = &stages->turns[i];
    char line[2 * PROGRESS_LINE];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    uint64_t length =
        stages->compare.longest > stages->every ? stages->compare.longest : stages->every;
    bool now = stages->phase == STAGES_TURNS && i == stages->at;
    uint64_t took = turn->took < length ? turn->took : length;
    sp_text_put(&text, "  %7s  ", PROGRESS_SHARE(turn->share));
    progress_bar(&text, turn->held ? length : took, length);
    if (turn->held || now || took > 0) {
        sp_text_put(&text, "  %4s  ", SAY_AGE(turn->took));
        progress_both(stages, turn, &text);
    }
    progress_put(line);
}

static void progress_page(const struct stages *stages)
{
    char line[2 * PROGRESS_LINE];
    struct sp_text_out text = sp_text_out(line, sizeof line);
    bool last = stages->phase == STAGES_LAST;
    if (progress_drawn > 0)
        printf("\033[%uA", progress_drawn);
    progress_drawn = 0;
    sp_text_put(&text, "%s  %s  %s", stages->arms->name, ARMS_TEXT_OF(stages->arms, stages->shares),
                SAY_AGE(sp_now() - stages->began));
    progress_put(line);
    text = sp_text_out(line, sizeof line);
    sp_text_put(&text, "  %7s  ", "checks");
    progress_bar(&text, stages->phase == STAGES_CHECKS ? stages->passed : stages->checks,
                 stages->checks);
    progress_put(line);
    for (uint32_t i = 0; i < stages->count; i++)
        progress_turn(stages, i);
    text = sp_text_out(line, sizeof line);
    sp_text_put(&text, "  %7s  ", "checks");
    progress_bar(&text,
                 last                         ? stages->passed
                 : stages->end == STAGES_DONE ? stages->last
                                              : 0,
                 stages->last);
    progress_put(line);
    bool why = stages->phase == STAGES_CHECKS || (stages->phase == STAGES_TURNS && stages->waits);
    progress_put(why ? stages->why : "");
    fflush(stdout);
}

/* --- JSON --- */

static void progress_json_figures(struct json *json, const char *key,
                                  const struct compare_figures *figures)
{
    bool timed = figures->p95 != 0 && figures->p95 != SP_NEVER;
    json_open(json, key, '{');
    json_count(json, "calls", figures->calls);
    json_count(json, "errors", figures->errors);
    json_number(json, "p95_s", timed ? (double)figures->p95 / (double)SP_SECOND : NAN);
    json_close(json, '}');
}

static void progress_json_stage(struct json *json, const struct stages *stages)
{
    const struct stages_turn *turn = &stages->turns[stages->at < stages->count ? stages->at : 0];
    if (stages->phase != STAGES_TURNS && stages->phase != STAGES_LAST)
        return;
    json_number(json, "share", (double)turn->share / SP_SHARE_ALL);
    json_number(json, "stage_s", (double)turn->took / (double)SP_SECOND);
    progress_json_figures(json, "arm", &turn->arm);
    progress_json_figures(json, "others", &turn->rest);
}

static void progress_json(const struct stages *stages, enum progress_news news)
{
    static const char *const kinds[] = {
        [PROGRESS_BEGIN] = "begin", [PROGRESS_CHECK] = "check", [PROGRESS_STAGE] = "stage",
        [PROGRESS_LOOK] = "look",   [PROGRESS_WAITS] = "waits", [PROGRESS_HELD] = "held",
        [PROGRESS_LAST] = "last",   [PROGRESS_END] = "result"};
    struct json json = {0};
    json_open(&json, NULL, '{');
    json_word(&json, "kind", kinds[news]);
    json_time(&json, "time_s", sp_wall());
    json_word(&json, "destination", stages->arms->name);
    json_word(&json, "to", progress_target(stages));
    json_number(&json, "took_s", (double)(sp_now() - stages->began) / (double)SP_SECOND);
    if (stages->end != STAGES_CHANGED) /* other arms by now */
        arms_json(&json, "shares", stages->arms, stages->shares);
    if (news == PROGRESS_CHECK) {
        json_count(&json, "passed", stages->passed);
        json_count(&json, "needed", stages->phase == STAGES_LAST ? stages->last : stages->checks);
    }
    progress_json_stage(&json, stages);
    if (news == PROGRESS_END) {
        json_word(&json, "status", progress_status(stages->end));
        arms_json(&json, "from", stages->arms, stages->from);
        json_bool(&json, "rollback", stages->end == STAGES_DONE);
    }
    json_text(&json, "why", stages->end == STAGES_DONE ? "" : stages->why, sizeof stages->why);
    json_close(&json, '}');
    json_end();
    fflush(stdout);
}

/* --- which of them --- */

static bool progress_live(const struct cli *cli)
{
    const char *term = getenv("TERM");
    return !cli->batch && !cli->quiet && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

void progress_tell(const struct stages *stages, enum progress_news news)
{
    static uint64_t looked;
    uint64_t now = sp_now();
    bool live = progress_live(stages->cli);
    if (stages->cli->json) { /* a line a second is enough */
        if (news == PROGRESS_LOOK && (now - looked < SP_SECOND || stages->phase == STAGES_CHECKS))
            return;
        looked = now;
        progress_json(stages, news);
        return;
    }
    if (live)
        progress_page(stages);
    bool lines = !stages->cli->quiet && (!live || news == PROGRESS_END);
    if (lines || stages->end > STAGES_DONE)
        progress_line(stages, news);
    fflush(stdout);
}
