/* kept.c - the guards of destinations as this process has copied them, overrides included. A copy
 * stands for one generation of the policy and is handed out by pointer: calls in flight may still
 * read it when a reload has come. So it is written over only after it has been seen out of force
 * for longer than any call takes; until then its place is not used, and callers bring room. */
#include "shearpin/conn.h"

#include "base/clock.h"
#include "conn/turn.h"
#include "shearpin/quick.h"

#define KEPT_GRACE SP_SECOND

struct sp_override sp_overrides[SP_OVERRIDES_MAX];

static bool kept_read(uint32_t dest, struct sp_guards *out)
{
    bool found = sp_segment_guards(&sp_here.segment, dest, out);
    if (found && sp_here.override_count)
        sp_override_apply(sp_here.overrides, sp_here.override_count,
                          sp_here.segment.dests[dest].name, out);
    return found;
}

/* May the copy be written over? It must be seen twice for that, with the grace in between. */
static bool kept_over(struct sp_kept *kept, uint64_t seen)
{
    uint64_t retired = atomic_load_explicit(&kept->retired, memory_order_relaxed), now = sp_now();
    if (seen == 0)
        return true;
    if (retired == 0)
        atomic_compare_exchange_strong(&kept->retired, &retired, now);
    return retired != 0 && now > retired && now - retired >= KEPT_GRACE;
}

/* A thread that was filling in the parent of a fork does not live here. */
static uint64_t kept_filling(void)
{
    return UINT64_C(1) << 63 | sp_here.pid;
}

/* What the short ways would else have to ask each time. Endpoints that are learnt want to know the
 * most connections at once. */
static void kept_work_out(struct sp_kept *kept, struct sp_dest *dest, bool good)
{
    const struct sp_guards *g = &kept->guards;
    bool learnt = atomic_load(&dest->origin.state) & SP_ORIGIN_READY;
    uint32_t limit = g->cap[SP_CAP_CONNECTIONS];
    kept->dest = dest;
    kept->response = turn_units(g->deadline[SP_DEADLINE_RESPONSE]);
    kept->connect = turn_units(g->deadline[SP_DEADLINE_CONNECT]);
    kept->places = sp_lease_words(&sp_here.segment, dest, SP_CAP_CONNECTIONS, &kept->place_room);
    kept->place_count = limit < kept->place_room ? limit : kept->place_room;
    kept->plain = good && sp_quick_plain(g);
    kept->tells = sp_quick_tells(g);
    kept->connects =
        kept->plain && !learnt && sp_quick_connects(g) && (kept->place_count != 0) == (limit != 0);
}

/* Who fills has the place alone: a thread or a signal handler that meets it uses its own room. */
static const struct sp_guards *kept_fill(struct sp_kept *kept, uint32_t dest, uint64_t word)
{
    uint64_t seen = atomic_load(&kept->word), filling = kept_filling();
    if (seen == filling || !kept_over(kept, seen) ||
        !atomic_compare_exchange_strong(&kept->word, &seen, filling))
        return NULL;
    bool good = kept_read(dest, &kept->guards) && sp_segment_steady(&sp_here.segment, word);
    kept_work_out(kept, &sp_here.segment.dests[dest], good);
    atomic_store(&kept->retired, 0);
    atomic_store(&kept->word, good ? word + 1 : 0);
    return good ? &kept->guards : NULL;
}

bool sp_kept_ask(uint32_t dest, struct sp_guards *room, const struct sp_guards **guards)
{
    uint64_t word;
    *guards = NULL;
    if (dest < sp_here.segment.dest_max && sp_segment_policy(&sp_here.segment, &word))
        *guards = kept_fill(sp_kept_at(dest, word), dest, word);
    if (*guards)
        return true;
    *guards = room;
    return kept_read(dest, room);
}
