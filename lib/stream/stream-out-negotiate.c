/* DOC: what an initiating entity does until the stream is ready: header, features, STARTTLS, SASL.
 * Bytes that follow <proceed/> or <success/> in the same read are dropped: nothing may come there
 * before we speak. Going ahead: when the user says so, <auth/> is behind our header before the peer
 * has said anything; its features are then kept, not asked about. Standards: RFC 6120
 * sections 4.3, 4.7, 5.4, 6.4; RFC 7590 section 3. */
#include "lib/base/encode.h"
#include "lib/stream/stream-out-int.h"

/* ---- header and features ---- */

void stream_out_write_header(struct stream_base *b)
{
    struct stream_out *s = stream_out_of(b);
    struct stream_header_out h = {
        .from = str_of(s->from), .to = str_of(s->to), .has_version = true, .dialback = s->dialback};
    stream_header_write(&b->out, b->content_ns, &h);
    stream_flush_out(b);
    b->is_header_sent = true;
}

void stream_out_on_header(struct stream_base *b, struct stream_input *in)
{
    struct stream_out *s = stream_out_of(b);
    enum stream_cond c = in->cond;
    if (c == STREAM_OK && s->ev->header)
        c = s->ev->header(s->ctx, &b->header);
    if (stream_is_shut(b))
        return;
    stream_set_state(b, SOUT_FEATURES);
    if (c != STREAM_OK)
        stream_shut_down(b, c, in->cond ? ERR_PROTOCOL : ERR_OK, in->text);
}

static void be_ready(struct stream_out *s)
{
    stream_authenticated(&s->b);
    stream_set_state(&s->b, SOUT_READY);
    timer_stop(&s->b.deadline);
    s->ev->ready(s->ctx, s->features->root, s->is_sasl_done);
}

/* RFC 6120 section 6.4.2: an initial response of length zero is "=". */
static void send_sasl(struct stream_out *s, bool is_first, struct str data)
{
    struct buf *out = &s->b.out;
    if (is_first)
        buf_printf(out, "<auth xmlns='%s' mechanism='%s'>", NS_SASL, sasl_mech_name(s->mech));
    else
        buf_printf(out, "<response xmlns='%s'>", NS_SASL);
    if (is_first && !data.n)
        buf_char(out, '=');
    base64_encode(out, data.p, data.n);
    buf_cstr(out, is_first ? "</auth>" : "</response>");
    stream_flush_out(&s->b);
}

static void start_sasl(struct stream_out *s)
{
    struct buf out;
    buf_init(&out, SASL_MESSAGE_MAX);
    if (sasl_client_step(s->sasl, STR_NONE, &out) == ERR_OK)
        send_sasl(s, true, buf_view(&out));
    else
        stream_shut_down(&s->b, STREAM_OK, ERR_AUTH, "mechanism cannot start");
    buf_fini(&out);
}

static void follow(struct stream_out *s, enum stream_out_next next, const char *why)
{
    if (stream_is_shut(&s->b))
        return;
    switch (next) {
    case STREAM_OUT_READY:
        be_ready(s);
        return;
    case STREAM_OUT_SASL:
        if (s->sasl) {
            stream_set_state(&s->b, SOUT_SASL);
            start_sasl(s);
        } else {
            stream_shut_down(&s->b, STREAM_OK, ERR_AUTH, "no mechanism chosen");
        }
        return;
    case STREAM_OUT_FAIL:
        stream_shut_down(&s->b, STREAM_OK, ERR_AUTH, why);
        return;
    }
}

static void choose(struct stream_out *s)
{
    if (s->is_sasl_done) {
        be_ready(s);
        return;
    }
    enum stream_out_next next = s->ev->features(s->ctx, s->features->root, &s->sasl, &s->mech);
    follow(s, next, "peer offers nothing acceptable");
}

void stream_out_on_features(struct stream_base *b, struct stream_input *in)
{
    struct stream_out *s = stream_out_of(b);
    if (s->features)
        xml_doc_free(&s->features);
    s->features = *in->doc;
    *in->doc = NULL;
    if (s->is_auth_early) {
        s->is_auth_early = false;
        stream_set_state(b, SOUT_SASL);
    } else if (s->is_secure || !s->tls) {
        choose(s);
    } else if (xml_child(s->features->root, NS_TLS, "starttls")) {
        buf_printf(&b->out, "<starttls xmlns='%s'/>", NS_TLS);
        stream_flush_out(b);
        stream_set_state(b, SOUT_STARTTLS);
    } else if (s->tls_required) {
        stream_shut_down(b, STREAM_OK, ERR_TLS, "peer offers no STARTTLS");
    } else {
        choose(s);
    }
}

/* ---- STARTTLS ---- */

void stream_out_on_proceed(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_restart(b, true);
    b->is_wrap_due = true;
    stream_set_state(b, SOUT_TLS);
}

struct transport *stream_out_secure(struct stream_out *s, struct transport **t)
{
    struct transport *secure = tls_client_as(t, s->tls, s->sni, s->tls_as);
    if (s->session)
        (void)tls_resume(secure, s->session);
    tls_session_unref(&s->session);
    return secure;
}

void stream_out_wrap(struct stream_base *b)
{
    b->t = stream_out_secure(stream_out_of(b), &b->t);
}

void stream_out_on_tls_failure(struct stream_base *b, struct stream_input *in)
{
    (void)in;
    stream_shut_down(b, STREAM_OK, ERR_TLS, "peer refused STARTTLS");
}

/* The user may know the peer well enough not to wait for it. */
static void go_ahead(struct stream_out *s)
{
    if (!s->ev->opened)
        return;
    s->ev->opened(s->ctx, &s->sasl, &s->mech);
    if (stream_is_shut(&s->b) || !s->sasl)
        return;
    s->is_auth_early = true;
    start_sasl(s);
}

void stream_out_on_secured(struct stream_base *b, struct stream_input *in)
{
    struct stream_out *s = stream_out_of(b);
    (void)in;
    s->is_secure = true;
    if (s->features)
        xml_doc_free(&s->features); /* of before TLS */
    bool ok = !s->ev->secured || s->ev->secured(s->ctx);
    if (stream_is_shut(b))
        return;
    if (ok) {
        stream_out_write_header(b);
        stream_set_state(b, SOUT_HEADER);
        go_ahead(s);
    } else {
        stream_shut_down(b, STREAM_POLICY_VIOLATION, ERR_CERT, "certificate not acceptable");
    }
}

/* ---- SASL ---- */

static bool decode(const struct xml_doc *doc, struct buf *raw, struct str *in)
{
    struct str text = xml_text(doc->arena, doc->root);
    *in = text.n ? STR("") : STR_NONE;
    if (!text.n || str_eqc(text, "="))
        return true;
    if (base64_decode(raw, text) != ERR_OK)
        return false;
    *in = buf_view(raw);
    return true;
}

void stream_out_on_challenge(struct stream_base *b, struct stream_input *in)
{
    struct stream_out *s = stream_out_of(b);
    struct buf raw, out;
    struct str data;
    buf_init(&raw, SASL_MESSAGE_MAX);
    buf_init(&out, SASL_MESSAGE_MAX);
    /* STR_NONE would ask the mechanism for its initial response again. */
    bool ok = decode(*in->doc, &raw, &data);
    if (ok && sasl_client_step(s->sasl, data.p ? data : STR(""), &out) == ERR_OK)
        send_sasl(s, false, buf_view(&out));
    else
        stream_shut_down(b, STREAM_OK, ERR_AUTH, "the peer's challenge is wrong");
    buf_fini(&raw);
    buf_fini(&out);
}

void stream_out_on_success(struct stream_base *b, struct stream_input *in)
{
    struct stream_out *s = stream_out_of(b);
    struct buf raw;
    struct str data;
    buf_init(&raw, SASL_MESSAGE_MAX);
    bool ok = decode(*in->doc, &raw, &data) && sasl_client_finish(s->sasl, data) == ERR_OK;
    buf_fini(&raw);
    sasl_client_free(&s->sasl);
    if (!ok) {
        stream_shut_down(b, STREAM_NOT_AUTHORIZED, ERR_AUTH, "the peer's proof is wrong");
        return;
    }
    s->is_sasl_done = true;
    stream_restart(b, true);
    stream_out_write_header(b);
    stream_set_state(b, SOUT_HEADER);
    if (s->ev->authenticated)
        s->ev->authenticated(s->ctx);
}

void stream_out_on_failure(struct stream_base *b, struct stream_input *in)
{
    struct stream_out *s = stream_out_of(b);
    enum sasl_failure f = SASL_FAIL_NOT_AUTHORIZED;
    const struct xml *condition = xml_first(in->el);
    if (condition)
        f = sasl_failure_find(str_of(condition->name));
    sasl_client_free(&s->sasl);
    enum stream_out_next next =
        s->ev->refused ? s->ev->refused(s->ctx, f, s->features->root, &s->sasl, &s->mech)
                       : STREAM_OUT_FAIL;
    char why[STREAM_END_TEXT];
    snprintf(why, sizeof why, "authentication refused: %s", sasl_failure_name(f));
    follow(s, next, why);
}
