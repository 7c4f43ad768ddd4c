/* status_errors.c - the last calls of a destination that came to nothing, where there is a journal.
 */
#include <stdio.h>
#include <string.h>

#include "cli/event.h"
#include "cli/say.h"
#include "cli/status.h"

#define ERRORS_SHOWN  5
#define ERRORS_LOOKED 200000 /* lines of the journal, at most */

static void errors_one(const struct look *look, const struct sp_note *note, bool first)
{
    char clock[32], who[96] = "", command[4 * 16 + 1];
    uint64_t age = look->now > note->time ? look->now - note->time : 0;
    event_clock(look->wall - age, clock, sizeof clock);
    if (note->slot < SP_PROCESSES && look->alive[note->slot]) {
        const struct sp_process *p = &look->segment->processes[note->slot];
        snprintf(who, sizeof who, " (pid %u %s)", atomic_load(&p->pid),
                 say_safe(command, sizeof command, p->command, sizeof p->command));
    }
    printf("  %-14s%s  %s: %s after %s%s\n", first ? "last errors" : "", clock,
           note->kind == SP_ENTRY_CONNECT ? "connect" : "exchange", event_errno(note->outcome),
           SAY_TOOK(sp_bin_low(note->duration)), who);
}

void status_errors(const struct look *look, const struct look_dest *d)
{
    uint64_t oldest, count = sp_journal_count(look->segment, &oldest);
    uint32_t blamed = d->guards.breaker.on ? d->guards.breaker.on : SP_OUTCOMES_BLAMING;
    struct sp_note note;
    unsigned shown = 0;
    if (count > ERRORS_LOOKED && oldest < count - ERRORS_LOOKED)
        oldest = count - ERRORS_LOOKED;
    for (uint64_t i = count; i > oldest && shown < ERRORS_SHOWN; i--) {
        if (sp_journal_read(look->segment, i - 1, &note) != 1 || note.dest != d->index ||
            note.kind == SP_ENTRY_CLOSED || note.outcome >= SP_OUTCOME_COUNT ||
            !(blamed >> note.outcome & 1))
            continue;
        errors_one(look, &note, shown++ == 0);
    }
}
