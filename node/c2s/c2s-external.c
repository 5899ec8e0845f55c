/* DOC: clients that show a certificate. It speaks for the bare JIDs in its xmppAddr names, if the
 * configured CAs trust it; other names and the public CAs count for nothing here. One that has
 * several JIDs of the domain must be told which is meant. The account must exist. Standards:
 * XEP-0178 section 2, RFC 6120 section 13.7.1.4. */
#include "lib/net/tls.h"
#include "lib/xmpp/xep.h"
#include "node/auth/account.h"
#include "node/c2s/c2s-int.h"

XEP("0178", "1.2", COMPLETE);

enum { ADDRS_MAX = 16 };

/* Accounts of the stream's domain that the certificate names; at most max. */
static size_t accounts_of(const struct conn *c, struct arena *a, struct jid *out, size_t max)
{
    struct str names[ADDRS_MAX];
    size_t found = 0;
    const struct transport *t = stream_in_transport(c->stream);
    const struct tls_info *tls = t ? transport_tls(t) : NULL;
    if (!c->sh->node->conf->client_ca_file || !c->domain || !tls || !tls->has_cert ||
        !tls->chain_ok)
        return 0;
    const size_t n = tls_peer_xmpp_addrs(t, a, names, ADDRS_MAX);
    for (size_t i = 0; i < n && found < max; i++) {
        struct jid j;
        if (jid_parse(a, names[i], &j, NULL) == ERR_OK && j.local.n && !jid_is_full(&j) &&
            str_eqc(j.domain, c->domain))
            out[found++] = j;
    }
    return found;
}

bool conn_external_offered(const struct conn *c)
{
    struct arena *a = arena_new(0);
    struct jid j;
    const bool offered = accounts_of(c, a, &j, 1) > 0;
    arena_free(&a);
    return offered;
}

enum sasl_failure conn_external_account(const struct conn *c, struct str authzid, struct arena *a,
                                        struct jid *out)
{
    struct jid accounts[ADDRS_MAX], wish;
    const size_t n = accounts_of(c, a, accounts, ADDRS_MAX);
    if (!n)
        return SASL_FAIL_NOT_AUTHORIZED;
    if (authzid.n && jid_parse(a, authzid, &wish, NULL) != ERR_OK)
        return SASL_FAIL_INVALID_AUTHZID;
    for (size_t i = 0; i < n; i++) {
        if (authzid.n ? jid_eq(&accounts[i], &wish) : n == 1) {
            *out = accounts[i];
            return SASL_FAIL_NONE;
        }
    }
    return SASL_FAIL_INVALID_AUTHZID;
}

static void on_account(void *ctx, enum err e, const struct account_info *a)
{
    struct conn *c = ctx;
    if (e != ERR_OK)
        conn_try_void(c);
    stream_in_verdict(c->stream, e != ERR_OK ? SASL_FAIL_TEMPORARY_AUTH_FAILURE
                                 : a->exists ? SASL_FAIL_NONE
                                             : SASL_FAIL_NOT_AUTHORIZED);
}

void conn_external_need(struct conn *c, struct str authzid)
{
    struct arena *a = arena_new(0);
    struct jid j;
    enum sasl_failure f = conn_external_account(c, authzid, a, &j);
    if (f == SASL_FAIL_NONE && !conn_try_begin(c, j.full))
        f = SASL_FAIL_TEMPORARY_AUTH_FAILURE;
    if (f == SASL_FAIL_NONE)
        account_lookup(c->sh, &c->ops, j.full, false, DIGEST_SHA256, on_account, c);
    else
        stream_in_verdict(c->stream, f);
    arena_free(&a);
}
