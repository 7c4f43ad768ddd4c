/*
 * held.h - what a program must not see of a connection yet, by an injected fault: that there is
 * input, that there is room to send, that a connect has come out. Source: src/conn/held.c; what is
 * done about it, src/shim/hold.c.
 */
#ifndef SHEARPIN_HELD_H
#define SHEARPIN_HELD_H

#include "shearpin/conn.h"

/* A registration with an epoll, changed so that it does not report what is held; src/shim/mute.c.
 * Who only looks whether it is changed, and how, does not lock it. */
struct sp_mute {
    sp_half busy;
    _Atomic int epoll; /* its fd + 1; 0: none is changed */
    int was;           /* the same of the last that was */
    int fd;
    uint32_t events; /* as the program wants them */
    sp_half set;     /* as they are meanwhile */
    sp_word data;
};

/* Of a connection with SP_CONN_HELD: by its index, in a table of its own. */
struct sp_held {
    sp_half busy;   /* somebody changes the socket for it */
    sp_half raised; /* SO_RCVLOWAT is ours: the kernel itself says that there is no input */
    sp_half own;    /* the program's SO_RCVLOWAT */
    sp_half hung;   /* it hangs up, which cannot be seen either */
    uint32_t generation;
    sp_word in;     /* until when there is no input; 0: not held, SP_NEVER: for ever */
    sp_word out;    /* until when there is no room */
    sp_word came;   /* when that which is held came; 0: it has not yet */
    sp_word since;  /* the request; what came before is not its answer */
    sp_word looked; /* then it had not come */
    sp_word after;  /* it is seen so much later than it came: then `in` is when to look; 0 */
    struct sp_mute mute;
};

extern __attribute__((visibility("hidden"))) sp_half sp_held_count; /* in this process */

/* Somebody changes the socket for it, or a registration: what is its `busy`. */
void sp_held_lock(sp_half *busy);
void sp_held_unlock(sp_half *busy);

/* Of a connection that has, or had, SP_CONN_HELD. */
struct sp_held *sp_held_of(const struct sp_conn *conn);
/* The same for any; NULL: no memory. */
struct sp_held *sp_held_make(struct sp_conn *conn);
void sp_held_mark(struct sp_conn *conn);
void sp_held_clear(struct sp_conn *conn);
/* In a child: nobody is about it any more. */
void sp_held_forked(const struct sp_conn *conn);
/* When there is something to be done: to look, or to let it be seen. */
uint64_t sp_held_due(const struct sp_conn *conn);

#endif
