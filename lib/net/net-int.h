#ifndef LIB_NET_NET_INT_H
#define LIB_NET_NET_INT_H
/* What the common part of net (dial, tls) asks of the platform below it: tcp.c and unix.c on the
 * real one, sim-net.c on the simulated one. Also the shape of parcels and the marks every layer
 * shares. */
#include "lib/net/transport.h"

#define NET_HIGH_BYTES ((size_t)64 << 10) /* send answers false above it */
#define NET_LOW_BYTES ((size_t)16 << 10)  /* drain comes at or below it */
#define NET_QUEUE_MAX_BYTES                                                                        \
    ((size_t)16 << 20)     /* queued output past it ends the connection with ERR_LIMIT */
#define NET_LINGER_MS 5000 /* longest background flush after close */

/* Start connecting. The transport reports ready or end later, never from within. Close it to give
 * up. */
struct transport *net_connect(struct loop *l, const struct addr *to);
/* The same to a unix socket; ends with ERR_UNSUPPORTED under simulation. */
struct transport *net_connect_unix(struct loop *l, const char *path);
/* Report ready (once more) at the end of this turn: dial consumed the first. Only for what
 * net_connect returned. */
void net_announce(struct transport *t);

/* First member of what an implementation's detach returns. Each call frees the parcel. */
struct parcel {
    struct transport *(*attach)(struct parcel *p, struct loop *to);
    void (*drop)(struct parcel *p);
    struct transport_seat seat; /* kept here by transport.c */
};

static inline void net_emit_ready(struct transport *t)
{
    if (t->events && t->events->ready)
        t->events->ready(t->ctx);
}
static inline void net_emit_data(struct transport *t, struct str bytes)
{
    if (t->events && t->events->data)
        t->events->data(t->ctx, bytes);
}
static inline void net_emit_drain(struct transport *t)
{
    if (t->events && t->events->drain)
        t->events->drain(t->ctx);
}
static inline void net_emit_end(struct transport *t, enum err why)
{
    if (t->events && t->events->end)
        t->events->end(t->ctx, why);
}
#endif
