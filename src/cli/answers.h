/* answers.h - the process that gives canned answers: what its files share. */
#ifndef SHEARPIN_CLI_ANSWERS_H
#define SHEARPIN_CLI_ANSWERS_H

#include "cli/look.h"
#include "reply/reply.h"

#define ANSWERS_LISTENERS 3u   /* of a destination: IPv4, IPv6, unix */
#define ANSWERS_TALKS     256u /* at the same time; more wait in the backlog */

/* One destination that is answered for. */
struct answers_place {
    int fds[ANSWERS_LISTENERS]; /* -1: none */
    char *file;                 /* NULL: it is not answered for */
    size_t size;
};

/* One connection. */
struct answers_talk {
    int fd; /* -1: free */
    uint32_t dest;
    bool answered; /* `out` was made; then what the peer still sends is read to its end */
    bool ended;    /* the peer sends no more */
    bool lost;     /* nor does it read */
    struct sp_request request;
    char *out;
    size_t length, sent;
    uint64_t until;
};

struct answers {
    struct sp_segment segment;
    int lock;                     /* the segment's file */
    uint64_t generation;          /* that `places` were read from */
    bool group;                   /* the segment is a group's, and so are its sockets */
    struct answers_place *places; /* by destination */
    struct answers_talk talks[ANSWERS_TALKS];
};

/* --- answers_place.c --- */

/* Listens for every destination that the policy in force answers for, and for no other. */
void answers_load(struct answers *a);
void answers_unload(struct answers *a);

/* --- answers_talk.c --- */

void answers_accept(struct answers *a, int listener, uint32_t dest);
/* Something can be read or written, or its time may be over. */
void answers_step(struct answers *a, struct answers_talk *talk, bool readable, uint64_t now);
bool answers_full(const struct answers *a);

#endif
