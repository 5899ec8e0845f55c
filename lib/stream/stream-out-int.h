#ifndef LIB_STREAM_STREAM_OUT_INT_H
#define LIB_STREAM_STREAM_OUT_INT_H
/* The initiating engine, inside: states, table, negotiation. */
#include "lib/stream/stream-int.h"
#include "lib/stream/stream-out.h"

enum stream_out_state {
    SOUT_TLS,      /* the TLS handshake is under way */
    SOUT_HEADER,   /* our header is out, the peer's is awaited */
    SOUT_FEATURES, /* the peer's header came, its features are awaited */
    SOUT_STARTTLS, /* <starttls/> is out, <proceed/> is awaited */
    SOUT_SASL,     /* <auth/> is out, the mechanism runs */
    SOUT_READY,    /* negotiated: elements go up */
    SOUT_CLOSING,  /* our end tag is out, the peer's is awaited */
    SOUT_ENDED,    /* the connection is closed, the end callback is due or done */
    SOUT_STATES
};
struct stream_out {
    struct stream_base b; /* first */
    const struct stream_out_events *ev;
    void *ctx;
    char *from, *to, *sni, *tls_as; /* from and tls_as may be NULL */
    struct tls_ctx *tls;
    struct tls_session *session;
    struct stream_limits limits;
    bool tls_required, dialback;
    bool is_secure;
    bool is_sasl_done;
    bool is_auth_early;       /* <auth/> is out before the peer's features */
    struct xml_doc *features; /* of the last header */
    struct sasl_client *sasl;
    enum sasl_mech mech;
};
extern const struct stream_machine stream_out_machine;
static inline struct stream_out *stream_out_of(struct stream_base *b)
{
    return (struct stream_out *)(void *)b;
}

/* stream-out-negotiate.c */
void stream_out_write_header(struct stream_base *b);
void stream_out_wrap(struct stream_base *b);
struct transport *stream_out_secure(struct stream_out *s, struct transport **t);
void stream_out_on_secured(struct stream_base *b, struct stream_input *in);
void stream_out_on_header(struct stream_base *b, struct stream_input *in);
void stream_out_on_features(struct stream_base *b, struct stream_input *in);
void stream_out_on_proceed(struct stream_base *b, struct stream_input *in);
void stream_out_on_tls_failure(struct stream_base *b, struct stream_input *in);
void stream_out_on_challenge(struct stream_base *b, struct stream_input *in);
void stream_out_on_success(struct stream_base *b, struct stream_input *in);
void stream_out_on_failure(struct stream_base *b, struct stream_input *in);
#endif
