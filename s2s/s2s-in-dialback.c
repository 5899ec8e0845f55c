/* DOC: dialback on an incoming stream, in two roles: receiving server (a peer asks for a domain
 * pair) and authoritative server (another server asks whether a key is ours). Errors are dialback
 * errors and leave the stream open; only "invalid" from the authoritative server and policy may
 * close nothing but the pair. Standards: XEP-0220 sections 2.2, 2.4, 2.5; XEP-0344 (a certificate
 * for the domain answers at once). */
#include "s2s/s2s-int.h"

static void reply(struct s2s_in *in, const struct dialback_msg *request, enum dialback_type type,
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
        log_info(&in->log, "s2s.dialback.refused", "from", LOG_STR(request->from), "condition",
                 condition);
    (void)stream_in_send(in->stream, dialback_build(a, &m));
    arena_free(&a);
}

/* ---- authoritative ---- */

static void on_verify(struct s2s_in *in, const struct dialback_msg *m)
{
    const struct s2s *s = in->s2s;
    if (!s->host->is_local_domain(s->ctx, m->to)) {
        reply(in, m, DIALBACK_ERROR, "item-not-found");
        return;
    }
    bool ok = dialback_key_is(&s->secret, m->from, m->to, m->id, m->key);
    log_info(&in->log, ok ? "s2s.dialback.key.valid" : "s2s.dialback.key.invalid", "local",
             LOG_STR(m->to), "receiving", LOG_STR(m->from));
    s2s_domain_alive(in->s2s, m->from);
    reply(in, m, ok ? DIALBACK_VALID : DIALBACK_INVALID, NULL);
}

/* ---- receiving ---- */

static void accept(struct s2s_in *in, const struct dialback_msg *m, const char *auth)
{
    if (!s2s_in_add_pair(in, m->to, m->from, auth)) {
        reply(in, m, DIALBACK_ERROR, "resource-constraint");
        return;
    }
    reply(in, m, DIALBACK_VALID, NULL);
    stream_in_set_authenticated(in->stream);
}

static void on_verified(void *ctx, const struct s2s_verify *v, enum dialback_type result,
                        const char *condition)
{
    struct s2s_in *in = ctx;
    struct dialback_msg m = {.from = str_of(v->remote), .to = str_of(v->local)};
    in->n_verifies--;
    if (in->is_closing)
        return;
    if (strcmp(v->id, stream_in_id(in->stream)) != 0)
        reply(in, &m, DIALBACK_ERROR, "not-acceptable"); /* the stream was restarted meanwhile */
    else if (result == DIALBACK_VALID)
        accept(in, &m, "dialback");
    else if (result == DIALBACK_INVALID)
        reply(in, &m, DIALBACK_INVALID, NULL);
    else
        reply(in, &m, DIALBACK_ERROR, condition);
}

static bool is_under_way(const struct s2s_in *in, const struct dialback_msg *m)
{
    list_each (&in->verifies, n) {
        const struct s2s_verify *v = list_entry(n, struct s2s_verify, link);
        if (str_eqc(m->from, v->remote) && str_eqc(m->to, v->local))
            return true;
    }
    return false;
}

static const char *refusal(struct s2s_in *in, const struct dialback_msg *m)
{
    const struct s2s *s = in->s2s;
    if (!s->host->is_local_domain(s->ctx, m->to))
        return "item-not-found";
    if (s->host->is_local_domain(s->ctx, m->from))
        return "not-acceptable";
    if (s->is_stopping || in->n_verifies >= S2S_VERIFIES_MAX || in->pairs.n >= S2S_PAIRS_MAX)
        return "resource-constraint";
    return NULL;
}

static void on_result(struct s2s_in *in, const struct dialback_msg *m)
{
    struct s2s_evidence e;
    const char *condition = refusal(in, m);
    if (condition) {
        reply(in, m, DIALBACK_ERROR, condition);
        return;
    }
    if (is_under_way(in, m))
        return; /* it will be answered once */
    s2s_evidence_take(&e, stream_in_transport(in->stream), m->from);
    switch (s2s_auth_dialback(&in->s2s->conf, &e, &condition)) {
    case S2S_TRUST_CERT:
        accept(in, m, "certificate");
        return;
    case S2S_TRUST_NONE:
        reply(in, m, DIALBACK_ERROR, condition);
        return;
    case S2S_TRUST_DIALBACK:
        break;
    }
    log_info(&in->log, "s2s.in.cert.unproved", "from", LOG_STR(m->from), "why", e.why, "decides",
             "dialback");
    struct s2s_verify *v = s2s_verify_new(in->s2s, m, stream_in_id(in->stream), on_verified, in);
    list_push(&in->verifies, &v->link);
    in->n_verifies++;
}

void s2s_in_dialback(struct s2s_in *in, struct xml_doc *doc)
{
    struct dialback_msg m;
    if (in->is_closing)
        return;
    if (dialback_read(doc->arena, doc->root, &m) != ERR_OK) {
        log_info(&in->log, "s2s.dialback.malformed", "name", doc->root->name);
        s2s_in_close(in, STREAM_BAD_FORMAT, "this is no dialback element");
    } else if (m.type != DIALBACK_REQUEST) {
        log_warn(&in->log, "s2s.dialback.unasked", "from", LOG_STR(m.from), "to", LOG_STR(m.to));
    } else if (m.is_verify) {
        on_verify(in, &m);
    } else {
        on_result(in, &m);
    }
}
