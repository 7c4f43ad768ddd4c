#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "shearpin/types.h"

#define SCREEN_ENTER                                                            \
    "\033[?1049h\033[?25l\033[?7l" /* a page of its own, no cursor, no wrapping \
                                    */
#define SCREEN_LEAVE "\033[?7h\033[?25h\033[?1049l"

static struct termios screen_before;
static bool screen_ours, screen_colours;
static struct winsize screen_size;
static volatile sig_atomic_t screen_ended, screen_stop, screen_resized;
static sigset_t screen_open_mask; /* signals come only while we wait for a key */

static FILE *page;
static char *page_text;
static size_t page_length;
static int page_row, page_column;

static const int screen_ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
#define SCREEN_ENDS (sizeof screen_ends / sizeof *screen_ends)

/* --- taking and giving back --- */

static void screen_write(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, text, length);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return;
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
}

static void screen_measure(void)
{
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &screen_size) == 0;
    if (!known || screen_size.ws_col == 0 || screen_size.ws_row == 0)
        screen_size = (struct winsize){.ws_row = 24, .ws_col = 80};
}

static bool screen_enter(void)
{
    struct termios raw = screen_before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return false;
    screen_write(SCREEN_ENTER, strlen(SCREEN_ENTER));
    screen_measure();
    return true;
}

static void screen_leave(void)
{
    screen_write(SCREEN_LEAVE, strlen(SCREEN_LEAVE));
    tcsetattr(STDIN_FILENO, TCSADRAIN, &screen_before);
}

static void screen_caught(int number)
{
    if (number == SIGTSTP)
        screen_stop = 1;
    else if (number == SIGWINCH || number == SIGCONT)
        screen_resized = 1;
    else
        screen_ended = number;
}

static void screen_signals(void)
{
    struct sigaction caught = {.sa_handler = screen_caught};
    static const int others[] = {SIGTSTP, SIGWINCH, SIGCONT};
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < SCREEN_ENDS + 3; i++) {
        int number = i < SCREEN_ENDS ? screen_ends[i] : others[i - SCREEN_ENDS];
        sigaction(number, &caught, NULL);
        sigaddset(&held, number);
    }
    sigprocmask(SIG_BLOCK, &held, &screen_open_mask);
    for (size_t i = 0; i < SCREEN_ENDS + 3; i++)
        sigdelset(&screen_open_mask, i < SCREEN_ENDS ? screen_ends[i] : others[i - SCREEN_ENDS]);
}

bool screen_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
           strcmp(term, "dumb") != 0;
}

bool screen_open(void)
{
    const char *none = getenv("NO_COLOR");
    if (tcgetattr(STDIN_FILENO, &screen_before) != 0)
        return false;
    screen_colours = !none || !*none;
    screen_signals();
    screen_ours = screen_enter();
    atexit(screen_close); /* who ends without us, out of memory for example */
    return screen_ours;
}

void screen_close(void)
{
    if (screen_ours)
        screen_leave();
    screen_ours = false;
}

int screen_signal(void)
{
    return screen_ended;
}

/* ^Z: the shell gets its terminal, and we ours when we go on. */
static void screen_pause(void)
{
    screen_stop = 0;
    screen_leave();
    raise(SIGSTOP);
    screen_enter();
}

/* --- keys --- */

/* What was typed and not asked for yet: two keys may come in one read. */
static char screen_typed[32];
static size_t screen_typed_at, screen_typed_end;

/* An arrow is ESC [ A or ESC O A; an escape that is none is dropped with what follows it. */
static int screen_next(void)
{
    const char *at = screen_typed + screen_typed_at;
    size_t left = screen_typed_end - screen_typed_at;
    if (left == 0)
        return SCREEN_NOTHING;
    if (at[0] != '\033') {
        screen_typed_at++;
        return (unsigned char)at[0];
    }
    bool arrow = left >= 3 && (at[1] == '[' || at[1] == 'O') && (at[2] == 'A' || at[2] == 'B');
    screen_typed_at = arrow ? screen_typed_at + 3 : screen_typed_end;
    return !arrow ? SCREEN_NOTHING : at[2] == 'A' ? SCREEN_UP : SCREEN_DOWN;
}

static int screen_read(void)
{
    ssize_t n = read(STDIN_FILENO, screen_typed, sizeof screen_typed);
    if (n <= 0)
        return n < 0 && errno == EINTR ? SCREEN_NOTHING : SCREEN_OVER;
    screen_typed_at = 0;
    screen_typed_end = (size_t)n;
    return screen_next();
}

int screen_key(uint64_t ns)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec time = {(time_t)(ns / SP_SECOND), (long)(ns % SP_SECOND)};
    int typed = screen_next();
    if (typed != SCREEN_NOTHING)
        return typed;
    int got = ppoll(&in, 1, &time, &screen_open_mask);
    if (screen_ended)
        return SCREEN_OVER;
    if (screen_stop) {
        screen_pause();
        return SCREEN_CHANGED;
    }
    if (screen_resized) {
        screen_resized = 0;
        screen_enter();
        return SCREEN_CHANGED;
    }
    return got > 0 ? screen_read() : SCREEN_NOTHING;
}

int screen_columns(void)
{
    return screen_size.ws_col;
}

int screen_rows(void)
{
    return screen_size.ws_row;
}

/* --- a page --- */

void screen_begin(void)
{
    page = open_memstream(&page_text, &page_length);
    if (!page)
        exit(5);
    fputs("\033[H\033[K", page);
    page_row = page_column = 0;
}

/* As much as there is room for: a character is what does not continue another. */
static void screen_text(const char *text)
{
    for (; *text; text++) {
        bool begins = (*text & 0xc0) != 0x80;
        if (begins && page_column >= screen_size.ws_col)
            return;
        page_column += begins;
        putc(*text, page);
    }
}

void screen_put(enum screen_ink ink, const char *format, ...)
{
    static const char *const inks[] = {"",         "\033[31m", "\033[33m",
                                       "\033[32m", "\033[2m",  "\033[7m"};
    char text[1024];
    va_list arguments;
    bool coloured = screen_colours && ink != INK_PLAIN;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (page_row >= screen_size.ws_row)
        return;
    fputs(coloured ? inks[ink] : "", page);
    screen_text(text);
    fputs(coloured ? "\033[0m" : "", page);
}

void screen_column(int column)
{
    int blanks = column - page_column;
    if (blanks > 0)
        screen_put(INK_PLAIN, "%*s", blanks, "");
}

void screen_end_line(void)
{
    if (page_row < screen_size.ws_row)
        fputs(page_row + 1 < screen_size.ws_row ? "\r\n\033[K" : "", page);
    page_row++;
    page_column = 0;
}

int screen_lines_left(void)
{
    return screen_size.ws_row > page_row ? screen_size.ws_row - page_row : 0;
}

void screen_end(void)
{
    if (fclose(page) == 0)
        screen_write(page_text, page_length);
    free(page_text);
    page_text = NULL;
}
