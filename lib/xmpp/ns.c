/* DOC: the interned namespaces. Role: one static string per known namespace, so that the rest of
 * the house compares pointers. Design: a constant table scanned by length first; some dozens of
 * lengths fit in a few cache lines, and the namespaces of nearly all elements stand at its head. No
 * start-up work, no mutable state. */
#include "lib/xmpp/ns.h"

#define NS_DEFINE(id, uri) const char NS_##id[] = uri;
NS_TABLE(NS_DEFINE)
#undef NS_DEFINE

static const struct str table[] = {
#define NS_ROW(id, uri) {NS_##id, sizeof(uri) - 1},
    NS_TABLE(NS_ROW)
#undef NS_ROW
};

const char *ns_find(struct str uri)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].n != uri.n)
            continue;
        if (table[i].p == uri.p || memcmp(table[i].p, uri.p, uri.n) == 0)
            return table[i].p;
    }
    return NULL;
}
