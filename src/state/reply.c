/* reply.c - where the process that gives canned answers is to be found. It holds a byte of the
 * segment's file as long as it lives: a port alone could be anybody's by now. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "state/process.h"

bool sp_reply_lives(const struct sp_segment *segment)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SP_LOCK_READY, .l_len = 1};
    int fd = sp_process_reopen(segment);
    bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return held;
}

bool sp_reply_directory(const struct sp_segment *segment, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    sp_text_put(&text, "%s.answers", segment->path);
    return strlen(segment->path) + sizeof ".answers" <= size;
}

bool sp_reply_path(const struct sp_segment *segment, uint32_t dest, char *out, size_t size)
{
    struct sp_text_out text = sp_text_out(out, size);
    sp_text_put(&text, "%s.answers/%u", segment->path, dest);
    return strlen(segment->path) + sizeof ".answers/1023" <= size;
}

size_t sp_reply_get(const struct sp_segment *segment, uint32_t dest,
                    struct sp_addr out[SP_REPLY_ADDRESSES])
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    const struct sp_dest *d = sp_segment_dest(segment, dest);
    uint32_t ports = d ? atomic_load(&d->reply) : 0;
    bool local = d && atomic_load(&d->reply_local);
    size_t count = 0;
    memset(out, 0, SP_REPLY_ADDRESSES * sizeof *out);
    if ((!ports && !local) || !sp_reply_lives(segment))
        return 0;
    if (ports & 0xffffu) {
        out[count].family = SP_FAMILY_IPV4;
        out[count].port = (uint16_t)ports;
        memcpy(out[count++].ip, loopback, sizeof loopback);
    }
    if (ports >> 16) {
        out[count].family = SP_FAMILY_IPV6;
        out[count].port = (uint16_t)(ports >> 16);
        out[count++].ip[15] = 1;
    }
    out[count].family = SP_FAMILY_UNIX;
    if (local && sp_reply_path(segment, dest, out[count].path, sizeof out[count].path))
        count++;
    return count;
}
