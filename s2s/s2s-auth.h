#ifndef S2S_S2S_AUTH_H
#define S2S_S2S_AUTH_H
/* Who is the other server: evidence in, decision with a reason out. */
#include "lib/net/dial.h"
#include "lib/net/tls.h"
#include "lib/xmpp/sasl.h"
#include "lib/xmpp/xml.h"
#include "s2s/s2s-cause.h"
#include "s2s/s2s-policy.h"

struct s2s_conf;
enum s2s_dane {
    S2S_DANE_NONE,    /* no TLSA records of use */
    S2S_DANE_PROVES,  /* one matches: enough by itself */
    S2S_DANE_MISMATCH /* none does: whatever else is right, it is somebody else */
};
struct s2s_evidence { /* what TLS says about a peer and one domain */
    bool is_secure;
    bool has_cert;
    bool chain_ok;
    bool name_ok;
    enum s2s_dane dane;
    enum s2s_cause cause; /* the same as a cause */
    char why[160];        /* why it does not prove the domain; "" when it does */
};
enum s2s_trust {
    S2S_TRUST_CERT,     /* the certificate proves the domain */
    S2S_TRUST_DIALBACK, /* it does not: DNS, that is dialback, decides */
    S2S_TRUST_NONE,     /* refused */
};
/* s2s-auth-pkix.c: look at the certificate of t. domain in UTF-8 as in a JID. */
void s2s_evidence_take(struct s2s_evidence *e, const struct transport *t, struct str domain);
/* s2s-auth-dane.c: add what DNSSEC says of the target t was connected to; NULL: nothing. */
void s2s_evidence_add_dane(struct s2s_evidence *e, const struct transport *t, struct str domain,
                           const struct dial_target *target);
/* The same of a peer that came to us: records of a target of its domain match; nothing counts
 * against it. Is that so? */
bool s2s_evidence_is_vouched(const struct s2s_evidence *e, const struct transport *t,
                             struct str domain, const struct dial_target *target);
void s2s_evidence_vouched(struct s2s_evidence *e);
static inline bool s2s_evidence_proves(const struct s2s_evidence *e)
{
    return e->dane == S2S_DANE_PROVES || (e->dane == S2S_DANE_NONE && e->chain_ok && e->name_ok);
}
/* s2s-auth.c: the server we connected to. */
enum s2s_trust s2s_auth_outgoing(const struct s2s_terms *t, const struct s2s_evidence *e);
/* The server that connected to us and asks by dialback. condition (for S2S_TRUST_NONE): dialback
 * error. */
enum s2s_trust s2s_auth_dialback(const struct s2s_terms *t, const struct s2s_evidence *e,
                                 const char **condition);
/* s2s-auth-ext.c: SASL EXTERNAL (XEP-0178). Is it worth trying, given the features of the peer? */
bool s2s_ext_offered(const struct s2s_conf *c, const struct xml *features, bool is_secure);
struct sasl_client *s2s_ext_client(const char *local);
/* May the peer have EXTERNAL for the domain of its header? */
bool s2s_ext_acceptable(const struct s2s_conf *c, const struct s2s_evidence *e);
/* authzid as sent; claimed is the from of its header. */
enum sasl_failure s2s_ext_identity(const struct s2s_conf *c, const struct s2s_evidence *e,
                                   struct str authzid, const char *claimed);
#endif
