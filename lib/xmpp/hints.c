/* DOC: what a message is worth to those who store, copy or hold it back. Standards: XEP-0334
 * sections 4 and 5, XEP-0085 section 5.1. */
#include "lib/xmpp/hints.h"

bool hints_has(const struct stanza *s, const char *name)
{
    return !stanza_is_error(s) && stanza_child(s, NS_HINTS, name);
}

static bool is_fleeting(const struct xml *el)
{
    return el->ns == NS_CHATSTATES || el->ns == NS_HINTS || el->ns == NS_SID ||
           xml_is(el, NS_CLIENT, "thread") || xml_is(el, NS_DELAY, "delay");
}

bool hints_is_fleeting(const struct stanza *s)
{
    xml_each(s->el, n)
    {
        if (!is_fleeting(n->el))
            return false;
    }
    return true;
}
