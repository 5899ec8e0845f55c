#ifndef S2S_S2S_H
#define S2S_S2S_H
/* Federation with external domains: one instance per shard. Outgoing: the shard that owns a remote
 * domain (shard_of(domain)) sends to it. Incoming: streams stay on the shard that accepted them.
 * Dialback keys are stateless (XEP-0185): any node answers. */
#include "dns/dns.h"
#include "lib/base/json.h"
#include "lib/net/tls.h"
#include "lib/xmpp/stanza-error.h"
#include "lib/xmpp/stanza.h"

struct s2s;
struct s2s_conf {                            /* borrowed for the life of the instance */
    struct tls_ctx *tls_server, *tls_client; /* server asks for certificates; alpn xmpp-server */
    bool tls_required;                       /* default true: no plain text federation */
    bool dialback;                           /* accept and offer dialback (default true) */
    bool external;                           /* accept and offer SASL EXTERNAL (default true) */
    const char *dialback_secret;             /* the same on all nodes of the world */
    size_t pending_bytes, pending_stanzas;   /* waiting per domain pair; default 1 MiB, 1,000 */
    uint64_t connect_timeout_ms; /* default 30,000: DNS, TCP, TLS, authentication together */
    uint64_t idle_timeout_ms;    /* default 600,000 */
    uint64_t fail_memory_ms; /* answer at once with the known reason for this long after a failure;
                                default 5,000 */
    const struct stream_limits *limits;
    const struct s2s_override
        *overrides; /* fixed targets per domain, ended by domain NULL; may be NULL */
};
/* What may change while it runs; streams and queues that exist keep what they began with. */
struct s2s_tune {
    size_t pending_bytes, pending_stanzas;
    uint64_t connect_timeout_ms, idle_timeout_ms, fail_memory_ms;
};
struct s2s_override {
    const char *domain;
    struct dial_target target;
};
struct s2s_host_ops {
    bool (*is_local_domain)(void *ctx, struct str domain);
    /* A stanza of an authenticated peer: from.domain proved, to.domain ours; content normalised to
     * jabber:client. */
    void (*deliver)(void *ctx, struct stanza *s);
    /* s could not be sent (never called for errors and results, which are dropped with a log line).
     */
    void (*bounce)(void *ctx, struct stanza *s, enum stanza_cond c, const char *text);
};
struct s2s *s2s_new(struct loop *l, const struct s2s_conf *c, struct dns *dns,
                    const struct s2s_host_ops *host, void *ctx);
/* Counts so far, and what is there now. */
struct s2s_stats {
    uint64_t out_ready, out_failed[STANZA_CONDS]; /* attempts to reach a domain, by the reason
                                                     senders were told */
    uint64_t in_external, in_dialback;            /* domain pairs that a peer proved */
    size_t out_streams, in_streams, waiting;
};
void s2s_stats(const struct s2s *s, struct s2s_stats *out);
void s2s_tune(struct s2s *s, const struct s2s_tune *t);
/* Close all streams in order; done when they are (at most 3 s). Waiting stanzas are bounced first.
 */
void s2s_stop(struct s2s *s, void (*done)(void *ctx), void *ctx);
void s2s_free(struct s2s **ps);
/* Send from a local domain to a remote one; takes the reference. Order per domain pair is kept. */
void s2s_send(struct s2s *s, struct stanza *st);
/* A connection of the s2s listener. direct: TLS from the first byte (XEP-0368). */
void s2s_accept(struct s2s *s, struct transport *t, bool direct);
/* One object per stream and per waiting pair: direction, local, remote, state, secured, auth,
 * stanzas, waiting, last_error, age. */
void s2s_list(const struct s2s *s, struct json *array);
#endif
