/* process.h - the bytes of the segment file that are locked. They lie beyond its end. */
#ifndef SHEARPIN_STATE_PROCESS_H
#define SHEARPIN_STATE_PROCESS_H

#define SP_LOCK_LIFE  0x40000000L /* + slot: held by a live process as long as its image lives */
#define SP_LOCK_APPLY 0x50000000L /* held while a policy is put in force */

#define SP_LOCK_REPLY 0x58000000L /* of the process that gives canned answers */
#define SP_LOCK_READY 0x58000001L /* and once it listens */

#include "shearpin/segment.h"

/* Opens the file of a mapped segment again, never on fd 0..2. -1 when it is gone or another. */
int sp_process_reopen(const struct sp_segment *segment);
/* Clock ticks since boot: now, and when this process was started (0: not known). */
uint64_t sp_process_ticks(void);
uint64_t sp_process_started(struct sp_segment *segment);
/* A write lock of our own open file on `length` bytes. Returns 0, or -1 with errno. */
int sp_process_lock(int fd, long byte, long length, bool wait);
/* The file of a segment, opened and locked against everybody else who puts a policy, shares or an
 * experiment in force: an fd that is closed to unlock. They take milliseconds; one that was stopped
 * half way is waited for five seconds, and then it is an error. -1 with `error` set. */
int sp_process_lock_writers(const struct sp_segment *segment, struct sp_error *error);

#endif
