/* answer.c - the last good answers to look-ups. Each is checked by a sequence; the newest of a few
 * places drives out the oldest. */
#include "shearpin/segment.h"

#include <string.h>
#include <strings.h>

#include "base/random.h"
#include "state/shared.h"

#define ANSWER_WAYS  8u
#define ANSWER_YOUNG SP_SECOND /* the same once more is not written down */

static size_t answer_home(const char *name)
{
    uint64_t hash = 0;
    for (; *name; name++)
        hash = sp_mix(hash + (uint64_t)(*name >= 'A' && *name <= 'Z' ? *name | 0x20 : *name));
    return (size_t)(hash % SP_ANSWERS);
}

/* False while it is being written, which stays so when its writer has died. */
static bool answer_copy(const struct sp_answer *entry, struct sp_answer *out)
{
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if ((before & 1) || before == 0)
        return false;
    sp_shared_load(out, entry, sizeof *out);
    out->name[sizeof out->name - 1] = 0;
    if (out->count > SP_ANSWER_MAX)
        out->count = SP_ANSWER_MAX;
    return atomic_load(&entry->sequence) == before;
}

static bool answer_same(const struct sp_answer *a, const struct sp_answer *b)
{
    return a->count == b->count && memcmp(a->families, b->families, a->count) == 0 &&
           memcmp(a->ip, b->ip, a->count * sizeof *a->ip) == 0;
}

/* Where it goes: its own place, a free one, else the oldest. NULL: nothing new, or no place. */
static struct sp_answer *answer_place(struct sp_segment *segment, const char *name,
                                      const struct sp_answer *answer, uint64_t now,
                                      uint32_t *sequence)
{
    struct sp_answer *victim = NULL, copy;
    uint64_t oldest = UINT64_MAX;
    size_t home = answer_home(name);
    for (size_t i = 0; i < ANSWER_WAYS; i++) {
        struct sp_answer *e = &segment->answers[(home + i) % SP_ANSWERS];
        bool there = answer_copy(e, &copy);
        uint32_t before = there ? atomic_load(&copy.sequence) : atomic_load(&e->sequence);
        if (!there && before != 0)
            continue;
        bool same = there && copy.family == answer->family && strcasecmp(copy.name, name) == 0;
        uint64_t time = there ? copy.time : 0;
        if (same && atomic_load(&copy.served) == 0 && now - time < ANSWER_YOUNG &&
            answer_same(&copy, answer))
            return NULL;
        if (!same && victim && time >= oldest)
            continue;
        victim = e;
        oldest = time;
        *sequence = before;
        if (same)
            break;
    }
    return victim;
}

void sp_answer_put(struct sp_segment *segment, const char *name, struct sp_answer *answer,
                   uint64_t now)
{
    uint32_t before = 0;
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof answer->name || answer->count == 0 ||
        answer->count > SP_ANSWER_MAX)
        return;
    struct sp_answer *place = answer_place(segment, name, answer, now, &before);
    if (!place || !atomic_compare_exchange_strong(&place->sequence, &before, before | 1))
        return; /* another is at it, with an answer that is as good */
    atomic_store(&answer->sequence, before | 1);
    atomic_store(&answer->served, 0);
    answer->time = now;
    memset(answer->name, 0, sizeof answer->name);
    memcpy(answer->name, name, length);
    sp_shared_store(place, answer, sizeof *answer);
    atomic_store(&place->sequence, before + 2);
}

/* The addresses of one family, in their order. */
static void answer_only(struct sp_answer *answer, uint8_t family)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < answer->count; i++) {
        if (answer->families[i] != family)
            continue;
        answer->families[kept] = family;
        memmove(answer->ip[kept++], answer->ip[i], sizeof *answer->ip);
    }
    answer->count = kept;
}

/* Who asks for all families is served best by an answer to that. */
static bool answer_better(const struct sp_answer *a, const struct sp_answer *b, uint8_t family)
{
    bool whole = a->family == SP_FAMILY_NONE;
    if (family == SP_FAMILY_NONE && whole != (b->family == SP_FAMILY_NONE))
        return whole;
    return a->time > b->time;
}

int sp_answer_get(const struct sp_segment *segment, const char *name, uint8_t family,
                  struct sp_answer *out)
{
    struct sp_answer copy;
    int found = -1;
    size_t home = answer_home(name);
    for (size_t i = 0; i < ANSWER_WAYS; i++) {
        size_t at = (home + i) % SP_ANSWERS;
        if (!answer_copy(&segment->answers[at], &copy) || strcasecmp(copy.name, name) != 0 ||
            (found >= 0 && !answer_better(&copy, out, family)))
            continue;
        if (family != SP_FAMILY_NONE)
            answer_only(&copy, family);
        if (copy.count == 0)
            continue;
        *out = copy;
        found = (int)at;
    }
    return found;
}

bool sp_answer_served(struct sp_segment *segment, int place, uint64_t now)
{
    struct sp_answer copy, other;
    uint32_t ms = (uint32_t)(now / SP_MS);
    if (place < 0 || (size_t)place >= SP_ANSWERS ||
        atomic_exchange(&segment->answers[place].served, ms ? ms : 1) != 0 ||
        !answer_copy(&segment->answers[place], &copy))
        return false;
    size_t home = answer_home(copy.name);
    for (size_t i = 0; i < ANSWER_WAYS; i++) {
        size_t at = (home + i) % SP_ANSWERS;
        if (at != (size_t)place && answer_copy(&segment->answers[at], &other) &&
            strcasecmp(other.name, copy.name) == 0 && atomic_load(&other.served) != 0)
            return false;
    }
    return true;
}
