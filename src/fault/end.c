/* end.c - when a connection ends that is to end: at once, after some bytes, after some time. */
#include "fault/end.h"

#include <errno.h>

#include "base/text.h"

#define END_AFTER 1 /* `form`: the word was read, what comes next is a size or a time */
#define END_KNOWN 2

int end_take(struct sp_fault *fault, const char *word, size_t length, struct sp_error *error)
{
    if (sp_text_is(word, length, "after")) {
        fault->form = END_AFTER;
        return 1;
    }
    if (fault->form != END_AFTER)
        return 0;
    fault->form = END_KNOWN;
    if (sp_text_parse_time(word, length, &fault->pause) == SP_TEXT_OK && fault->pause)
        return 1;
    fault->pause = 0;
    if (sp_text_parse_size(word, length, &fault->bytes) == SP_TEXT_OK && fault->bytes)
        return 1;
    return sp_error_set(error, EINVAL,
                        "after: '%.*s' is neither a size nor a time: after 10KiB, after 5s",
                        (int)length, word);
}

int end_whole(struct sp_fault *fault, struct sp_error *error)
{
    if (fault->form == END_AFTER)
        return sp_error_set(error, EINVAL, "after what? after 10KiB, after 5s");
    if (fault->on == 0)
        fault->on = fault->form == END_KNOWN ? SP_FAULT_ON_CONNECTION : SP_FAULT_ON_REQUEST;
    return 0;
}

void end_act(const struct sp_fault *fault, enum sp_fault_end end, struct sp_fault_act *act)
{
    act->end = end;
    act->end_bytes = fault->bytes;
    act->end_after = fault->pause;
}
