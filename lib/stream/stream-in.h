#ifndef LIB_STREAM_STREAM_IN_H
#define LIB_STREAM_STREAM_IN_H
/* The engine of a receiving entity: c2s, s2s-in (and later component) are callback tables over it.
 * It owns the transport, does headers, features, STARTTLS, SASL, restarts, errors, deadlines, the
 * closing handshake; all else goes up. Callbacks never come inside a call of the user, except that
 * the user may call any function here from inside a callback. */
#include "lib/net/tls.h"
#include "lib/net/transport.h"
#include "lib/stream/stream.h"
#include "lib/xmpp/sasl.h"

struct stream_in;
struct stream_in_need { /* what SASL asks; answer with stream_in_keys or stream_in_verdict, now or
                           later */
    enum { STREAM_NEED_KEYS, STREAM_NEED_PASSWORD, STREAM_NEED_IDENTITY, STREAM_NEED_TOKEN } what;
    enum digest digest;  /* KEYS */
    struct str user;     /* KEYS, PASSWORD, TOKEN: prepared name without domain */
    struct str password; /* PASSWORD; wiped after the verdict */
    struct str authzid;  /* as sent */
    enum sasl_mech mech;
    struct str proof, binding; /* TOKEN: answer with stream_in_token or stream_in_verdict */
};
struct stream_in_events {
    /* A header arrived (also after restarts). Check to/from/namespace; return STREAM_OK or the
     * error to close with. */
    enum stream_cond (*header)(void *ctx, const struct stream_header *h);
    /* Add own features (bind, dialback, sm, ...) to <stream:features/>; STARTTLS and mechanisms are
     * the engine's. */
    void (*features)(void *ctx, struct arena *a, struct xml *features);
    /* Bit set (1 << enum sasl_mech) to offer now; called before features and checked at <auth/>. 0
     * = none. */
    unsigned (*mechanisms)(void *ctx);
    void (*need)(void *ctx, const struct stream_in_need *n);
    /* SASL is complete for user (authcid) and authzid: last word. SASL_FAIL_NONE lets it in (then
     * comes the restart). */
    enum sasl_failure (*authenticated)(void *ctx, enum sasl_mech m, struct str user,
                                       struct str authzid);
    /* Any other first-level element, before or after authentication (look at
     * stream_in_is_authenticated; what must not come yet is answered with
     * stream_in_close(NOT_AUTHORIZED)). The callee owns doc. */
    void (*element)(void *ctx, struct xml_doc *doc);
    void (*drain)(void *ctx); /* output fell below the low mark after a false */
    void (*end)(void *ctx,
                const struct stream_end *e); /* exactly once; free the stream now or later */
    /* Add what may come inline with SASL2 to <inline/>. NULL: SASL2 is not offered. */
    void (*inline_features)(void *ctx, struct arena *a, struct xml *features);
};
struct stream_in_fake { /* of SASL for users who do not exist: sasl_server_set_fake */
    const char *secret;
    unsigned iterations;
};
struct stream_in_conf { /* borrowed for the life of the stream */
    const char *content_ns;
    struct tls_ctx *tls; /* NULL: STARTTLS is not offered */
    bool tls_required;   /* nothing but STARTTLS before TLS */
    bool no_features;    /* a stream without features (components) */
    const struct stream_limits *limits;
    const char *default_from;          /* our domain, for errors before a valid to */
    const struct stream_in_fake *fake; /* NULL: of this process */
};
/* Takes the transport (already TLS for direct TLS). */
struct stream_in *stream_in_new(struct transport **t, const struct stream_in_conf *c,
                                const struct stream_in_events *ev, void *ctx);
void stream_in_free(
    struct stream_in **ps); /* any time, also inside callbacks; closes the transport (flushing) */
void stream_in_abort(struct stream_in **ps); /* the same; the connection is reset */
void stream_in_keys(struct stream_in *s, const struct scram_key *keys_or_null);
void stream_in_verdict(struct stream_in *s, enum sasl_failure f);
/* Inside the header callback, of a stream that is not authenticated: send no features yet and read
 * nothing, until released. The time until authentication goes on. */
void stream_in_hold_features(struct stream_in *s);
void stream_in_release_features(struct stream_in *s);
void stream_in_token(struct stream_in *s, const uint8_t response[SASL_HT_BYTES]);
/* SASL2 (XEP-0388): from the first question or the authenticated callback on until
 * stream_in_success, the client's <authenticate/>, with what it wants inline; NULL otherwise. The
 * stream may be moved meanwhile. */
const struct xml *stream_in_request(const struct stream_in *s);
/* It was done: tell the client who it is, with results (elements as text), and the features, for
 * which the callback comes inside this call. Not inside the authenticated callback. */
void stream_in_success(struct stream_in *s, struct str identifier, struct str results);
/* The same for a stream that goes on where another was cut: no features follow (XEP-0198 section
 * 9.2). */
void stream_in_resumed(struct stream_in *s, struct str identifier, struct str results);
/* Mark the stream as authenticated by other means (dialback): limits change, the auth deadline
 * ends. */
void stream_in_set_authenticated(struct stream_in *s);
bool stream_in_is_authenticated(const struct stream_in *s);
bool stream_in_is_secure(const struct stream_in *s);
/* The closing handshake began or the stream is over: what is sent now goes nowhere. */
bool stream_in_is_closing(const struct stream_in *s);
/* Send a first-level element or stanza. False: past the high mark (still queued). Ignored after
 * close. */
bool stream_in_send(struct stream_in *s, const struct xml *el);
bool stream_in_send_stanza(struct stream_in *s, const struct stanza *st);
bool stream_in_send_text(struct stream_in *s, struct str xml_text);
void stream_in_pause(struct stream_in *s,
                     bool paused); /* no further elements, exactly after the current one */
/* How fast the peer may send from now on (borrowed; NULL: as fast as it likes). Past it the stream
 * is not read for a while; nothing is dropped. Goes along when the stream moves. */
void stream_in_set_rate(struct stream_in *s, const struct stream_rate *rate_or_null);
bool stream_in_is_held(const struct stream_in *s); /* not read now for being too fast */
/* Close in order: the error (unless STREAM_OK), </stream:stream>, then end. Idempotent. After
 * STREAM_OK on an authenticated stream, elements that were on their way still come until end (RFC
 * 6120 section 4.4); after an error none do. With SEE_OTHER_HOST the text is the host (RFC 6120
 * section 4.9.3.19). */
void stream_in_close(struct stream_in *s, enum stream_cond c, const char *text_or_null);
/* The same with an application-specific condition (RFC 6120 section 4.9.4), an element as text. */
void stream_in_close_app(struct stream_in *s, enum stream_cond c, const char *text_or_null,
                         const char *app_xml);
/* The stream gets another owner on this shard: callbacks go to ctx, conf is borrowed from there.
 * Also inside a callback; the old owner hears no more of it. */
void stream_in_hand_over(struct stream_in *s, const struct stream_in_conf *c, void *ctx);
const struct stream_header *
stream_in_header(const struct stream_in *s);         /* the last; valid until the next */
const char *stream_in_id(const struct stream_in *s); /* of the current header */
struct transport *
stream_in_transport(const struct stream_in *s); /* for tls facts and addresses; do not send on it */
size_t stream_in_queued(const struct stream_in *s);

/* The one move to another shard: only while authenticated, not closing. The stream is detached with
 * its transport, parser and unread bytes and consumed; attach on the other loop with new ctx.
 * Elements not yet delivered are delivered there; a pause does not travel. Not inside a callback of
 * this stream (its frames are on the stack): pause there and detach from a defer or mail. NULL, and
 * nothing changed, when it is not authenticated, closing or ended. */
struct stream_parcel;
struct stream_parcel *stream_in_detach(struct stream_in **ps);
struct stream_in *stream_in_attach(struct stream_parcel **pp, struct loop *to,
                                   const struct stream_in_events *ev, void *ctx);
void stream_parcel_drop(struct stream_parcel **pp);
#endif
