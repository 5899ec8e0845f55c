#ifndef LIB_NET_TRANSPORT_H
#define LIB_NET_TRANSPORT_H
/* The one shape of a byte layer: tcp, unix, tls, simulated network. The stream engine never knows
 * which it has. Down: send, pause, shut, close, detach. Up: ready, data, drain, end (end exactly
 * once, nothing after it, no drain either). Events never come from inside a down call (law 4). All
 * on the shard that owns the transport. After end the transport is still the user's and must be
 * closed; after close no event arrives. The user may send, pause, shut, close, abort or detach from
 * within any event. Unwanted members of transport_events may be NULL. A transport handed over by
 * listen.h or dial.h is connected already and still reports ready once, at the end of that turn or
 * later; a TLS transport when its handshake is complete. A moved transport reports ready only if it
 * had not before. */
#include "lib/base/base.h"
#include "lib/loop/loop.h"
#include "lib/net/addr.h"

struct transport;
struct tls_info;

struct transport_events {
    void (*ready)(void *ctx); /* usable: connected, TLS handshake complete */
    void (*data)(
        void *ctx,
        struct str bytes);    /* borrowed for the call; the user may close the transport inside */
    void (*drain)(void *ctx); /* output fell below the low mark after a send returned false */
    void (*end)(void *ctx, enum err why); /* ERR_EOF = orderly end of the peer's direction */
};

struct transport_ops {
    bool (*send)(struct transport *t, struct str bytes);
    void (*pause)(struct transport *t, bool paused);
    void (*shut)(struct transport *t);
    void (*close)(struct transport *t, bool abort);
    struct parcel *(*detach)(struct transport *t);
    const struct tls_info *(*tls)(const struct transport *t); /* NULL member: no TLS here */
    size_t (*queued)(const struct transport *t);
};

/* What a connection takes up somewhere, for as long as it is there. */
struct transport_seats {
    /* It was given up: closed, aborted, or dropped as a parcel. Once, on the thread that did it. */
    void (*leave)(struct transport_seats *s, uint64_t key);
};
struct transport_seat {
    struct transport_seats *of; /* NULL: none; outlives all that have a seat of it */
    uint64_t key;
};
struct transport { /* first member of each implementation */
    const struct transport_ops *ops;
    const struct transport_events *events;
    void *ctx;
    struct loop *loop;
    struct addr peer, local;
    struct transport_seat seat;
};

void transport_set_events(struct transport *t, const struct transport_events *ev, void *ctx);
/* Give it a seat, which goes along when it moves or gets a layer over it. It has none yet. */
void transport_set_seat(struct transport *t, struct transport_seat s);
/* Queue bytes (copied once); they leave gathered at the end of the turn. False: past the high mark
 * (64 KiB by default), pause your source until drain. Never fails: a broken connection shows as
 * end. */
static inline bool transport_send(struct transport *t, struct str bytes)
{
    return t->ops->send(t, bytes);
}
/* Stop or resume data events (also stops reading, so the peer feels it). Nothing is lost. */
static inline void transport_pause(struct transport *t, bool paused)
{
    t->ops->pause(t, paused);
}
/* Flush, then end our direction (close_notify, FIN). Receiving goes on until end. */
static inline void transport_shut(struct transport *t)
{
    t->ops->shut(t);
}
/* Give it up. Queued output is still flushed in the background (at most 5 s) unless abort. Nulls
 * the pointer. */
void transport_close(struct transport **pt);
void transport_abort(struct transport **pt);
/* Bytes queued in user space, all layers. */
static inline size_t transport_queued(const struct transport *t)
{
    return t->ops->queued(t);
}
/* TLS facts of the connection, NULL without TLS; valid while the transport lives (tls.h). */
static inline const struct tls_info *transport_tls(const struct transport *t)
{
    return t->ops->tls ? t->ops->tls(t) : NULL;
}

/* Move to another shard: detach here (the transport is consumed), mail the parcel, attach there.
 * Unread and unsent bytes travel along. The caller sets events right after attach; pause is off
 * then. Not before the lowest layer is connected. */
struct parcel;
struct parcel *transport_detach(struct transport **pt);
struct transport *parcel_attach(struct parcel **pp, struct loop *to);
void parcel_drop(struct parcel **pp); /* closes instead */
#endif
