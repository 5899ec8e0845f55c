/* DOC: evidence of DANE, beside that of PKIX: with TLSA records of the target only they count;
 * where DNSSEC vouches for the SRV records alone, a certificate for the target's host name is as
 * good as one for the domain. Standards: RFC 7673 sections 4.1, 4.2 and 6; RFC 7712 section 5. */
#include "s2s/s2s-auth.h"

#include "lib/xmpp/jid.h"

static void mismatch(struct s2s_evidence *e, const char *why)
{
    e->dane = S2S_DANE_MISMATCH;
    e->cause = S2S_CAUSE_CERT_DANE;
    snprintf(e->why, sizeof e->why, "TLSA records: %s", why);
}

static void proved(struct s2s_evidence *e)
{
    e->cause = S2S_CAUSE_NONE;
    e->why[0] = '\0';
}

void s2s_evidence_vouched(struct s2s_evidence *e)
{
    e->dane = S2S_DANE_PROVES;
    proved(e);
}

void s2s_evidence_add_dane(struct s2s_evidence *e, const struct transport *t, struct str domain,
                           const struct dial_target *target)
{
    char ascii[256];
    const char *why = "no certificate was shown";
    if (!target)
        return;
    if (target->dane == DIAL_DANE_TLSA) {
        bool has_ascii = jid_domain_ascii(domain, ascii) == ERR_OK;
        struct str names[] = {domain, str_of(target->name), str_of(has_ascii ? ascii : "")};
        if (!t || !tls_dane_match(t, target->tlsa, target->n_tlsa, names, ARRAY_LEN(names), &why)) {
            mismatch(e, why);
            return;
        }
        s2s_evidence_vouched(e);
    } else if (target->dane == DIAL_DANE_NAME && e->chain_ok && !e->name_ok &&
               tls_peer_is(t, str_of(target->name))) {
        e->name_ok = true;
        proved(e);
    }
}

/* Records name the certificates of servers; a server that connects shows the same one. One that has
 * another for that is judged without them. */
bool s2s_evidence_is_vouched(const struct s2s_evidence *e, const struct transport *t,
                             struct str domain, const struct dial_target *target)
{
    struct s2s_evidence with = *e;
    s2s_evidence_add_dane(&with, t, domain, target);
    return s2s_evidence_proves(&with);
}
