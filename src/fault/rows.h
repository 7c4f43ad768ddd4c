/* rows.h - the faults, one a file. */
#ifndef SHEARPIN_FAULT_ROWS_H
#define SHEARPIN_FAULT_ROWS_H

#include "shearpin/fault.h"

extern const struct sp_fault_row sp_fault_latency;
extern const struct sp_fault_row sp_fault_refuse;
extern const struct sp_fault_row sp_fault_unreachable;
extern const struct sp_fault_row sp_fault_no_address;
extern const struct sp_fault_row sp_fault_no_buffers;
extern const struct sp_fault_row sp_fault_blackhole;
extern const struct sp_fault_row sp_fault_hang;
extern const struct sp_fault_row sp_fault_reset;
extern const struct sp_fault_row sp_fault_eof;
extern const struct sp_fault_row sp_fault_slice;
extern const struct sp_fault_row sp_fault_slow_close;
extern const struct sp_fault_row sp_fault_corrupt;
extern const struct sp_fault_row sp_fault_lookup_fail;
extern const struct sp_fault_row sp_fault_wrong_address;
extern const struct sp_fault_row sp_fault_no_fds;
extern const struct sp_fault_row sp_fault_eintr;
extern const struct sp_fault_row sp_fault_bandwidth;

/* Where the number that begins at `word` goes: behind `+-`, which is then passed over, it is the
 * spread, else the amount. NULL: it is no number. (list.c) */
uint64_t *sp_fault_number(struct sp_fault *fault, const char **word, size_t *length);

#endif
