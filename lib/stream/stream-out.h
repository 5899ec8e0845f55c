#ifndef LIB_STREAM_STREAM_OUT_H
#define LIB_STREAM_STREAM_OUT_H
/* The engine of an initiating entity: s2s-out, region links and the test client are callback tables
 * over it. It owns a connected transport and runs header -> features -> STARTTLS -> header ->
 * features -> (SASL -> header -> features) -> ready. With the events opened and authenticated the
 * user may go ahead of the peer's answers (pipelining). */
#include "lib/net/tls.h"
#include "lib/net/transport.h"
#include "lib/stream/stream.h"
#include "lib/xmpp/sasl.h"

struct stream_out;
enum stream_out_next { STREAM_OUT_SASL, STREAM_OUT_READY, STREAM_OUT_FAIL };
struct stream_out_events {
    /* The peer's first header after each restart; may be NULL. */
    enum stream_cond (*header)(void *ctx, const struct stream_header *h);
    /* TLS is up: look at transport_tls; false closes with policy-violation. May be NULL. */
    bool (*secured)(void *ctx);
    /* Our header over TLS is out, nothing of the peer has come. What is known to be understood may
     * be sent right behind it; with *client set (taken), <auth/> follows at once and the features
     * are not asked about: refused comes as if they had been. May be NULL. */
    void (*opened)(void *ctx, struct sasl_client **client, enum sasl_mech *m);
    /* The peer accepted SASL and our new header is out: the same, before its features came. Not
     * about to write? Wait for ready. May be NULL. */
    void (*authenticated)(void *ctx);
    /* Features after TLS (or without, if none is required): choose. For SASL set *client (taken).
     */
    enum stream_out_next (*features)(void *ctx, const struct xml *features,
                                     struct sasl_client **client, enum sasl_mech *m);
    /* SASL was refused: choose again (another mechanism, READY for dialback on the same stream, or
     * FAIL). */
    enum stream_out_next (*refused)(void *ctx, enum sasl_failure f, const struct xml *features,
                                    struct sasl_client **client, enum sasl_mech *m);
    /* Negotiation is over; features are those of the last header. From now on element delivers all
     * first-level elements. */
    void (*ready)(void *ctx, const struct xml *features, bool sasl_done);
    void (*element)(void *ctx, struct xml_doc *doc); /* the callee owns doc */
    void (*drain)(void *ctx);
    void (*end)(void *ctx, const struct stream_end *e);
};
struct stream_out_conf { /* strings copied */
    const char *content_ns;
    const char *from, *to;       /* header addresses; from may be NULL */
    struct tls_ctx *tls;         /* NULL: never TLS */
    bool tls_required;           /* no TLS offered: end with ERR_TLS */
    bool direct_tls;             /* wrap before the first header */
    const char *sni;             /* NULL = to */
    const char *tls_as;          /* domain whose certificate is shown; NULL: the default one */
    struct tls_session *session; /* offered when TLS begins (a reference of its own); NULL */
    bool dialback;               /* declare xmlns:db */
    const struct stream_limits *limits;
};
struct stream_out *stream_out_new(struct transport **t, const struct stream_out_conf *c,
                                  const struct stream_out_events *ev, void *ctx);
void stream_out_free(struct stream_out **ps);
bool stream_out_send(struct stream_out *s, const struct xml *el);
bool stream_out_send_stanza(struct stream_out *s, const struct stanza *st);
bool stream_out_send_text(struct stream_out *s, struct str xml_text);
void stream_out_pause(struct stream_out *s, bool paused);
bool stream_out_is_closing(const struct stream_out *s); /* or over: what is sent goes nowhere */
void stream_out_close(struct stream_out *s, enum stream_cond c, const char *text_or_null);
const struct stream_header *
stream_out_header(const struct stream_out *s); /* the peer's last; id for dialback */
/* The peer's last; NULL: none yet. Valid until the next. */
const struct xml *stream_out_features(const struct stream_out *s);
struct transport *stream_out_transport(const struct stream_out *s);
size_t stream_out_queued(const struct stream_out *s);
#endif
