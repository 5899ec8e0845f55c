/* DOC: what an outgoing stream says and hears: finding, TLS, authentication, elements.
 * Design: EXTERNAL is tried if the peer offers it; refused, dialback goes on over the same stream.
 * Bidirectionality is asked for before either. Going ahead (XEP-0305): right behind the TLS
 * handshake of a direct TLS connection whose certificate proves the domain, or of any to a peer
 * with which it worked before, the header is followed by <bidi/> and <auth/> without waiting for
 * features; a peer that ends the stream for it is asked again step by step and remembered
 * (s2s_domain.early). What went ahead counts only if the features confirm it. Standards: RFC 6120,
 * XEP-0178, XEP-0220, XEP-0288 section 2, XEP-0305 section 5, XEP-0368, XEP-0478 section 3.2. */
#include "lib/xmpp/xep.h"
#include "s2s/s2s-int.h"

XEP("0305", "0.3", PARTIAL, "between servers, not ahead of STARTTLS");

static void set_reason(struct s2s_out *o, enum s2s_cause c, const char *what, const char *text)
{
    o->cause = c;
    snprintf(o->last_error, sizeof o->last_error, "%s%s%s", what, text && *text ? ": " : "",
             text ? text : "");
}

/* ---- authenticating ---- */

static bool on_secured(void *ctx)
{
    struct s2s_out *o = ctx;
    o->is_secure = true;
    struct s2s_terms terms;
    const struct transport *t = stream_out_transport(o->stream);
    if (transport_tls(t)->resumed)
        o->s2s->stats.out_tls_resumed++;
    s2s_evidence_take(&o->evidence, t, str_of(o->remote));
    s2s_evidence_add_dane(&o->evidence, t, str_of(o->remote), o->vouched);
    mem_free(o->vouched);
    o->vouched = NULL;
    s2s_terms(o->s2s, str_of(o->remote), &terms);
    switch (s2s_auth_outgoing(&terms, &o->evidence)) {
    case S2S_TRUST_CERT:
        return true;
    case S2S_TRUST_DIALBACK:
        log_info(&o->log, "s2s.out.cert.unproved", "why", o->evidence.why, "decides", "dialback");
        return true;
    case S2S_TRUST_NONE:
        log_info(&o->log, "s2s.out.cert.refused", "why", o->evidence.why, "policy", terms.why);
        return false;
    }
    return false;
}

static void send_bidi(struct s2s_out *o)
{
    struct arena *a = arena_new(0);
    struct xml *bidi = xml_new(a, NS_BIDI, "bidi");
    s2s_limits_add(o->s2s, a, bidi);
    (void)stream_out_send(o->stream, bidi);
    arena_free(&a);
    o->line.is_bidi = true;
}

static bool offers_bidi(const struct s2s_out *o, const struct xml *features)
{
    return !o->s2s->conf.no_bidi && xml_child(features, NS_BIDI_FEATURE, "bidi");
}

static void note_features(struct s2s_out *o, const struct xml *features)
{
    o->is_dialback_offered =
        dialback_is_offered(features) || stream_out_header(o->stream)->dialback;
}

static void on_opened(void *ctx, struct sasl_client **client, enum sasl_mech *m)
{
    struct s2s_out *o = ctx;
    int early = s2s_domain_get(o->s2s, str_of(o->remote))->early;
    if (!o->s2s->conf.external || !s2s_evidence_proves(&o->evidence) || early < 0 ||
        (!early && !o->is_direct))
        return;
    o->is_early = true;
    if (!o->s2s->conf.no_bidi)
        send_bidi(o);
    *client = s2s_ext_client(o->local);
    *m = SASL_EXTERNAL;
}

/* Dialback, unless policy or the peer has none. Peers from before the stream feature declare the
 * namespace only. */
static enum stream_out_next by_dialback(struct s2s_out *o, const struct xml *features)
{
    note_features(o, features);
    if (o->s2s->conf.dialback && o->is_dialback_offered)
        return STREAM_OUT_READY;
    log_info(&o->log, "s2s.out.auth.none", "why",
             o->is_dialback_offered ? "dialback is switched off here"
                                    : "the peer offers no dialback");
    return STREAM_OUT_FAIL;
}

static enum stream_out_next on_features(void *ctx, const struct xml *features,
                                        struct sasl_client **client, enum sasl_mech *m)
{
    struct s2s_out *o = ctx;
    note_features(o, features);
    if (offers_bidi(o, features))
        send_bidi(o);
    if (!s2s_ext_offered(&o->s2s->conf, features, o->is_secure))
        return by_dialback(o, features);
    *client = s2s_ext_client(o->local);
    *m = SASL_EXTERNAL;
    return STREAM_OUT_SASL;
}

/* What went ahead of the features is what they say. */
static void confirm(struct s2s_out *o, const struct xml *features)
{
    note_features(o, features);
    o->line.is_bidi = o->line.is_bidi && offers_bidi(o, features);
}

static enum stream_out_next on_refused(void *ctx, enum sasl_failure f, const struct xml *features,
                                       struct sasl_client **client, enum sasl_mech *m)
{
    struct s2s_out *o = ctx;
    (void)client;
    (void)m;
    log_info(&o->log, "s2s.out.external.refused", "condition", sasl_failure_name(f));
    confirm(o, features);
    return by_dialback(o, features);
}

static void on_authenticated(void *ctx)
{
    struct s2s_out *o = ctx;
    if (!stream_out_features(o->stream))
        return;
    confirm(o, stream_out_features(o->stream));
    s2s_out_event(o, S2S_EV_AHEAD);
}

static void on_ready(void *ctx, const struct xml *features, bool sasl_done)
{
    (void)features;
    s2s_out_event(ctx, sasl_done ? S2S_EV_PROVED : S2S_EV_PLAIN);
}

/* ---- elements ---- */

/* The answer to our key. Only what we asked on this very stream counts. */
static void on_answered(void *ctx, const struct dialback_msg *m)
{
    struct s2s_out *o = ctx;
    bool is_first =
        o->state == S2S_OUT_DIALBACK && str_eqc(m->from, o->remote) && str_eqc(m->to, o->local);
    if (!is_first && o->state == S2S_OUT_READY && s2s_way_answered(o, m))
        return;
    if (!is_first) {
        log_warn(&o->log, "s2s.dialback.unasked", "from", LOG_STR(m->from), "to", LOG_STR(m->to));
        return;
    }
    if (m->type == DIALBACK_VALID) {
        s2s_out_event(o, S2S_EV_VALID);
        return;
    }
    /* XEP-0220 section 2.1.1: invalid is an error of ours, all else may pass. */
    enum s2s_cause c = m->type == DIALBACK_INVALID ? S2S_CAUSE_AUTH_DIALBACK_INVALID
                                                   : S2S_CAUSE_AUTH_DIALBACK_ERROR;
    set_reason(o, c, s2s_cause_text(c), m->condition);
    s2s_out_event(o, S2S_EV_REFUSED);
}

/* <enabled/>, <resumed/>, <failed/>. The session may be gone afterwards, o is not. */
static bool on_sm(struct s2s_out *o, const struct xml *el)
{
    bool is_ours = false, is_resumed = false;
    if (!o->line.sm || el->ns != NS_SM)
        return false;
    if (sm_state(o->line.sm) != SM_ASKED)
        return s2s_line_ack(&o->line, el);
    enum sm_state st = sm_negotiate(o->line.sm, el, &is_ours, &is_resumed);
    if (!is_ours || st == SM_ASKED)
        return is_ours;
    o->is_resumed = is_resumed;
    s2s_out_event(o, st == SM_ON ? S2S_EV_ACKS : S2S_EV_NO_ACKS);
    return true;
}

static bool is_all_acked(const struct s2s_out *o)
{
    return o->s2s->is_stopping && o->state == S2S_OUT_READY && o->line.sm &&
           !sm_pending(o->line.sm);
}

static void take(struct s2s_out *o, struct xml_doc **doc)
{
    const struct xml *el = (*doc)->root;
    if (on_sm(o, el)) {
        if (is_all_acked(o))
            s2s_out_event(o, S2S_EV_STOP);
    } else if (el->ns == NS_DIALBACK) {
        if (!s2s_line_dialback(&o->line, *doc))
            log_info(&o->log, "s2s.out.element.ignored", "name", el->name);
    } else if (el->ns == NS_SERVER && o->line.is_bidi && o->line.pairs.n) {
        s2s_line_stanza(&o->line, doc);
    } else {
        log_info(&o->log, "s2s.out.element.ignored", "name", el->name);
    }
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct s2s_out *o = ctx;
    o->line.heard_us = loop_now_us(o->s2s->loop);
    take(o, &doc);
    if (doc)
        xml_doc_free(&doc);
}

static void on_drain(void *ctx)
{
    struct s2s_out *o = ctx;
    o->line.is_blocked = false;
    s2s_line_look(&o->line);
    s2s_line_pump(&o->line);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct s2s_out *o = ctx;
    enum s2s_cause c = e->err == ERR_CERT && o->evidence.why[0]
                           ? o->evidence.cause
                           : s2s_cause_of_end(e, o->is_tls, o->is_secure);
    if (e->err == ERR_CERT && o->evidence.why[0])
        set_reason(o, c, "certificate not acceptable", o->evidence.why);
    else if (e->received != STREAM_OK)
        set_reason(o, c, stream_cond_name(e->received), e->text);
    else
        set_reason(o, c, e->text[0] ? e->text : err_text(e->err), NULL);
    o->is_blamed = e->received != STREAM_OK && e->received != STREAM_SYSTEM_SHUTDOWN &&
                   e->received != STREAM_RESET;
    bool is_clean = e->received == STREAM_OK && e->sent == STREAM_OK;
    o->is_orderly = is_clean && e->is_orderly;
    o->is_cut = is_clean && !e->is_orderly;
    s2s_out_event(o, S2S_EV_END);
}

static const struct stream_out_events stream_up = {
    .secured = on_secured,
    .opened = on_opened,
    .authenticated = on_authenticated,
    .features = on_features,
    .refused = on_refused,
    .ready = on_ready,
    .element = on_element,
    .drain = on_drain,
    .end = on_end,
};

/* ---- connecting ---- */

static void connected(struct s2s_out *o, struct transport **t, const struct dial_target *target)
{
    bool is_direct = target->direct_tls;
    char sni[256], as[256];
    bool has_sni = jid_domain_ascii(str_of(o->remote), sni) == ERR_OK;
    bool is_as = jid_domain_ascii(str_of(o->local), as) == ERR_OK;
    struct s2s_terms terms;
    s2s_terms(o->s2s, str_of(o->remote), &terms);
    mem_free(o->tls_key);
    o->tls_key = s2s_tls_key(o->local, o->remote, &(*t)->peer);
    struct tls_session *session = s2s_tls_take(&o->s2s->tls, o->tls_key);
    struct stream_out_conf c = {.content_ns = NS_SERVER,
                                .from = o->local,
                                .to = o->remote,
                                .tls = o->s2s->conf.tls_client,
                                .tls_required =
                                    terms.tls_required || target->dane == DIAL_DANE_TLSA,
                                .direct_tls = is_direct,
                                .sni = has_sni ? sni : NULL,
                                .tls_as = is_as ? as : NULL,
                                .session = session,
                                .dialback = true,
                                .limits = o->s2s->conf.limits};
    o->is_secure = o->line.is_bidi = false;
    o->is_tls = o->is_direct = is_direct;
    memset(&o->evidence, 0, sizeof o->evidence);
    mem_free(o->vouched);
    o->vouched = target->dane == DIAL_DANE_NONE ? NULL : mem_dup(target, sizeof *target);
    o->stream = stream_out_new(t, &c, &stream_up, o);
    o->is_offered = session != NULL;
    tls_session_unref(&session);
    s2s_line_connect(&o->line, NULL, o->stream);
    s2s_out_event(o, S2S_EV_CONNECTED);
}

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct s2s_out *o = ctx;
    if (e == ERR_OK) {
        connected(o, &t, &r->target);
        return;
    }
    o->cause = s2s_cause_of_dial(e);
    snprintf(o->last_error, sizeof o->last_error, "%.70s cannot be reached: %s", o->remote,
             r->why[0] ? r->why : err_text(e));
    s2s_out_event(o, S2S_EV_FAILED);
}

void s2s_out_take(struct s2s_out *o, struct transport **t)
{
    op_owner_cancel_all(&o->ops);
    connected(o, t, &(struct dial_target){0});
}

void s2s_out_dial(struct s2s_out *o)
{
    struct dial_source src;
    uint64_t limit = o->s2s->conf.tune.connect_timeout_ms;
    if (s2s_source(o->s2s, o->remote, &src) == ERR_OK) {
        dial_open(o->s2s->loop, &o->ops, src, limit > 1 ? limit - 1 : 1, on_dialed, o);
        return;
    }
    set_reason(o, S2S_CAUSE_DNS_NAME, s2s_cause_text(S2S_CAUSE_DNS_NAME), NULL);
    timer_start(&o->deadline, 0);
}

/* ---- what its line asks for ---- */

static void on_adopt(void *ctx)
{
    struct s2s_out *o = ctx;
    if (o->line.state != S2S_LINE_OPEN || o->line.is_closing)
        return;
    list_each (&o->ways, n) {
        const struct s2s_way *w = list_entry(n, struct s2s_way, link);
        struct s2s_outbox *b = s2s_outbox_find(o->s2s, str_of(w->local), str_of(w->remote));
        if (w->is_proved && b && !b->carrier)
            s2s_line_carry(&o->line, b);
    }
}

static void on_proved(void *ctx)
{
    (void)ctx; /* it is ours to send, whatever the peer proves */
}

static void on_wanted(void *ctx)
{
    struct s2s_out *o = ctx;
    if (o->state == S2S_OUT_CUT && s2s_domain_may_try(s2s_domain_get(o->s2s, str_of(o->remote))))
        timer_start(&o->again, 0);
}

static void on_idle(void *ctx)
{
    s2s_out_event(ctx, S2S_EV_IDLE);
}

static void on_dead(void *ctx, enum s2s_cause c, const char *text)
{
    struct s2s_out *o = ctx;
    set_reason(o, c, text ? text : s2s_cause_text(c), NULL);
    o->is_cut = true;
    log_info(&o->log, "s2s.out.dead", "why", o->last_error);
    s2s_out_event(o, S2S_EV_DEAD);
}

static void on_refuse(void *ctx, enum stream_cond c, const char *text)
{
    struct s2s_out *o = ctx;
    log_warn(&o->log, "s2s.out.refused", "condition", stream_cond_name(c), "why", text);
    o->line.is_closing = true;
    stream_out_close(o->stream, c, text);
}

const struct s2s_line_ops s2s_out_line_ops = {.adopt = on_adopt,
                                              .proved = on_proved,
                                              .answered = on_answered,
                                              .wanted = on_wanted,
                                              .idle = on_idle,
                                              .dead = on_dead,
                                              .refuse = on_refuse};
