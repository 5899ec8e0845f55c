#ifndef S2S_S2S_INT_H
#define S2S_S2S_INT_H
/* Federation, inside. Words: pair = (local domain, remote domain); out = the outgoing stream of a
 * pair with its outbox; in = an incoming stream with the pairs it proved; verify = a question to
 * the authoritative server of a remote domain (XEP-0220), on a stream of its own. */
#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/vec.h"
#include "lib/loop/op.h"
#include "lib/loop/timer.h"
#include "lib/stream/stream-in.h"
#include "lib/stream/stream-out.h"
#include "s2s/dialback.h"
#include "s2s/s2s-auth.h"
#include "s2s/s2s-carry.h"
#include "s2s/s2s-domain.h"
#include "s2s/s2s.h"

enum {
    S2S_STOP_MS = 3000,    /* for closing in order */
    S2S_VERIFIES_MAX = 16, /* questions under way for one incoming stream */
    S2S_PAIRS_MAX = 256,   /* proved on one incoming stream */
    S2S_LEAVE_MAX_MS = 32, /* how often output that has not left is looked at */
};

struct s2s {
    struct loop *loop;
    struct s2s_conf conf; /* with defaults filled in */
    struct stream_in_conf in_conf;
    struct store_port *store;
    struct dns *dns;
    const struct s2s_host_ops *host;
    void *ctx;
    struct dialback_secret secret;
    struct hmap boxes;   /* pair key -> struct s2s_outbox */
    struct hmap domains; /* remote -> struct s2s_domain */
    struct list domain_lru;
    struct list outs, ins;
    struct { /* outboxes of a former life */
        bool is_on, is_read, is_again;
        size_t open;
        char *after;
        struct op_owner ops;
        struct list found;
        struct timer again;
    } load;
    struct s2s_stats stats; /* the counts */
    struct list bounces;    /* delivered from the loop, never inside s2s_send */
    struct defer bounce;
    bool is_stopping;
    struct timer stop_limit;
    struct defer stop_done;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* s2s.c */
/* Takes st and the token. Errors and results are dropped with a log line. text is copied; NULL: the
 * cause's own. */
void s2s_bounce(struct s2s *s, struct stanza *st, enum s2s_cause c, const char *text, void *token);
void s2s_check_stopped(struct s2s *s);
/* Where to find a remote domain: an override or DNS. ERR_INVALID: no name DNS could know. */
enum err s2s_source(struct s2s *s, const char *remote, struct dial_source *out) MUST_USE;

/* ---- s2s-out.c */
enum s2s_out_state {
    S2S_OUT_DIAL,     /* DNS and TCP */
    S2S_OUT_OPEN,     /* headers, TLS, features, SASL */
    S2S_OUT_DIALBACK, /* our key is out, the result is awaited */
    S2S_OUT_READY,    /* stanzas flow */
    S2S_OUT_CLOSING,  /* closed in order; what comes meanwhile waits for the next stream */
    S2S_OUT_STATES
};
enum s2s_out_event {
    S2S_EV_SEND,      /* a stanza was put into the outbox */
    S2S_EV_CONNECTED, /* transport */
    S2S_EV_FAILED,    /* nothing could be connected: cond, last_error */
    S2S_EV_PROVED,    /* SASL EXTERNAL accepted us */
    S2S_EV_PLAIN,     /* negotiated without SASL: dialback is next */
    S2S_EV_VALID,     /* dialback accepted us */
    S2S_EV_REFUSED,   /* dialback did not: cond, last_error */
    S2S_EV_DRAIN,
    S2S_EV_END, /* the stream is over: last_error */
    S2S_EV_DEADLINE,
    S2S_EV_IDLE,
    S2S_EV_STALL, /* output does not leave */
    S2S_EV_STOP,
    S2S_EV_COUNT
};
struct s2s_out {
    struct list link;
    struct s2s *s2s;
    char *local, *remote;
    enum s2s_out_state state;
    struct s2s_carrier carrier;
    struct s2s_domain *domain;
    size_t written; /* output of stanzas, in bytes */
    struct op_owner ops;
    struct stream_out *stream;
    struct timer deadline, idle, leave;
    struct s2s_evidence evidence; /* about the peer */
    bool is_dialback_offered, is_tls, is_secure, is_blamed;
    const char *auth; /* "", "external", "dialback" */
    uint64_t since_us, active_us, leave_progress_us, leave_ms;
    uint64_t stanzas;
    enum s2s_cause cause; /* of a failure under way */
    char last_error[S2S_TEXT_MAX];
    struct log_scope log;
};
void s2s_out_event(struct s2s_out *o, enum s2s_out_event ev);
void s2s_out_free(struct s2s_out *o); /* what flew waits again */
const char *s2s_out_state_name(enum s2s_out_state st);

/* ---- s2s-verify.c */
struct s2s_in;
struct s2s_verify;
typedef void s2s_verify_done(void *ctx, const struct s2s_verify *v, enum dialback_type result,
                             const char *condition);
struct s2s_verify {
    struct list link; /* of its incoming stream */
    struct s2s *s2s;
    char *local, *remote, *id, *key;
    struct op_owner ops;
    struct stream_out *stream;
    struct timer deadline;
    struct defer tell; /* the answer is given from the loop */
    enum dialback_type result;
    const char *condition; /* of DIALBACK_ERROR */
    bool is_asked, is_answered;
    s2s_verify_done *done;
    void *ctx;
    struct log_scope log;
};
/* Ask the authoritative server of remote. done comes once, from the loop; the question ends with
 * it. */
struct s2s_verify *s2s_verify_new(struct s2s *s, const struct dialback_msg *m, const char *id,
                                  s2s_verify_done *done, void *ctx);
void s2s_verify_free(struct s2s_verify *v); /* no call back */

/* ---- s2s-in.c */
struct s2s_pair {
    char *local, *remote;
    const char *auth;
};
struct s2s_in {
    struct list link;
    struct s2s *s2s;
    struct stream_in *stream;
    VEC(struct s2s_pair) pairs;
    struct list verifies;
    size_t n_verifies;
    char *claimed;  /* from of the header, prepared; NULL without one */
    char *to;       /* to of the header, prepared */
    char *external; /* proved by EXTERNAL; NULL */
    struct timer idle;
    uint64_t since_us, active_us, stanzas;
    bool is_closing;
    char last_error[S2S_TEXT_MAX];
    struct log_scope log;
};
void s2s_in_new(struct s2s *s, struct transport *t, bool direct, const struct stream_rate *rate);
void s2s_in_close(struct s2s_in *in, enum stream_cond c, const char *text_or_null);
void s2s_in_free(struct s2s_in *in);
bool s2s_in_has_pair(const struct s2s_in *in, struct str local, struct str remote);
/* False: too many. */
bool s2s_in_add_pair(struct s2s_in *in, struct str local, struct str remote, const char *auth);
/* s2s-in-dialback.c: <db:result/> and <db:verify/> of the peer */
void s2s_in_dialback(struct s2s_in *in, struct xml_doc *doc);
#endif
