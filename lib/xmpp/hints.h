#ifndef LIB_XMPP_HINTS_H
#define LIB_XMPP_HINTS_H
/* What a message is worth to those who store, copy or hold it back: processing hints (XEP-0334) and
 * chat states (XEP-0085). */
#include "lib/xmpp/stanza.h"
/* Has this hint ("no-store", "no-copy", "store"); hints in errors are ignored (section 5). */
bool hints_has(const struct stanza *s, const char *name);
/* Nothing is in it but a chat state and what others add to messages: hints, ids, thread, delay. */
bool hints_is_fleeting(const struct stanza *s);
#endif
