/* DOC: SASL EXTERNAL between servers. We name our domain as authorization identity, as older
 * servers need it; of a peer we take an empty one or the domain of its stream header, nothing else.
 * Standards: XEP-0178 1.2 section 3. */
#include "lib/xmpp/jid.h"
#include "lib/xmpp/xep.h"
#include "s2s/s2s-auth.h"
#include "s2s/s2s.h"

XEP("0178", "1.2", COMPLETE);

bool s2s_ext_offered(const struct s2s_conf *c, const struct xml *features, bool is_secure)
{
    const struct xml *list = xml_child(features, NS_SASL, "mechanisms");
    if (!c->external || !is_secure || !list)
        return false;
    xml_each(list, m)
    {
        const struct xml_node *text = m->el->first;
        if (xml_is(m->el, NS_SASL, "mechanism") && text && !text->el &&
            str_eqc(str_trim(text->text), "EXTERNAL"))
            return true;
    }
    return false;
}

struct sasl_client *s2s_ext_client(const char *local)
{
    return sasl_client_new(SASL_EXTERNAL, STR_NONE, STR_NONE, str_of(local));
}

bool s2s_ext_acceptable(const struct s2s_conf *c, const struct s2s_evidence *e)
{
    return c->external && e->is_secure && s2s_evidence_proves(e);
}

enum sasl_failure s2s_ext_identity(const struct s2s_conf *c, const struct s2s_evidence *e,
                                   struct str authzid, const char *claimed)
{
    enum sasl_failure f = SASL_FAIL_NONE;
    struct jid j;
    if (!claimed || !s2s_ext_acceptable(c, e))
        return SASL_FAIL_NOT_AUTHORIZED;
    if (!authzid.n)
        return SASL_FAIL_NONE;
    struct arena *a = arena_new(0);
    if (jid_parse(a, authzid, &j, NULL) != ERR_OK || !str_eqc(j.full, claimed))
        f = SASL_FAIL_INVALID_AUTHZID;
    arena_free(&a);
    return f;
}
