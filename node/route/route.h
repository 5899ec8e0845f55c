#ifndef NODE_ROUTE_ROUTE_H
#define NODE_ROUTE_ROUTE_H
/* A stanza on its journey, and the router that says where it goes (modules say whether). Steps, in
 * order: own domain (server IQ), local user anchored here, user anchored elsewhere (world), domain
 * of a component, everything else (s2s). Each step answers done, not mine or a bounce. A stanza
 * ends delivered, stored, or bounced (P4). */
#include "lib/xmpp/stanza.h"
#include "node/node.h"
#include "node/route/custody.h"

enum route_source {
    ROUTE_CLIENT,
    ROUTE_COMPONENT,
    ROUTE_S2S,
    ROUTE_REGION,
    ROUTE_SERVER,
    ROUTE_RETURNED, /* was with a session that ended: what is done once on arrival was done */
};
struct route {
    struct node_shard *shard; /* where it is now */
    struct stanza *stanza;    /* owned reference */
    struct custody *custody;  /* owned reference or NULL */
    enum route_source source;
    unsigned hops; /* regions passed */
    char trace[33];
};
#define ROUTE_HOPS_MAX 3

/* Start a journey from any shard; takes the stanza reference and the custody reference. to must be
 * set (user-level code fills in the bare JID of the sender where RFC 6120 section 10.3 says so).
 * trace NULL = a new one. */
void route_start(struct node_shard *sh, struct stanza *s, struct custody *c, enum route_source src,
                 unsigned hops, const char *trace);
/* 32 hex digits. */
void route_trace_new(char out[33]);
/* Shorthand for what the server itself sends. */
void route_send(struct node_shard *sh, struct stanza *s);
/* Answer s with an error (nothing for errors and results), release. Takes both references. */
void route_bounce(struct node_shard *sh, struct stanza *s, struct custody *c, enum stanza_cond cond,
                  const char *text);
/* End a journey without an answer (counted, logged at debug). Takes both references. */
void route_drop(struct node_shard *sh, struct stanza *s, struct custody *c);
/* The steps; a table in router.c. */
enum route_result { ROUTE_DONE, ROUTE_NOT_MINE };
#endif
