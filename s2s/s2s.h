#ifndef S2S_S2S_H
#define S2S_S2S_H
/* Federation with external domains: one instance per shard. Outgoing: the shard that owns a remote
 * domain (shard_of(domain)) sends to it. Incoming: a stream moves once, when its first domain is
 * proved, to the shard that sends to that domain, so that it may carry both ways and be resumed.
 * Dialback keys are stateless (XEP-0185): any node answers. */
#include "dns/dns.h"
#include "lib/base/json.h"
#include "lib/net/tls.h"
#include "lib/stream/stream.h"
#include "lib/xmpp/stanza-error.h"
#include "lib/xmpp/stanza.h"
#include "s2s/s2s-cause.h"
#include "s2s/s2s-newcomers.h"
#include "s2s/s2s-policy.h"
#include "s2s/s2s-rtbl.h"

struct s2s;
struct store_port;
/* What may change while it runs; streams and queues that exist keep what they began with. 0 = the
 * default. */
struct s2s_tune {
    size_t pending_bytes, pending_stanzas; /* in memory per domain pair; default 1 MiB, 1,000 */
    size_t stored_bytes;                   /* and on disk, beyond those; default 64 MiB */
    uint64_t connect_timeout_ms;           /* 30,000: DNS, TCP, TLS, authentication together */
    uint64_t idle_timeout_ms;              /* 600,000 */
    uint64_t ping_ms;        /* 60,000: a quiet stream with acks is asked for one, XEP-0198 */
    uint64_t ack_timeout_ms; /* 60,000: asked and nothing heard: the stream is dead */
    uint64_t resume_ms;      /* 300,000: a cut stream may be resumed */
    uint64_t retry_min_ms, retry_max_ms; /* 1,000 and 300,000: back-off, jittered by a quarter */
    uint64_t expire_iq_ms, expire_presence_ms, expire_message_ms; /* 30 s, 10 min, 24 h */
    uint64_t notice_ms; /* 300,000: the sender of a message is told that it waits, and why */
    uint64_t disk_ms;   /* 200: what is not done after it is stored */
};
struct s2s_conf {                            /* borrowed for the life of the instance */
    struct tls_ctx *tls_server, *tls_client; /* server asks for certificates; alpn xmpp-server */
    bool tls_required;                       /* default true: no plain text federation */
    bool dialback;                           /* accept and offer dialback (default true) */
    bool external;                           /* accept and offer SASL EXTERNAL (default true) */
    bool no_bidi, no_acks, no_resume;        /* switch XEP-0288, XEP-0198, its resumption off */
    struct s2s_policy *policy;               /* the first one; NULL: all are welcome */
    struct s2s_newcomers *newcomers;         /* of all instances; NULL: no limit */
    const char *dialback_secret;             /* the same on all nodes of the world */
    struct s2s_tune tune;
    const char *store_owner; /* name of this node in the store, unique in the region, no space */
    const struct stream_limits *limits;
    size_t held_stanzas, held_bytes; /* of a stream, before s2s_queued; default 4,096, 4 MiB */
    size_t unproved_max; /* incoming streams that have proved nothing yet; default 10,000 */
    const struct s2s_override
        *overrides; /* fixed targets per domain, ended by domain NULL; may be NULL */
};
struct s2s_override {
    const char *domain;
    struct dial_target target;
};
struct s2s_parcel; /* an incoming stream on its way from one instance to another */
/* What comes with a stanza of a peer, to be given back: first with s2s_queued, then with
 * s2s_received. stream 0: nobody waits for it. */
struct s2s_receipt {
    uint64_t stream, number; /* number 0: s2s_received is not waited for */
    size_t stanzas, bytes;   /* that count until s2s_queued; 0: it is not waited for */
};
struct s2s_host_ops {
    bool (*is_local_domain)(void *ctx, struct str domain);
    /* A stanza of an authenticated peer: from.domain proved, to.domain ours; content normalised to
     * jabber:client. */
    void (*deliver)(void *ctx, struct stanza *s, struct s2s_receipt r);
    /* s could not be sent; the host answers its sender and takes the token (may be NULL). Never for
     * errors and results, which are dropped with a log line (and taken). */
    void (*bounce)(void *ctx, struct stanza *s, enum stanza_cond c, const char *text, void *token);
    /* Custody of what came with this token (not NULL) is ours or the peer's: it is stored, or the
     * peer acknowledged it, or (peers without acks) it has left user space. */
    void (*taken)(void *ctx, void *token);
    /* A message (borrowed) has waited for notice_ms: tell its sender. text: what is wrong and until
     * when it is tried. May be NULL. */
    void (*delayed)(void *ctx, const struct stanza *s, const char *text);
    /* This instance sends to this remote domain. NULL: to all. */
    bool (*owns)(void *ctx, struct str remote);
    /* Take a stream from a remote domain that another instance sends to over to it: to its
     * s2s_take, on its loop, or drop it. NULL: streams stay where they were accepted. */
    void (*move)(void *ctx, struct str remote, struct s2s_parcel *p);
};
/* store: where outboxes are kept (borrowed); NULL: in memory only. */
struct s2s *s2s_new(struct loop *l, const struct s2s_conf *c, struct store_port *store,
                    struct dns *dns, const struct s2s_host_ops *host, void *ctx);
/* Counts so far, and what is there now. */
struct s2s_stats {
    uint64_t out_ready;
    uint64_t outcomes[2][S2S_CAUSES];  /* [is_inbound]: what did not work; NONE: what did */
    uint64_t bounced[S2S_CAUSES];      /* stanzas given back */
    uint64_t in_external, in_dialback; /* domain pairs that a peer proved */
    size_t out_streams, in_streams, waiting, domains_down;
};
void s2s_stats(const struct s2s *s, struct s2s_stats *out);
void s2s_tune(struct s2s *s, const struct s2s_tune *t);
/* Another policy from now on (takes the reference; NULL: all are welcome). What it does not allow
 * any more ends: streams are closed, what waits is given back. */
void s2s_set_policy(struct s2s *s, struct s2s_policy **p_take);
/* The same for the lists that are followed (takes the reference; NULL: none). */
void s2s_set_rtbl(struct s2s *s, struct s2s_rtbl_set **take);
/* Close all streams in order; done when they are (at most 3 s). Waiting stanzas are bounced first.
 */
void s2s_stop(struct s2s *s, void (*done)(void *ctx), void *ctx);
void s2s_free(struct s2s **ps);
/* Send from a local domain to a remote one; takes the reference and the token (NULL: none), which
 * comes back once, by taken (perhaps inside the call) or by bounce (never inside). Order per domain
 * pair is kept. */
void s2s_send(struct s2s *s, struct stanza *st, void *token);
/* A queue with a bound of its own has the stanza. Until then it counts against what its stream may
 * have here; past that the stream is not read. Any order; on the loop of s. */
void s2s_queued(struct s2s *s, struct s2s_receipt r);
/* The host has custody of what it was given with this receipt (any order; also after the stream is
 * gone). On the loop of s. */
void s2s_received(struct s2s *s, struct s2s_receipt r);
/* A connection of the s2s listener. direct: TLS from the first byte (XEP-0368). rate: how fast the
 * peer may send, borrowed for the life of the instance; NULL: as fast as it likes. */
void s2s_accept(struct s2s *s, struct transport *t, bool direct, const struct stream_rate *rate);
/* A stream that was accepted by another instance (takes it); or nobody's: it ends. */
void s2s_take(struct s2s *s, struct s2s_parcel **pp);
void s2s_parcel_drop(struct s2s_parcel **pp);
/* One object per stream and per waiting pair: direction, local, remote, state, secured, auth,
 * stanzas, waiting, last_error, age. */
void s2s_list(const struct s2s *s, struct json *array);
/* What is known of a remote domain on this shard: cause, side, text, advice, attempts_failed,
 * down_s, next_try_s, outcomes (rows), outbox (rows). False: nothing is. */
bool s2s_show(const struct s2s *s, struct str remote, struct json *out);
/* A row per pair with something in it: local, remote, state, waiting, unacknowledged, bytes,
 * stored_bytes, oldest_s, next_try_s, cause. */
void s2s_outbox_list(const struct s2s *s, struct json *array);
size_t s2s_waiting(const struct s2s *s, struct str remote); /* stanzas that no stream has */
/* Try to reach it now, whatever the back-off says. Pairs with something to send. */
size_t s2s_retry(struct s2s *s, struct str remote);
/* Close its streams, both ways, in order; what waits has new ones. Streams. */
size_t s2s_kick(struct s2s *s, struct str remote);
/* What waits goes back to its senders. Stanzas. */
size_t s2s_outbox_drop(struct s2s *s, struct str remote);
/* The domains for which most waits: merged into top, which is sorted, largest first; waiting 0: a
 * free place. */
enum { S2S_TOP = 10 };
struct s2s_top {
    char domain[256];
    uint64_t waiting; /* stanzas */
};
void s2s_top(const struct s2s *s, struct s2s_top top[S2S_TOP]);
#endif
