/* DOC: from evidence to decision. Certificates prove by themselves; without proof dialback may
 * decide (a domain then is who DNS says it is), unless its TLSA records say otherwise; policy can
 * forbid either. Standards: RFC 6120
 * section 13.7.2, XEP-0220 section 2.5, XEP-0344 (a valid certificate answers a dialback request).
 */
#include "s2s/s2s-auth.h"

#include "s2s/s2s.h"

enum s2s_trust s2s_auth_outgoing(const struct s2s_conf *c, const struct s2s_evidence *e)
{
    if (s2s_evidence_proves(e))
        return S2S_TRUST_CERT;
    if (e->dane == S2S_DANE_MISMATCH)
        return S2S_TRUST_NONE;
    return c->dialback ? S2S_TRUST_DIALBACK : S2S_TRUST_NONE;
}

enum s2s_trust s2s_auth_dialback(const struct s2s_conf *c, const struct s2s_evidence *e,
                                 const char **condition)
{
    *condition = "";
    if (c->tls_required && !e->is_secure) {
        *condition = "policy-violation";
        return S2S_TRUST_NONE;
    }
    if (c->external && s2s_evidence_proves(e))
        return S2S_TRUST_CERT;
    if (c->dialback)
        return S2S_TRUST_DIALBACK;
    *condition = "not-authorized";
    return S2S_TRUST_NONE;
}
