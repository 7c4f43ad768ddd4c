/* event_shift.c - what events say of arms: shares that were shifted, and whose breaker moved. */
#include <bsd/string.h>
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "cli/event.h"
#include "cli/say.h"
#include "shearpin/shift.h"

const char *event_step(const struct sp_event *e)
{
    static const char *const steps[SP_SHIFT_STEPS] = {
        [SP_SHIFT_NONE] = "none",      [SP_SHIFT_SET] = "set",    [SP_SHIFT_BEGIN] = "begun",
        [SP_SHIFT_STAGE] = "stage",    [SP_SHIFT_KEEP] = "done",  [SP_SHIFT_BACK] = "rolled back",
        [SP_SHIFT_LAPSED] = "cut off", [SP_SHIFT_DRAIN] = "drain"};
    return e->reason < SP_SHIFT_STEPS ? steps[e->reason] : "?";
}

void event_shift(const struct sp_event *e, struct sp_text_out *text)
{
    char safe[sizeof e->text * 4 + 1];
    if (e->reason == SP_SHIFT_LAPSED)
        sp_text_put(text,
                    "shift cut off: the command with pid %llu is gone, the shares before it hold",
                    (unsigned long long)e->b);
    else
        sp_text_put(text, "shift %s by %s   %s", event_step(e), event_who(e->uid),
                    say_safe(safe, sizeof safe, e->text, sizeof e->text));
}

/* The text of a shift begins "blue 90% green 10%": the name before the share of the arm that it is
 * about. One that the text has no room for is not told. */
static bool event_arm_shifted(const char *text, unsigned arm, char *out, size_t size)
{
    for (; *text; arm--) {
        size_t name = strcspn(text, " "), share = strspn(text + name, " ");
        const char *digits = text + name + share;
        size_t length = strcspn(digits, " :");
        if (!isdigit((unsigned char)*digits) || digits[length - 1] != '%')
            return false;
        if (arm == 0)
            return strlcpy(out, text, name + 1 < size ? name + 1 : size) > 0;
        if (digits[length] != ' ')
            return false;
        text = digits + length + 1;
    }
    return false;
}

bool event_arm(const struct sp_event *e, char out[SP_ARM_NAME_SIZE])
{
    char text[sizeof e->text + 1];
    memcpy(text, e->text, sizeof e->text);
    text[sizeof e->text] = 0;
    if (e->kind == SP_EVENT_SHIFT && e->arm == 0)
        return event_arm_shifted(text, e->to, out, SP_ARM_NAME_SIZE);
    if (e->arm == 0 || (e->kind != SP_EVENT_BREAKER && e->kind != SP_EVENT_SHIFT))
        return false;
    strlcpy(out, text, SP_ARM_NAME_SIZE);
    return true;
}
