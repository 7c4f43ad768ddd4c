/*
 * words.c - the words of types.h, in the order of their enums.
 */
#include "shearpin/types.h"

#include <string.h>

const char *const sp_mode_words[SP_MODE_COUNT] = {"enforce", "observe", "off"};
const char *const sp_exchange_words[SP_EXCHANGE_COUNT] = {"answer", "none", "greeting"};
const char *const sp_success_words[SP_SUCCESS_COUNT] = {"answer", "connect"};
const char *const sp_deadline_words[SP_DEADLINE_COUNT] = {"connect", "response", "send",
                                                          "idle",    "total",    "lookup"};
const char *const sp_cap_words[SP_CAP_COUNT] = {"connections", "connecting", "inflight"};
const char *const sp_state_words[SP_STATE_COUNT] = {"closed", "open", "half-open"};

static const char *const words_outcome[SP_OUTCOME_COUNT] = {
#define X(id, word, blames) [SP_OUTCOME_##id] = word,
    SP_OUTCOMES(X)
#undef X
};

const struct sp_outcome_group sp_outcome_groups[SP_OUTCOME_GROUPS] = {
    {"timeout", SP_OUTCOME_BIT(CONNECT_TIMEOUT) | SP_OUTCOME_BIT(RESPONSE_TIMEOUT)},
};

const char *sp_outcome_word(unsigned outcome)
{
    return outcome < SP_OUTCOME_COUNT ? words_outcome[outcome] : "?";
}

static bool words_equal(const char *known, const char *word, size_t length)
{
    return strlen(known) == length && memcmp(known, word, length) == 0;
}

uint32_t sp_outcome_mask(const char *word, size_t length)
{
    for (unsigned i = 0; i < SP_OUTCOME_COUNT; i++)
        if (words_equal(words_outcome[i], word, length))
            return 1u << i;
    for (unsigned i = 0; i < SP_OUTCOME_GROUPS; i++)
        if (words_equal(sp_outcome_groups[i].word, word, length))
            return sp_outcome_groups[i].mask;
    return 0;
}
