#ifndef LIB_STREAM_STREAM_IN_INT_H
#define LIB_STREAM_STREAM_IN_INT_H
/* The receiving engine, inside: states, table, negotiation. */
#include "lib/stream/stream-in.h"
#include "lib/stream/stream-int.h"

enum stream_in_state {
    SIN_HEADER,    /* waits for a stream header: the first, after TLS, after SASL */
    SIN_FEATURES,  /* features are out, nobody is authenticated: STARTTLS, SASL, dialback */
    SIN_TLS,       /* <proceed/> is out, the TLS handshake is under way */
    SIN_SASL,      /* a mechanism runs and waits for the peer */
    SIN_SASL_WAIT, /* a mechanism runs and waits for the user's keys or verdict; reading is stopped
                    */
    SIN_INLINE,    /* authenticated by SASL2, the user does what came inline with it; reading is
                      stopped */
    SIN_OPEN,      /* authenticated, features are out: elements go up */
    SIN_CLOSING,   /* our end tag is out, the peer's is awaited */
    SIN_ENDED,     /* the connection is closed, the end callback is due or done */
    SIN_STATES
};
struct stream_in_answer {
    enum { ANSWER_KEYS, ANSWER_VERDICT, ANSWER_TOKEN } kind;
    enum sasl_failure verdict;
    struct scram_key *keys; /* heap; NULL: there are none */
    uint8_t response[SASL_HT_BYTES];
};
struct stream_in {
    struct stream_base b; /* first */
    const struct stream_in_conf *conf;
    const struct stream_in_events *ev;
    void *ctx;
    struct sasl_server *sasl;
    enum sasl_mech mech;
    unsigned failures;
    struct stream_in_answer *answer; /* while one waits for its turn */
    struct stream_in_sasl2 *two; /* from <authenticate/> to <success/>; NULL: SASL of RFC 6120 */
    enum { FEATURES_AT_ONCE, FEATURES_HELD, FEATURES_DUE } features;
    bool is_to_accepted; /* the peer's to is one of ours: it becomes our from */
};
extern const struct stream_machine stream_in_machine;
static inline struct stream_in *stream_in_of(struct stream_base *b)
{
    return (struct stream_in *)(void *)b;
}

/* stream-in-negotiate.c: the cells of the negotiation, RFC 6120 sections 4.3, 5, 6. */
void stream_in_settle(struct stream_in *s);
void stream_in_write_header(struct stream_base *b);
void stream_in_wrap(struct stream_base *b);
void stream_in_on_header(struct stream_base *b, struct stream_input *in);
void stream_in_on_due(struct stream_base *b, struct stream_input *in); /* perhaps the features */
void stream_in_on_starttls(struct stream_base *b, struct stream_input *in);
void stream_in_refuse_tls(struct stream_base *b, struct stream_input *in);
void stream_in_on_secured(struct stream_base *b, struct stream_input *in);
void stream_in_on_auth(struct stream_base *b, struct stream_input *in);
void stream_in_on_response(struct stream_base *b, struct stream_input *in);
void stream_in_on_abort(struct stream_base *b, struct stream_input *in);
void stream_in_on_answer(struct stream_base *b, struct stream_input *in);
void stream_in_on_early(struct stream_base *b,
                        struct stream_input *in); /* element before authentication */
void stream_in_on_again(struct stream_base *b,
                        struct stream_input *in);           /* SASL where none can be */
void stream_in_forget_answer(struct stream_in_answer **pa); /* wiped */
void stream_in_sasl_drop(struct stream_in *s);
void stream_in_send_features(struct stream_in *s);
void stream_in_begin(struct stream_in *s, const struct xml *el); /* a mechanism, by el */

/* stream-in-sasl2.c */
void stream_in_on_authenticate(struct stream_base *b, struct stream_input *in);
void stream_in_sasl2_features(struct stream_in *s, const struct sasl_offer *o, struct arena *a,
                              struct xml *features);
/* The mechanism is done and the user let it in. */
void stream_in_sasl2_inline(struct stream_in *s, struct str additional);
void stream_in_sasl2_drop(struct stream_in *s);
/* The element with the data of el: its <initial-response/>, or itself; NULL: there is none. */
const struct xml *stream_in_sasl_data(const struct xml *el);
#endif
