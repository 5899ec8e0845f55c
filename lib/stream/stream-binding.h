#ifndef LIB_STREAM_STREAM_BINDING_H
#define LIB_STREAM_STREAM_BINDING_H
/* Channel bindings of a stream's connection, as SASL wants them. */
#include "lib/net/transport.h"
#include "lib/xmpp/sasl.h"

/* Put all bindings the connection has into the offer, the strongest first; none without TLS. */
void stream_bindings(const struct transport *t, struct sasl_offer *o);
/* Their names only, without the bytes, which cost more than the rest of an offer. */
void stream_binding_names(const struct transport *t, struct sasl_offer *o);
#endif
