#ifndef S2S_S2S_REGION_H
#define S2S_S2S_REGION_H
/* Links between nodes of the world: server-to-server streams with mutual certificates of the region
 * CA, always acknowledged and resumable (XEP-0198), each stanza with one <route
 * xmlns='urn:meridian:route:0'/> element. One instance per node, on one loop. Each node keeps one
 * outgoing stream to each member it has to talk to; the stream is for its own stanzas only. Exactly
 * once while the receiver's process lives: stanzas carry (origin, incarnation, seq) and repeated
 * ones are dropped; at least once across a restart of the receiver. Order is kept among purposes
 * that belong together: FROM, UP, DOWN; USER; SESSION, UP_OK, GONE, ENDED. */
#include "lib/base/json.h"
#include "lib/net/tls.h"
#include "lib/xmpp/stanza.h"

enum region_purpose {
    REGION_USER, /* to's anchor shall do user-level work (a stanza addressed to one of its users) */
    REGION_FROM, /* a client of the origin sent this: the anchor of from shall do user-level work;
                    resource "": its session ended with a former life of some node */
    REGION_SESSION, /* anchor -> the node that holds the connection: write it to that resource */
    REGION_UP, /* origin holds a connection for resource `from`: attach it at the anchor (presence
                  payload may be there) */
    REGION_UP_OK, /* anchor -> origin: attached */
    REGION_DOWN,  /* origin's connection of resource `from` is gone; or anchor -> origin: close that
                     connection (conflict, or the account was removed) */
    REGION_GONE,  /* a REGION_SESSION stanza came back: no such connection here */
    REGION_ENDED, /* anchor -> origin, behind the last SESSION for a connection that ended; and
                     back, behind the last GONE */
    REGION_ASK,   /* account question of node/auth (IQ), answered by */
    REGION_ANSWER,
};
struct region_route { /* the route element */
    enum region_purpose purpose;
    unsigned hops;
    char trace[33];            /* 32 hex digits, given at the first hop */
    char origin[130];          /* "region/node" that sent it on this link */
    uint64_t incarnation, seq; /* of the origin; filled by the link */
    char resource[64];         /* meaning by purpose (connection id); "" if unused */
    char home[64];             /* home region of the account the purpose is about; "" if unknown */
    bool covered; /* SESSION: another copy was delivered for sure: do not send this one back */
};
struct s2s_region_peer {
    char id[130];     /* "region/node" */
    char domain[256]; /* stream address and certificate name */
    struct addr endpoint;
    uint64_t incarnation;
};
/* Custody of one received stanza; 0 = none. What is behind it is not counted either (but see got),
 * so whoever has it completes it in bounded time. */
typedef uint64_t region_ticket;
struct s2s_region_ops {
    /* A stanza arrived. The link acknowledges it to its sender once s2s_region_complete(ticket) was
     * called. */
    void (*deliver)(void *ctx, const char *peer_id, uint64_t peer_incarnation, struct stanza *s,
                    const struct region_route *r, region_ticket t);
    /* The stream to the peer is ready (again); fresh: it is not the resumption of an earlier one
     * (peer may have restarted). */
    void (*link_up)(void *ctx, const char *peer_id, bool fresh);
    /* The peer has custody of a stanza that was sent with this token (never called with NULL). */
    void (*acked)(void *ctx, void *token);
    void (*drop_token)(void *ctx, void *token);
    /* It will not arrive: peer declared dead (s2s_region_dead), queue full, or it waited
     * longer than wait_ms. The callee takes the reference and the token. Never called inside
     * s2s_region_send. */
    void (*returned)(void *ctx, const char *peer_id, struct stanza *s, const struct region_route *r,
                     void *token, const char *why);
    /* The peer begins anew with us (at its start, and after it took us for dead): what we told it
     * before may be forgotten. May be NULL. */
    void (*anew)(void *ctx, const char *peer_id);
};
struct s2s_region_conf {                     /* borrowed */
    struct tls_ctx *tls_server, *tls_client; /* region CA only */
    const char *self_id, *self_domain;
    uint64_t self_incarnation;
    const char *domain_suffix; /* peers' names must end with it: ".regions.world.test" */
    size_t queue_bytes; /* per peer, waiting and unacknowledged together; default 64 MiB; past it:
                           returned at once */
    uint64_t wait_ms;   /* default 300,000 */
    const struct stream_limits *limits;
};
struct s2s_region;
struct s2s_region *s2s_region_new(struct loop *l, const struct s2s_region_conf *c,
                                  const struct s2s_region_ops *ops, void *ctx);
void s2s_region_stop(struct s2s_region *r, void (*done)(void *ctx),
                     void *ctx); /* flush, wait up to 1 s for custody of what came in (to
                                  * acknowledge it), close in order, at most 3 s */
void s2s_region_free(struct s2s_region **pr);
/* What the registry knows. A new endpoint or incarnation of a known id reconnects; the queue stays.
 */
void s2s_region_peer(struct s2s_region *r, const struct s2s_region_peer *p);
/* The lease of this incarnation is gone (ignored when the peer is known with a younger one). all:
 * return everything that waits and forget the link (another member of that region takes over). Not
 * all: USER and FROM wait for the peer's next incarnation (or wait_ms), the rest is returned. */
void s2s_region_dead(struct s2s_region *r, const char *peer_id, uint64_t incarnation, bool all);
/* A peer that is not known yet (its stream may reach us before the registry tells of it) is waited
 * for like one that cannot be reached. Takes the reference; token (may be NULL) comes back in acked
 * or returned, or is dropped through drop_token when the instance is freed first. The payload is
 * untouched; the route element is added on the wire. */
void s2s_region_send(struct s2s_region *r, const char *peer_id, struct stanza *s,
                     const struct region_route *route, void *token);
void s2s_region_complete(struct s2s_region *r, region_ticket t);
void s2s_region_accept(struct s2s_region *r,
                       struct transport *t); /* plain TCP from the region listener: direct TLS */
void s2s_region_list(
    const struct s2s_region *r,
    struct json *array); /* id, state, incarnation, queued, unacked, in_h, reconnects, last_error */
#endif
