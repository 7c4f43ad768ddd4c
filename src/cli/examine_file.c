/* examine_file.c - a program file: will ld.so take libshearpin.so into it, and does it call what is
 * wrapped? */
#include "cli/examine.h"

#include <bsd/string.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/judge.h"

struct obstacle {
    const char *kind, *text;
    const char *cures[2][2]; /* what, how */
};

#define OBSTACLE_PROXY                                                     \
    {                                                                      \
        "or put a proxy in front", "a sidecar sees what the loader cannot" \
    }

static const struct obstacle obstacles[] = {
    [JUDGE_SETUID] = {"setuid",
                      "setuid: ld.so drops LD_PRELOAD there",
                      {{"start it as its owner", "a unit with User= needs no setuid bit"}}},
    [JUDGE_SETGID] = {"setgid",
                      "setgid: ld.so drops LD_PRELOAD there",
                      {{"start it in its group", "a unit with Group= needs no setgid bit"}}},
    [JUDGE_CAPABILITIES] = {"capabilities",
                            "file capabilities: ld.so drops LD_PRELOAD there",
                            {{"move the capabilities",
                              "setcap -r FILE, then AmbientCapabilities= in its unit"}}},
    [JUDGE_MACHINE] = {"machine",
                       "for another machine than libshearpin.so",
                       {{"install shearpin for that machine", "one libshearpin.so serves one"}}},
    [JUDGE_GO] = {"go",
                  "Go program: makes its own system calls",
                  {{"use its own library of breakers", "what is in its source it can do itself"},
                   OBSTACLE_PROXY}},
    [JUDGE_STATIC] = {"static",
                      "statically linked: no program interpreter, so ld.so never runs and "
                      "LD_PRELOAD is ignored",
                      {{"link it dynamically", "drop -static and rebuild, then run doctor again"},
                       OBSTACLE_PROXY}},
    [JUDGE_MUSL] = {"musl",
                    "linked with musl: libshearpin.so needs glibc",
                    {{"build it with glibc", "or take the build of a distribution that does"},
                     OBSTACLE_PROXY}},
};

void examine_start(struct examine *e, struct report *report, bool all)
{
    *e = (struct examine){.report = report, .uid = getuid(), .gid = getgid(), .all = all};
    if (!library_imports(&e->imports)) {
        report_add(report, REPORT_BAD, "library", "", "there is no libshearpin.so on this machine");
        report_cure(report, "install it", "make install");
    }
}

static void examine_obstacle(struct examine *e, const char *what, enum judge_reason reason,
                             enum report_level level)
{
    const struct obstacle *o = &obstacles[reason];
    report_add(e->report, level, o->kind, what, "%s%s", o->text,
               level == REPORT_NOTE ? ", so it is not covered" : "");
    for (int i = 0; i < 2 && o->cures[i][0]; i++)
        report_cure(e->report, o->cures[i][0], o->cures[i][1]);
}

/* Root gains nothing from such a file, everybody else does. */
static void examine_others(struct examine *e, const char *path, const char *what)
{
    struct judge judge;
    judge_command_as(&judge, path, 65534, 65534);
    if (e->uid != 0 || judge.verdict != JUDGE_UNPROTECTED || judge.reason > JUDGE_CAPABILITIES)
        return;
    report_add(e->report, REPORT_NOTE, obstacles[judge.reason].kind, what,
               "%s, unless root runs it", obstacles[judge.reason].text);
    for (int i = 0; i < 2 && obstacles[judge.reason].cures[i][0]; i++)
        report_cure(e->report, obstacles[judge.reason].cures[i][0],
                    obstacles[judge.reason].cures[i][1]);
}

static void examine_hints(struct examine *e, const char *what)
{
    char needs[16];
    if (e->imports.uring) {
        report_add(e->report, REPORT_NOTE, "io_uring", what,
                   "imports io_uring: what goes that way passes libshearpin.so by");
        report_cure(e->report, "switch io_uring off",
                    "in its settings, or with sysctl kernel.io_uring_disabled=2");
    }
    if (e->imports.dlmopen)
        report_add(e->report, REPORT_NOTE, "dlmopen", what,
                   "imports dlmopen: libraries that it loads so are not interposed");
    if (library_newer(e->imports.version, library_glibc())) {
        report_add(e->report, REPORT_BAD, "glibc", what, "it needs glibc %s, here is %s",
                   e->imports.version, library_glibc());
        report_cure(e->report, "build it here", "or run it where it was built for");
    }
    library_shim_needs(needs, sizeof needs);
    if (library_newer(needs, library_glibc())) {
        report_add(e->report, REPORT_BAD, "glibc", what,
                   "libshearpin.so needs glibc %s, here is %s", needs, library_glibc());
        report_cure(e->report, "build shearpin here", "it then needs no more than is here");
    }
}

void examine_imports(struct examine *e, const char *what)
{
    char text[2048];
    const struct library_imports *i = &e->imports;
    const char *version = i->version[0] ? i->version : "2.0";
    library_text(i, e->all, text, sizeof text);
    if (!library_connects(i))
        report_add(
            e->report, REPORT_GOOD, "dynamic", what,
            "dynamic, glibc %s or newer needed, connects by what it loads or starts, if at all",
            version);
    else
        report_add(e->report, REPORT_GOOD, "dynamic", what,
                   "dynamic, glibc %s or newer needed, imports %s%s%s", version, text,
                   i->by[0] ? " by way of " : "", i->by);
    examine_hints(e, what);
}

/* What a program does not import itself its libraries may. */
static void examine_dynamic(struct examine *e, const char *program, const char *what)
{
    struct library_set set;
    library_clear(&e->imports);
    library_look(&e->imports, program);
    library_all(&set, program);
    for (size_t i = 1; i < set.count && !library_connects(&e->imports); i++)
        library_beside(&e->imports, set.paths[i]);
    library_free(&set);
    examine_imports(e, what);
}

bool examine_program(struct examine *e, const char *path, const char *what, enum report_level worst)
{
    struct judge judge;
    judge_command_as(&judge, path, e->uid, e->gid);
    if (judge.verdict == JUDGE_NO_FILE || judge.verdict == JUDGE_NO_EXEC)
        return false;
    bool script = strcmp(judge.path, judge.program) != 0;
    if (script) {
        report_add(e->report, REPORT_GOOD, "script", what, "script of %s", judge.program);
        what = judge.program;
    }
    if (judge.verdict == JUDGE_UNPROTECTED) {
        examine_obstacle(e, what, judge.reason, worst);
        return true;
    }
    examine_dynamic(e, judge.program, what);
    examine_others(e, judge.program, what);
    if (script)
        examine_script(e, judge.path, judge.program);
    return true;
}
