/*
 * harm.h - what injected faults do to the data and to the end of a connection, for as long as it
 * lasts, or for one exchange of it. Source: src/conn/harm.c; what is done about it,
 * src/shim/harm.c.
 */
#ifndef SHEARPIN_HARM_H
#define SHEARPIN_HARM_H

#include "shearpin/conn.h"

/* Of the connection itself, and of the exchange that stands. */
enum sp_harm_of { SP_HARM_CONNECTION, SP_HARM_EXCHANGE, SP_HARM_BOTH };

/* How it ends before its time: when so many bytes have come, or when it is that late. */
struct sp_harm_end {
    sp_half how;   /* enum sp_fault_end; 0: it does not, or has */
    sp_half once;  /* at once: as soon as the connect, or the request, is out */
    sp_word bytes; /* of sp_harm.in; 0: however many */
    sp_word time;  /* 0: however late */
};

/* Of a connection with SP_CONN_HARMED: by its index, in a table of its own. */
struct sp_harm {
    struct sp_harm_end ends[SP_HARM_BOTH];
    sp_half corrupt_in[SP_HARM_BOTH]; /* one byte of so many; 0: none */
    sp_half corrupt_out[SP_HARM_BOTH];
    sp_half silent[SP_HARM_BOTH]; /* nothing of it is ever heard */
    sp_half over;                 /* the end of the stream is what a receive finds */
    sp_half slice, slice_spread;
    sp_word rate;     /* bytes a second, either way; 0: any */
    sp_word in, out;  /* bytes so far */
    sp_word random;   /* where bytes are hurt, how long slices are */
    uint64_t pause;   /* ns between two slices */
    sp_word next_in;  /* when the next may be received */
    sp_word next_out; /* when it may be sent */
    uint64_t close;   /* ns that the end is seen late */
    sp_word closed;   /* when it came; 0: not yet */
    uint64_t after;   /* ns: ends[SP_HARM_CONNECTION].time counts from the connect's success */
};

/* Of a connection that has SP_CONN_HARMED. */
struct sp_harm *sp_harm_of(const struct sp_conn *conn);
/* Is there anything in this that outlasts the call itself? */
bool sp_harm_lasts(const struct sp_fault_act *act);
/* A connect goes out, or an exchange begins, and this is to become of it. What the former exchange
 * was to suffer is over. */
void sp_harm_connect(struct sp_conn *conn, const struct sp_fault_act *act);
void sp_harm_exchange(struct sp_conn *conn, const struct sp_fault_act *act, uint64_t now);
/* The connect has succeeded: from here on its time counts. */
void sp_harm_connected(struct sp_conn *conn, uint64_t now);

/* When it ends by time; SP_NEVER: it does not. */
uint64_t sp_harm_time(const struct sp_conn *conn);
static inline uint64_t sp_harm_due(const struct sp_conn *conn)
{
    return sp_conn_flags(conn) & SP_CONN_HARMED ? sp_harm_time(conn) : SP_NEVER;
}

/* How many bytes may come before it ends; SP_NEVER: any number. */
uint64_t sp_harm_left(const struct sp_harm *harm);
/* How many the next transfer may move, `done` being those before it. */
size_t sp_harm_slice(const struct sp_harm *harm, uint64_t done);
/* Which bit of the byte at `at` of a stream is flipped, as a mask; 0: none. */
uint8_t sp_harm_flip(uint64_t random, uint32_t each, uint64_t at);
/* The end that has come by now, which is the caller's to carry out; SP_FAULT_END_NONE. */
enum sp_fault_end sp_harm_ends(struct sp_harm *harm, bool once, uint64_t now);

#endif
