/* names.h - see the last part of shearpin/conn.h. */
#ifndef SHEARPIN_CONN_NAMES_H
#define SHEARPIN_CONN_NAMES_H

int sp_names_start(void); /* reserves the table; -1: no memory */

#endif
