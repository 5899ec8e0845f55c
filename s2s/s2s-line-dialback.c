/* DOC: dialback on a stream, in two roles: receiving server (a peer asks for a domain pair) and
 * authoritative server (another server asks whether a key is ours). Over a bidirectional stream
 * that we opened the peer may ask, too, for further domains of its. Errors are dialback errors and
 * leave the stream open; only "invalid" from the authoritative server and policy may close nothing
 * but the pair. An answer counts only where the question was asked: for results the owner of the
 * stream knows them, for keys the question itself (s2s-verify.c). Standards: XEP-0220 sections 2.2,
 * 2.4, 2.5, 3.1; XEP-0288 section 2.2; XEP-0344 (a certificate for the domain answers at once). */
#include "s2s/s2s-int.h"

static void reply(struct s2s_line *l, const struct dialback_msg *request, enum dialback_type type,
                  const char *condition)
{
    struct arena *a = arena_new(0);
    struct dialback_msg m = {.is_verify = request->is_verify,
                             .type = type,
                             .from = request->to,
                             .to = request->from,
                             .id = request->id,
                             .condition = condition};
    if (type == DIALBACK_ERROR)
        log_info(l->log, "s2s.dialback.refused", "from", LOG_STR(request->from), "condition",
                 condition);
    (void)s2s_line_el(l, dialback_build(a, &m));
    arena_free(&a);
}

/* ---- authoritative ---- */

static void on_verify(struct s2s_line *l, const struct dialback_msg *m)
{
    const struct s2s *s = l->s2s;
    if (!s->host->is_local_domain(s->ctx, m->to)) {
        reply(l, m, DIALBACK_ERROR, "item-not-found");
        return;
    }
    bool ok = dialback_key_is(&s->secret, m->from, m->to, m->id, m->key);
    log_info(l->log, ok ? "s2s.dialback.key.valid" : "s2s.dialback.key.invalid", "local",
             LOG_STR(m->to), "receiving", LOG_STR(m->from));
    s2s_domain_alive(l->s2s, m->from);
    reply(l, m, ok ? DIALBACK_VALID : DIALBACK_INVALID, NULL);
}

/* ---- receiving ---- */

static void accept(struct s2s_line *l, const struct dialback_msg *m, const char *auth)
{
    if (!s2s_may_come(l->s2s, m->from, true) || !s2s_line_add_pair(l, m->to, m->from, auth)) {
        reply(l, m, DIALBACK_ERROR, "resource-constraint");
        return;
    }
    l->s2s->stats.in_dialback++;
    log_info(l->log, "s2s.in.proved", "local", LOG_STR(m->to), "remote", LOG_STR(m->from), "auth",
             auth);
    reply(l, m, DIALBACK_VALID, NULL);
    l->ops->proved(l->ctx);
}

static void on_verified(void *ctx, const struct s2s_verify *v, enum dialback_type result,
                        const char *condition)
{
    struct s2s_line *l = ctx;
    struct dialback_msg m = {.from = str_of(v->remote), .to = str_of(v->local)};
    l->n_verifies--;
    if (l->is_closing || !s2s_line_transport(l))
        return;
    if (!str_eqc(s2s_line_stream_id(l), v->id))
        reply(l, &m, DIALBACK_ERROR, "not-acceptable"); /* the stream was restarted meanwhile */
    else if (result == DIALBACK_VALID)
        accept(l, &m, "dialback");
    else if (result == DIALBACK_INVALID)
        reply(l, &m, DIALBACK_INVALID, NULL);
    else
        reply(l, &m, DIALBACK_ERROR, condition);
}

static bool is_under_way(const struct s2s_line *l, const struct dialback_msg *m)
{
    list_each (&l->verifies, n) {
        const struct s2s_verify *v = list_entry(n, struct s2s_verify, link);
        if (str_eqc(m->from, v->remote) && str_eqc(m->to, v->local))
            return true;
    }
    return false;
}

static const char *refusal(struct s2s_line *l, const struct dialback_msg *m)
{
    const struct s2s *s = l->s2s;
    if (!s->host->is_local_domain(s->ctx, m->to))
        return "item-not-found";
    if (s->host->is_local_domain(s->ctx, m->from))
        return "not-acceptable";
    if (s->is_stopping || l->n_verifies >= S2S_VERIFIES_MAX || l->pairs.n >= S2S_PAIRS_MAX)
        return "resource-constraint";
    return s2s_may_come(l->s2s, m->from, false) ? NULL : "resource-constraint";
}

static void on_result(struct s2s_line *l, const struct dialback_msg *m)
{
    struct s2s_evidence e;
    struct s2s_terms terms;
    const char *condition = refusal(l, m);
    if (!condition && s2s_denies(l->s2s, m->from, true, &terms))
        condition = "policy-violation";
    if (condition) {
        reply(l, m, DIALBACK_ERROR, condition);
        return;
    }
    if (is_under_way(l, m))
        return; /* it will be answered once */
    s2s_evidence_take(&e, s2s_line_transport(l), m->from);
    s2s_terms(l->s2s, m->from, &terms);
    switch (s2s_auth_dialback(&terms, &e, &condition)) {
    case S2S_TRUST_CERT:
        accept(l, m, "certificate");
        return;
    case S2S_TRUST_NONE:
        reply(l, m, DIALBACK_ERROR, condition);
        return;
    case S2S_TRUST_DIALBACK:
        break;
    }
    log_info(l->log, "s2s.in.cert.unproved", "from", LOG_STR(m->from), "why", e.why, "decides",
             "dialback");
    s2s_verify_new(l, m, on_verified);
}

bool s2s_line_dialback(struct s2s_line *l, const struct xml_doc *doc)
{
    struct dialback_msg m;
    if (dialback_read(doc->arena, doc->root, &m) != ERR_OK)
        return false;
    if (l->is_closing)
        return true;
    bool may_ask = l->in || l->is_bidi;
    if (m.type == DIALBACK_REQUEST && m.is_verify && may_ask)
        on_verify(l, &m);
    else if (m.type == DIALBACK_REQUEST && !m.is_verify && may_ask)
        on_result(l, &m);
    else if (m.type != DIALBACK_REQUEST && m.is_verify && s2s_verify_answered(&l->questions, &m))
        return true;
    else if (m.type != DIALBACK_REQUEST && !m.is_verify && l->ops->answered)
        l->ops->answered(l->ctx, &m);
    else
        log_warn(l->log, "s2s.dialback.unasked", "from", LOG_STR(m.from), "to", LOG_STR(m.to));
    return true;
}
