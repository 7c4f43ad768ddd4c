/* Any text as a condition: it is refused with what is wrong and where, or reads as the same thing
 * when it is written out. */
#include "policy/condition.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_refused(const struct value_fault *fault, size_t size)
{
    if (fault->text[0] == 0 || fault->cure[0] == 0 || fault->length == 0 || fault->offset > size)
        abort();
}

static void fuzz_condition(const char *text, size_t size)
{
    struct sp_condition condition, again;
    struct value_fault fault = {0};
    char written[128];

    if (!condition_read(text, size, &condition, &fault)) {
        fuzz_refused(&fault, size);
        return;
    }
    size_t length = sp_condition_format(&condition, written, sizeof written);
    if (length >= sizeof written || !condition_read(written, length, &again, &fault) ||
        condition.measure != again.measure || condition.above != again.above ||
        condition.limit != again.limit || condition.window != again.window)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = 0;
    fuzz_condition(text, size);
    free(text);
    return 0;
}
