#ifndef LIB_XMPP_FORWARD_H
#define LIB_XMPP_FORWARD_H
/* Forwarded stanzas (XEP-0297). */
#include "lib/xmpp/stanza.h"
/* Add <forwarded/> with a deep copy of s, addresses and all, to parent; returns it. */
struct xml *forward_add(struct arena *a, struct xml *parent, const struct stanza *s);
#endif
