/* judge.h - can a program be wrapped? What ld.so will do with it, read from the file. */
#ifndef SHEARPIN_CLI_JUDGE_H
#define SHEARPIN_CLI_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum judge_verdict {
    JUDGE_FINE,
    JUDGE_UNPROTECTED, /* it would run, without us */
    JUDGE_NO_EXEC,     /* it cannot be run */
    JUDGE_NO_FILE      /* it is not there */
};

/* Why it would run without us. */
enum judge_reason {
    JUDGE_NO_REASON,
    JUDGE_SETUID,
    JUDGE_SETGID,
    JUDGE_CAPABILITIES,
    JUDGE_MACHINE,
    JUDGE_GO,
    JUDGE_STATIC,
    JUDGE_MUSL
};

struct judge {
    enum judge_verdict verdict;
    enum judge_reason reason; /* of JUDGE_UNPROTECTED */
    char path[4096];          /* what would be executed */
    char program[4096];       /* what was judged: the same, or the interpreter of a script */
    char why[160];            /* what is said of `program`: "is statically linked" */
};

/* `command` as execvp(3) takes it. */
void judge_command(struct judge *judge, const char *command);
/* The same where another user runs it. */
void judge_command_as(struct judge *judge, const char *command, uid_t uid, gid_t gid);

#endif
