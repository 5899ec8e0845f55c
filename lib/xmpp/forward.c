/* DOC: forwarded stanzas: the stanza as it is, in jabber:client, with the addresses it travels
 * with. Standards: XEP-0297 section 3. */
#include "lib/xmpp/forward.h"

struct xml *forward_add(struct arena *a, struct xml *parent, const struct stanza *s)
{
    struct xml *forwarded = xml_add(a, parent, NS_FORWARD, "forwarded");
    struct xml *el = xml_copy(a, s->el);
    xml_set(a, el, "from", s->from.full);
    xml_set(a, el, "to", s->to.full);
    xml_add_el(a, forwarded, el);
    return forwarded;
}
