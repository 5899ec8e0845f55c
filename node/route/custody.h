#ifndef NODE_ROUTE_CUSTODY_H
#define NODE_ROUTE_CUSTODY_H
/* Custody of a stanza received from a link that waits for our acknowledgement: held (ref) by
 * whoever still has the stanza only in memory, released when it is written to its client, stored on
 * disk, handed to another acknowledged link, or bounced. The last release lets the link
 * acknowledge. NULL is "nobody waits" everywhere. A credit is a weaker one: it only bounds what one
 * client makes us hold in places without a bound of their own (a user's queue), so it ends already
 * where a bounded queue takes the stanza: a slow recipient must not stop the sender. Of a client
 * with stream management a credit has a true custody beyond it, which goes on. */
#include "lib/base/refs.h"
struct custody {
    struct refs refs;
    void (*release)(struct custody *c); /* on whatever shard the last unref happens; frees c */
    bool is_credit;
    struct custody *beyond; /* credit: held as long as it is, and by who holds it after its end */
};
static inline struct custody *custody_ref(struct custody *c)
{
    if (c)
        refs_get(&c->refs);
    return c;
}
static inline void custody_unref(struct custody **pc)
{
    struct custody *c = *pc;
    *pc = NULL;
    if (c && refs_put(&c->refs))
        c->release(c);
}
/* A queue with a bound has taken the stanza. */
static inline void custody_queued(struct custody **pc)
{
    struct custody *c = *pc;
    if (!c || !c->is_credit)
        return;
    *pc = custody_ref(c->beyond);
    custody_unref(&c);
}
#endif
