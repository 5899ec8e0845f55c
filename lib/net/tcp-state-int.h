#ifndef LIB_NET_TCP_STATE_INT_H
#define LIB_NET_TCP_STATE_INT_H
/* The state of a stream socket on libuv, for tcp.c (life, reading, writing), tcp-open.c
 * (connecting, taking descriptors) and tcp-move.c (to another shard). */
#include <uv.h>

#include "lib/base/buf.h"
#include "lib/loop/loop-uv.h"
#include "lib/loop/timer.h"
#include "lib/net/tcp-int.h"

enum tcp_state {
    TCP_CONNECTING, /* connect under way; output waits */
    TCP_OPEN,       /* the user has it */
    TCP_LINGERING,  /* the user gave it up; queued output is flushed, input discarded */
    TCP_GONE,       /* uv_close called (or detached); memory goes in its callback */
};

enum tcp_fin {
    TCP_FIN_NONE,
    TCP_FIN_WANTED, /* to be sent when the output is flushed */
    TCP_FIN_SENT,
};

struct tcp_op { /* a connect or write libuv has under way; exists only meanwhile */
    union {
        uv_connect_t connect;
        uv_write_t write;
    } req;
    struct buf flight; /* the bytes of the write; none: a connect */
};

struct tcp_linger { /* of a connection the user gave up */
    struct tcp *tcp;
    struct timer timer;
    struct loop_hook at_free;
};

struct tcp {
    struct transport t;
    enum tcp_kind kind;
    enum tcp_state state;
    enum tcp_fin fin;
    union {
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_stream_t stream;
        uv_handle_t handle;
    } h;
    struct buf out; /* gathered, not yet offered to the kernel */
    struct tcp_op *op;
    struct defer turn;
    struct tcp_linger *linger;
    enum err broken; /* output is swallowed; reported as end unless one was */
    bool ready_due, paused, reading, ended;
    bool blocked;  /* a send returned false: drain is owed */
    bool is_sated; /* the last read filled the buffer */
};

struct tcp *tcp_of(struct transport *t);
struct tcp *tcp_new(struct loop *l, enum tcp_kind kind);
/* Put a descriptor under the handle; a failure is reported as end. */
void tcp_open(struct tcp *c, int fd);
struct tcp_op *tcp_op_new(struct tcp *c);
void tcp_op_end(struct tcp *c);
void tcp_wake(struct tcp *c);
void tcp_break(struct tcp *c, enum err why);
void tcp_destroy(struct tcp *c);
size_t tcp_flight_left(const struct tcp *c); /* bytes of the write under way that are unsent */
struct parcel *tcp_detach(struct transport *t);
#endif
