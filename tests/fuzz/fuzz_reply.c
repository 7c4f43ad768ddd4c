/* Any bytes as an answer's file and as a request: a file that is found good is filled in within its
 * room and says its own length; a request is the same in one piece and byte by byte. */
#include "reply/reply.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_fill(const char *file, size_t size)
{
    const struct sp_reply_values values = {.retry_after = 1, .state = "half-open", .time = 1};
    struct sp_reply_fault fault;
    bool good = sp_reply_check(file, size, &fault);
    size_t length = sp_reply_fill(file, size, &values, false, NULL, 0);
    char *out = malloc(length + 1);

    if (!good && (memchr(fault.text, 0, sizeof fault.text) == NULL || fault.text[0] == 0))
        abort();
    if (sp_reply_fill(file, size, &values, false, out, length) != length ||
        sp_reply_fill(file, size, &values, false, out, length / 2) != length)
        abort();
    if (sp_reply_fill(file, size, &values, true, out, length) > length)
        abort();
    free(out);
}

static void fuzz_request(const char *bytes, size_t size)
{
    struct sp_request whole = {0}, slow = {0};
    bool done = sp_request_feed(&whole, bytes, size), later = false;

    for (size_t i = 0; i < size; i++)
        later = sp_request_feed(&slow, bytes + i, 1);
    if (size > 0 && (done != later || whole.head != slow.head || whole.left != slow.left))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_fill((const char *)data, size);
    fuzz_request((const char *)data, size);
    return 0;
}
