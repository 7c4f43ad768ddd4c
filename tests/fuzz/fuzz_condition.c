/* Any text as a condition, and as a fault: it is refused with what is wrong and where, or reads as
 * the same thing when it is written out. */
#include "policy/condition.h"
#include "shearpin/fault.h"

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

static void fuzz_fault(const char *text)
{
    struct sp_fault_act act = {0};
    struct sp_error error = {0};
    struct sp_fault fault;

    if (sp_fault_parse(text, &fault, &error) != 0) {
        if (memchr(error.text, 0, sizeof error.text) == NULL || error.text[0] == 0)
            abort();
        return;
    }
    for (uint64_t ordinal = 1; ordinal < 20; ordinal++)
        sp_fault_apply(&fault, 7, ordinal, &act);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = 0;
    fuzz_condition(text, size);
    fuzz_fault(text);
    free(text);
    return 0;
}
