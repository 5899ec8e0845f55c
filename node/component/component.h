#ifndef NODE_COMPONENT_COMPONENT_H
#define NODE_COMPONENT_COMPONENT_H
/* External components: domains served by programs that connect to us. Words: component = a
 * configured domain; link = the connection of one; owner = the shard of the domain, which knows
 * whether there is a link here, and asks the registry when there is none. */
#include "lib/net/transport.h"
#include "node/node.h"
#include "node/route/route.h"

/* A component's domain by the configuration, connected or not. */
bool component_serves(const struct node *n, struct str domain);
/* rate: borrowed for as long as the link lives. */
void component_accept(struct node_shard *sh, struct transport *t, bool direct_tls,
                      const struct stream_rate *rate);
/* On the owner of to.domain: to the link, to a node that has one, or back. Takes the route's
 * references (not the struct itself). */
void component_route(struct route *r);
void component_stop(struct node_shard *sh); /* links are closed with system-shutdown */
#endif
