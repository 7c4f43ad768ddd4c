/* absent.h - what an older libc lacks. Programs that were built for it do not ask for it; those
 * that look for it by name find ours, which must then do what libc's would. */
#ifndef SHEARPIN_SHIM_ABSENT_H
#define SHEARPIN_SHIM_ABSENT_H

#include "shim/real.h"

/* Never NULL. */
void *sp_absent(enum sp_symbol symbol);

#endif
