/*
 * scan.h - lines and words with their columns. A `#` at a word's start opens a comment; double
 * quotes keep blanks and `#`.
 */
#ifndef POLICY_SCAN_H
#define POLICY_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define SCAN_LINE_MAX  4096
#define SCAN_WORDS_MAX (SCAN_LINE_MAX / 2)

struct scan_word {
    const char *text; /* without its quotes */
    size_t length;
    unsigned column; /* from 1, in bytes; of the quote if there is one */
    unsigned width;  /* quotes included */
};

struct scan_line {
    const char *text; /* without newline and carriage return */
    size_t length;
    unsigned number;
    bool indented;
    size_t count;
    struct scan_word word[SCAN_WORDS_MAX];
};

struct scan {
    const char *at, *end;
    unsigned line; /* the number of the last line given out */
};

struct scan scan_begin(const char *text, size_t length);

/* The next line into `line`, without its words; false at the end. */
bool scan_next(struct scan *scan, struct scan_line *line);

/* What no line may hold: the index of the first such byte, and why; NULL when all is well. */
const char *scan_fault(const struct scan_line *line, size_t *at);

/* The length of the UTF-8 character that begins `left` bytes, 0 when there is none. */
size_t scan_utf8(const char *text, size_t left);

/* Cuts the line into words. A sentence about the first mistake in `fault`, or NULL. */
const char *scan_words(struct scan_line *line, struct scan_word *fault);

#endif
