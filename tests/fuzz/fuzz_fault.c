/* Any text as a fault: it is refused with a sentence, or does something that makes sense to a call.
 */
#include "shearpin/fault.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_refused(const struct sp_error *error)
{
    if (memchr(error->text, 0, sizeof error->text) == NULL || error->text[0] == 0)
        abort();
}

/* What nothing can divide by, wait for or count to is never handed on. */
static void fuzz_act(const struct sp_fault *fault, const struct sp_fault_act *act)
{
    if (act->slice_spread >= act->slice && act->slice)
        abort();
    if (fault->kind == SP_FAULT_CORRUPT && act->corrupt_in + (uint64_t)act->corrupt_out == 0)
        abort();
    if (act->error < 0 && !(fault->on & SP_FAULT_ON_LOOKUP))
        abort();
    if (act->wrong && act->family == SP_FAMILY_NONE)
        abort();
}

static void fuzz_taken(const struct sp_fault *fault)
{
    struct sp_fault_act act = {0};

    if (fault->kind >= SP_FAULT_COUNT || fault->on == 0 ||
        (fault->on & ~sp_faults[fault->kind]->on) || fault->share > SP_SHARE_ALL ||
        fault->last < fault->first)
        abort();
    for (uint64_t ordinal = 1; ordinal < 20; ordinal++) {
        if (sp_fault_apply(fault, 7, ordinal, &act))
            fuzz_act(fault, &act);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct sp_error error = {0};
    struct sp_fault fault;

    memcpy(text, data, size);
    text[size] = 0;
    if (sp_fault_parse(text, &fault, &error) != 0)
        fuzz_refused(&error);
    else
        fuzz_taken(&fault);
    free(text);
    return 0;
}
