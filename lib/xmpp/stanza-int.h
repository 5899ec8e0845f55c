#ifndef LIB_XMPP_STANZA_INT_H
#define LIB_XMPP_STANZA_INT_H
/* Shared by stanza.c, stanza-build.c and stanza-check.c. */
#include "lib/xmpp/stanza.h"

/* A new stanza object in `a`, which it owns from now on; one reference. */
struct stanza *stanza_new_take(struct arena **a, enum stanza_kind k, enum stanza_type t,
                               const struct xml *el);
/* What type='...' means for this kind; absent is STR_NONE. False: unknown. */
bool stanza_type_find(enum stanza_kind k, struct str text, enum stanza_type *out);
/* In whose arena the element of s is: what a stanza that shares it must hold. */
struct stanza *stanza_owner(struct stanza *s);
#endif
