/* end.h - what reset and eof share: at once, `after 10KiB`, `after 5s`. */
#ifndef SHEARPIN_FAULT_END_H
#define SHEARPIN_FAULT_END_H

#include "fault/rows.h"

int end_take(struct sp_fault *fault, const char *word, size_t length, struct sp_error *error);
/* At once is with a request, since on a connection that stands nothing else begins. */
int end_whole(struct sp_fault *fault, struct sp_error *error);
void end_act(const struct sp_fault *fault, enum sp_fault_end end, struct sp_fault_act *act);

#endif
