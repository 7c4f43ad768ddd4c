/* pace.c - injected bandwidth. A transfer moves a fiftieth of a second's bytes; the next may move
 * some when the time that these take is over. Who does not block does not see before that there is
 * something, or room. A wake-up that was late is made up for, but not a pause of the program's. */
#include "shim/await.h"
#include "shim/harm.h"
#include "shim/hold.h"

#include "base/clock.h"

#define PACE_PARTS  50u
#define PACE_CREDIT (100 * SP_MS) /* later than that is a pause */
#define PACE_SHORT  (2 * SP_MS)   /* not worth a sleep of its own */

size_t sp_pace_room(const struct sp_harm *harm)
{
    uint64_t rate = atomic_load_explicit(&harm->rate, memory_order_relaxed);
    if (rate == 0)
        return SIZE_MAX;
    return rate > PACE_PARTS ? (size_t)(rate / PACE_PARTS) : 1;
}

bool sp_pace_wait(const struct sp_io *io, const sp_word *next)
{
    uint64_t until = atomic_load(next), due = sp_due_of(io->conn, atomic_load(&io->conn->word));
    return !io->blocking || until <= sp_now() ||
           sp_await_pause(SP_ASLEEP_INJECTED, io->conn->dest, io->fd, until < due ? until : due);
}

/* From when on there may be more, these bytes being moved at `now`. */
static uint64_t pace_next(sp_word *next, uint64_t rate, uint64_t bytes, uint64_t now)
{
    uint64_t takes = bytes / rate * SP_SECOND + bytes % rate * SP_SECOND / rate;
    uint64_t seen = atomic_load(next), to;
    do {
        to = (seen + PACE_CREDIT > now ? seen : now) + takes;
    } while (!atomic_compare_exchange_weak(next, &seen, to));
    return to;
}

bool sp_pace_moved(const struct sp_io *io, size_t bytes, bool more, bool sent)
{
    struct sp_harm *harm = sp_harm_of(io->conn);
    uint64_t rate = atomic_load_explicit(&harm->rate, memory_order_relaxed), now;
    if (rate == 0 || bytes == 0)
        return false;
    now = sp_now();
    uint64_t next = pace_next(sent ? &harm->next_out : &harm->next_in, rate, bytes, now);
    if (next < now + PACE_SHORT && more && (sp_conn_flags(io->conn) & SP_CONN_UNIX))
        next = now + PACE_SHORT; /* there is no other way to wake who waits for an edge */
    if (io->blocking || next < now + PACE_SHORT)
        return false;
    if (sent)
        sp_hold_output(io->conn, next);
    else
        sp_hold_input(io->conn, io->fd, next);
    return true;
}

size_t sp_pace_before(const struct sp_io *io, size_t length)
{
    struct sp_harm *harm = sp_harm_of(io->conn);
    size_t room = sp_pace_room(harm);
    if (room != SIZE_MAX)
        sp_pace_wait(io, &harm->next_out);
    return length < room ? length : room;
}
