/* DOC: one incoming stream: who may say what.
 * Design: the stream proves domain pairs, by SASL EXTERNAL (the from of its header) and by dialback
 * (any number). A stanza is delivered when (to.domain, from.domain) is such a pair; all else closes
 * the stream with the error of RFC 6120 section 4.9.3. Standards: RFC 6120
 * sections 4.7, 4.9.3, 8.1.1.2, 8.1.2.2; XEP-0178; XEP-0220 section 2.2. */
#include "s2s/s2s-int.h"

/* ---- pairs ---- */

bool s2s_in_has_pair(const struct s2s_in *in, struct str local, struct str remote)
{
    for (size_t i = 0; i < in->pairs.n; i++)
        if (str_eqc(local, in->pairs.p[i].local) && str_eqc(remote, in->pairs.p[i].remote))
            return true;
    return false;
}

bool s2s_in_add_pair(struct s2s_in *in, struct str local, struct str remote, const char *auth)
{
    s2s_domain_alive(in->s2s, remote);
    if (s2s_in_has_pair(in, local, remote))
        return true;
    if (in->pairs.n >= S2S_PAIRS_MAX)
        return false;
    struct s2s_pair p = {.local = str_dup(local), .remote = str_dup(remote), .auth = auth};
    vec_push(&in->pairs, p);
    *(strcmp(auth, "external") == 0 ? &in->s2s->stats.in_external : &in->s2s->stats.in_dialback) +=
        1;
    log_info(&in->log, "s2s.in.proved", "local", p.local, "auth", auth);
    return true;
}

static bool has_remote(const struct s2s_in *in, struct str remote)
{
    for (size_t i = 0; i < in->pairs.n; i++)
        if (str_eqc(remote, in->pairs.p[i].remote))
            return true;
    return false;
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
    return STREAM_OK;
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
        if (from.p)
            s2s_domain_alive(in->s2s, from);
        if (in->external)
            (void)s2s_in_add_pair(in, to, str_of(in->external), "external");
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
    if (in->s2s->conf.dialback)
        dialback_offer(a, features);
}

/* ---- SASL EXTERNAL ---- */

static void evidence(const struct s2s_in *in, struct s2s_evidence *e)
{
    s2s_evidence_take(e, stream_in_transport(in->stream), str_of(in->claimed));
}

static unsigned on_mechanisms(void *ctx)
{
    struct s2s_in *in = ctx;
    struct s2s_evidence e;
    if (!in->claimed)
        return 0;
    evidence(in, &e);
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
    replace(&in->external, str_of(in->claimed));
    (void)s2s_in_add_pair(in, str_of(in->to), str_of(in->external), "external");
    return SASL_FAIL_NONE;
}

/* ---- stanzas ---- */

static enum stream_cond check_addresses(const struct s2s_in *in, const struct stanza *st)
{
    const struct s2s *s = in->s2s;
    if (!jid_is_set(&st->from) || !jid_is_set(&st->to))
        return STREAM_IMPROPER_ADDRESSING;
    if (!has_remote(in, st->from.domain))
        return STREAM_INVALID_FROM;
    if (!s->host->is_local_domain(s->ctx, st->to.domain))
        return STREAM_HOST_UNKNOWN;
    return s2s_in_has_pair(in, st->to.domain, st->from.domain) ? STREAM_OK : STREAM_INVALID_FROM;
}

/* The answer to a malformed stanza goes back over our own stream, if its addresses are those of
 * this one. */
static void answer_malformed(struct s2s_in *in, struct stanza *reply)
{
    bool ok = reply && jid_is_set(&reply->to) && jid_is_set(&reply->from) &&
              s2s_in_has_pair(in, reply->from.domain, reply->to.domain);
    if (ok)
        s2s_send(in->s2s, reply, NULL);
    else
        stanza_unref(&reply);
}

static void on_stanza(struct s2s_in *in, struct xml_doc **doc)
{
    struct stanza *st, *reply = NULL;
    bool is_unknown = false;
    if (!in->pairs.n) {
        log_info(&in->log, "s2s.in.early", "name", (*doc)->root->name);
        s2s_in_close(in, STREAM_NOT_AUTHORIZED, "authenticate first");
        return;
    }
    if ((*doc)->root->ns != NS_SERVER) {
        s2s_in_close(in, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    enum stanza_cond bad = stanza_from_doc(doc, &st, &reply, &is_unknown);
    if (is_unknown) {
        s2s_in_close(in, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        return;
    }
    if (bad != STANZA_OK) {
        log_info(&in->log, "s2s.in.stanza.malformed", "condition", stanza_cond_name(bad));
        answer_malformed(in, reply);
        return;
    }
    enum stream_cond c = check_addresses(in, st);
    if (c == STREAM_OK) {
        in->stanzas++;
        in->s2s->host->deliver(in->s2s->ctx, st, (struct s2s_receipt){0});
        return;
    }
    log_warn(&in->log, "s2s.in.stanza.refused", "condition", stream_cond_name(c), "from",
             LOG_STR(st->from.domain), "to", LOG_STR(st->to.domain));
    stanza_unref(&st);
    s2s_in_close(in, c, NULL);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct s2s_in *in = ctx;
    in->active_us = loop_now_us(in->s2s->loop);
    if (str_eqc(str_of(doc->root->ns), NS_DIALBACK))
        s2s_in_dialback(in, doc);
    else
        on_stanza(in, &doc);
    if (doc)
        xml_doc_free(&doc);
}

void s2s_received(struct s2s *s, struct s2s_receipt r)
{
    (void)s;
    must(r.stream == 0); /* no incoming stream acknowledges yet */
}

/* ---- life ---- */

static void on_end(void *ctx, const struct stream_end *e)
{
    struct s2s_in *in = ctx;
    log_info(&in->log, "s2s.in.closed", "why", e->text[0] ? e->text : err_text(e->err), "stanzas",
             LOG_NUM(in->stanzas));
    s2s_in_free(in);
}

static const struct stream_in_events stream_up = {
    .header = on_header,
    .features = on_features,
    .mechanisms = on_mechanisms,
    .need = on_need,
    .authenticated = on_authenticated,
    .element = on_element,
    .end = on_end,
};

static void on_idle(void *ctx)
{
    struct s2s_in *in = ctx;
    uint64_t quiet_ms = (loop_now_us(in->s2s->loop) - in->active_us) / 1000;
    uint64_t limit_ms = in->s2s->conf.tune.idle_timeout_ms;
    if (quiet_ms < limit_ms) {
        timer_start(&in->idle, limit_ms - quiet_ms);
        return;
    }
    log_debug(&in->log, "s2s.in.idle");
    s2s_in_close(in, STREAM_OK, NULL);
}

void s2s_in_close(struct s2s_in *in, enum stream_cond c, const char *text_or_null)
{
    if (c != STREAM_OK)
        str_put(in->last_error, sizeof in->last_error, stream_cond_name(c));
    in->is_closing = true;
    timer_stop(&in->idle);
    stream_in_close(in->stream, c, text_or_null);
}

void s2s_in_new(struct s2s *s, struct transport *t, bool direct, const struct stream_rate *rate)
{
    struct s2s_in *in = mem_alloc(sizeof *in);
    if (direct)
        t = tls_server(&t, s->conf.tls_server);
    in->s2s = s;
    in->since_us = in->active_us = loop_now_us(s->loop);
    in->log = (struct log_scope){.key1 = "direction", .value1 = "in", .key2 = "remote"};
    list_init(&in->verifies);
    timer_init(&in->idle, s->loop, on_idle, in);
    timer_start(&in->idle, s->conf.tune.idle_timeout_ms);
    list_push(&s->ins, &in->link);
    in->stream = stream_in_new(&t, &s->in_conf, &stream_up, in);
    stream_in_set_rate(in->stream, rate);
}

void s2s_in_free(struct s2s_in *in)
{
    struct s2s *s = in->s2s;
    list_each (&in->verifies, n)
        s2s_verify_free(list_entry(n, struct s2s_verify, link));
    for (size_t i = 0; i < in->pairs.n; i++) {
        mem_free(in->pairs.p[i].local);
        mem_free(in->pairs.p[i].remote);
    }
    vec_fini(&in->pairs);
    timer_stop(&in->idle);
    stream_in_free(&in->stream);
    list_del(&in->link);
    mem_free(in->claimed);
    mem_free(in->to);
    mem_free(in->external);
    mem_free(in);
    s2s_check_stopped(s);
}
