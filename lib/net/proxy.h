#ifndef LIB_NET_PROXY_H
#define LIB_NET_PROXY_H
/* Connections that come through a load balancer: each begins with a header of the PROXY protocol
 * (proxy-header.h), which is read before anybody else sees the connection. Words: gate = where
 * connections of a listener wait for their header. */
#include "lib/net/listen.h"

enum {
    PROXY_HEADER_MS = 5000, /* a header must be there after this long; the proxy sends it at once */
    PROXY_WAITING_MAX = 1024, /* connections of a gate without a whole header; past it new ones are
                                 closed */
};
struct proxy_gate;
/* accept gets what passed, as from a listener: peer and local are what the header says. What does
 * not begin with a header, or is late, is reset. */
struct proxy_gate *proxy_gate_new(struct loop *l, listen_accept *accept, void *ctx);
void proxy_gate_free(struct proxy_gate **pg); /* what waits is reset; not inside accept */
/* An accept callback: ctx is the gate. Takes the transport. */
void proxy_gate_take(void *gate, struct transport *t);
#endif
