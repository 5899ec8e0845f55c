#ifndef LIB_STREAM_STREAM_INT_H
#define LIB_STREAM_STREAM_INT_H
/* What both engines are built on: one connection with its parser, deadline, output, pause and
 * closing handshake, driven by a state x event table that each engine brings. Words: cell = the
 * action of one state for one event; stop = a reason not to read on (the user's pause, an
 * outstanding SASL question); mute = a TLS handshake is under way, no XML may be sent. */
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "lib/loop/timer.h"
#include "lib/net/transport.h"
#include "lib/stream/stream.h"

enum stream_event {
    SEV_HEADER,       /* the peer's root start tag */
    SEV_STARTTLS,     /* <starttls/> */
    SEV_PROCEED,      /* <proceed/> */
    SEV_TLS_FAILURE,  /* <failure/> of STARTTLS */
    SEV_SECURED,      /* the TLS handshake is complete */
    SEV_FEATURES,     /* <stream:features/> */
    SEV_AUTH,         /* SASL elements */
    SEV_AUTHENTICATE, /* of SASL2, which shares the next two */
    SEV_RESPONSE,
    SEV_ABORT,
    SEV_CHALLENGE,
    SEV_SUCCESS,
    SEV_FAILURE,
    SEV_ANSWER,     /* the user answered a SASL question */
    SEV_ERROR,      /* <stream:error/> */
    SEV_ELEMENT,    /* any other first-level element */
    SEV_PEER_CLOSE, /* </stream:stream> */
    SEV_FAULT,      /* what came is wrong: cond says how */
    SEV_CLOSE,      /* we want to close: cond, or STREAM_OK for in order */
    SEV_DEADLINE,   /* the negotiation or the closing handshake took too long */
    SEV_LOST,       /* the connection ended: err */
    SEV_COUNT
};

struct stream_base;
struct stream_input {     /* what came with an event; members by event */
    struct xml_doc **doc; /* elements; an action may take it (set it to NULL) */
    const struct xml *el;
    const struct xml *root; /* SEV_HEADER */
    enum stream_cond cond;
    enum err err;
    const char *text;
    const char *app; /* SEV_CLOSE: application-specific condition, XML, or NULL */
};
typedef void stream_action(struct stream_base *b, struct stream_input *in);

struct stream_machine {
    const char *name;
    unsigned states, closing, ended;
    const char *const *names;
    const enum stream_step *steps;
    const uint32_t *next;                     /* by state: bit set of the states that may follow */
    stream_action *const (*cells)[SEV_COUNT]; /* by state and event; no cell is NULL */
    void (*write_header)(struct stream_base *b);
    void (*wrap)(struct stream_base *b); /* put TLS over b->t; called between two feeds */
    void (*deliver)(struct stream_base *b, struct xml_doc *doc);
    void (*drained)(struct stream_base *b);
    void (*over)(struct stream_base *b, const struct stream_end *e);
    void (*fini)(struct stream_base *b); /* free the engine around b, which is already finished */
};

enum { STREAM_STOP_USER = 1, STREAM_STOP_SASL = 2, STREAM_STOP_RATE = 4, STREAM_STOP_HOLD = 8 };
enum { STREAM_IDLE_MS = 2000, STREAM_HELD_MAX = 1 << 20, STREAM_HEADER_MAX = 64 << 10 };

/* stream-shape.c: the buckets of a stream. */
struct stream_shape {
    const struct stream_rate *rate;          /* NULL: none */
    uint64_t bytes_full_ns, stanzas_full_ns; /* monotonic: when each bucket is full again */
    struct timer *wake;                      /* while it holds the stream; else NULL */
};

struct stream_base {
    const struct stream_machine *machine;
    const struct stream_limits *limits;
    const char *content_ns;
    struct loop *loop;
    struct transport *t;
    struct xml_parser *parser;
    unsigned state;
    unsigned depth; /* our frames on the stack; memory goes when it is 0 */
    unsigned stops; /* STREAM_STOP_* */
    struct stream_shape shape;
    uint64_t unauthenticated_bytes;
    struct timer deadline;
    struct timer idle;           /* parks the parser */
    struct defer kick;           /* what must not happen inside a call of the user */
    struct buf held;             /* arrived while stopped, not yet fed */
    struct buf out;              /* scratch for one write */
    char *header_text;           /* what the fields of header point to; NULL: none was read */
    struct stream_header header; /* the peer's last */
    char id[RAND_ID_LEN + 1];    /* of our last header as receiver */
    struct log_scope log;
    struct stream_end *end; /* see stream_end_of */
    bool has_reason;        /* end.err and end.text are settled */
    bool is_authenticated;  /* or ready: limits of after_auth */
    bool is_header_sent;    /* of the current restart */
    bool is_feeding;        /* the parser is on the stack */
    bool is_parser_paused;
    bool is_wrap_due;
    bool is_deaf;     /* the parser failed: what still comes is dropped */
    bool is_busy;     /* data came since the idle timer was started */
    bool is_draining; /* closed in order while open: elements on their way are still delivered */
    bool is_over;     /* end was delivered */
    bool is_freed;    /* by the user */
};

/* Life. The transport is taken; its loop becomes ours. */
void stream_base_init(struct stream_base *b, const struct stream_machine *m, struct transport **t,
                      const char *content_ns, const struct stream_limits *limits);
void stream_base_free(struct stream_base *b); /* now, or when the last frame of ours leaves */
void stream_enter(struct stream_base *b);
void stream_leave(struct stream_base *b);
/* For the one move: stop everything that belongs to the loop; take up again on another. */
struct parcel *stream_base_detach(struct stream_base *b);
void stream_base_attach(struct stream_base *b, struct transport *t);

struct stream_end *stream_end_of(struct stream_base *b); /* made on demand: most have no end yet */

/* State and events. */
void stream_set_state(struct stream_base *b, unsigned state);
void stream_dispatch(struct stream_base *b, enum stream_event ev, struct stream_input *in);
enum stream_event stream_classify(const struct xml *el);
/* True when nothing more may happen: freed, closing or ended (after a callback of the user). */
bool stream_is_shut(const struct stream_base *b);

/* Take what came out of the buckets; holds the stream when one is overdrawn. */
void stream_shape_charge(struct stream_base *b, size_t bytes, size_t stanzas);
void stream_shape_end(struct stream_base *b); /* hold it no longer: it leaves its loop */

/* Shared cells. */
void stream_never(struct stream_base *b, struct stream_input *in); /* cannot happen; says so once */
void stream_ignore(struct stream_base *b, struct stream_input *in); /* deliberately nothing */
void stream_up(struct stream_base *b, struct stream_input *in);     /* element to the user */
void stream_unsupported(struct stream_base *b,
                        struct stream_input *in); /* unsupported-stanza-type */
void stream_peer_error(struct stream_base *b, struct stream_input *in);
void stream_peer_close(struct stream_base *b, struct stream_input *in);
void stream_fault(struct stream_base *b, struct stream_input *in);
void stream_user_close(struct stream_base *b, struct stream_input *in);
void stream_late(struct stream_base *b, struct stream_input *in); /* negotiation deadline */
void stream_lost(struct stream_base *b, struct stream_input *in);
void stream_mute_close(struct stream_base *b,
                       struct stream_input *in); /* the three of a TLS handshake */
void stream_mute_late(struct stream_base *b, struct stream_input *in);
void stream_mute_lost(struct stream_base *b, struct stream_input *in);
void stream_closing_element(struct stream_base *b, struct stream_input *in);
void stream_closing_error(struct stream_base *b, struct stream_input *in);
void stream_closing_peer_close(struct stream_base *b, struct stream_input *in);
void stream_closing_fault(struct stream_base *b, struct stream_input *in);
void stream_closing_late(struct stream_base *b, struct stream_input *in);
void stream_closing_lost(struct stream_base *b, struct stream_input *in);

/* Doing. */
bool stream_send(struct stream_base *b,
                 struct str text); /* false: past the high mark; ignored once closing */
bool stream_send_el(struct stream_base *b, const struct xml *el);
bool stream_send_st(struct stream_base *b, const struct stanza *st);
void stream_flush_out(
    struct stream_base *b); /* write b->out as it is, whatever the state, and clear it */
/* Send the error (unless STREAM_OK) and the end tag, wait for the peer's. reason (ERR_OK: by how it
 * ends) and text go into stream_end; text goes to the peer, too, when there is an error. */
void stream_shut_down(struct stream_base *b, enum stream_cond c, enum err reason, const char *text);
void stream_shut_down_app(struct stream_base *b, enum stream_cond c, enum err reason,
                          const char *text, const char *app_or_null);
void stream_finish(struct stream_base *b, enum err e,
                   const char *text); /* the connection is done with; end comes later */
void stream_stop(struct stream_base *b, unsigned why);
void stream_go(struct stream_base *b, unsigned why);
void stream_restart(struct stream_base *b, bool drop_rest);
void stream_authenticated(struct stream_base *b); /* limits of after_auth, no more deadline */
void stream_set_reason(struct stream_base *b, enum err e,
                       const char *text); /* the first one stays */

/* Headers (stream.c). */
struct stream_header_out {
    struct str from, to, id; /* STR_NONE: left out */
    bool has_version, dialback;
};
void stream_header_write(struct buf *out, const char *content_ns,
                         const struct stream_header_out *h);
void stream_error_write(struct buf *out, enum stream_cond c, const char *text_or_null,
                        const char *app_or_null);
/* Read the peer's root into b->header. STREAM_OK or what is wrong with it; fields are filled as far
 * as known. */
enum stream_cond stream_header_read(struct stream_base *b, const struct xml *root,
                                    const char *content_ns, const char **why);
#endif
