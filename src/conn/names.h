/* names.h - see the last part of shearpin/conn.h. */
#ifndef SHEARPIN_CONN_NAMES_H
#define SHEARPIN_CONN_NAMES_H

#include <stddef.h>

size_t sp_names_size(void);      /* of the table */
void sp_names_start(void *room); /* so much, of zeros */

#endif
