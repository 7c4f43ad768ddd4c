/* judge.h - can a program be wrapped? What ld.so will do with it, read from the file. */
#ifndef SHEARPIN_CLI_JUDGE_H
#define SHEARPIN_CLI_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

enum judge_verdict {
    JUDGE_FINE,
    JUDGE_UNPROTECTED, /* it would run, without us */
    JUDGE_NO_EXEC,     /* it cannot be run */
    JUDGE_NO_FILE      /* it is not there */
};

struct judge {
    enum judge_verdict verdict;
    char path[4096];    /* what would be executed */
    char program[4096]; /* what was judged: the same, or the interpreter of a script */
    char why[160];      /* what is said of `program`: "is statically linked" */
};

/* `command` as execvp(3) takes it. */
void judge_command(struct judge *judge, const char *command);

#endif
