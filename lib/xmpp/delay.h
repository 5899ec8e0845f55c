#ifndef LIB_XMPP_DELAY_H
#define LIB_XMPP_DELAY_H
/* Delay stamps (XEP-0203). */
#include "lib/xmpp/xml.h"
void delay_add(struct arena *a, struct xml *stanza_el, struct str from, uint64_t at_wall_us,
               struct str reason);
#endif
