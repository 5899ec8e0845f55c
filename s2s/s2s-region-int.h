#ifndef S2S_S2S_REGION_INT_H
#define S2S_S2S_REGION_INT_H
/* Region links, inside. Words: peer = a member we send to, with its outgoing stream and queue;
 * origin = a member that sends to us, with what must survive its streams; in = one incoming stream;
 * entry = a stanza on its way out; ticket = custody of a stanza that came in; hello = first element
 * after authentication, both ways: who is there, in which incarnation; got = the acknowledgement of
 * one stanza, where h cannot tell because something older is still on its way to custody. Without
 * it two nodes could wait for each other: custody of a stanza may depend on one that comes behind
 * it on the same stream (a user of ours connected there writes to one of theirs connected here). */
#include "lib/base/handle.h"
#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/vec.h"
#include "lib/loop/op.h"
#include "lib/loop/timer.h"
#include "lib/net/dial.h"
#include "lib/stream/f-sm.h"
#include "lib/stream/stream-in.h"
#include "lib/stream/stream-out.h"
#include "s2s/s2s-region.h"

enum {
    REGION_CONNECT_MS = 10000, /* TCP, TLS, SASL, hello, stream management together */
    REGION_BACKOFF_MIN_MS = 100,
    REGION_BACKOFF_MAX_MS = 2000,
    REGION_PING_MS = 3000,   /* the initiator asks for an ack this often */
    REGION_SILENT_MS = 9000, /* no answer for this long: the link is dead */
    REGION_QUIET_MS = 30000, /* receiver: nothing at all came */
    REGION_STOP_MS = 3000,
    REGION_STOP_CUSTODY_MS = 1000, /* of these, waiting for custody of what came in */
    REGION_WINDOW = 4 << 20,       /* bytes sent and unacknowledged, each lane */
    REGION_GROWTH = 8,             /* a stanza may grow by escaping and by our elements */
};

struct s2s_region {
    struct loop *loop;
    struct s2s_region_conf conf; /* with defaults */
    struct stream_limits limits;
    struct stream_in_conf in_conf;
    const struct s2s_region_ops *ops;
    void *ctx;
    struct hmap peers, origins; /* by id */
    struct list ins, graves;    /* graves: forgotten peers of this turn */
    uint64_t seq; /* of the last stanza sent to anybody: it never falls, whoever is forgotten and
                     met again */
    struct handle_table *handles;
    struct list tickets; /* oldest first */
    struct list back;    /* entries to give back */
    struct defer give_back;
    bool is_stopping;
    struct timer stop_limit, stop_custody;
    struct defer stop_done;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};
void region_check_stopped(struct s2s_region *r);
/* The stream address is one of a member, and the certificate is for it. why: in words. */
bool region_name_ok(const struct s2s_region *r, struct str domain);
bool region_cert_ok(const struct transport *t, struct str domain, char *why, size_t why_size);

/* ---- s2s-region-route.c: our two elements */
struct region_hello {
    char id[130], to[130];
    uint64_t incarnation;
};
/* ERR_INVALID: unknown attributes, bad values, children. */
enum err region_hello_read(const struct xml *el, struct region_hello *out) MUST_USE;
struct xml *region_hello_build(struct arena *a, const struct region_hello *h);
enum err region_route_read(const struct xml *el, struct region_route *out) MUST_USE;
/* The only route child of a first-level element; ERR_INVALID when there is none, or two. */
enum err region_route_find(const struct xml *el, struct region_route *out) MUST_USE;
/* A new stanza with the route element, in place of any it had. */
struct stanza *region_route_put(struct stanza *s, const struct region_route *route);

/* ---- s2s-region-queue.c */
struct region_entry {
    struct list link;
    struct stanza *s;
    struct region_route route;
    void *token;
    size_t bytes;
    uint64_t since_us;
    bool is_done;    /* the peer has custody of it, though not of all before it */
    char *peer_id;   /* once it goes back */
    const char *why; /* static */
};
/* Lanes: custody of what is in one depends on later lanes only (FROM on USER and SESSION, USER on
 * SESSION), and each has a window of its own, so full windows cannot wait for each other. */
enum { LANE_FROM, LANE_USER, LANE_SESSION, LANES };
struct region_queue {
    struct list lane[LANES]; /* never sent */
    struct list again;       /* sent on an earlier numbering: go first, by seq */
    struct list sent;        /* in the sm session, in its order, by seq */
    struct hmap by_seq;      /* sent */
    size_t n_waiting, n_sent;
    size_t bytes;             /* of what is not done */
    size_t sent_bytes[LANES]; /* of what was sent and is not done */
    unsigned turn;            /* the lane that is looked at first */
};
void region_queue_init(struct region_queue *q);
bool region_queue_empty(const struct region_queue *q);
void region_queue_push(struct region_queue *q, struct region_entry *e);
/* waiting -> sent, with its seq (the next after *seq when it is new). NULL: nothing, or windows
 * full. */
struct region_entry *region_queue_next(struct region_queue *q, uint64_t *seq);
struct region_entry *region_queue_acked(struct region_queue *q); /* oldest sent, removed */
struct region_entry *region_queue_got(struct region_queue *q, uint64_t seq); /* sent -> done */
void region_queue_rewind(struct s2s_region *r,
                         struct region_queue *q);                 /* sent waits again, first */
struct region_entry *region_queue_oldest(struct region_queue *q); /* of all; NULL when empty */
/* Call fn for all that wait (it may delete the entry). */
void region_queue_each_waiting(struct region_queue *q,
                               void (*fn)(void *ctx, struct region_entry *e), void *ctx);
void region_queue_del(struct region_queue *q, struct region_entry *e, bool was_sent);
/* Give back to the owner, from the loop. */
void region_return(struct s2s_region *r, const char *peer_id, struct region_entry *e,
                   const char *why);
void region_entry_free(struct s2s_region *r, struct region_entry *e); /* drops the token */

/* ---- s2s-region-peer.c */
enum region_peer_state {
    PEER_DOWN,    /* waits for the next attempt */
    PEER_DIAL,    /* TCP */
    PEER_OPEN,    /* TLS, SASL */
    PEER_HELLO,   /* ours is out */
    PEER_SM,      /* enable or resume is out */
    PEER_UP,      /* stanzas flow */
    PEER_CLOSING, /* closed in order */
    PEER_STATES
};
struct region_peer {
    struct s2s_region *r;
    char id[130], domain[256];
    struct addr endpoint;
    uint64_t incarnation;    /* the youngest we know of */
    uint64_t up_incarnation; /* that the last link was up with; 0 = never */
    enum region_peer_state state;
    bool is_dead; /* this incarnation's lease is gone */
    bool is_gone; /* forgotten: freed at the end of the turn */
    struct region_queue q;
    struct list grave;
    struct sm_session *sm;
    struct op_owner ops;
    struct stream_out *stream;
    struct timer retry, deadline, ping, expiry;
    struct defer bury, pump;
    uint64_t backoff_ms, heard_us, down_us;
    uint64_t reconnects;
    char last_error[200];
    struct log_scope log;
};
struct region_peer *region_peer_new(struct s2s_region *r, const struct s2s_region_peer *p);
void region_peer_free(struct region_peer *p); /* drops tokens */
void region_peer_update(struct region_peer *p, const struct s2s_region_peer *now);
void region_peer_send(struct region_peer *p, struct stanza *s, const struct region_route *route,
                      void *token);
void region_peer_dead(struct region_peer *p, bool all);
void region_peer_stop(struct region_peer *p);          /* close as soon as nothing is left */
bool region_peer_is_busy(const struct region_peer *p); /* has a stream */
void region_peer_down(struct region_peer *p, const char *why); /* at once; tries again */
void region_peer_closing(struct region_peer *p);               /* the stream was told to close */
const char *region_peer_state_name(enum region_peer_state st);
/* s2s-region-link.c: the stream of a peer */
void region_link_open(struct region_peer *p, struct transport **t);
void region_link_sm(struct region_peer *p); /* make a session */
void region_peer_up(struct region_peer *p, bool resumed);
void region_peer_acked(struct region_peer *p);
void region_peer_got(struct region_peer *p, uint64_t seq);
void region_peer_pump(struct region_peer *p);

/* ---- s2s-region-in.c */
struct region_in;
struct region_origin { /* survives streams */
    struct s2s_region *r;
    char id[130], domain[256];
    uint64_t incarnation, highest;
    struct sm_session *sm;
    struct region_in *in; /* current stream or NULL */
    struct hmap open;     /* seq -> struct region_ticket_rec */
    struct list tickets;  /* the same, by seq */
    VEC(uint64_t) got;    /* done, but h cannot say so: something older is open */
};
struct region_ticket_rec {
    struct list link; /* s2s_region.tickets */
    struct list of_origin;
    handle h;
    struct region_origin *origin; /* NULL: that incarnation is over */
    uint64_t seq;
    uint64_t token; /* of stream management, latest numbering */
};
void region_in_new(struct s2s_region *r, struct transport *t);
void region_in_free(struct region_in *in);
void region_in_close(struct region_in *in, enum stream_cond c, const char *text);
void region_in_refill(struct region_in *in); /* custody was taken: read on */
void region_in_stop(struct region_in *in); /* read no more; closed when nothing waits for custody */
/* s2s-region-origin.c */
struct region_origin *region_origin_get(struct s2s_region *r, const char *id, const char *domain);
void region_origin_free(struct region_origin *o);
void region_origin_renew(struct region_origin *o, uint64_t incarnation);
/* A stanza with this seq and token arrived. 0: it is a copy, taken care of. */
region_ticket region_origin_take(struct region_origin *o, uint64_t seq, uint64_t token);
void region_ticket_done(struct s2s_region *r, region_ticket t);
void region_origin_say_got(struct region_origin *o); /* all of them: the stream is new */
/* s2s-region-in.c: the session of an origin writes here */
bool region_in_write(struct region_in *in, struct str text);
bool region_in_is_on(const struct region_in *in); /* negotiated: stanzas flow */
#endif
