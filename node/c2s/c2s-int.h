#ifndef NODE_C2S_C2S_INT_H
#define NODE_C2S_C2S_INT_H
/* Shared inside node/c2s: one client connection and the connections of a shard. Words: stop = a
 * reason not to read from the client; leave = tell the anchor that the connection is gone; kept =
 * written to the stream, not yet out of our memory (with stream management: not yet acknowledged);
 * detached = bound, without a stream, waits to be resumed; held = kept back from a client that does
 * not look (CSI). */
#include "lib/base/rand.h"
#include "lib/loop/timer.h"
#include "lib/stream/f-sm.h"
#include "lib/stream/stream-in.h"
#include "node/c2s/c2s.h"
#include "node/cluster/anchor.h"
#include "node/route/route.h"

enum {
    C2S_ATTACH_MS = 10000,         /* how long a bind waits for the anchor */
    C2S_INPUT_STANZAS = 1024,      /* taken from a client and not yet in custody elsewhere: */
    C2S_INPUT_BYTES = 1024 * 1024, /* past either it is not read */
    C2S_CREDIT_STANZAS = 16,       /* so many stanzas, or so many bytes, share one credit */
    C2S_CREDIT_BYTES = 64 * 1024,
    C2S_POLL_MS = 20, /* look whether a full queue got shorter */
    C2S_STOP_MS = 3000,
    C2S_STOP_LOOK_MS = 20,    /* while stopping: look whether what came back was stored */
    C2S_SM_ASK_MS = 500,      /* ask for what was not asked for this long */
    C2S_SM_ANSWER_TURNS = 2,  /* an answer may wait so many turns for custody on the way */
    C2S_SM_SILENT_MS = 90000, /* a client that was asked and says nothing for this long is cut */
    C2S_SM_LIVE = 10,         /* a connected client may owe this many times sm_queue */
    C2S_GRAVES_MAX = 4096,    /* ended sessions whose count is remembered, each shard */
    C2S_HELD_STANZAS = 500,   /* kept back from a client that does not look */
    C2S_HELD_BYTES = 256 * 1024,
};
enum conn_state {
    CONN_AUTH,     /* header, TLS, SASL */
    CONN_MOVING,   /* authenticated; about to leave for its home shard or on the way; not read */
    CONN_UNBOUND,  /* authenticated and at home, no resource */
    CONN_BINDING,  /* the anchor was asked to attach it; not read */
    CONN_BOUND,    /* a session */
    CONN_DETACHED, /* a session without a stream: may be resumed */
    CONN_CLOSING,  /* we ended it; the stream closes; its anchor knows */
    CONN_STATES
};
enum conn_stop {
    STOP_MOVE = 1,
    STOP_BIND = 2,
    STOP_OUTPUT = 4,
    STOP_INPUT = 8,
    STOP_SM = 16,
    STOP_REGISTER = 32
};
struct kept {          /* a stanza to the client */
    struct sm_entry e; /* its link is in conn_out.kept, conn_csi.held or the sm session */
    struct custody *custody;
    uint64_t end;   /* without stream management: in conn_out.added */
    uint64_t at_us; /* with it, wall: when it was first written */
    bool covered;
    unsigned hops;
};

struct conn_in {                 /* c2s-in.c */
    size_t stanzas, bytes;       /* taken, not yet in custody elsewhere (as far as credits tell) */
    size_t since_n, since_bytes; /* since the last credit was given out */
};
struct conn_out {       /* c2s-out.c */
    struct list kept;   /* struct kept, oldest first */
    uint64_t added;     /* bytes put into the stream's queue so far */
    uint64_t left[2];   /* bytes that had left it one and two looks ago */
    struct timer *poll; /* while it runs */
    uint64_t stanzas;
    bool is_over; /* past [c2s] output_bytes, or sm_queue */
};
struct conn_bind {           /* c2s-bind.c, c2s-anchor.c */
    char id[32];             /* connection id, of this bind: sorts by time; "" without */
    struct stanza *request;  /* <iq/> to answer */
    struct anchor *far;      /* attached there, or asked to; NULL: here */
    bool is_attached;        /* the anchor knows, or may know, us */
    bool is_counted;         /* in c2s_set.users */
    bool is_asked;           /* the anchor there waits for the word that all came back */
    unsigned wants;          /* bits of enum session_wish, as the anchor knows them */
    struct stanza *presence; /* last available broadcast, as stamped */
};
struct conn_idle { /* c2s-idle.c */
    bool is_heard, is_pinged;
    uint64_t since_ms; /* monotonic: when it was found silent, or pinged; 0 = never looked at */
};
struct conn;
typedef void conn_told(struct conn *c, struct str text);
struct conn_sm { /* c2s-sm.c; made by <enable/> */
    struct sm_session *s;
    struct list batches; /* struct batch, oldest first: what came and is not yet in custody */
    struct batch *open;  /* takes the stanzas of this turn */
    struct timer expiry; /* detached: the session ends */
    uint64_t resume_ms;  /* 0: it cannot be resumed */
    bool is_replaying;   /* what is written was written, or queued, before */
    /* Gets <enabled/> or <resumed/> instead of the stream, once; NULL: the stream does. */
    conn_told *told;
};
struct conn_login { /* c2s-inline.c: what came with a login, until <success/> */
    bool is_begun;
    bool is_by_token;
    uint64_t since_us;  /* wall: when it began */
    struct buf results; /* elements for <success/> */
    struct buf token;   /* the last of them (XEP-0484) */
};
struct conn_csi { /* c2s-csi.c; made when something is first held */
    bool is_inactive;
    struct list held;             /* struct kept, oldest first */
    struct hmap presences, chats; /* full JID of the sender -> struct kept */
    size_t n, bytes;
};
struct conn {
    struct list link; /* c2s_set.conns */
    struct node_shard *sh;
    handle h;
    enum conn_state state;
    struct stream_in *stream;
    struct stream_in_conf conf;
    struct op_owner ops;
    struct timer deadline; /* CONN_UNBOUND, CONN_BINDING */
    struct defer later;    /* the end of this turn: move, look at the output */
    unsigned stops;        /* enum conn_stop */
    bool is_trying;        /* a login is under way, charged under these (c2s-throttle.c) */
    bool has_registered;
    bool is_anonymous; /* logged in so, and counted in c2s_set.anonymous */
    uint64_t try_address, try_account;
    char *domain;      /* of the stream header, in normal form */
    struct jid jid;    /* heap: bare once authenticated, full once a resource was chosen */
    uint64_t since_us; /* wall */
    uint64_t stanzas_in;
    struct conn_in in;
    struct conn_out out;
    struct conn_idle idle;
    struct conn_bind bind;
    struct conn_sm *sm;       /* NULL without stream management */
    struct conn_csi *csi;     /* NULL until needed */
    struct conn_login *login; /* NULL but while something comes of it */
};
struct c2s_drain; /* c2s-drain.c */
struct c2s_set {
    struct node_shard *sh;
    struct c2s_drain *drain; /* NULL: clients may stay */
    struct list conns;       /* struct conn */
    size_t n, unauthenticated, anonymous;
    bool is_crowded;    /* told of, until half of the unauthenticated are gone */
    struct hmap by_id;  /* connection id -> struct conn */
    struct hmap users;  /* bare JID -> struct user_count: bound connections here */
    struct hmap by_sm;  /* id of a session that may be resumed -> struct conn */
    struct list graves; /* struct grave (c2s-sm.c), oldest first */
    struct hmap graves_by_id;
    struct timer stop_deadline, stop_look;
    struct timer idle; /* c2s-idle.c: looks for silent connections */
    bool is_stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* ---- c2s.c */
extern const struct stream_in_events conn_events;
const char *conn_state_name(enum conn_state s);
void conn_set_state(struct conn *c, enum conn_state s);
void conn_join(struct conn *c, struct node_shard *sh); /* into the set of this shard */
void conn_part(struct conn *c);                        /* out of it; a handle of it is void */
void conn_free(struct conn *c);                        /* nothing is told to anybody */
void conn_stop(struct conn *c, enum conn_stop why, bool on);
void conn_deadline(struct conn *c, void (*late)(void *ctx), uint64_t ms);
void conn_reply(struct conn *c, struct stanza *s); /* to the client itself, not kept; takes s */
/* Our end of the stream: the anchor is told at once, then the stream closes. */
void conn_close(struct conn *c, enum stream_cond cond, const char *text);
void conn_close_app(struct conn *c, enum stream_cond cond, const char *text, const char *app_xml);
bool conn_is_session(const struct conn *c); /* bound: with or without a stream */
struct conn *conn_by_id(struct node_shard *sh, const char *conn_id);

/* ---- c2s-auth.c */
enum stream_cond conn_header(void *ctx, const struct stream_header *h);
unsigned conn_mechanisms(void *ctx);
void conn_need(void *ctx, const struct stream_in_need *n);
enum sasl_failure conn_authenticated(void *ctx, enum sasl_mech m, struct str user,
                                     struct str authzid);

/* ---- c2s-external.c */
bool conn_external_offered(const struct conn *c);
/* The account the certificate and authzid ("" = derive) name; into a. */
enum sasl_failure conn_external_account(const struct conn *c, struct str authzid, struct arena *a,
                                        struct jid *out);
void conn_external_need(struct conn *c, struct str authzid); /* ends in a verdict */

/* ---- c2s-inline.c */
void conn_inline_features(void *ctx, struct arena *a, struct xml *features);
void conn_inline(struct conn *c);    /* at home: do what came with the login */
void conn_inline_go(struct conn *c); /* the token is done, if one was wanted */
void conn_inline_end(struct conn *c, bool is_bound);
void conn_inline_free(struct conn *c);
/* The resource being bound shall have carbons (XEP-0280). */
bool conn_inline_wants_carbons(const struct conn *c);
/* A stream header that names another account than the one that logs in (XEP-0388 section 2.3). */
bool conn_inline_is_other(const struct conn *c, const struct jid *self);

/* A login begins. */
struct conn_login *conn_login_new(struct conn *c);

/* ---- c2s-fast.c */
void conn_fast_need(struct conn *c, const struct stream_in_need *n); /* ends in an answer */
/* A token was asked for with another mechanism: true, and conn_inline_go comes when it is there. */
bool conn_fast_issue(struct conn *c);

/* ---- c2s-anonymous.c */
/* Who the client becomes; into a. */
enum sasl_failure conn_anonymous_account(struct conn *c, struct arena *a, struct jid *out);
void conn_anonymous_end(struct conn *c);

/* ---- c2s-throttle.c */
/* A try to log in as account begins; what came before has failed. False: too many. */
bool conn_try_begin(struct conn *c, struct str account);
void conn_try_failed(struct conn *c); /* or was given up */
void conn_try_void(struct conn *c);   /* it succeeded, or came to nothing through no fault of it */

void conn_unbound(struct conn *c); /* at home: waits for a bind, not for ever */

/* ---- c2s-move.c */
void conn_move(struct conn *c); /* from a deferred call */

/* ---- c2s-bind.c */
bool conn_is_bind(const struct stanza *s);
void conn_bind(struct conn *c, struct stanza *s); /* takes s */
/* The same without an <iq/>: ends in conn_inline_end. ERR_INVALID, ERR_LIMIT: no resource of this
 * name, nothing was begun. */
enum err conn_bind_inline(struct conn *c, struct str resource) MUST_USE;
void conn_bind_end(struct conn *c, enum err e); /* the anchor's answer */
void conn_bind_drop(struct conn *c);            /* id and request */

/* ---- c2s-anchor.c */
void conn_set_anchor(struct conn *c, const struct anchor *a_or_null_for_here);
void conn_attach(struct conn *c); /* at the anchor; ends in conn_bind_end, or c2s_attached later */
void conn_leave(struct conn *c);
void conn_gave_back(struct conn *c); /* all it had from its anchor that was not taken */
/* Give what the client sent to the anchor. Takes s and cu. */
void conn_to_anchor(struct conn *c, struct stanza *s, struct custody *cu, const char *trace);
void conn_count(struct conn *c, bool on); /* the registry's row of the bare JID */

/* ---- c2s-in.c */
void conn_element(void *ctx, struct xml_doc *doc);
void conn_in_count(struct conn *c, size_t stanzas, size_t bytes); /* outstanding; stops reading */
void conn_in_back(struct conn *c, size_t stanzas, size_t bytes);  /* no longer */

/* ---- c2s-register.c: an element before authentication. True: it was a registration's, and taken.
 */
bool conn_register(struct conn *c, struct xml_doc **doc);

/* ---- c2s-drain.c: a stream reached its features. True: the client is to go elsewhere, and was
 * told. */
bool conn_redirect(struct conn *c, bool is_secure, bool is_authenticated);

/* ---- c2s-idle.c */
void c2s_idle_init(struct c2s_set *s);
void c2s_idle_watch(struct c2s_set *s); /* there is a connection to look at */

/* ---- c2s-out.c */
void conn_out_look(struct conn *c); /* release what left, close what does not read */
/* It ended: what is kept goes back, but for what had left when the client ended it in order. */
void conn_out_return(struct conn *c, const struct stream_end *orderly_or_null);
void conn_out_free(struct conn *c);
/* It begins to close, without stream management: nothing more is written. */
void conn_out_closing(struct conn *c);
bool conn_write(struct conn *c, struct stanza *s, struct custody *cu, bool covered, unsigned hops);
void conn_emit(struct conn *c, struct kept *k); /* takes k */
/* Queue it at the stream; where it ends there, in conn_out.added. */
uint64_t conn_put(struct conn *c, struct stanza *s);
void conn_kept_free(struct kept *k);

/* ---- c2s-sm.c, c2s-sm-in.c: NULL c->sm is stream management off */
bool conn_sm_element(struct conn *c, const struct xml *el); /* true: it was one */
/* told, if not NULL, gets the answer in place of the stream. A bound resource without it. */
void conn_sm_enable(struct conn *c, const struct xml *el, conn_told *told);
/* The session it names goes on with the stream of c, and told (as above) is about that session; or
 * c is closed. False: neither, and out has the reason, an element. */
bool conn_sm_resume(struct conn *c, const struct xml *el, struct buf *out,
                    conn_told *told) MUST_USE;
void conn_sm_arrived(struct conn *c, size_t bytes); /* count a stanza of the client */
/* For the stanza just counted. */
struct custody *conn_sm_custody(struct conn *c, struct stanza *s, const char *trace);
/* What has no custody yet is stored now: the client may be told that it came. */
void conn_sm_store(struct conn *c);
void conn_sm_count_all(struct conn *c); /* and is counted */
void conn_sm_drop_batches(struct conn *c);
void conn_sm_turn(struct conn *c); /* the end of this turn */
void conn_sm_write(struct conn *c, struct kept *k);
struct kept *conn_sm_take(struct conn *c); /* oldest not acknowledged, or NULL */
/* The stream ended like this: may the session wait? */
bool conn_sm_outlives(const struct conn *c, const struct stream_end *e);
void conn_sm_detach(struct conn *c);
bool conn_sm_cut(struct conn *c); /* its stream is dead: detach it; false: it cannot wait */
void conn_sm_end(struct conn *c); /* it can no longer be resumed, nor acknowledged */
void conn_sm_free(struct conn *c);
void conn_graves_free(struct c2s_set *s);

/* ---- c2s-csi.c */
bool conn_csi_element(struct conn *c, const struct xml *el); /* true: it was one */
bool conn_csi_hold(struct conn *c, struct kept *k); /* true: k was taken, to be written later */
void conn_csi_set(struct conn *c, bool inactive);   /* active: what is held is written */
struct kept *conn_csi_take(struct conn *c);         /* oldest held, or NULL */
void conn_csi_free(struct conn *c);
#endif
