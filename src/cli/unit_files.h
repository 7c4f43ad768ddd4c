/* unit_files.h - the files of a unit, in the order in which systemd reads them. */
#ifndef SHEARPIN_CLI_UNIT_FILES_H
#define SHEARPIN_CLI_UNIT_FILES_H

#include "cli/unit.h"

/* Fills file and values of a unit whose name and root are set. False: there is none. */
bool unit_files(struct unit *unit);

#endif
