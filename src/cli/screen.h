/* screen.h - a terminal taken over for a while: its keys, its size, one page after the other. It is
 * given back as it was on every way out, signals and ^Z included. */
#ifndef SHEARPIN_CLI_SCREEN_H
#define SHEARPIN_CLI_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SCREEN_NOTHING = 0, SCREEN_UP = 256, SCREEN_DOWN, SCREEN_CHANGED, SCREEN_OVER };

/* Is there one, on stdin and stdout, that can be written on anywhere? */
bool screen_possible(void);
/* False: it is none after all. */
bool screen_open(void);
void screen_close(void);
/* The signal that asked us to end; 0: none did. After screen_close() it may be raised again. */
int screen_signal(void);

/* The next key, SCREEN_UP or _DOWN for arrows, SCREEN_CHANGED when the page must be drawn anew,
 * SCREEN_OVER when a signal or the end of stdin says so, SCREEN_NOTHING after `ns`. */
int screen_key(uint64_t ns);

int screen_columns(void);
int screen_rows(void);

/* A page: lines are cut at the right edge, whatever is put there. */
enum screen_ink { INK_PLAIN, INK_RED, INK_YELLOW, INK_GREEN, INK_FAINT, INK_CHOSEN };
void screen_begin(void);
void screen_put(enum screen_ink ink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Blanks up to this column, from 0. */
void screen_column(int column);
void screen_end_line(void);
int screen_lines_left(void);
/* Shows it, in one write. */
void screen_end(void);

#endif
