/*
 * source.c - a text, line by line; a file, and the files that it includes.
 */
#include "policy/reader.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"

/* False: the rest of the text is not worth reading. */
static bool source_line(struct reader *reader)
{
    struct scan_word mark = {.width = 1};
    const char *fault;
    size_t at;

    fault = scan_fault(&reader->line, &at);
    if (fault == NULL)
        fault = scan_words(&reader->line, &mark);
    else
        mark.column = (unsigned)at + 1;
    if (fault != NULL) {
        report_at(reader, &mark, NULL, "%s", fault);
        return mark.column == 0 || at >= reader->line.length || reader->line.text[at] != '\0';
    }
    if (reader->line.count > 0)
        parse_line(reader);
    return true;
}

void source_text(struct reader *reader, const char *text, size_t length)
{
    struct scan scan = scan_begin(text, length);

    reader->section = SECTION_NONE;
    while (scan_next(&scan, &reader->line)) {
        if (reader->line.number > READER_LINES_MAX) {
            report_file(reader, reader->name, NULL, "longer than %u lines", READER_LINES_MAX);
            return;
        }
        if (!source_line(reader))
            return;
    }
}

const char *source_reason(int code)
{
    switch (code) {
    case ENOENT:
        return "there is no such file";
    case EACCES:
    case EPERM:
        return "permission denied";
    case EISDIR:
        return "it is a directory";
    case ENAMETOOLONG:
        return "the name is too long";
    case ELOOP:
        return "too many symbolic links";
    case ENOTDIR:
        return "part of the path is no directory";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    default:
        return NULL;
    }
}

static void source_failed(struct reader *reader, const char *name, int code)
{
    const char *reason = source_reason(code);

    if (reason != NULL)
        report_file(reader, name, NULL, "cannot be read: %s", reason);
    else
        report_file(reader, name, NULL, "cannot be read: error %d", code);
}

/* Who can change a policy can stop the program, so it must be ours or root's, and no device. */
static bool source_trusted(struct reader *reader, const char *name, const struct stat *status)
{
    if (!S_ISREG(status->st_mode)) {
        report_file(reader, name, NULL, "is not a regular file");
        return false;
    }
    if (status->st_uid != geteuid() && status->st_uid != 0) {
        report_file(reader, name, "chown it to yourself or to root",
                    "belongs to user %u, not to user %u or root", (unsigned)status->st_uid,
                    (unsigned)geteuid());
        return false;
    }
    if (status->st_size > READER_TEXT_MAX) {
        report_file(reader, name, NULL, "is larger than 1MiB");
        return false;
    }
    return true;
}

static bool source_new(struct reader *reader, const char *name, uint32_t offset,
                       const struct stat *status)
{
    size_t count = reader->file_count;

    for (size_t i = 0; i < count; i++) {
        if (reader->identity[i].device != status->st_dev ||
            reader->identity[i].inode != status->st_ino)
            continue;
        report_file(reader, name, "a file may be included once", "was read already, as %s",
                    reader->strings + reader->files[i]);
        return false;
    }
    if (count == READER_FILES_MAX) {
        report_file(reader, name, NULL, "is one file too many: %u were read", READER_FILES_MAX);
        return false;
    }
    reader->identity[count].device = status->st_dev;
    reader->identity[count].inode = status->st_ino;
    reader->files[count] = offset;
    reader->file = (uint16_t)count;
    reader->file_count++;
    if ((status->st_mode & S_IWOTH) != 0)
        report_warning(reader, (struct reader_place){.file = reader->file},
                       "everybody can change this file: chmod o-w it");
    return true;
}

/* -1 with errno set; else the number of bytes. */
static ssize_t source_load(int fd, char *text, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t got = read(fd, text + length, size - length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

static ssize_t source_open(struct reader *reader, const char *name, uint32_t offset)
{
    struct stat status;
    ssize_t length = -1;
    /* Non-blocking: a FIFO in place of the file must not hold the program up. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || sp_file_fstat(fd, &status) != 0) {
        source_failed(reader, name, errno);
    } else if (source_trusted(reader, name, &status) && source_new(reader, name, offset, &status)) {
        length = source_load(fd, reader->text, sizeof reader->text);
        if (length < 0)
            source_failed(reader, name, errno);
    }
    if (fd >= 0)
        close(fd);
    return length;
}

void source_included(struct reader *reader, size_t first, unsigned depth)
{
    size_t end = reader->pending_count;

    for (size_t i = first; i < end; i++)
        source_file(reader, reader->pending[i], depth + 1);
    reader->pending_count = first;
}

void source_file(struct reader *reader, uint32_t offset, unsigned depth)
{
    const char *name = reader->strings + offset;
    size_t first = reader->pending_count;
    ssize_t length;

    reader->name = name;
    if (depth > READER_DEPTH_MAX) {
        report_file(reader, name, NULL, "is included %u files deep", depth);
        return;
    }
    length = source_open(reader, name, offset);
    if (length < 0)
        return;
    source_text(reader, reader->text, (size_t)length);
    source_included(reader, first, depth);
}
