/* DOC: from evidence to decision. Certificates prove by themselves; without proof dialback may
 * decide (a domain then is who DNS says it is), unless its TLSA records say otherwise; what is
 * allowed is said by the terms for that domain (s2s-policy.c over s2s_conf). A rule that wants a
 * certificate is about the proof of the peer: to one whose certificate proves it we may still prove
 * ourselves by dialback. Standards: RFC 6120 section 13.7.2, XEP-0220 section 2.5, XEP-0344 (a
 * valid certificate answers a dialback request).
 */
#include "s2s/s2s-auth.h"

#include "s2s/s2s.h"

enum s2s_trust s2s_auth_outgoing(const struct s2s_terms *t, const struct s2s_evidence *e)
{
    if (s2s_evidence_proves(e))
        return S2S_TRUST_CERT;
    if (e->dane == S2S_DANE_MISMATCH)
        return S2S_TRUST_NONE;
    return t->dialback && !t->needs_cert ? S2S_TRUST_DIALBACK : S2S_TRUST_NONE;
}

enum s2s_trust s2s_auth_dialback(const struct s2s_terms *t, const struct s2s_evidence *e,
                                 const char **condition)
{
    *condition = "";
    if (t->is_denied || (t->tls_required && !e->is_secure)) {
        *condition = "policy-violation";
        return S2S_TRUST_NONE;
    }
    if (t->external && s2s_evidence_proves(e))
        return S2S_TRUST_CERT;
    if (t->dialback && !t->needs_cert)
        return S2S_TRUST_DIALBACK;
    *condition = "not-authorized";
    return S2S_TRUST_NONE;
}
