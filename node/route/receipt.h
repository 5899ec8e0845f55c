#ifndef NODE_ROUTE_RECEIPT_H
#define NODE_ROUTE_RECEIPT_H
/* Custody of a stanza of another server whose stream waits for our acknowledgement; and the credit
 * of some, which bounds what one stream makes us hold. */
#include "node/node.h"
#include "node/route/custody.h"
#include "s2s/s2s.h"

/* On the shard of the stream. NULL: nobody waits for it. */
struct custody *receipt_new(struct node_shard *sh, struct s2s_receipt r, struct stanza *s,
                            const char *trace);
#endif
