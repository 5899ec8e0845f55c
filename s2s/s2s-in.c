/* DOC: one incoming stream: header, features, authentication, end.
 * Design: the stream proves domain pairs, by SASL EXTERNAL (the from of its header) and by dialback
 * (any number); what it may say then is checked in s2s-line-in.c. When the peer asked for it, it is
 * bidirectional: outboxes of the inverse pairs come to it. It then sends when the peer has enabled
 * stream management or sent a stanza without it, so that what we send is numbered if anything is;
 * what waits before that takes a stream of our own. Sessions that can be resumed are in
 * s2s-in-session.c. Standards: RFC 6120 section 4.7; XEP-0178; XEP-0220 section 2.2; XEP-0288;
 * XEP-0305; XEP-0478. */
#include "s2s/s2s-int.h"

/* ---- who has proved nothing yet ----
 * Past the bound the oldest goes, not the newest: whoever means it proves himself within seconds,
 * so a crowd that only holds connections cannot keep him out. */

static void has_proved(struct s2s_in *in)
{
    struct s2s *s = in->s2s;
    if (!in->is_unproved)
        return;
    in->is_unproved = false;
    list_del(&in->unproved);
    s->n_unproved--;
    if (s->n_unproved < s->conf.unproved_max / 2)
        s->is_crowded = false;
}

static void drop_oldest(struct s2s *s)
{
    struct s2s_in *in = container_of(s->unproved.next, struct s2s_in, unproved);
    if (!s->is_crowded)
        log_warn(NULL, "s2s.in.crowded", "streams", LOG_NUM(s->n_unproved), "why",
                 "so many have proved nothing; the oldest make room");
    s->is_crowded = true;
    stream_in_abort(&in->stream);
    s2s_in_free(in);
}

static void has_come(struct s2s_in *in)
{
    struct s2s *s = in->s2s;
    if (s->n_unproved >= s->conf.unproved_max)
        drop_oldest(s);
    in->is_unproved = true;
    list_push(&s->unproved, &in->unproved);
    s->n_unproved++;
}

/* ---- header ---- */

static void replace(char **to, struct str value)
{
    mem_free(*to);
    *to = str_dup(value);
}

static bool read_domain(struct arena *a, struct str text, struct str *out)
{
    struct jid j;
    if (!text.n || text.n > JID_PART_MAX || jid_parse(a, text, &j, NULL) != ERR_OK ||
        !str_eq(j.full, j.domain))
        return false;
    *out = j.domain;
    return true;
}

static enum stream_cond check_header(struct s2s_in *in, const struct stream_header *h,
                                     struct str from, struct str to)
{
    const struct s2s *s = in->s2s;
    if (!s->host->is_local_domain(s->ctx, to))
        return STREAM_HOST_UNKNOWN;
    if (from.p && s->host->is_local_domain(s->ctx, from))
        return STREAM_INVALID_FROM; /* nobody else is us */
    if (in->external && h->from.p && !str_eqc(from, in->external))
        return STREAM_INVALID_FROM; /* proved somebody else */
    struct s2s_terms terms;
    if (from.p && s2s_denies(in->s2s, from, true, &terms))
        return STREAM_POLICY_VIOLATION;
    return STREAM_OK;
}

static void prove_external(struct s2s_in *in)
{
    struct str to = str_of(in->to), from = str_of(in->external);
    bool is_new = !s2s_line_has_pair(&in->line, to, from);
    if (!s2s_line_add_pair(&in->line, to, from, "external") || !is_new)
        return;
    has_proved(in);
    in->s2s->stats.in_external++;
    s2s_domain_note(in->s2s, from, true, S2S_CAUSE_NONE, NULL);
    log_info(&in->log, "s2s.in.proved", "local", in->to, "auth", "external");
}

static enum stream_cond on_header(void *ctx, const struct stream_header *h)
{
    struct s2s_in *in = ctx;
    struct str from = STR_NONE, to = STR_NONE;
    struct arena *a = arena_new(0);
    enum stream_cond c = STREAM_OK;
    if (!h->to.p)
        c = STREAM_IMPROPER_ADDRESSING;
    else if (!read_domain(a, h->to, &to))
        c = STREAM_HOST_UNKNOWN;
    else if (h->from.p && !read_domain(a, h->from, &from))
        c = STREAM_INVALID_FROM;
    else
        c = check_header(in, h, from, to);
    if (c == STREAM_OK) {
        replace(&in->to, to);
        replace(&in->claimed, from);
        in->log.value2 = in->claimed;
        stream_in_hand_over(in->stream, s2s_in_conf_for(in->s2s, from), in);
        if (from.p)
            s2s_domain_alive(in->s2s, from);
        if (in->external) {
            prove_external(in);
        } else {
            in->line.is_bidi = false; /* what was asked for before TLS does not count */
            s2s_in_dane_ask(in);
        }
    } else {
        log_info(&in->log, "s2s.in.header.refused", "condition", stream_cond_name(c), "to",
                 LOG_STR(h->to), "from", LOG_STR(h->from));
    }
    arena_free(&a);
    return c;
}

static void on_features(void *ctx, struct arena *a, struct xml *features)
{
    struct s2s_in *in = ctx;
    const struct s2s_conf *c = &in->s2s->conf;
    if (c->dialback)
        dialback_offer(a, features);
    if (!c->no_bidi && !in->external)
        xml_add(a, features, NS_BIDI_FEATURE, "bidi");
    if (!c->no_acks)
        xml_add(a, xml_add(a, features, NS_SM, "sm"), NS_MERIDIAN_SM, "id");
    xml_add(a, features, NS_PIPELINING, "pipelining");
    s2s_limits_add(in->s2s, a, features);
}

/* ---- SASL EXTERNAL ---- */

static void evidence(const struct s2s_in *in, struct s2s_evidence *e)
{
    s2s_evidence_take(e, stream_in_transport(in->stream), str_of(in->claimed));
    if (in->is_vouched)
        s2s_evidence_vouched(e);
}

static unsigned on_mechanisms(void *ctx)
{
    struct s2s_in *in = ctx;
    struct s2s_evidence e;
    if (!in->claimed)
        return 0;
    evidence(in, &e);
    in->cert = e.cause;
    if (s2s_ext_acceptable(&in->s2s->conf, &e))
        return 1U << SASL_EXTERNAL;
    if (in->s2s->conf.external && e.is_secure)
        log_info(&in->log, "s2s.in.external.not-offered", "why", e.why);
    return 0;
}

static void on_need(void *ctx, const struct stream_in_need *n)
{
    struct s2s_in *in = ctx;
    struct s2s_evidence e;
    enum sasl_failure f = SASL_FAIL_NOT_AUTHORIZED;
    if (n->what == STREAM_NEED_IDENTITY && in->claimed) {
        evidence(in, &e);
        f = s2s_ext_identity(&in->s2s->conf, &e, n->authzid, in->claimed);
    }
    stream_in_verdict(in->stream, f);
}

static enum sasl_failure on_authenticated(void *ctx, enum sasl_mech m, struct str user,
                                          struct str authzid)
{
    struct s2s_in *in = ctx;
    (void)user;
    (void)authzid;
    if (m != SASL_EXTERNAL || !in->claimed)
        return SASL_FAIL_NOT_AUTHORIZED;
    if (!s2s_may_come(in->s2s, str_of(in->claimed), true))
        return SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    replace(&in->external, str_of(in->claimed));
    prove_external(in);
    s2s_in_may_move(in);
    return SASL_FAIL_NONE;
}

/* ---- both ways ---- */

/* The peer sends without <enable/>: what we send is not numbered, either. */
static void begin_unacked(struct s2s_in *in)
{
    if (in->line.is_bidi && in->line.state == S2S_LINE_SHUT && in->line.pairs.n)
        s2s_in_begin(in);
}

static void on_hold(void *ctx)
{
    s2s_in_tick(ctx);
}

static void on_move(void *ctx)
{
    s2s_in_move(ctx);
}

void s2s_in_begin(struct s2s_in *in)
{
    s2s_bidi_open(in);
    s2s_line_open(&in->line);
}

static void on_proved(void *ctx)
{
    struct s2s_in *in = ctx;
    const struct s2s_pair *p = &in->line.pairs.p[in->line.pairs.n - 1];
    has_proved(in);
    s2s_domain_note(in->s2s, str_of(p->remote), true, S2S_CAUSE_NONE, NULL);
    s2s_domain_alive(in->s2s, str_of(p->remote));
    stream_in_set_authenticated(in->stream);
    if (in->line.is_bidi && in->line.state == S2S_LINE_OPEN)
        s2s_in_begin(in);
    s2s_in_may_move(in);
}

static void on_adopt(void *ctx)
{
    struct s2s_in *in = ctx;
    if (in->line.state != S2S_LINE_OPEN || in->line.is_closing)
        return;
    for (size_t i = 0; i < in->line.pairs.n; i++) {
        const struct s2s_pair *p = &in->line.pairs.p[i];
        struct s2s_outbox *b = s2s_outbox_find(in->s2s, str_of(p->local), str_of(p->remote));
        if (b && !b->carrier)
            s2s_line_carry(&in->line, b);
    }
}

/* Before authentication, XEP-0288 section 2.2; after TLS, section 2.1. */
static bool on_bidi(struct s2s_in *in, const struct xml *el)
{
    if (!xml_is(el, NS_BIDI, "bidi"))
        return false;
    if (in->s2s->conf.no_bidi || in->line.pairs.n) {
        s2s_in_close(in, STREAM_UNSUPPORTED_STANZA_TYPE, "bidi is not offered now");
        return true;
    }
    in->line.is_bidi = true;
    s2s_limits_read(&in->line, el);
    return true;
}

/* ---- elements ---- */

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct s2s_in *in = ctx;
    in->line.heard_us = loop_now_us(in->s2s->loop);
    if (doc->root->ns == NS_DIALBACK) {
        if (!s2s_line_dialback(&in->line, doc)) {
            log_info(&in->log, "s2s.dialback.malformed", "name", doc->root->name);
            s2s_in_close(in, STREAM_BAD_FORMAT, "this is no dialback element");
        }
    } else if (!on_bidi(in, doc->root) && !s2s_line_ack(&in->line, doc->root) &&
               !s2s_in_session(in, doc->root)) {
        begin_unacked(in);
        s2s_line_stanza(&in->line, &doc);
    }
    if (doc)
        xml_doc_free(&doc);
}

static void on_drain(void *ctx)
{
    struct s2s_in *in = ctx;
    in->line.is_blocked = false;
    s2s_line_look(&in->line);
    s2s_line_pump(&in->line);
}

/* ---- life ---- */

/* Nothing but a certificate would have proved it. */
static bool is_cert_wanted(const struct s2s_in *in)
{
    struct s2s_terms t;
    s2s_terms(in->s2s, str_of(in->claimed), &t);
    return in->cert != S2S_CAUSE_NONE && (t.needs_cert || !t.dialback);
}

static void note_end(struct s2s_in *in, const struct stream_end *e)
{
    enum s2s_cause c;
    bool is_ours = in->line.is_closing && e->sent == STREAM_OK;
    if (in->line.pairs.n || !in->claimed || is_ours || in->s2s->is_stopping)
        return;
    c = s2s_cause_of_end(e, false, stream_in_is_secure(in->stream));
    if (is_cert_wanted(in))
        s2s_domain_note(in->s2s, str_of(in->claimed), true, in->cert, NULL);
    else
        s2s_domain_note(in->s2s, str_of(in->claimed), true, c, e->text);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct s2s_in *in = ctx;
    log_info(&in->log, "s2s.in.closed", "why", e->text[0] ? e->text : err_text(e->err), "stanzas",
             LOG_NUM(in->line.received));
    note_end(in, e);
    if (!s2s_in_hold(in, e))
        s2s_in_free(in);
}

static const struct stream_in_events stream_up = {
    .header = on_header,
    .features = on_features,
    .mechanisms = on_mechanisms,
    .need = on_need,
    .authenticated = on_authenticated,
    .element = on_element,
    .drain = on_drain,
    .end = on_end,
};

void s2s_in_close(struct s2s_in *in, enum stream_cond c, const char *text_or_null)
{
    if (!in->stream) { /* cut: nobody to tell */
        s2s_in_free(in);
        return;
    }
    if (c != STREAM_OK)
        str_put(in->last_error, sizeof in->last_error, stream_cond_name(c));
    if (in->line.sm)
        sm_flush(in->line.sm);
    in->line.is_closing = true;
    timer_stop(&in->line.quiet);
    s2s_bidi_close(in);
    stream_in_close(in->stream, c, text_or_null);
}

static void on_wanted(void *ctx)
{
    struct s2s_in *in = ctx;
    s2s_in_hurry(in);
}

static void on_idle(void *ctx)
{
    struct s2s_in *in = ctx;
    log_debug(&in->log, "s2s.in.idle");
    s2s_in_close(in, STREAM_OK, NULL);
}

/* It is cut, as far as we are concerned. */
static void on_dead(void *ctx, enum s2s_cause c, const char *text)
{
    struct s2s_in *in = ctx;
    static const struct stream_end end = {.err = ERR_TIMEOUT};
    log_info(&in->log, "s2s.in.dead", "why", text ? text : s2s_cause_text(c));
    if (!s2s_in_hold(in, &end))
        s2s_in_free(in);
}

static void on_refuse(void *ctx, enum stream_cond c, const char *text)
{
    s2s_in_close(ctx, c, text);
}

static const struct s2s_line_ops line_ops = {.adopt = on_adopt,
                                             .proved = on_proved,
                                             .wanted = on_wanted,
                                             .idle = on_idle,
                                             .dead = on_dead,
                                             .refuse = on_refuse};

struct s2s_in *s2s_in_make(struct s2s *s)
{
    struct s2s_in *in = mem_alloc(sizeof *in);
    in->s2s = s;
    in->since_us = loop_now_us(s->loop);
    in->log = (struct log_scope){.key1 = "direction", .value1 = "in", .key2 = "remote"};
    s2s_line_init(&in->line, s, &line_ops, in, &in->log);
    timer_init(&in->hold, s->loop, on_hold, in);
    defer_init(&in->move, on_move, in);
    list_push(&s->ins, &in->link);
    timer_start(&in->line.quiet, s->conf.tune.idle_timeout_ms);
    return in;
}

struct stream_in *s2s_in_attach(struct s2s_in *in, struct stream_parcel **p)
{
    struct stream_in *stream = stream_in_attach(p, in->s2s->loop, &stream_up, in);
    stream_in_hand_over(stream, s2s_in_conf_for(in->s2s, str_of(in->claimed)), in);
    return stream;
}

void s2s_in_new(struct s2s *s, struct transport *t, bool direct, const struct stream_rate *rate)
{
    struct s2s_in *in = s2s_in_make(s);
    if (direct)
        t = tls_server(&t, s->conf.tls_server);
    in->stream = stream_in_new(&t, &s->in_conf, &stream_up, in);
    stream_in_set_rate(in->stream, rate);
    has_come(in);
    s2s_line_connect(&in->line, in->stream, NULL);
}

void s2s_in_free(struct s2s_in *in)
{
    struct s2s *s = in->s2s;
    has_proved(in); /* or will not any more */
    s2s_in_forget(in);
    s2s_in_dane_stop(in);
    s2s_bidi_close(in);
    timer_stop(&in->hold);
    defer_cancel(&in->move);
    in->line.in = NULL;
    stream_in_free(&in->stream);
    s2s_line_give_up(&in->line, false, S2S_CAUSE_NONE, NULL);
    s2s_line_fini(&in->line);
    list_del(&in->link);
    mem_free(in->claimed);
    mem_free(in->to);
    mem_free(in->external);
    mem_free(in);
    s2s_check_stopped(s);
}
