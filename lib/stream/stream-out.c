/* DOC: the engine of an initiating entity: its states, its table, its face to the user. The
 * negotiation is in stream-out-negotiate.c, the plumbing in stream-base.c. Standards: RFC 6120
 * sections 4, 5, 6; XEP-0368. */
#include "lib/stream/stream-out-int.h"

static const char *const names[SOUT_STATES] = {
    [SOUT_TLS] = "tls",           [SOUT_HEADER] = "header", [SOUT_FEATURES] = "features",
    [SOUT_STARTTLS] = "starttls", [SOUT_SASL] = "sasl",     [SOUT_READY] = "ready",
    [SOUT_CLOSING] = "closing",   [SOUT_ENDED] = "ended",
};

static const enum stream_step steps[SOUT_STATES] = {
    [SOUT_TLS] = STREAM_AT_TLS,           [SOUT_HEADER] = STREAM_AT_HEADER,
    [SOUT_FEATURES] = STREAM_AT_FEATURES, [SOUT_STARTTLS] = STREAM_AT_STARTTLS,
    [SOUT_SASL] = STREAM_AT_SASL,         [SOUT_READY] = STREAM_AT_READY,
};

#define TO(state) (1U << (SOUT_##state))
static const uint32_t next[SOUT_STATES] = {
    [SOUT_TLS] = TO(HEADER) | TO(CLOSING) | TO(ENDED),
    [SOUT_HEADER] = TO(FEATURES) | TO(CLOSING) | TO(ENDED),
    [SOUT_FEATURES] = TO(STARTTLS) | TO(SASL) | TO(READY) | TO(CLOSING) | TO(ENDED),
    [SOUT_STARTTLS] = TO(TLS) | TO(CLOSING) | TO(ENDED),
    [SOUT_SASL] = TO(SASL) | TO(HEADER) | TO(READY) | TO(CLOSING) | TO(ENDED),
    [SOUT_READY] = TO(CLOSING) | TO(ENDED),
    [SOUT_CLOSING] = TO(ENDED),
    [SOUT_ENDED] = 0,
};

/* What only an initiating entity sends. */
#define NOT_THEIRS(cell)                                                                           \
    [SEV_STARTTLS] = (cell), [SEV_AUTH] = (cell), [SEV_AUTHENTICATE] = (cell),                     \
    [SEV_RESPONSE] = (cell), [SEV_ABORT] = (cell)
#define TLS_ANSWERS(cell) [SEV_PROCEED] = (cell), [SEV_TLS_FAILURE] = (cell)
#define SASL_ANSWERS(cell) [SEV_CHALLENGE] = (cell), [SEV_SUCCESS] = (cell), [SEV_FAILURE] = (cell)
/* The parser delivers nothing in this state. */
#define NO_ELEMENTS(cell)                                                                          \
    NOT_THEIRS(cell), TLS_ANSWERS(cell),                                                           \
        SASL_ANSWERS(cell), [SEV_FEATURES] = (cell), [SEV_ERROR] = (cell), [SEV_ELEMENT] = (cell), \
                            [SEV_PEER_CLOSE] = (cell)
/* The same in all states between header and closing. */
#define COMMON                                                                                     \
    [SEV_HEADER] = stream_never, [SEV_SECURED] = stream_ignore, [SEV_ANSWER] = stream_ignore,      \
    [SEV_ERROR] = stream_peer_error, [SEV_PEER_CLOSE] = stream_peer_close
#define ENDS                                                                                       \
    [SEV_FAULT] = stream_fault, [SEV_CLOSE] = stream_user_close, [SEV_DEADLINE] = stream_late,     \
    [SEV_LOST] = stream_lost

static stream_action *const cells[SOUT_STATES][SEV_COUNT] = {
    [SOUT_TLS] = {NO_ELEMENTS(stream_never), [SEV_HEADER] = stream_never,
                  [SEV_SECURED] = stream_out_on_secured, [SEV_ANSWER] = stream_ignore,
                  [SEV_FAULT] = stream_mute_close, [SEV_CLOSE] = stream_mute_close,
                  [SEV_DEADLINE] = stream_mute_late, [SEV_LOST] = stream_mute_lost},
    [SOUT_HEADER] = {NO_ELEMENTS(stream_never), ENDS, [SEV_HEADER] = stream_out_on_header,
                     [SEV_SECURED] = stream_ignore, [SEV_ANSWER] = stream_ignore},
    [SOUT_FEATURES] =
        {NOT_THEIRS(stream_unsupported), TLS_ANSWERS(stream_unsupported),
         SASL_ANSWERS(stream_unsupported), COMMON,
         ENDS, [SEV_FEATURES] = stream_out_on_features, [SEV_ELEMENT] = stream_unsupported},
    [SOUT_STARTTLS] =
        {NOT_THEIRS(stream_unsupported), SASL_ANSWERS(stream_unsupported), COMMON,
         ENDS, [SEV_PROCEED] = stream_out_on_proceed, [SEV_TLS_FAILURE] = stream_out_on_tls_failure,
         [SEV_FEATURES] = stream_unsupported, [SEV_ELEMENT] = stream_unsupported},
    [SOUT_SASL] = {NOT_THEIRS(stream_unsupported), TLS_ANSWERS(stream_unsupported), COMMON,
                   ENDS, [SEV_CHALLENGE] = stream_out_on_challenge,
                   [SEV_SUCCESS] = stream_out_on_success, [SEV_FAILURE] = stream_out_on_failure,
                   [SEV_FEATURES] = stream_unsupported, [SEV_ELEMENT] = stream_unsupported},
    [SOUT_READY] = {NOT_THEIRS(stream_up), TLS_ANSWERS(stream_up), SASL_ANSWERS(stream_up), COMMON,
                    ENDS, [SEV_FEATURES] = stream_up, [SEV_ELEMENT] = stream_up},
    [SOUT_CLOSING] =
        {NOT_THEIRS(stream_ignore), TLS_ANSWERS(stream_ignore),
         SASL_ANSWERS(stream_ignore), [SEV_HEADER] = stream_ignore, [SEV_FEATURES] = stream_ignore,
         [SEV_SECURED] = stream_ignore, [SEV_ANSWER] = stream_ignore,
         [SEV_ERROR] = stream_closing_error, [SEV_ELEMENT] = stream_closing_element,
         [SEV_PEER_CLOSE] = stream_closing_peer_close, [SEV_FAULT] = stream_closing_fault,
         [SEV_CLOSE] = stream_ignore, [SEV_DEADLINE] = stream_closing_late,
         [SEV_LOST] = stream_closing_lost},
    [SOUT_ENDED] =
        {NO_ELEMENTS(stream_never), [SEV_HEADER] = stream_never, [SEV_SECURED] = stream_never,
         [SEV_ANSWER] = stream_never, [SEV_FAULT] = stream_never, [SEV_CLOSE] = stream_ignore,
         [SEV_DEADLINE] = stream_never, [SEV_LOST] = stream_never},
};

static void deliver(struct stream_base *b, struct xml_doc *doc)
{
    struct stream_out *s = stream_out_of(b);
    s->ev->element(s->ctx, doc);
}

static void drained(struct stream_base *b)
{
    struct stream_out *s = stream_out_of(b);
    if (s->ev->drain)
        s->ev->drain(s->ctx);
}

static void over(struct stream_base *b, const struct stream_end *e)
{
    struct stream_out *s = stream_out_of(b);
    s->ev->end(s->ctx, e);
}

static void fini(struct stream_base *b)
{
    struct stream_out *s = stream_out_of(b);
    sasl_client_free(&s->sasl);
    if (s->features)
        xml_doc_free(&s->features);
    if (s->tls)
        tls_ctx_unref(&s->tls);
    tls_session_unref(&s->session);
    mem_free(s->from);
    mem_free(s->to);
    mem_free(s->sni);
    mem_free(s->tls_as);
    mem_free(s);
}

const struct stream_machine stream_out_machine = {
    .name = "out",
    .states = SOUT_STATES,
    .closing = SOUT_CLOSING,
    .ended = SOUT_ENDED,
    .names = names,
    .steps = steps,
    .next = next,
    .cells = cells,
    .write_header = stream_out_write_header,
    .wrap = stream_out_wrap,
    .deliver = deliver,
    .drained = drained,
    .over = over,
    .fini = fini,
};

static void configure(struct stream_out *s, const struct stream_out_conf *c)
{
    s->from = c->from ? mem_strdup(c->from) : NULL;
    s->to = mem_strdup(c->to);
    s->sni = mem_strdup(c->sni ? c->sni : c->to);
    s->tls_as = c->tls_as ? mem_strdup(c->tls_as) : NULL;
    s->tls = c->tls ? tls_ctx_ref(c->tls) : NULL;
    s->session = c->session ? tls_session_ref(c->session) : NULL;
    s->tls_required = c->tls_required;
    s->dialback = c->dialback;
    s->limits = c->limits ? *c->limits : stream_limits_default;
}

struct stream_out *stream_out_new(struct transport **t, const struct stream_out_conf *c,
                                  const struct stream_out_events *ev, void *ctx)
{
    struct stream_out *s = mem_alloc(sizeof *s);
    bool is_direct = c->direct_tls && c->tls;
    s->ev = ev;
    s->ctx = ctx;
    configure(s, c);
    s->b.state = is_direct ? SOUT_TLS : SOUT_HEADER;
    if (is_direct) {
        struct transport *wrapped = stream_out_secure(s, t);
        stream_base_init(&s->b, &stream_out_machine, &wrapped, c->content_ns, &s->limits);
    } else {
        stream_base_init(&s->b, &stream_out_machine, t, c->content_ns, &s->limits);
        stream_out_write_header(&s->b);
    }
    return s;
}

void stream_out_free(struct stream_out **ps)
{
    struct stream_out *s = *ps;
    *ps = NULL;
    if (s)
        stream_base_free(&s->b);
}

bool stream_out_send(struct stream_out *s, const struct xml *el)
{
    return stream_send_el(&s->b, el);
}

bool stream_out_send_stanza(struct stream_out *s, const struct stanza *st)
{
    return stream_send_st(&s->b, st);
}

bool stream_out_send_text(struct stream_out *s, struct str xml_text)
{
    return stream_send(&s->b, xml_text);
}

void stream_out_pause(struct stream_out *s, bool paused)
{
    if (paused)
        stream_stop(&s->b, STREAM_STOP_USER);
    else
        stream_go(&s->b, STREAM_STOP_USER);
}

bool stream_out_is_closing(const struct stream_out *s)
{
    return stream_is_shut(&s->b);
}

void stream_out_close(struct stream_out *s, enum stream_cond c, const char *text_or_null)
{
    stream_dispatch(&s->b, SEV_CLOSE, &(struct stream_input){.cond = c, .text = text_or_null});
}

const struct stream_header *stream_out_header(const struct stream_out *s)
{
    return &s->b.header;
}

const struct xml *stream_out_features(const struct stream_out *s)
{
    return s->features ? s->features->root : NULL;
}

struct transport *stream_out_transport(const struct stream_out *s)
{
    return s->b.t;
}

size_t stream_out_queued(const struct stream_out *s)
{
    return s->b.t ? transport_queued(s->b.t) : 0;
}
