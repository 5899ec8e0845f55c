#ifndef S2S_S2S_INT_H
#define S2S_S2S_INT_H
/* Federation, inside. Words: pair = (local domain, remote domain); out = an outgoing stream, begun
 * for a pair; in = an incoming stream; line = what both have in common; way = a pair we may send
 * for on an out; verify = a question to the authoritative server of a remote domain (XEP-0220). */
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
#include "s2s/s2s-line.h"
#include "s2s/s2s-tls.h"
#include "s2s/s2s.h"

enum {
    S2S_STOP_MS = 3000,       /* for closing in order */
    S2S_IN_DANE_MS = 3000,    /* for TLSA records of who comes */
    S2S_IN_DANE_TARGETS = 16, /* addresses whose records are looked at */
};

struct s2s {
    struct loop *loop;
    struct s2s_conf conf;                         /* with defaults filled in */
    struct stream_in_conf in_conf, in_conf_plain; /* the second: TLS is not required */
    struct s2s_policy *policy;                    /* NULL: none */
    struct s2s_rtbl_set *rtbl;                    /* NULL: none */
    struct store_port *store;
    struct dns *dns;
    const struct s2s_host_ops *host;
    void *ctx;
    struct dialback_secret secret;
    struct hmap boxes;   /* pair key -> struct s2s_outbox */
    struct hmap domains; /* remote -> struct s2s_domain */
    struct list domain_lru;
    struct list outs, ins;
    struct list unproved; /* struct s2s_in.unproved, the oldest first */
    size_t n_unproved;
    bool is_crowded; /* one of them had to go, and they have not become few since */
    struct list cut; /* struct s2s_in.cut: waits for a resumption, the oldest first */
    size_t n_cut;
    struct hmap ways;     /* pair key -> struct s2s_way */
    struct hmap roads;    /* remote -> struct s2s_out, ready */
    struct hmap bidis;    /* pair key -> struct s2s_in */
    struct hmap askers;   /* remote -> connections for questions of dialback */
    struct hmap lines;    /* id -> struct s2s_line with acks */
    struct hmap sessions; /* id of XEP-0198 -> struct s2s_in */
    uint64_t last_line;
    struct s2s_tls tls;
    struct buf text; /* scratch: one stanza */
    struct {         /* outboxes of a former life */
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
    unsigned explains; /* under way: s2s-explain.h */
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
const struct s2s_override *s2s_override_find(const struct s2s *s, const char *remote);
/* Where to find a remote domain: an override or DNS. ERR_INVALID: no name DNS could know. */
enum err s2s_source(struct s2s *s, const char *remote, struct dial_source *out) MUST_USE;

struct s2s_out;
struct s2s_in;
/* ---- s2s-enforce.c: the policy in force */
void s2s_terms(const struct s2s *s, struct str remote, struct s2s_terms *out);
enum s2s_cause s2s_terms_cause(const struct s2s_terms *t); /* of what is denied */
/* Is the remote domain denied? Then that is noted in its record, and why is said in t. */
bool s2s_denies(struct s2s *s, struct str remote, bool is_inbound, struct s2s_terms *t);
/* May a domain become known by a stream of its, or is it already? take: it proved itself. */
bool s2s_may_come(struct s2s *s, struct str remote, bool take);
/* Close it when the policy does not allow it any more; it may be gone then. */
void s2s_enforce_in(struct s2s_in *in);
/* How incoming streams of this domain are negotiated. */
const struct stream_in_conf *s2s_in_conf_for(const struct s2s *s, struct str remote);
/* ---- s2s-carry.c: which stream may carry what */
/* A stream on which the remote domain itself, as DNS knows it, is asked: ready, opened by us. NULL:
 * none. */
struct s2s_line *s2s_road(const struct s2s *s, struct str remote);
/* "local remote", by which pairs are found. */
struct str s2s_pair_name(struct arena *a, struct str local, struct str remote);
char *s2s_pair_key(struct str local, struct str remote); /* heap */
void s2s_road_open(struct s2s_out *o);
void s2s_road_close(struct s2s_out *o);
void s2s_bidi_open(struct s2s_in *in); /* for all its pairs */
void s2s_bidi_close(struct s2s_in *in);
void s2s_ways_fini(struct s2s *s);

/* ---- s2s-out.c */
enum s2s_out_state {
    S2S_OUT_DIAL,     /* DNS and TCP */
    S2S_OUT_OPEN,     /* headers, TLS, features, SASL */
    S2S_OUT_DIALBACK, /* our key is out, the result is awaited */
    S2S_OUT_ACKS,     /* <enable/> or <resume/> is out, its answer is awaited */
    S2S_OUT_READY,    /* stanzas flow */
    S2S_OUT_CUT,      /* the connection is lost; another try to resume the session is due */
    S2S_OUT_CLOSING,  /* closed in order; what comes meanwhile waits for the next stream */
    S2S_OUT_STATES
};
enum s2s_out_event {
    S2S_EV_CONNECTED, /* transport */
    S2S_EV_FAILED,    /* nothing could be connected: cause, last_error */
    S2S_EV_AHEAD,     /* SASL EXTERNAL accepted us, its features are not here yet */
    S2S_EV_PROVED,    /* the same, and they are */
    S2S_EV_PLAIN,     /* negotiated without SASL: dialback is next */
    S2S_EV_VALID,     /* dialback accepted us */
    S2S_EV_REFUSED,   /* dialback did not: cause, last_error */
    S2S_EV_ACKS,      /* stream management is on; resumed: is_resumed */
    S2S_EV_NO_ACKS,   /* it is refused, or the session is lost */
    S2S_EV_END,       /* the stream is over: cause, last_error */
    S2S_EV_DEADLINE,
    S2S_EV_TRY,  /* another connection, to resume */
    S2S_EV_IDLE, /* nothing was sent or received for long */
    S2S_EV_DEAD, /* the connection does not work any more: cause, last_error */
    S2S_EV_STOP,
    S2S_EV_COUNT
};
/* A domain pair we may send for on an outgoing stream, or have asked for by dialback. */
struct s2s_way {
    struct list link; /* of its stream */
    struct s2s_out *out;
    char *local, *remote, *key; /* key: of s2s.ways */
    bool is_proved;
    struct timer deadline;
};
struct s2s_out {
    struct list link;
    struct s2s *s2s;
    char *local, *remote;
    enum s2s_out_state state;
    struct s2s_line line;
    struct list ways; /* struct s2s_way; the first is that of (local, remote) */
    struct op_owner ops;
    struct stream_out *stream;
    struct timer deadline, again; /* of an attempt; to the next one */
    struct s2s_evidence evidence; /* about the peer */
    struct dial_target *vouched;  /* what DNSSEC says of it, until TLS is up; mostly NULL */
    bool is_dialback_offered, is_tls, is_secure, is_blamed;
    char *tls_key;    /* of s2s.tls, of this connection; NULL: not connected yet */
    bool is_offered;  /* a TLS session */
    bool is_direct;   /* TLS from the first byte */
    bool is_early;    /* we went ahead of the peer's features */
    bool is_ahead;    /* and still are: its last header is not the one to make keys of */
    bool is_resumed;  /* the last session goes on */
    bool is_orderly;  /* it ended in order, without an error */
    bool is_cut;      /* it was cut, without an error */
    const char *auth; /* "", "external", "dialback" */
    uint64_t since_us, ready_us, cut_us;
    uint64_t ready_done;  /* stanzas done when it was ready last */
    enum s2s_cause cause; /* of a failure under way */
    char last_error[S2S_TEXT_MAX];
    struct log_scope log;
};
struct s2s_out *s2s_out_new(struct s2s *s, struct str local, struct str remote);
void s2s_out_event(struct s2s_out *o, enum s2s_out_event ev);
void s2s_out_free(struct s2s_out *o); /* what flew waits again */
const char *s2s_out_state_name(enum s2s_out_state st);
/* s2s-out-stream.c */
void s2s_out_dial(struct s2s_out *o); /* ends in CONNECTED or FAILED, from the loop */
/* Instead: with this connection, not direct TLS (the fuzzer's entrance). */
void s2s_out_take(struct s2s_out *o, struct transport **t);
extern const struct s2s_line_ops s2s_out_line_ops;
/* s2s-out-ways.c */
struct s2s_way *s2s_way_find(const struct s2s *s, struct str local, struct str remote);
struct s2s_way *s2s_way_new(struct s2s_out *o, struct str local, struct str remote);
void s2s_way_free(struct s2s_way *w);
/* Ask for the pair by dialback on a ready stream. */
void s2s_way_ask(struct s2s_out *o, struct str local, struct str remote);
void s2s_way_key(struct s2s_way *w); /* send the key */
/* An answer for a pair that was asked for. False: it was not. */
bool s2s_way_answered(struct s2s_out *o, const struct dialback_msg *m);
/* May it be asked for this remote domain, too? */
bool s2s_way_may_ask(const struct s2s_out *o, struct str remote);

/* ---- s2s-verify.c */
struct s2s_verify;
typedef void s2s_verify_done(void *ctx, const struct s2s_verify *v, enum dialback_type result,
                             const char *condition);
struct s2s_verify {
    struct list link; /* of the line it is for */
    struct list via;  /* of where it was asked */
    struct s2s_line *line;
    char *local, *remote, *id, *key;
    struct timer deadline;
    struct defer tell; /* the answer is given from the loop */
    enum dialback_type result;
    const char *condition; /* of DIALBACK_ERROR */
    bool is_asked, is_answered;
    s2s_verify_done *done;
    struct log_scope log;
};
/* Ask the authoritative server of m->from about its key. done comes once, with the line, from the
 * loop; the question ends with it, or with the line. */
void s2s_verify_new(struct s2s_line *l, const struct dialback_msg *m, s2s_verify_done *done);
void s2s_verify_free(struct s2s_verify *v); /* no call back */
/* An answer came over a stream with these questions. False: nobody asked. */
bool s2s_verify_answered(struct list *questions, const struct dialback_msg *m);
/* That stream is gone: they are asked elsewhere. */
void s2s_verify_lost(struct list *questions);
void s2s_askers_fini(struct s2s *s);

/* ---- s2s-in.c */
struct s2s_in {
    struct list link;
    struct s2s *s2s;
    struct stream_in *stream; /* NULL: cut */
    struct s2s_line line;
    char *claimed;     /* from of the header, prepared; NULL without one */
    char *to;          /* to of the header, prepared */
    char *external;    /* proved by EXTERNAL; NULL */
    char *sm_id;       /* of s2s.sessions; NULL */
    struct timer hold; /* cut: what becomes of it */
    struct defer move; /* to another instance */
    struct list cut;   /* of s2s.cut */
    struct list unproved;
    bool is_unproved;
    uint64_t since_us, cut_us;
    bool is_hurried;          /* cut, and something waits for its peer */
    struct s2s_in_dane *dane; /* asked about claimed; NULL: not */
    bool is_vouched;          /* TLSA records of claimed are for the certificate it shows */
    enum s2s_cause cert;      /* why its certificate does not prove what it claims; NONE: it does */
    char last_error[S2S_TEXT_MAX];
    struct log_scope log;
};
void s2s_in_new(struct s2s *s, struct transport *t, bool direct, const struct stream_rate *rate);
/* In the list, without a stream; and the stream of a parcel for it. */
struct s2s_in *s2s_in_make(struct s2s *s);
struct stream_in *s2s_in_attach(struct s2s_in *in, struct stream_parcel **p);
void s2s_in_close(struct s2s_in *in, enum stream_cond c, const char *text_or_null);
void s2s_in_free(struct s2s_in *in);
/* s2s-in-move.c: something was proved: it goes to another instance at the end of the turn, if it
 * belongs there; then in is gone. */
void s2s_in_may_move(struct s2s_in *in);
void s2s_in_move(struct s2s_in *in);
/* s2s-in-dane.c: ask whether DNSSEC vouches for the certificate of who claims to be a domain;
 * features wait for the answer. Not where it proves the domain already, or the resolver is not
 * trusted. */
void s2s_in_dane_ask(struct s2s_in *in);
void s2s_in_dane_stop(struct s2s_in *in);
/* s2s-in-session.c: stream management of the receiving side */
/* <enable/> or <resume/>. False: neither. True: done; in may be gone. */
bool s2s_in_session(struct s2s_in *in, const struct xml *el);
/* The stream ended: true when it waits for a resumption now. */
bool s2s_in_hold(struct s2s_in *in, const struct stream_end *e);
/* Something waits for the peer of a cut one. */
void s2s_in_hurry(struct s2s_in *in);
void s2s_in_tick(struct s2s_in *in);   /* cut: see how it goes on; in may be gone */
void s2s_in_forget(struct s2s_in *in); /* it cannot be resumed any more */
/* It may send: its outboxes come to it. */
void s2s_in_begin(struct s2s_in *in);
#endif
