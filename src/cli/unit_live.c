#include "cli/unit_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool unit_live(void)
{
    return access("/run/systemd/system", F_OK) == 0;
}

/* One property; the name holds nothing that could be an option or a path. */
static bool live_property(const char *unit, const char *property, char *out, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("systemctl", "systemctl", "show", "--value", "-p", property, "--", unit, NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *file = pid > 0 ? fdopen(ends[0], "re") : NULL;
    bool got = file && fgets(out, (int)size, file);
    if (file)
        fclose(file);
    else
        close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (got)
        out[strcspn(out, "\n")] = 0;
    return got;
}

static void live_add(struct proc_list *list, pid_t pid)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->pids[i] == pid)
            return;
    }
    proc_add(list, pid);
}

void unit_live_processes(const struct unit *unit, struct proc_list *list)
{
    static const char *const trees[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/systemd",
                                        "/sys/fs/cgroup/unified"};
    char text[4096], path[4200];
    *list = (struct proc_list){0};
    if (live_property(unit->name, "MainPID", text, sizeof text) && atoi(text) > 0)
        live_add(list, (pid_t)atoi(text));
    if (!live_property(unit->name, "ControlGroup", text, sizeof text) || !*text)
        return;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        char line[32];
        snprintf(path, sizeof path, "%s%s/cgroup.procs", trees[i], text);
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof line, file)) {
            if (atoi(line) > 0)
                live_add(list, (pid_t)atoi(line));
        }
        if (file)
            fclose(file);
    }
}
