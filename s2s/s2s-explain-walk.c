/* DOC: explain, one address: connect, headers, TLS, certificate, features, authentication; a row
 * for each step with its time; closed once we are accepted.
 * Design: the decisions (is the certificate enough, EXTERNAL or dialback) are those of s2s-auth, as
 * for real streams. A certificate that proves nothing is told even where dialback may decide.
 * Standards: RFC 6120 sections 5, 6; XEP-0178, XEP-0220, XEP-0368. */
#include "s2s/s2s-explain-int.h"

#include "lib/base/encode.h"

enum { NAMES_MAX = 16 };

static void step(struct explain_walk *w, const char *name, const char *outcome)
{
    explain_step(w->x, w->step_us, name, w->address, "%s", outcome);
    w->step_us = loop_now_us(w->x->s2s->loop);
}

static void over(struct explain_walk *w, enum s2s_cause c, const char *text)
{
    struct explain *x = w->x;
    if (w->is_over)
        return;
    w->is_over = true;
    w->cause = c;
    str_put(w->text, sizeof w->text, text);
    step(w, c == S2S_CAUSE_NONE ? "accepted" : "failed", c ? text : w->auth);
    if (w->stream)
        stream_out_close(w->stream, STREAM_OK, NULL);
    x->left--;
    explain_check_over(x);
}

/* ---- TLS */

static struct json *names_of(const struct transport *t,
                             size_t (*get)(const struct transport *, struct arena *, struct str *,
                                           size_t))
{
    struct arena *a = arena_new(0);
    struct str names[NAMES_MAX];
    struct json *list = json_new_array();
    size_t n = get(t, a, names, NAMES_MAX);
    for (size_t i = 0; i < n; i++)
        json_push_str(list, names[i]);
    arena_free(&a);
    return list;
}

static void tell_certificate(struct explain_walk *w, const struct transport *t)
{
    struct tls_cert_info info;
    char from[DATEFMT_LEN + 1], until[DATEFMT_LEN + 1];
    bool proves = s2s_evidence_proves(&w->evidence);
    w->cert = w->evidence.cause;
    const char *proof =
        w->evidence.dane == S2S_DANE_PROVES ? "matches the TLSA records" : "proves the domain";
    step(w, "certificate", proves ? proof : w->evidence.why);
    if (!tls_peer_cert_info(t, &info))
        return;
    struct json *names = names_of(t, tls_peer_names), *chain = names_of(t, tls_peer_chain);
    w->certificate = json_new_object();
    json_set_str(w->certificate, "subject", str_of(info.subject));
    json_set_str(w->certificate, "issuer", str_of(info.issuer));
    json_set_str(w->certificate, "from", str_of(datefmt_utc(from, info.not_before_us)));
    json_set_str(w->certificate, "until", str_of(datefmt_utc(until, info.not_after_us)));
    json_set_num(w->certificate, "days", tls_cert_days(&info));
    json_set_str(w->certificate, "cause", str_of(s2s_cause_name(w->cert)));
    json_set_str(w->certificate, "why", str_of(w->evidence.why));
    json_set(w->certificate, "names", &names);
    json_set(w->certificate, "chain", &chain);
}

static bool on_secured(void *ctx)
{
    struct explain_walk *w = ctx;
    const struct transport *t = stream_out_transport(w->stream);
    const struct tls_info *tls = transport_tls(t);
    w->is_secure = true;
    snprintf(w->tls, sizeof w->tls, "%s %s", tls->version, tls->cipher);
    step(w, "tls", w->tls);
    s2s_evidence_take(&w->evidence, t, str_of(w->x->remote));
    s2s_evidence_add_dane(&w->evidence, t, str_of(w->x->remote), &w->target);
    tell_certificate(w, t);
    if (s2s_auth_outgoing(&w->x->terms, &w->evidence) != S2S_TRUST_NONE)
        return true;
    char text[S2S_TEXT_MAX + sizeof w->x->terms.why];
    snprintf(text, sizeof text, "%s%s%s", w->evidence.why, w->x->terms.why[0] ? "; " : "",
             w->x->terms.why);
    over(w, w->cert, text); /* what the peer does about it does not matter */
    return false;
}

/* ---- headers, features, authentication */

static enum stream_cond on_header(void *ctx, const struct stream_header *h)
{
    struct explain_walk *w = ctx;
    bool is_from = h->from.n && str_ieq(h->from, str_of(w->x->remote));
    explain_step(w->x, w->step_us, "header", w->address,
                 "from '" STR_FMT "'%s, version '" STR_FMT "'",
                 (int)(h->from.n < 100 ? h->from.n : 100), h->from.p ? h->from.p : "",
                 is_from || !h->from.n ? "" : ", which is not the domain",
                 (int)(h->version.n < 10 ? h->version.n : 10), h->version.p ? h->version.p : "");
    w->step_us = loop_now_us(w->x->s2s->loop);
    return STREAM_OK;
}

/* "mechanisms EXTERNAL, dialback, bidi, sm, limits 262144". */
static void note_offers(struct explain_walk *w, const struct xml *features)
{
    struct arena *a = arena_new(0);
    struct buf out;
    buf_init(&out, sizeof w->offers - 1);
    xml_each(features, c)
    {
        buf_printf(&out, "%s%s", out.n ? ", " : "", c->el->name);
        xml_each(c->el, part)
        {
            struct str text = str_trim(xml_text(a, part->el));
            if (text.n)
                buf_printf(&out, " " STR_FMT, (int)(text.n < 40 ? text.n : 40), text.p);
        }
    }
    snprintf(w->offers, sizeof w->offers, STR_FMT, STR_ARG(buf_view(&out)));
    buf_fini(&out);
    arena_free(&a);
    step(w, "features", w->offers);
}

static enum stream_out_next by_dialback(struct explain_walk *w, const struct xml *features)
{
    bool offered = dialback_is_offered(features) || stream_out_header(w->stream)->dialback;
    if (w->x->s2s->conf.dialback && offered)
        return STREAM_OUT_READY;
    over(w, w->is_external_refused ? S2S_CAUSE_AUTH_EXTERNAL : S2S_CAUSE_AUTH_NONE,
         offered ? "dialback is switched off here" : "the peer offers no dialback");
    return STREAM_OUT_FAIL;
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct explain_walk *w = ctx;
    note_offers(w, features);
    if (!s2s_ext_offered(&w->x->s2s->conf, features, w->is_secure))
        return by_dialback(w, features);
    *client = s2s_ext_client(w->x->local);
    *m = SASL_EXTERNAL;
    return STREAM_OUT_SASL;
}

static enum stream_out_next on_refused(void *ctx, enum sasl_failure f, const struct xml *features,
                                       struct sasl_client **client UNUSED, enum sasl_mech *m UNUSED)
{
    struct explain_walk *w = ctx;
    w->is_external_refused = true;
    explain_step(w->x, w->step_us, "external", w->address, "refused: %s", sasl_failure_name(f));
    w->step_us = loop_now_us(w->x->s2s->loop);
    return by_dialback(w, features);
}

static void send_key(struct explain_walk *w)
{
    char key[DIALBACK_KEY_LEN + 1];
    struct explain *x = w->x;
    struct arena *a = arena_new(0);
    dialback_key(&x->s2s->secret, str_of(x->remote), str_of(x->local),
                 stream_out_header(w->stream)->id, key);
    struct dialback_msg m = {.from = str_of(x->local), .to = str_of(x->remote), .key = str_of(key)};
    w->is_key_sent = true;
    (void)stream_out_send(w->stream, dialback_build(a, &m));
    arena_free(&a);
}

static void on_ready(void *ctx, const struct xml *features UNUSED, bool sasl_done)
{
    struct explain_walk *w = ctx;
    if (sasl_done) {
        w->auth = "external";
        over(w, S2S_CAUSE_NONE, "");
    } else {
        send_key(w);
    }
}

static void on_result(struct explain_walk *w, const struct dialback_msg *m)
{
    char text[S2S_TEXT_MAX];
    bool is_ours = w->is_key_sent && !m->is_verify && m->type != DIALBACK_REQUEST &&
                   str_eqc(m->from, w->x->remote) && str_eqc(m->to, w->x->local);
    if (!is_ours)
        return; /* the forgery of 2012 and its like prove nothing */
    w->auth = m->type == DIALBACK_VALID ? "dialback" : "";
    if (m->type == DIALBACK_VALID) {
        over(w, S2S_CAUSE_NONE, "");
    } else if (m->type == DIALBACK_INVALID) {
        over(w, S2S_CAUSE_AUTH_DIALBACK_INVALID, "the answer to our key is: invalid");
    } else {
        snprintf(text, sizeof text, "the answer to our key is: %.100s", m->condition);
        over(w, S2S_CAUSE_AUTH_DIALBACK_ERROR, text);
    }
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct dialback_msg m;
    if (dialback_read(doc->arena, doc->root, &m) == ERR_OK)
        on_result(ctx, &m);
    xml_doc_free(&doc);
}

/* ---- the end */

static void on_end(void *ctx, const struct stream_end *e)
{
    struct explain_walk *w = ctx;
    enum s2s_cause c = s2s_cause_of_end(e, w->target.direct_tls, w->is_secure);
    over(w, c, e->text[0] ? e->text : err_text(e->err));
}

static const struct stream_out_events stream_up = {
    .header = on_header,
    .secured = on_secured,
    .features = on_features,
    .refused = on_refused,
    .ready = on_ready,
    .element = on_element,
    .end = on_end,
};

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct explain_walk *w = ctx;
    struct s2s *s = w->x->s2s;
    if (e != ERR_OK) {
        over(w, s2s_cause_of_dial(e), r->why);
        return;
    }
    char as[256];
    bool is_as = jid_domain_ascii(str_of(w->x->local), as) == ERR_OK;
    w->is_connected = true;
    step(w, "connect", "connected");
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = w->x->local,
                                .to = w->x->remote,
                                .tls = s->conf.tls_client,
                                .tls_required =
                                    w->x->terms.tls_required || w->target.dane == DIAL_DANE_TLSA,
                                .direct_tls = w->target.direct_tls,
                                .sni = w->x->ascii[0] ? w->x->ascii : NULL,
                                .tls_as = is_as ? as : NULL,
                                .dialback = true,
                                .limits = s->conf.limits};
    w->stream = stream_out_new(&t, &c, &stream_up, w);
}

void explain_walk_begin(struct explain_walk *w)
{
    struct loop *l = w->x->s2s->loop;
    w->auth = "";
    w->step_us = loop_now_us(l);
    op_owner_init(&w->ops);
    dial_open(l, &w->ops, dial_source_fixed(l, &w->target, 1), S2S_EXPLAIN_MS_MAX, on_dialed, w);
}

void explain_walk_late(struct explain_walk *w)
{
    if (!w->is_connected)
        over(w, S2S_CAUSE_ADDRESS_TIMEOUT, "no answer in time");
    else if (w->is_key_sent)
        over(w, S2S_CAUSE_AUTH_DIALBACK_ERROR, "no answer to our key in time");
    else
        over(w, S2S_CAUSE_PEER_SILENT, "no answer in time");
}

void explain_walk_fini(struct explain_walk *w)
{
    if (w->x->has_targets)
        op_owner_cancel_all(&w->ops);
    stream_out_free(&w->stream);
    json_free(&w->certificate);
}
