#ifndef LIB_STREAM_STREAM_H
#define LIB_STREAM_STREAM_H
/* What both stream engines share (RFC 6120 section 4). Words: header = the root start tag;
 * first-level element = direct child of the root; restart = a new header on the same connection
 * after TLS or SASL. */
#include "lib/net/tls.h"
#include "lib/xmpp/stanza.h"
#include "lib/xmpp/stream-error.h"
#include "lib/xmpp/xml-parse.h"

struct stream_header {                      /* borrowed for the callback */
    struct str from, to, id, lang, version; /* STR_NONE when absent */
    const char *content_ns;                 /* NS_CLIENT, NS_SERVER */
    bool dialback;                          /* xmlns:db declared */
};
struct stream_limits {
    struct xml_limits before_auth; /* default: 10,000 bytes a stanza, depth 16 */
    struct xml_limits after_auth;  /* default: xml_limits_default */
    uint64_t auth_timeout_ms;      /* whole negotiation; default 60,000 */
    uint64_t close_timeout_ms;     /* wait for the peer's </stream:stream>; default 3,000 */
    size_t auth_bytes;             /* bytes before authentication in all; default 65,536 */
    unsigned auth_failures;        /* SASL failures before policy-violation; default 3 */
};
extern const struct stream_limits stream_limits_default;
/* How much a peer may send a second; both 0: as much as it likes. What it sent in a second at once
 * is within it. */
struct stream_rate {
    uint64_t bytes, stanzas;
};
enum { STREAM_END_TEXT = 160 };
enum stream_step { /* how far it had come when the first cause of its end came */
                   STREAM_AT_HEADER,
                   STREAM_AT_FEATURES,
                   STREAM_AT_STARTTLS,
                   STREAM_AT_TLS,
                   STREAM_AT_SASL,
                   STREAM_AT_READY
};
struct stream_end { /* why a stream ended */
    enum err
        err; /* ERR_EOF: closed in order, both sides; ERR_RESET: cut; ERR_PROTOCOL: we refused what
              * the peer sent; ERR_TIMEOUT, ERR_TLS, ERR_CERT, ERR_AUTH; the first cause */
    enum stream_cond sent;     /* stream error we sent, STREAM_OK if none */
    enum stream_cond received; /* stream error the peer sent */
    bool is_orderly; /* the peer ended the stream in order, or after our end tag the connection */
    size_t
        unsent_bytes; /* if so: the newest so many of what we had sent were still in our memory */
    enum stream_step step;
    bool is_eof;                /* ERR_RESET: the peer ended the connection, it was not cut */
    enum tls_fault tls;         /* ERR_TLS in STREAM_AT_TLS */
    char text[STREAM_END_TEXT]; /* in words, for logs and bounces */
};
#endif
