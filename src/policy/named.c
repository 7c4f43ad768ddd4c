/*
 * named.c - which segment a policy is for, without reading the policy: where the segment is there,
 * what is in force stands in it.
 */
#include "policy/scan.h"
#include "shearpin/policy.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

/* Most policies fit into the first; the stack is not touched further down than it must be. */
#define NAMED_SMALL 4096
#define NAMED_TEXT  16384

/* A larger text is left to the reader, as is one that the reader would refuse to look at. */
static ssize_t named_load(const char *path, char *text, size_t size)
{
    struct stat st;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return -1;
    if (sp_file_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (st.st_uid == 0 || st.st_uid == geteuid()) && (size_t)st.st_size < size)
        got = pread(fd, text, size, 0);
    close(fd);
    return got == st.st_size ? got : -1;
}

static bool named_word(const struct scan_word *word, char *out, size_t size)
{
    if (word->length == 0 || word->length >= size)
        return false;
    memset(out, 0, size);
    memcpy(out, word->text, word->length);
    return true;
}

static bool named_segment(const struct scan_line *line, struct sp_policy *out)
{
    const struct scan_word *words = line->word;

    if (out->segment[0] != '\0' || (line->count != 2 && line->count != 4) ||
        !named_word(&words[1], out->segment, sizeof out->segment))
        return false;
    return line->count == 2 || (sp_text_is(words[2].text, words[2].length, "group") &&
                                named_word(&words[3], out->group, sizeof out->group));
}

/* False: only the reader can tell. An included file may name another segment. */
static bool named_line(struct scan_line *line, struct sp_policy *out)
{
    struct scan_word mark;
    size_t at;

    if (line->indented || line->length == 0)
        return true;
    if (scan_fault(line, &at) != NULL || scan_words(line, &mark) != NULL)
        return false;
    if (line->count == 0)
        return true;
    if (sp_text_is(line->word[0].text, line->word[0].length, "segment"))
        return named_segment(line, out);
    return !sp_text_is(line->word[0].text, line->word[0].length, "include");
}

/* `segment NAME` and nothing else. False: to be looked at closely. */
static bool named_plainly(const char *at, const char *end, struct sp_policy *out)
{
    const char *word = at + strlen("segment"), *p;

    if (end - at < (ptrdiff_t)sizeof "segment" || memcmp(at, "segment", strlen("segment")) != 0 ||
        *word != ' ' || out->segment[0] != '\0')
        return false;
    while (word < end && *word == ' ')
        word++;
    for (p = word; p < end && (*p == '-' || *p == '.' || *p == '_' || (*p >= '0' && *p <= '9') ||
                               (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z'));)
        p++;
    if (p == word || p == end || *p != '\n' || p - word >= (ptrdiff_t)sizeof out->segment)
        return false;
    memcpy(out->segment, word, (size_t)(p - word));
    return true;
}

static __attribute__((noinline)) bool named_closely(const char *at, const char *end,
                                                    struct sp_policy *out)
{
    struct scan_line line;
    struct scan scan = scan_begin(at, (size_t)(end - at));

    return !scan_next(&scan, &line) || named_line(&line, out);
}

/* Only a line that can begin with one of two words is of interest. */
static bool named_aside(char first)
{
    return first == ' ' || first == '\t' || first == '#' || first == '\n' ||
           (first >= 'a' && first <= 'z' && first != 's' && first != 'i');
}

static bool named_text(const char *at, const char *end, struct sp_policy *out)
{
    for (const char *line = at; line && line < end; line = line ? line + 1 : NULL) {
        if (!named_aside(*line) && !named_plainly(line, end, out) && !named_closely(line, end, out))
            return false;
        line = memchr(line, '\n', (size_t)(end - line));
    }
    return true;
}

static __attribute__((noinline)) bool named_large(const char *path, struct sp_policy *out)
{
    char text[NAMED_TEXT];
    ssize_t length = named_load(path, text, sizeof text);

    return length >= 0 && named_text(text, text + length, out);
}

bool sp_policy_named(const char *path, struct sp_policy *out)
{
    char text[NAMED_SMALL];
    ssize_t length = named_load(path, text, sizeof text);

    memset(out, 0, sizeof *out);
    return length >= 0 ? named_text(text, text + length, out) : named_large(path, out);
}
