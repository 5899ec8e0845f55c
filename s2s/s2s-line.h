#ifndef S2S_S2S_LINE_H
#define S2S_S2S_LINE_H
/* What goes over one stream of federation, whoever opened it: the sending half (outboxes in turn,
 * acknowledgements, limits, signs of life) and the receiving half (which domain pairs the peer
 * proved, stanzas, dialback). Embedded in an outgoing and in an incoming stream. It outlives its
 * connection when both sides agreed to resume (XEP-0198). Words: pair = (local, remote) the peer
 * may send for; receipt = what the host gives back when it has custody of a stanza; cut = without a
 * connection, to be resumed. */
#include "lib/base/log.h"
#include "lib/base/vec.h"
#include "lib/loop/timer.h"
#include "lib/stream/f-sm.h"
#include "lib/stream/stream-in.h"
#include "lib/stream/stream-out.h"
#include "s2s/dialback.h"
#include "s2s/s2s-outbox.h"
#include "s2s/s2s.h"

enum {
    S2S_QUANTUM = 8192,    /* bytes of one outbox before the next has its turn */
    S2S_VERIFIES_MAX = 16, /* questions under way for one stream */
    S2S_PAIRS_MAX = 256,   /* proved on one stream */
    S2S_CREDIT_STANZAS =
        16, /* so many stanzas that came, or so many bytes, are given back as one */
    S2S_CREDIT_BYTES = 64 << 10,
    S2S_LEAVE_MAX_MS = 32, /* how often output that has not left is looked at */
    S2S_SETTLE_MS = 3000,  /* for what is under way when a stream is to close */
    S2S_SETTLE_LOOK_MS = 10,
};
enum s2s_line_state {
    S2S_LINE_SHUT, /* a connection on which we may not send yet, or none yet */
    S2S_LINE_OPEN, /* stanzas flow */
    S2S_LINE_CUT,  /* the connection is lost, the session may be resumed */
};
struct s2s_pair {
    char *local, *remote, *key; /* key: of the pair, as that of its outbox */
    const char *auth;
};
struct s2s_line;
struct s2s_line_ops {
    /* Attach the outboxes it may carry that have no carrier. From the loop. */
    void (*adopt)(void *ctx);
    /* A pair was proved, its answer is out. */
    void (*proved)(void *ctx);
    /* An answer to a dialback request of ours. NULL: we make none. */
    void (*answered)(void *ctx, const struct dialback_msg *m);
    /* Something waits and the connection is cut. */
    void (*wanted)(void *ctx);
    /* Nothing was sent or received for the idle time: close in order. */
    void (*idle)(void *ctx);
    /* The connection does not work any more. */
    void (*dead)(void *ctx, enum s2s_cause c, const char *text);
    /* What the peer did ends the stream. */
    void (*refuse)(void *ctx, enum stream_cond c, const char *text_or_null);
};
struct s2s_line {
    struct s2s *s2s;
    const struct s2s_line_ops *ops;
    void *ctx;
    const struct log_scope *log;
    struct s2s_carrier carrier;
    uint64_t id; /* of receipts and pings; 0: none yet */
    enum s2s_line_state state;
    struct stream_in *in; /* the connection: one of these, or none */
    struct stream_out *out;
    struct sm_session *sm; /* NULL: no acknowledgements */
    struct defer adopt;
    /* sending */
    struct s2s_item *fresh; /* being written: its text is in the scratch buffer */
    size_t max_bytes;       /* of a stanza, as the peer said; 0: it did not */
    size_t written;         /* output of stanzas, without acks */
    uint64_t peer_idle_ms;  /* 0: not said */
    uint64_t leave_ms, leave_progress_us;
    uint64_t done, sent;      /* stanzas */
    uint64_t pinged, ping_us; /* sent, when it was pinged last; a ping is out since, 0: none */
    uint64_t pings;           /* that were sent, so that an answer is told from an earlier one's */
    size_t ping_at, ponged;   /* written, when that ping went; what answered pings acknowledge */
    struct timer leave, quiet;
    uint64_t settle_us; /* loop time when it closes at the latest, and nothing is sent; 0: none */
    bool trusts_pings;  /* without acks: answers say what the peer has */
    bool is_blocked;
    /* receiving */
    VEC(struct s2s_pair) pairs;
    struct list verifies;  /* asked elsewhere for this stream */
    struct list questions; /* asked over this stream, for others */
    size_t n_verifies;
    uint64_t received; /* stanzas */
    uint64_t heard_us, active_us;
    bool is_bidi; /* both sides send (XEP-0288) */
    struct {
        size_t stanzas, bytes;
    } held, since;  /* what came and no queue has; what came since the last credit */
    bool is_paused; /* too much held, or without custody */
    bool is_closing;
    bool is_unheard; /* it closes, and the peer asked for acks too late: it keeps what it sends */
};

/* ---- s2s-line.c: life and sending */
void s2s_line_init(struct s2s_line *l, struct s2s *s, const struct s2s_line_ops *ops, void *ctx,
                   const struct log_scope *log);
void s2s_line_fini(struct s2s_line *l); /* outboxes were given up before */
/* A connection; exactly one of both. */
void s2s_line_connect(struct s2s_line *l, struct stream_in *in, struct stream_out *out);
/* It is gone (its owner frees it). Keeps outboxes and session for a resumption. */
void s2s_line_cut(struct s2s_line *l);
/* Stanzas may be sent. */
void s2s_line_open(struct s2s_line *l);
/* A resumed session that only receives. */
void s2s_line_resumed(struct s2s_line *l);
/* Attach, and write what waits. */
void s2s_line_carry(struct s2s_line *l, struct s2s_outbox *b);
/* Give up all outboxes and the session. cause NONE: they look for another carrier at once; else the
 * domains failed. is_blamed: the peer ended the stream with an error. */
void s2s_line_give_up(struct s2s_line *l, bool is_blamed, enum s2s_cause c, const char *text);
void s2s_line_pump(struct s2s_line *l); /* write what waits, in turn */
/* Without acks: what has left user space is done. */
void s2s_line_look(struct s2s_line *l);
bool s2s_line_text(struct s2s_line *l, struct str text);
bool s2s_line_el(struct s2s_line *l, const struct xml *el);
struct str s2s_line_stream_id(const struct s2s_line *l);
struct transport *s2s_line_transport(const struct s2s_line *l);
size_t s2s_line_waiting(const struct s2s_line *l); /* stanzas in its outboxes */
bool s2s_line_has_flying(const struct s2s_line *l);

/* ---- s2s-line-acks.c: XEP-0198 and signs of life */
void s2s_line_sm_new(struct s2s_line *l);  /* the session, before it is enabled */
void s2s_line_sm_drop(struct s2s_line *l); /* what it held is its outboxes' again */
bool s2s_line_may_resume(const struct s2s_line *l);
/* <r/>, <a/>: consumed. */
bool s2s_line_ack(struct s2s_line *l, const struct xml *el);
/* Number a stanza that arrived. False: a copy of one we have. */
bool s2s_line_number(struct s2s_line *l, struct s2s_receipt *r);
/* A stanza is about to be delivered: now and then its receipt carries a credit. */
void s2s_line_count(struct s2s_line *l, size_t bytes, struct s2s_receipt *r);
void s2s_line_drop_id(struct s2s_line *l);
/* Without acks: the domain of its next outbox, which is pinged. NULL: it carries none. */
struct s2s_domain *s2s_line_pinged(const struct s2s_line *l);
void s2s_line_ping(struct s2s_line *l);
/* An answer to such a ping. */
bool s2s_is_pong(const struct stanza *st);
/* The answer to a ping of ours, on whatever stream it came. */
bool s2s_line_pong(struct s2s *s, const struct stanza *st);
struct s2s_line *s2s_line_find(const struct s2s *s, uint64_t id);
void s2s_line_time_init(struct s2s_line *l);
/* Close it in order (ops->idle, from the loop) when nothing is unacknowledged on either side, so
 * that nothing comes twice, or after S2S_SETTLE_MS. What waits meanwhile has the next stream. */
void s2s_line_settle(struct s2s_line *l);
uint64_t s2s_line_idle_ms(const struct s2s_line *l);
/* XEP-0478 */
void s2s_limits_add(const struct s2s *s, struct arena *a, struct xml *to);
void s2s_limits_read(struct s2s_line *l, const struct xml *from_or_null);

/* ---- s2s-line-in.c: receiving */
bool s2s_line_has_pair(const struct s2s_line *l, struct str local, struct str remote);
/* False: too many. */
bool s2s_line_add_pair(struct s2s_line *l, struct str local, struct str remote, const char *auth);
void s2s_line_stanza(struct s2s_line *l, struct xml_doc **doc);

/* ---- s2s-line-dialback.c: <db:result/> and <db:verify/>. False: not one. */
bool s2s_line_dialback(struct s2s_line *l, const struct xml_doc *doc);
#endif
