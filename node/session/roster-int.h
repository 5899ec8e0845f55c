#ifndef NODE_SESSION_ROSTER_INT_H
#define NODE_SESSION_ROSTER_INT_H
/* Text form of roster items in the store: <item state='3' visible='true'
 * name='..'><group/>..<presence type='subscribe'/></item>. */
#include "node/session/roster.h"
void roster_item_format(const struct roster_item *it, struct buf *out);
enum err roster_item_parse(struct roster_item *it,
                           struct str text) MUST_USE; /* fills a fresh item */
#endif
