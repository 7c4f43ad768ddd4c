/* answer.c - the files of canned answers. */
#include "cli/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fallback.h"
#include "reply/reply.h"

/* Relative to the file that the line stands in, as `include` is. */
static void answer_path(const struct sp_policy *policy, const struct sp_fallback *line, char *out,
                        size_t size)
{
    const char *text = sp_policy_string(policy, line->text);
    const char *file = sp_policy_file(policy, line->file), *slash = strrchr(file, '/');
    int directory = *text != '/' && slash ? (int)(slash + 1 - file) : 0;
    snprintf(out, size, "%.*s%s", directory, file, text);
}

static char *answer_bytes(int fd, size_t *size)
{
    char *bytes = malloc(SP_REPLY_MAX + 2);
    ssize_t got = 1;
    for (*size = 0; bytes && got > 0 && *size <= SP_REPLY_MAX; *size += (size_t)(got > 0 ? got : 0))
        got = read(fd, bytes + *size, SP_REPLY_MAX + 1 - *size);
    if (bytes && got >= 0)
        return bytes;
    free(bytes);
    return NULL;
}

/* As for included files: what is given to programs is written by nobody else. */
static const char *answer_stranger(int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "it is no regular file";
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return "it belongs to another user, not to us or root";
    return st.st_mode & S_IWOTH ? "everybody may write to it (chmod o-w)" : NULL;
}

char *answer_read(const struct sp_policy *policy, const struct sp_fallback *line, size_t *size,
                  struct sp_error *error)
{
    char path[PATH_MAX];
    answer_path(policy, line, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *why = answer_stranger(fd);
    char *bytes = why ? NULL : answer_bytes(fd, size);
    if (!bytes)
        sp_error_set(error, EINVAL, "%.300s cannot be read: %s", path, why ? why : strerror(errno));
    if (fd >= 0)
        close(fd);
    return bytes;
}

/* One line of the file, for the finding; what would end it there is a question mark. */
static void answer_line(const char *bytes, size_t size, unsigned number, char *out, size_t room)
{
    size_t at = 0, length = 0;
    for (unsigned line = 1; line < number && at < size; at++)
        line += bytes[at] == '\n';
    for (; at < size && bytes[at] != '\n' && length + 1 < room; at++)
        out[length++] = bytes[at] == 0 || bytes[at] == '\r' ? '?' : bytes[at];
    out[length] = 0;
}

static void answer_fault(const struct sp_policy *policy, const struct sp_fallback *line,
                         const char *bytes, size_t size, const struct sp_reply_fault *fault,
                         sp_finding_fn *say, void *context)
{
    char path[PATH_MAX], source[200], text[PATH_MAX + 200];
    struct sp_finding finding = {.severity = SP_ERROR, .text = fault->text};
    answer_path(policy, line, path, sizeof path);
    if (fault->line) {
        answer_line(bytes, size, fault->line, source, sizeof source);
        finding.file = path;
        finding.line = fault->line;
        finding.column = fault->column;
        finding.length = fault->length;
        finding.source = source;
    } else {
        snprintf(text, sizeof text, "%.300s is no answer: %s", path, fault->text);
        finding.text = text;
        finding.file = sp_policy_file(policy, line->file);
        finding.line = line->line;
        finding.column = line->column;
        finding.length = 1;
    }
    say(context, &finding);
}

static void answer_finding(const struct sp_policy *policy, const struct sp_fallback *line,
                           sp_finding_fn *say, void *context)
{
    struct sp_reply_fault fault;
    struct sp_error error;
    size_t size;
    char *bytes = answer_read(policy, line, &size, &error);
    if (!bytes)
        say(context, &(struct sp_finding){.severity = SP_ERROR,
                                          .file = sp_policy_file(policy, line->file),
                                          .line = line->line,
                                          .column = line->column,
                                          .length = 1,
                                          .text = error.text});
    else if (!sp_reply_check(bytes, size, &fault))
        answer_fault(policy, line, bytes, size, &fault, say, context);
    free(bytes);
}

void answer_findings(const struct sp_policy *policy, sp_finding_fn *say, void *context)
{
    const struct sp_fallback *line;
    for (size_t i = 0; (line = sp_policy_fallback(policy, i)) != NULL; i++) {
        if (line->kind == SP_FALLBACK_RESPOND)
            answer_finding(policy, line, say, context);
    }
}
