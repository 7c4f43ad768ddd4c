/* unit_live.h - what a running systemd says of a unit: its processes. */
#ifndef SHEARPIN_CLI_UNIT_LIVE_H
#define SHEARPIN_CLI_UNIT_LIVE_H

#include "cli/proc.h"
#include "cli/unit.h"

/* Is systemd the init of this machine? */
bool unit_live(void);
/* The processes of its control group, the main one first. Free list->pids. */
void unit_live_processes(const struct unit *unit, struct proc_list *list);

#endif
