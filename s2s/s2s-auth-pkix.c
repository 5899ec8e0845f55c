/* DOC: evidence of PKIX: the chain as lib/net judged it, the names by RFC 9525. An
 * internationalised domain is asked for in both forms, as certificates carry A-labels and xmppAddr
 * carries UTF-8. Standards: RFC 6120 section 13.7, RFC 9525. Certificates without clientAuth are
 * fine: lib/net accepts serverAuth for both. */
#include "s2s/s2s-auth.h"

#include "lib/xmpp/jid.h"

static bool name_is(const struct transport *t, struct str domain)
{
    char ascii[256];
    if (tls_peer_is(t, domain))
        return true;
    return jid_domain_ascii(domain, ascii) == ERR_OK && tls_peer_is(t, str_of(ascii));
}

void s2s_evidence_take(struct s2s_evidence *e, const struct transport *t, struct str domain)
{
    const struct tls_info *info = t ? transport_tls(t) : NULL;
    memset(e, 0, sizeof *e);
    e->is_secure = info != NULL;
    e->has_cert = info && info->has_cert;
    e->chain_ok = e->has_cert && info->chain_ok;
    e->name_ok = e->has_cert && name_is(t, domain);
    if (!e->is_secure) {
        e->cause = S2S_CAUSE_TLS_MISSING;
        snprintf(e->why, sizeof e->why, "the connection has no TLS");
    } else if (!e->has_cert) {
        e->cause = S2S_CAUSE_CERT_MISSING;
        snprintf(e->why, sizeof e->why, "no certificate was shown");
    } else if (!e->chain_ok) {
        e->cause = s2s_cause_of_cert(info);
        snprintf(e->why, sizeof e->why, "certificate not trusted: %.100s", tls_chain_why(info));
    } else if (!e->name_ok) {
        e->cause = S2S_CAUSE_CERT_NAME;
        snprintf(e->why, sizeof e->why, "certificate is not for %.*s",
                 (int)(domain.n < 100 ? domain.n : 100), domain.p);
    }
}
