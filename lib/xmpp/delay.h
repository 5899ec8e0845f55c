#ifndef LIB_XMPP_DELAY_H
#define LIB_XMPP_DELAY_H
/* Delay stamps (XEP-0203). */
#include "lib/xmpp/stanza.h"
void delay_add(struct arena *a, struct xml *stanza_el, struct str from, uint64_t at_wall_us,
               struct str reason);
/* When this domain first held it back; false: it did not. */
bool delay_get(const struct stanza *s, struct str from, uint64_t *at_wall_us);
/* A new reference: with the domain's stamp, or s itself when that has one already (the first
 * counts) or must not carry one (IQs). */
struct stanza *delay_stamp(struct stanza *s, struct str from, uint64_t at_wall_us);
#endif
