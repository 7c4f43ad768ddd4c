/* rows.h - the faults, one a file. */
#ifndef SHEARPIN_FAULT_ROWS_H
#define SHEARPIN_FAULT_ROWS_H

#include "shearpin/fault.h"

extern const struct sp_fault_row sp_fault_latency;
extern const struct sp_fault_row sp_fault_refuse;

#endif
