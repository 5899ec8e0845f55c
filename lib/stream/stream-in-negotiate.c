/* DOC: what a receiving entity does until the stream is open: header, features, STARTTLS, SASL.
 * TLS: everything read before the handshake is dropped, in the parser and in our own buffer, so
 * that nothing injected in clear text is taken for protected (RFC 6120 section 5.3.3 and 13.14).
 * SASL: the mechanism is pure; its questions stop reading until the user answered; PLAIN exists
 * only over TLS whatever the user offers. Standards: RFC 6120 sections 4.3, 4.7, 4.9.1, 5.4, 6.4;
 * RFC 7590 section 3. */
#include "lib/base/encode.h"
#include "lib/stream/stream-binding.h"
#include "lib/stream/stream-in-int.h"
#include "lib/xmpp/jid.h"

/* Nothing is under way: the stream waits for what the peer wants, or is open. */
void stream_in_settle(struct stream_in *s)
{
    stream_set_state(&s->b, s->b.is_authenticated ? SIN_OPEN : SIN_FEATURES);
    if (s->b.is_authenticated)
        timer_stop(&s->b.deadline);
}

/* ---- header and features ---- */

/* The initiator's address as the response header names it: the bare JID of a client, the domain of
 * a server. */
static struct str peer_address(struct stream_in *s, struct arena *a)
{
    struct jid jid;
    if (!s->b.header.from.n || jid_parse(a, s->b.header.from, &jid, NULL) != ERR_OK)
        return STR_NONE;
    return str_eqc(str_of(s->b.content_ns), NS_SERVER) ? jid.domain : jid.bare;
}

void stream_in_write_header(struct stream_base *b)
{
    struct stream_in *s = stream_in_of(b);
    bool has_peer_header = b->header_text != NULL;
    struct arena *a = arena_new(0);
    struct stream_header_out h = {
        .from = s->is_to_accepted && b->header.to.n ? b->header.to : str_of(s->conf->default_from),
        .to = peer_address(s, a),
        .id = str_of(rand_id(b->id)),
        .has_version = !has_peer_header || b->header.version.p,
        .dialback = str_eqc(str_of(b->content_ns), NS_SERVER),
    };
    stream_header_write(&b->out, b->content_ns, &h);
    stream_flush_out(b);
    b->is_header_sent = true;
    arena_free(&a);
}

static bool is_tls_needed(const struct stream_in *s)
{
    return s->conf->tls_required && !stream_in_is_secure(s);
}

/* What is offered now; the same for features, for the choice and for the digest of the offer. */
static void offer(struct stream_in *s, struct sasl_offer *o)
{
    *o = (struct sasl_offer){0};
    if (is_tls_needed(s) || s->b.is_authenticated || !s->ev->mechanisms)
        return;
    o->mechs = s->ev->mechanisms(s->ctx);
    if (stream_is_shut(&s->b))
        return;
    if (!stream_in_is_secure(s))
        o->mechs &= ~(1U << SASL_PLAIN | (unsigned)SASL_MECHS_HT);
    if (o->mechs & (SASL_MECHS_PLUS | SASL_MECHS_HT_BOUND))
        stream_binding_names(s->b.t, o);
    if (!o->n)
        o->mechs &= ~(unsigned)SASL_MECHS_PLUS;
    o->mechs = sasl_ht_usable(o->mechs, o);
}

static void add_starttls(struct stream_in *s, struct arena *a, struct xml *features)
{
    if (!s->conf->tls || stream_in_is_secure(s) || s->b.is_authenticated)
        return;
    struct xml *starttls = xml_add(a, features, NS_TLS, "starttls");
    if (s->conf->tls_required)
        xml_add(a, starttls, NS_TLS, "required");
}

/* XEP-0440 */
static void add_bindings(const struct sasl_offer *o, struct arena *a, struct xml *features)
{
    struct xml *list = xml_add(a, features, NS_SASL_CB, "sasl-channel-binding");
    for (size_t i = 0; i < o->n; i++)
        xml_set(a, xml_add(a, list, NS_SASL_CB, "channel-binding"), "type",
                str_of(o->bindings[i].type));
}

static void add_mechanisms(struct stream_in *s, struct arena *a, struct xml *features)
{
    struct sasl_offer o;
    offer(s, &o);
    if (o.n)
        add_bindings(&o, a, features);
    struct xml *list = o.mechs ? xml_add(a, features, NS_SASL, "mechanisms") : NULL;
    for (unsigned m = 0; m < SASL_MECH_COUNT; m++)
        if (o.mechs & ~(unsigned)SASL_MECHS_HT & 1U << m)
            xml_add_text(a, xml_add(a, list, NS_SASL, "mechanism"), str_of(sasl_mech_name(m)));
    if (o.mechs && s->ev->inline_features && stream_in_is_secure(s))
        stream_in_sasl2_features(s, &o, a, features);
}

void stream_in_send_features(struct stream_in *s)
{
    struct arena *a = arena_new(0);
    struct xml *features = xml_new(a, NS_STREAM, "features");
    add_starttls(s, a, features);
    add_mechanisms(s, a, features);
    if (!is_tls_needed(s) && s->ev->features && !stream_is_shut(&s->b))
        s->ev->features(s->ctx, a, features);
    if (!stream_is_shut(&s->b))
        (void)stream_send_el(&s->b, features);
    arena_free(&a);
}

void stream_in_on_header(struct stream_base *b, struct stream_input *in)
{
    struct stream_in *s = stream_in_of(b);
    enum stream_cond c = in->cond;
    s->is_to_accepted = false;
    if (c == STREAM_OK)
        c = s->ev->header(s->ctx, &b->header);
    if (stream_is_shut(b))
        return;
    s->is_to_accepted = c == STREAM_OK;
    stream_in_write_header(b);
    if (c != STREAM_OK) {
        stream_shut_down(b, c, in->cond ? ERR_PROTOCOL : ERR_OK, in->text);
        return;
    }
    stream_in_settle(s);
    if (!s->conf->no_features && s->features != FEATURES_HELD)
        stream_in_send_features(s);
}

void stream_in_on_due(struct stream_base *b, struct stream_input *in)
{
    struct stream_in *s = stream_in_of(b);
    (void)in;
    if (s->features != FEATURES_DUE)
        return;
    s->features = FEATURES_AT_ONCE;
    stream_in_send_features(s);
}

void stream_in_on_early(struct stream_base *b, struct stream_input *in)
{
    if (is_tls_needed(stream_in_of(b)))
        stream_shut_down(b, STREAM_POLICY_VIOLATION, ERR_PROTOCOL, "STARTTLS is required first");
    else if (b->state == SIN_SASL)
        stream_shut_down(b, STREAM_NOT_AUTHORIZED, ERR_PROTOCOL, "authentication is not complete");
    else
        stream_up(b, in);
}

/* ---- STARTTLS ---- */

void stream_in_refuse_tls(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    buf_printf(&b->out, "<failure xmlns='%s'/>", NS_TLS);
    stream_flush_out(b);
    stream_shut_down(b, STREAM_OK, ERR_PROTOCOL, "peer asked for TLS which was not offered");
    b->is_draining = false;
}

void stream_in_on_starttls(struct stream_base *b, struct stream_input *in)
{
    struct stream_in *s = stream_in_of(b);
    if (!s->conf->tls || stream_in_is_secure(s)) {
        stream_in_refuse_tls(b, in);
        return;
    }
    buf_printf(&b->out, "<proceed xmlns='%s'/>", NS_TLS);
    stream_flush_out(b);
    stream_restart(b, true);
    b->is_wrap_due = true;
    stream_set_state(b, SIN_TLS);
}

void stream_in_wrap(struct stream_base *b)
{
    b->t = tls_server(&b->t, stream_in_of(b)->conf->tls);
}

void stream_in_on_secured(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_set_state(b, SIN_HEADER);
}

/* ---- SASL ---- */

void stream_in_sasl_drop(struct stream_in *s)
{
    sasl_server_free(&s->sasl);
    stream_in_forget_answer(&s->answer);
}

static const char *profile(const struct stream_in *s)
{
    return s->two ? NS_SASL2 : NS_SASL;
}

static void send_sasl(struct stream_base *b, const char *name, struct str data)
{
    buf_printf(&b->out, "<%s xmlns='%s'>", name, profile(stream_in_of(b)));
    base64_encode(&b->out, data.p, data.n);
    buf_printf(&b->out, "</%s>", name);
    stream_flush_out(b);
}

/* A client that cannot do our channel bindings may fail with each -PLUS mechanism (slixmpp does)
 * before it takes one that it knows; no password was tried. */
static bool is_guess(const struct stream_in *s, enum sasl_failure f)
{
    return f != SASL_FAIL_MALFORMED_REQUEST || !sasl_mech_is_plus(s->mech);
}

static void fail(struct stream_in *s, enum sasl_failure f)
{
    struct stream_base *b = &s->b;
    stream_in_sasl_drop(s);
    log_info(&b->log, "stream.sasl.failed", "condition", sasl_failure_name(f));
    if (s->two)
        buf_printf(&b->out, "<failure xmlns='%s'><%s xmlns='%s'/></failure>", NS_SASL2,
                   sasl_failure_name(f), NS_SASL);
    else
        buf_printf(&b->out, "<failure xmlns='%s'><%s/></failure>", NS_SASL, sasl_failure_name(f));
    stream_in_sasl2_drop(s);
    stream_flush_out(b);
    if (b->state == SIN_SASL)
        stream_in_settle(s);
    if (is_guess(s, f) && ++s->failures >= b->limits->auth_failures)
        stream_shut_down(b, STREAM_POLICY_VIOLATION, ERR_AUTH, "too many failed authentications");
}

static void succeed(struct stream_in *s, struct str additional)
{
    struct stream_base *b = &s->b;
    enum sasl_failure f = s->ev->authenticated(s->ctx, s->mech, sasl_server_user(s->sasl),
                                               sasl_server_authzid(s->sasl));
    if (stream_is_shut(b))
        return;
    if (f != SASL_FAIL_NONE) {
        fail(s, f);
        return;
    }
    if (s->two) {
        stream_in_sasl2_inline(s, additional);
        return;
    }
    send_sasl(b, "success", additional);
    stream_in_sasl_drop(s);
    stream_restart(b, false);
    stream_authenticated(b);
    stream_set_state(b, SIN_HEADER);
}

static void ask(struct stream_in *s, enum sasl_status status)
{
    struct stream_in_need need = {
        .what = status == SASL_NEED_KEYS       ? STREAM_NEED_KEYS
                : status == SASL_NEED_PASSWORD ? STREAM_NEED_PASSWORD
                : status == SASL_NEED_TOKEN    ? STREAM_NEED_TOKEN
                                               : STREAM_NEED_IDENTITY,
        .mech = s->mech,
        .digest = sasl_server_digest(s->sasl),
        .user = sasl_server_user(s->sasl),
        .authzid = sasl_server_authzid(s->sasl),
    };
    if (status == SASL_NEED_PASSWORD)
        need.password = sasl_server_password(s->sasl);
    if (status == SASL_NEED_TOKEN) {
        need.proof = sasl_server_proof(s->sasl);
        need.binding = sasl_server_binding(s->sasl);
    }
    stream_set_state(&s->b, SIN_SASL_WAIT);
    stream_stop(&s->b, STREAM_STOP_SASL);
    s->ev->need(s->ctx, &need);
}

static void act(struct stream_in *s, enum sasl_status status, struct str out)
{
    switch (status) {
    case SASL_CONTINUE:
        send_sasl(&s->b, "challenge", out);
        return;
    case SASL_NEED_KEYS:
    case SASL_NEED_PASSWORD:
    case SASL_NEED_IDENTITY:
    case SASL_NEED_TOKEN:
        ask(s, status);
        return;
    case SASL_DONE:
        succeed(s, out);
        return;
    case SASL_FAILED:
        fail(s, sasl_server_failure(s->sasl));
        return;
    }
}

/* RFC 6120 section 6.4.2: no text means no data at all, "=" means data of length zero. XEP-0388
 * section 2.2: no element, and an empty one. */
static enum sasl_failure decode(const struct xml *el, struct arena *a, struct buf *raw,
                                struct str *in)
{
    const struct xml *data = stream_in_sasl_data(el);
    struct str text = data ? xml_text(a, data) : STR("");
    const bool two = el->ns == NS_SASL2;
    *in = two && data ? STR("") : STR_NONE;
    if (!text.n)
        return SASL_FAIL_NONE;
    *in = STR("");
    if (!two && str_eqc(text, "="))
        return SASL_FAIL_NONE;
    switch (base64_decode(raw, text)) {
    case ERR_OK:
        *in = buf_view(raw);
        return SASL_FAIL_NONE;
    case ERR_LIMIT:
        return SASL_FAIL_MALFORMED_REQUEST;
    default:
        return SASL_FAIL_INCORRECT_ENCODING;
    }
}

static void step(struct stream_in *s, const struct xml *el)
{
    struct buf raw, out;
    struct str in;
    buf_init(&raw, SASL_MESSAGE_MAX);
    buf_init(&out, SASL_MESSAGE_MAX);
    struct arena *a = arena_new(0);
    enum sasl_failure f = decode(el, a, &raw, &in);
    if (f != SASL_FAIL_NONE) {
        fail(s, f);
    } else {
        enum sasl_status status = sasl_server_step(s->sasl, in, &out);
        act(s, status, buf_view(&out));
    }
    if (raw.p)
        mem_wipe(raw.p, raw.n);
    buf_fini(&raw);
    buf_fini(&out);
    arena_free(&a);
}

static enum sasl_failure choose(struct stream_in *s, struct str name, const struct sasl_offer *o)
{
    if (is_tls_needed(s))
        return SASL_FAIL_ENCRYPTION_REQUIRED;
    if (!sasl_mech_find(name, &s->mech))
        return SASL_FAIL_INVALID_MECHANISM;
    if (sasl_mech_is_ht(s->mech) && !s->two) /* XEP-0484: only there */
        return SASL_FAIL_INVALID_MECHANISM;
    if (s->mech == SASL_PLAIN && !stream_in_is_secure(s))
        return SASL_FAIL_ENCRYPTION_REQUIRED;
    return o->mechs & 1U << s->mech ? SASL_FAIL_NONE : SASL_FAIL_INVALID_MECHANISM;
}

void stream_in_begin(struct stream_in *s, const struct xml *el)
{
    struct stream_base *b = &s->b;
    struct sasl_offer o;
    offer(s, &o);
    if (stream_is_shut(b))
        return;
    enum sasl_failure f = choose(s, xml_get(el, "mechanism"), &o);
    if (f != SASL_FAIL_NONE) {
        fail(s, f);
        return;
    }
    if ((SASL_MECHS_PLUS | SASL_MECHS_HT_BOUND) & 1U << s->mech)
        stream_bindings(s->b.t, &o);
    if (b->state != SIN_SASL)
        stream_set_state(b, SIN_SASL);
    s->sasl = sasl_server_new(s->mech);
    sasl_server_set_offer(s->sasl, &o);
    if (s->conf->fake)
        sasl_server_set_fake(s->sasl, str_of(s->conf->fake->secret), s->conf->fake->iterations);
    step(s, el);
}

/* A new <auth/> replaces a handshake that is not complete (RFC 6120 section 6.4.2). */
void stream_in_on_auth(struct stream_base *b, struct stream_input *in)
{
    struct stream_in *s = stream_in_of(b);
    stream_in_sasl_drop(s);
    stream_in_sasl2_drop(s);
    stream_in_begin(s, in->el);
}

/* Elements of the other profile are none of this handshake. */
static bool is_of_profile(const struct stream_in *s, const struct xml *el)
{
    return el->ns == profile(s);
}

void stream_in_on_response(struct stream_base *b, struct stream_input *in)
{
    if (is_of_profile(stream_in_of(b), in->el))
        step(stream_in_of(b), in->el);
    else
        stream_in_on_early(b, in);
}

void stream_in_on_abort(struct stream_base *b, struct stream_input *in)
{
    if (is_of_profile(stream_in_of(b), in->el))
        fail(stream_in_of(b), SASL_FAIL_ABORTED);
    else
        stream_in_on_early(b, in);
}

void stream_in_on_again(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_shut_down(b, STREAM_POLICY_VIOLATION, ERR_PROTOCOL, "no authentication is under way");
}

void stream_in_on_answer(struct stream_base *b, struct stream_input *in)
{
    struct stream_in *s = stream_in_of(b);
    struct stream_in_answer *a = s->answer;
    struct buf out;
    (void)in;
    if (!a)
        return;
    s->answer = NULL;
    b->stops &= ~(unsigned)STREAM_STOP_SASL;
    stream_set_state(b, SIN_SASL);
    buf_init(&out, SASL_MESSAGE_MAX);
    enum sasl_status status = a->kind == ANSWER_KEYS ? sasl_server_keys(s->sasl, a->keys, &out)
                              : a->kind == ANSWER_TOKEN
                                  ? sasl_server_token(s->sasl, a->response, &out)
                                  : sasl_server_verdict(s->sasl, a->verdict, &out);
    act(s, status, buf_view(&out));
    stream_in_forget_answer(&a);
    buf_fini(&out);
}
