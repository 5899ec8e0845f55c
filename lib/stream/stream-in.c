/* DOC: the engine of a receiving entity: its states, its table, its face to the user. The
 * negotiation is in stream-in-negotiate.c, the plumbing in stream-base.c. The table is the
 * specification: each row is a state, each column an event, and an empty cell fails a test.
 * Standards: RFC 6120 sections 4, 5, 6; XEP-0368 (the transport comes wrapped);
 * XEP-0388 (stream-in-sasl2.c). */
#include "lib/stream/stream-in-int.h"
#include "lib/xmpp/xep.h"

RFC("6120", PARTIAL, "not the cipher suite of section 13.8, which RFC 7590 replaced");
RFC("7590", COMPLETE);
XEP("0368", "1.1.0", COMPLETE);

static const char *const names[SIN_STATES] = {
    [SIN_HEADER] = "header", [SIN_FEATURES] = "features",   [SIN_TLS] = "tls",
    [SIN_SASL] = "sasl",     [SIN_SASL_WAIT] = "sasl-wait", [SIN_INLINE] = "inline",
    [SIN_OPEN] = "open",     [SIN_CLOSING] = "closing",     [SIN_ENDED] = "ended",
};

static const enum stream_step steps[SIN_STATES] = {
    [SIN_HEADER] = STREAM_AT_HEADER,  [SIN_FEATURES] = STREAM_AT_FEATURES,
    [SIN_TLS] = STREAM_AT_TLS,        [SIN_SASL] = STREAM_AT_SASL,
    [SIN_SASL_WAIT] = STREAM_AT_SASL, [SIN_INLINE] = STREAM_AT_SASL,
    [SIN_OPEN] = STREAM_AT_READY,
};

#define TO(state) (1U << (SIN_##state))
static const uint32_t next[SIN_STATES] = {
    [SIN_HEADER] = TO(FEATURES) | TO(OPEN) | TO(CLOSING) | TO(ENDED),
    [SIN_FEATURES] = TO(TLS) | TO(SASL) | TO(OPEN) | TO(CLOSING) | TO(ENDED),
    [SIN_TLS] = TO(HEADER) | TO(ENDED),
    [SIN_SASL] =
        TO(SASL_WAIT) | TO(INLINE) | TO(FEATURES) | TO(OPEN) | TO(HEADER) | TO(CLOSING) | TO(ENDED),
    [SIN_SASL_WAIT] = TO(SASL) | TO(CLOSING) | TO(ENDED),
    [SIN_INLINE] = TO(OPEN) | TO(CLOSING) | TO(ENDED),
    [SIN_OPEN] = TO(CLOSING) | TO(ENDED),
    [SIN_CLOSING] = TO(ENDED),
    [SIN_ENDED] = 0,
};

/* What only a receiving entity sends. */
#define NOT_OURS(cell)                                                                             \
    [SEV_PROCEED] = (cell), [SEV_TLS_FAILURE] = (cell), [SEV_FEATURES] = (cell),                   \
    [SEV_CHALLENGE] = (cell), [SEV_SUCCESS] = (cell), [SEV_FAILURE] = (cell)
/* The parser delivers nothing in this state. */
#define NO_ELEMENTS(cell)                                                                          \
    NOT_OURS(cell), [SEV_STARTTLS] = (cell), [SEV_AUTH] = (cell), [SEV_AUTHENTICATE] = (cell),     \
                    [SEV_RESPONSE] = (cell), [SEV_ABORT] = (cell), [SEV_ERROR] = (cell),           \
                    [SEV_ELEMENT] = (cell), [SEV_PEER_CLOSE] = (cell)
#define ENDS                                                                                       \
    [SEV_FAULT] = stream_fault, [SEV_CLOSE] = stream_user_close, [SEV_DEADLINE] = stream_late,     \
    [SEV_LOST] = stream_lost

static stream_action *const cells[SIN_STATES][SEV_COUNT] = {
    [SIN_HEADER] = {NO_ELEMENTS(stream_never), ENDS, [SEV_HEADER] = stream_in_on_header,
                    [SEV_SECURED] = stream_ignore, [SEV_ANSWER] = stream_ignore},
    [SIN_FEATURES] = {NOT_OURS(stream_unsupported),
                      ENDS, [SEV_HEADER] = stream_never, [SEV_STARTTLS] = stream_in_on_starttls,
                      [SEV_SECURED] = stream_ignore, [SEV_AUTH] = stream_in_on_auth,
                      [SEV_AUTHENTICATE] = stream_in_on_authenticate,
                      [SEV_RESPONSE] = stream_in_on_again, [SEV_ABORT] = stream_in_on_again,
                      [SEV_ANSWER] = stream_in_on_due, [SEV_ERROR] = stream_peer_error,
                      [SEV_ELEMENT] = stream_in_on_early, [SEV_PEER_CLOSE] = stream_peer_close},
    [SIN_TLS] = {NO_ELEMENTS(stream_never), [SEV_HEADER] = stream_never,
                 [SEV_SECURED] = stream_in_on_secured, [SEV_ANSWER] = stream_ignore,
                 [SEV_FAULT] = stream_mute_close, [SEV_CLOSE] = stream_mute_close,
                 [SEV_DEADLINE] = stream_mute_late, [SEV_LOST] = stream_mute_lost},
    [SIN_SASL] = {NOT_OURS(stream_unsupported), ENDS, [SEV_HEADER] = stream_never,
                  [SEV_STARTTLS] = stream_in_refuse_tls, [SEV_SECURED] = stream_ignore,
                  [SEV_AUTH] = stream_in_on_auth, [SEV_AUTHENTICATE] = stream_in_on_authenticate,
                  [SEV_RESPONSE] = stream_in_on_response, [SEV_ABORT] = stream_in_on_abort,
                  [SEV_ANSWER] = stream_ignore, [SEV_ERROR] = stream_peer_error,
                  [SEV_ELEMENT] = stream_in_on_early, [SEV_PEER_CLOSE] = stream_peer_close},
    [SIN_SASL_WAIT] = {NO_ELEMENTS(stream_never), ENDS, [SEV_HEADER] = stream_never,
                       [SEV_SECURED] = stream_ignore, [SEV_ANSWER] = stream_in_on_answer},
    [SIN_INLINE] = {NO_ELEMENTS(stream_never), ENDS, [SEV_HEADER] = stream_never,
                    [SEV_SECURED] = stream_ignore, [SEV_ANSWER] = stream_ignore},
    [SIN_OPEN] = {NOT_OURS(stream_up), ENDS, [SEV_HEADER] = stream_never,
                  [SEV_STARTTLS] = stream_in_refuse_tls, [SEV_SECURED] = stream_ignore,
                  [SEV_AUTH] = stream_in_on_again, [SEV_AUTHENTICATE] = stream_in_on_again,
                  [SEV_RESPONSE] = stream_in_on_again, [SEV_ABORT] = stream_in_on_again,
                  [SEV_ANSWER] = stream_ignore, [SEV_ERROR] = stream_peer_error,
                  [SEV_ELEMENT] = stream_up, [SEV_PEER_CLOSE] = stream_peer_close},
    [SIN_CLOSING] =
        {NOT_OURS(stream_ignore), [SEV_HEADER] = stream_ignore, [SEV_STARTTLS] = stream_ignore,
         [SEV_SECURED] = stream_ignore, [SEV_AUTH] = stream_ignore,
         [SEV_AUTHENTICATE] = stream_ignore, [SEV_RESPONSE] = stream_ignore,
         [SEV_ABORT] = stream_ignore, [SEV_ANSWER] = stream_ignore,
         [SEV_ERROR] = stream_closing_error, [SEV_ELEMENT] = stream_closing_element,
         [SEV_PEER_CLOSE] = stream_closing_peer_close, [SEV_FAULT] = stream_closing_fault,
         [SEV_CLOSE] = stream_ignore, [SEV_DEADLINE] = stream_closing_late,
         [SEV_LOST] = stream_closing_lost},
    [SIN_ENDED] =
        {NO_ELEMENTS(stream_never), [SEV_HEADER] = stream_never, [SEV_SECURED] = stream_never,
         [SEV_ANSWER] = stream_never, [SEV_FAULT] = stream_never, [SEV_CLOSE] = stream_ignore,
         [SEV_DEADLINE] = stream_never, [SEV_LOST] = stream_never},
};

static void deliver(struct stream_base *b, struct xml_doc *doc)
{
    struct stream_in *s = stream_in_of(b);
    s->ev->element(s->ctx, doc);
}

static void drained(struct stream_base *b)
{
    struct stream_in *s = stream_in_of(b);
    if (s->ev->drain)
        s->ev->drain(s->ctx);
}

static void over(struct stream_base *b, const struct stream_end *e)
{
    struct stream_in *s = stream_in_of(b);
    s->ev->end(s->ctx, e);
}

static void fini(struct stream_base *b)
{
    struct stream_in *s = stream_in_of(b);
    stream_in_sasl_drop(s);
    stream_in_sasl2_drop(s);
    mem_free(s);
}

const struct stream_machine stream_in_machine = {
    .name = "in",
    .states = SIN_STATES,
    .closing = SIN_CLOSING,
    .ended = SIN_ENDED,
    .names = names,
    .steps = steps,
    .next = next,
    .cells = cells,
    .write_header = stream_in_write_header,
    .wrap = stream_in_wrap,
    .deliver = deliver,
    .drained = drained,
    .over = over,
    .fini = fini,
};

struct stream_in *stream_in_new(struct transport **t, const struct stream_in_conf *c,
                                const struct stream_in_events *ev, void *ctx)
{
    struct stream_in *s = mem_alloc(sizeof *s);
    s->conf = c;
    s->ev = ev;
    s->ctx = ctx;
    s->b.state = SIN_HEADER;
    stream_base_init(&s->b, &stream_in_machine, t, c->content_ns, c->limits);
    return s;
}

void stream_in_free(struct stream_in **ps)
{
    struct stream_in *s = *ps;
    *ps = NULL;
    if (s)
        stream_base_free(&s->b);
}

void stream_in_abort(struct stream_in **ps)
{
    if (*ps && (*ps)->b.t)
        transport_abort(&(*ps)->b.t);
    stream_in_free(ps);
}

static void answer(struct stream_in *s, const struct stream_in_answer *a)
{
    if (s->b.state != SIN_SASL_WAIT || s->answer)
        return;
    s->answer = mem_dup(a, sizeof *a);
    if (a->keys)
        s->answer->keys = mem_dup(a->keys, sizeof *a->keys);
    loop_defer(s->b.loop, &s->b.kick);
}

void stream_in_forget_answer(struct stream_in_answer **pa)
{
    struct stream_in_answer *a = *pa;
    *pa = NULL;
    if (!a)
        return;
    if (a->keys)
        mem_wipe(a->keys, sizeof *a->keys);
    mem_free(a->keys);
    mem_wipe(a, sizeof *a);
    mem_free(a);
}

void stream_in_keys(struct stream_in *s, const struct scram_key *keys_or_null)
{
    struct scram_key *keys = (struct scram_key *)(uintptr_t)keys_or_null;
    answer(s, &(struct stream_in_answer){.kind = ANSWER_KEYS, .keys = keys});
}

void stream_in_verdict(struct stream_in *s, enum sasl_failure f)
{
    answer(s, &(struct stream_in_answer){.kind = ANSWER_VERDICT, .verdict = f});
}

void stream_in_token(struct stream_in *s, const uint8_t response[SASL_HT_BYTES])
{
    struct stream_in_answer a = {.kind = ANSWER_TOKEN};
    memcpy(a.response, response, sizeof a.response);
    answer(s, &a);
}

void stream_in_set_authenticated(struct stream_in *s)
{
    if (s->b.is_authenticated || stream_is_shut(&s->b))
        return;
    stream_authenticated(&s->b);
    if (s->b.state == SIN_FEATURES)
        stream_in_settle(s);
}

bool stream_in_is_authenticated(const struct stream_in *s)
{
    return s->b.is_authenticated;
}

bool stream_in_is_secure(const struct stream_in *s)
{
    return s->b.t && transport_tls(s->b.t) != NULL;
}

bool stream_in_is_closing(const struct stream_in *s)
{
    return stream_is_shut(&s->b);
}

bool stream_in_send(struct stream_in *s, const struct xml *el)
{
    return stream_send_el(&s->b, el);
}

bool stream_in_send_stanza(struct stream_in *s, const struct stanza *st)
{
    return stream_send_st(&s->b, st);
}

bool stream_in_send_text(struct stream_in *s, struct str xml_text)
{
    return stream_send(&s->b, xml_text);
}

void stream_in_pause(struct stream_in *s, bool paused)
{
    if (paused)
        stream_stop(&s->b, STREAM_STOP_USER);
    else
        stream_go(&s->b, STREAM_STOP_USER);
}

void stream_in_hold_features(struct stream_in *s)
{
    s->features = FEATURES_HELD;
    stream_stop(&s->b, STREAM_STOP_HOLD);
}

void stream_in_release_features(struct stream_in *s)
{
    if (s->features == FEATURES_HELD)
        s->features = FEATURES_DUE;
    stream_go(&s->b, STREAM_STOP_HOLD);
}

void stream_in_set_rate(struct stream_in *s, const struct stream_rate *rate_or_null)
{
    s->b.shape.rate = rate_or_null;
}

bool stream_in_is_held(const struct stream_in *s)
{
    return s->b.shape.wake != NULL;
}

void stream_in_close(struct stream_in *s, enum stream_cond c, const char *text_or_null)
{
    stream_dispatch(&s->b, SEV_CLOSE, &(struct stream_input){.cond = c, .text = text_or_null});
}

void stream_in_close_app(struct stream_in *s, enum stream_cond c, const char *text_or_null,
                         const char *app_xml)
{
    stream_dispatch(&s->b, SEV_CLOSE,
                    &(struct stream_input){.cond = c, .text = text_or_null, .app = app_xml});
}

void stream_in_hand_over(struct stream_in *s, const struct stream_in_conf *c, void *ctx)
{
    s->conf = c;
    s->ctx = ctx;
}

const struct stream_header *stream_in_header(const struct stream_in *s)
{
    return &s->b.header;
}

const char *stream_in_id(const struct stream_in *s)
{
    return s->b.id;
}

struct transport *stream_in_transport(const struct stream_in *s)
{
    return s->b.t;
}

size_t stream_in_queued(const struct stream_in *s)
{
    return s->b.t ? transport_queued(s->b.t) : 0;
}

/* ---- the move ---- */

struct stream_parcel {
    struct stream_in *s; /* belongs to no loop while here */
    struct parcel *bytes;
};

struct stream_parcel *stream_in_detach(struct stream_in **ps)
{
    struct stream_in *s = *ps;
    if (stream_is_shut(&s->b) || !s->b.is_authenticated)
        return NULL;
    struct stream_parcel *p = mem_alloc(sizeof *p);
    *ps = NULL;
    p->s = s;
    s->ev = NULL;
    s->ctx = NULL;
    p->bytes = stream_base_detach(&s->b);
    return p;
}

struct stream_in *stream_in_attach(struct stream_parcel **pp, struct loop *to,
                                   const struct stream_in_events *ev, void *ctx)
{
    struct stream_parcel *p = *pp;
    struct stream_in *s = p->s;
    *pp = NULL;
    s->ev = ev;
    s->ctx = ctx;
    stream_base_attach(&s->b, parcel_attach(&p->bytes, to));
    if (s->b.state == SIN_INLINE)
        stream_stop(&s->b, STREAM_STOP_SASL);
    if (s->b.state == SIN_HEADER || s->b.state == SIN_INLINE)
        timer_start(&s->b.deadline, s->b.limits->auth_timeout_ms);
    mem_free(p);
    return s;
}

void stream_parcel_drop(struct stream_parcel **pp)
{
    struct stream_parcel *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    parcel_drop(&p->bytes);
    stream_base_free(&p->s->b);
    mem_free(p);
}
