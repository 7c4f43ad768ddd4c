/*
 * say.h - how the command speaks: errors on stderr in one voice, untrusted text made harmless,
 * times and symbols as people read them.
 */
#ifndef SHEARPIN_CLI_SAY_H
#define SHEARPIN_CLI_SAY_H

#include "cli/command.h"

/* "shearpin: ..." and a second, indented line, on stderr. */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_more(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit status for an errno: not allowed, or the system's. */
int say_status(int code);

/* The line that was typed with one word corrected, ready to be pasted into a shell. */
void say_corrected(const struct cli *cli, const char *wrong, const char *right);

/* The line as it was typed behind other words: `runuser -u billing --`. */
void say_behind(const struct cli *cli, const char *first);

/* At most `max` bytes of `text` with everything that could move a terminal made visible. */
const char *say_safe(char *out, size_t size, const char *text, size_t max);
#define SAY_SAFE(array) \
    (char[4 * sizeof(array) + 1]){0}, 4 * sizeof(array) + 1, array, sizeof(array)

bool say_utf8(void);
enum say_symbol { SAY_FULL, SAY_HALF, SAY_EMPTY }; /* one column wide each */
const char *say_symbol(enum say_symbol symbol);

/* 11s, 4m, 2h: one unit, rounded down. */
const char *say_age(char *out, size_t size, uint64_t ns);
/* What somebody configured, exactly: 90s, 1500ms. */
const char *say_time(char *out, size_t size, uint64_t ns);
/* What was measured: 0.1ms, 18ms, 2.1s. */
const char *say_took(char *out, size_t size, uint64_t ns);

/* "1 error", "2 errors". */
const char *say_count(char *out, size_t size, uint64_t n, const char *noun);

#define SAY_AGE(ns)        say_age((char[24]){0}, 24, ns)
#define SAY_TIME(ns)       say_time((char[24]){0}, 24, ns)
#define SAY_TOOK(ns)       say_took((char[24]){0}, 24, ns)
#define SAY_COUNT(n, noun) say_count((char[64]){0}, 64, n, noun)

#endif
