#ifndef LIB_NET_CHANNEL_BINDING_H
#define LIB_NET_CHANNEL_BINDING_H
/* Channel bindings of a TLS connection: bytes both ends know and nobody in between can have (RFC
 * 5056). Either end may ask; the same type gives the same bytes at both. */
#include "lib/net/transport.h"

enum channel_binding {
    CHANNEL_BINDING_EXPORTER,  /* "tls-exporter", RFC 9266: of this very connection */
    CHANNEL_BINDING_END_POINT, /* "tls-server-end-point", RFC 5929: of the server's certificate */
    CHANNEL_BINDING_UNIQUE,    /* "tls-unique", RFC 5929: of this connection, before TLS 1.3 only */
    CHANNEL_BINDING_COUNT
};
enum { CHANNEL_BINDING_MAX = 64 }; /* bytes */
const char *channel_binding_name(enum channel_binding b);
/* The connection has a binding of the type; cheaper than getting it. */
bool channel_binding_has(const struct transport *t, enum channel_binding b);
/* False: no TLS, the handshake is not complete, or this connection has no binding of the type. */
bool channel_binding_get(const struct transport *t, enum channel_binding b,
                         uint8_t out[CHANNEL_BINDING_MAX], size_t *n);
#endif
