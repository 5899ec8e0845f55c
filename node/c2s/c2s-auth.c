/* DOC: who the client is. The header names the domain, SASL the account; keys and passwords come
 * from node/auth, from whatever region has the account. Mechanisms: SCRAM with the configured
 * hashes, PLAIN (the engine offers it over TLS only). The offer is made before the account is
 * known: one that lacks the keys of a hash fails with it as with a wrong password. Acting as
 * somebody else is not offered: the authzid is empty or the bare JID itself. Standards: RFC 6120
 * sections 4.7, 6; RFC 5802; RFC 4616. */
#include "lib/base/log.h"
#include "node/auth/account.h"
#include "node/c2s/c2s-int.h"

/* ---- header */
/* The domain the client wants: one of ours and nothing but a domain. */
static enum stream_cond header_domain(struct conn *c, struct arena *a, struct str to,
                                      struct str *out)
{
    struct jid j;
    if (!to.p)
        return STREAM_HOST_UNKNOWN;
    if (jid_parse(a, to, &j, NULL) != ERR_OK)
        return STREAM_IMPROPER_ADDRESSING;
    if (j.local.p || j.resource.p || !node_serves(c->sh->node, j.domain))
        return STREAM_HOST_UNKNOWN;
    *out = j.domain;
    return STREAM_OK;
}

/* After authentication the stream is about the account: same domain, no other from. */
static enum stream_cond header_account(const struct conn *c, struct arena *a,
                                       const struct stream_header *h, struct str domain)
{
    struct jid from;
    if (!str_eq(domain, c->jid.domain))
        return STREAM_HOST_UNKNOWN;
    if (!h->from.p)
        return STREAM_OK;
    if (jid_parse(a, h->from, &from, NULL) != ERR_OK || !jid_bare_eq(&from, &c->jid))
        return STREAM_INVALID_FROM;
    return STREAM_OK;
}

enum stream_cond conn_header(void *ctx, const struct stream_header *h)
{
    struct conn *c = ctx;
    struct arena *a = arena_new(0);
    struct str domain = STR_NONE;
    enum stream_cond cond =
        h->content_ns == NS_CLIENT ? header_domain(c, a, h->to, &domain) : STREAM_INVALID_NAMESPACE;
    if (cond == STREAM_OK && c->state != CONN_AUTH)
        cond = header_account(c, a, h, domain);
    if (cond == STREAM_OK) {
        mem_free(c->domain);
        c->domain = str_dup(domain);
    } else {
        log_info(NULL, "c2s.header.refused", "to", LOG_STR(h->to), "why", stream_cond_name(cond));
    }
    arena_free(&a);
    return cond;
}

unsigned conn_mechanisms(void *ctx)
{
    const struct conn *c = ctx;
    const unsigned digests = c->sh->node->conf->scram_digests;
    unsigned set = 1U << SASL_PLAIN;
    for (unsigned m = 0; m < SASL_MECH_COUNT; m++)
        if (sasl_mech_is_scram((enum sasl_mech)m) &&
            digests & 1U << sasl_mech_digest((enum sasl_mech)m))
            set |= 1U << m;
    if (conn_external_offered(c))
        set |= 1U << SASL_EXTERNAL;
    if (c->sh->node->conf->anonymous)
        set |= 1U << SASL_ANONYMOUS;
    if (c->sh->node->conf->fast_validity_ms)
        set |= SASL_MECHS_HT;
    return c->sh->node->conf->channel_binding
               ? set
               : set & ~(unsigned)(SASL_MECHS_PLUS | SASL_MECHS_HT_BOUND);
}

/* ---- what SASL needs */
static void on_keys(void *ctx, enum err e, const struct account_info *a)
{
    struct conn *c = ctx;
    c->sh->stats.c2s_auth_unavailable += e != ERR_OK;
    if (e != ERR_OK) {
        conn_try_void(c);
        stream_in_verdict(c->stream, SASL_FAIL_TEMPORARY_AUTH_FAILURE);
    } else
        stream_in_keys(c->stream, a->exists && a->has_keys ? &a->keys : NULL);
}

static void on_verified(void *ctx, enum err e)
{
    struct conn *c = ctx;
    enum sasl_failure f = e == ERR_OK     ? SASL_FAIL_NONE
                          : e == ERR_AUTH ? SASL_FAIL_NOT_AUTHORIZED
                                          : SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    c->sh->stats.c2s_auth_unavailable += f == SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    if (f == SASL_FAIL_TEMPORARY_AUTH_FAILURE) {
        conn_try_void(c);
        log_warn(NULL, "c2s.auth.unavailable", "why", err_text(e));
    }
    stream_in_verdict(c->stream, f);
}

void conn_need(void *ctx, const struct stream_in_need *n)
{
    struct conn *c = ctx;
    conn_inline_free(c);
    if (stream_in_request(c->stream))
        (void)conn_login_new(c);
    if (n->what == STREAM_NEED_IDENTITY) {
        conn_external_need(c, n->authzid);
        return;
    }
    if (n->what == STREAM_NEED_TOKEN) {
        conn_fast_need(c, n);
        return;
    }
    struct arena *a = arena_new(0);
    struct jid j;
    bool ok = jid_make(a, n->user, str_of(c->domain), STR_NONE, &j) == ERR_OK && j.local.n;
    if (!conn_try_begin(c, ok ? j.full : n->user)) {
        stream_in_verdict(c->stream, SASL_FAIL_TEMPORARY_AUTH_FAILURE);
        arena_free(&a);
        return;
    }
    switch (n->what) {
    case STREAM_NEED_KEYS:
        if (ok)
            account_lookup(c->sh, &c->ops, j.full, true, n->digest, on_keys, c);
        else
            stream_in_keys(c->stream, NULL);
        break;
    case STREAM_NEED_PASSWORD:
        if (ok)
            account_verify(c->sh, &c->ops, j.full, n->password, on_verified, c);
        else
            stream_in_verdict(c->stream, SASL_FAIL_NOT_AUTHORIZED);
        break;
    case STREAM_NEED_IDENTITY:
    case STREAM_NEED_TOKEN:
        break;
    }
    arena_free(&a);
}

/* ---- the last word */
static bool authzid_is(struct arena *a, struct str authzid, const struct jid *self)
{
    struct jid j;
    return !authzid.n || (jid_parse(a, authzid, &j, NULL) == ERR_OK && jid_eq(&j, self));
}

static void unbound_late(void *ctx)
{
    conn_close(ctx, STREAM_CONNECTION_TIMEOUT, "no resource was bound");
}

void conn_unbound(struct conn *c)
{
    conn_set_state(c, CONN_UNBOUND);
    conn_deadline(c, unbound_late, c->sh->node->conf->limits.auth_timeout_ms);
}

enum sasl_failure conn_authenticated(void *ctx, enum sasl_mech m, struct str user,
                                     struct str authzid)
{
    struct conn *c = ctx;
    struct arena *a = arena_new(0);
    struct jid j;
    enum sasl_failure f = SASL_FAIL_NONE;
    if (m == SASL_EXTERNAL)
        f = conn_external_account(c, authzid, a, &j);
    else if (m == SASL_ANONYMOUS)
        f = conn_anonymous_account(c, a, &j);
    else if (jid_make(a, user, str_of(c->domain), STR_NONE, &j) != ERR_OK)
        f = SASL_FAIL_NOT_AUTHORIZED;
    else if (!authzid_is(a, authzid, &j))
        f = SASL_FAIL_INVALID_AUTHZID;
    if (f == SASL_FAIL_NONE && m != SASL_ANONYMOUS && stream_in_request(c->stream) &&
        conn_inline_is_other(c, &j))
        f = SASL_FAIL_NOT_AUTHORIZED;
    if (f == SASL_FAIL_NONE) {
        jid_dup_heap(&j, &c->jid);
        conn_try_void(c);
        c->sh->stats.c2s_authenticated++;
        log_info(NULL, "c2s.authenticated", "jid", LOG_STR(c->jid.full), "mechanism",
                 sasl_mech_name(m));
        if (node_shard_of(c->sh->node, c->jid.bare) == c->sh) {
            conn_unbound(c);
            loop_defer(c->sh->loop, &c->later); /* what came inline, if it did */
        } else {
            conn_set_state(c, CONN_MOVING);
            conn_stop(c, STOP_MOVE, true);
            loop_defer(c->sh->loop, &c->later);
        }
    }
    arena_free(&a);
    return f;
}
