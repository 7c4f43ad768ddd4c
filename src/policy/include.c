/*
 * include.c - `include policy.d/(star).conf`: the files of one directory that match, in name order.
 * They are only noted here; source.c reads them when the including file has ended.
 */
#include "policy/glob.h"
#include "policy/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel fills in (getdents64(2)); glibc's reader of directories allocates. */
struct include_entry {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
};

static bool include_starred(const char *text, size_t length)
{
    return memchr(text, '*', length) != NULL || memchr(text, '?', length) != NULL;
}

/* The pattern as a path from where we are: relative to the file that it stands in. */
static size_t include_path(const struct reader *reader, const struct scan_word *word, char *path,
                           size_t size)
{
    const char *slash = strrchr(reader->name, '/');
    size_t directory = slash != NULL ? (size_t)(slash + 1 - reader->name) : 0;

    if (word->text[0] == '/')
        directory = 0;
    if (directory + word->length >= size)
        return 0;
    memcpy(path, reader->name, directory);
    memcpy(path + directory, word->text, word->length);
    path[directory + word->length] = '\0';
    return directory + word->length;
}

static bool include_note(struct reader *reader, const struct scan_word *word, const char *path,
                         size_t length)
{
    uint32_t name = build_string(reader, path, length);

    if (name == 0 || reader->pending_count == READER_FILES_MAX) {
        report_at(reader, word, NULL, "too many files: %u at most", READER_FILES_MAX);
        return false;
    }
    reader->pending[reader->pending_count++] = name;
    return true;
}

/* The matching names of one buffer of directory entries; false when there are too many. */
static bool include_entries(struct reader *reader, const struct scan_word *word, char *path,
                            size_t directory, const char *pattern, const char *buffer, size_t size)
{
    for (size_t at = 0; at < size;) {
        const struct include_entry *entry = (const void *)(buffer + at);
        size_t length = strlen(entry->name);

        at += entry->length;
        if (entry->name[0] == '.' ||
            !glob_match(pattern, strlen(pattern), entry->name, length, GLOB_EXACT))
            continue;
        if (directory + length >= PATH_MAX)
            continue;
        memcpy(path + directory, entry->name, length + 1);
        if (!include_note(reader, word, path, directory + length))
            return false;
    }
    return true;
}

/* One file by name must be there; the line that wants it is the place to say so. */
static void include_file(struct reader *reader, const struct scan_word *word, const char *path,
                         size_t length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *reason = fd < 0 ? source_reason(errno) : NULL;

    if (fd < 0) {
        report_at(reader, word, NULL, "'%.300s' cannot be read: %s", path,
                  reason != NULL ? reason : "error");
        return;
    }
    close(fd);
    include_note(reader, word, path, length);
}

static void include_sort(struct reader *reader, size_t first)
{
    for (size_t i = first + 1; i < reader->pending_count; i++) {
        uint32_t name = reader->pending[i];
        size_t j = i;

        for (; j > first &&
               strcmp(reader->strings + reader->pending[j - 1], reader->strings + name) > 0;
             j--)
            reader->pending[j] = reader->pending[j - 1];
        reader->pending[j] = name;
    }
}

static void include_scan(struct reader *reader, const struct scan_word *word, int fd, char *path,
                         size_t directory)
{
    _Alignas(struct include_entry) char buffer[4096];
    char pattern[NAME_MAX + 1];
    size_t length = strlen(path + directory);
    long got;

    if (length >= sizeof pattern) {
        report_at(reader, word, NULL, "the pattern is too long");
        return;
    }
    memcpy(pattern, path + directory, length + 1);
    do {
        got = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    } while (got > 0 &&
             include_entries(reader, word, path, directory, pattern, buffer, (size_t)got));
}

static void include_glob(struct reader *reader, const struct scan_word *word, char *path)
{
    char *slash = strrchr(path, '/');
    const char *last = memrchr(word->text, '/', word->length);
    size_t written = last != NULL ? (size_t)(last - word->text) : 0;
    size_t directory = slash != NULL ? (size_t)(slash + 1 - path) : 0, first;
    char saved = path[directory];
    int fd;

    if (include_starred(word->text, written)) {
        report_at(reader, word, "policy.d/*.conf", "stars may stand behind the last '/' only");
        return;
    }
    path[directory] = '\0';
    fd = open(directory > 0 ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    path[directory] = saved;
    /* A directory for additions may be missing, as it may be empty. */
    if (fd < 0 && errno == ENOENT)
        return;
    if (fd < 0) {
        report_at(reader, word, NULL, "the directory cannot be read: error %d", errno);
        return;
    }
    first = reader->pending_count;
    include_scan(reader, word, fd, path, directory);
    include_sort(reader, first);
    close(fd);
}

void include_word(struct reader *reader, const struct scan_word *word)
{
    char path[PATH_MAX];
    size_t length;

    if (word->length == 0) {
        report_at(reader, word, "include policy.d/*.conf", "'include' needs a file");
        return;
    }
    length = include_path(reader, word, path, sizeof path);
    if (length == 0)
        report_at(reader, word, NULL, "the path is too long");
    else if (include_starred(word->text, word->length))
        include_glob(reader, word, path);
    else
        include_file(reader, word, path, length);
}
