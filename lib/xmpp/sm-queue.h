#ifndef LIB_XMPP_SM_QUEUE_H
#define LIB_XMPP_SM_QUEUE_H
/* XEP-0198 counters and the unacknowledged queue as pure logic, modulo 2^32. No XML, no time, no
 * I/O. */
#include "lib/base/base.h"

/* Sending side: items handed to the peer and not yet acknowledged, oldest first. */
struct sm_out {
    uint32_t acked; /* h of the last ack */
    uint32_t sent;  /* number of items ever put in */
    size_t bytes;
    struct list items;
};
struct sm_item { /* embedded in the owner's record */
    struct list link;
    size_t bytes;
};
void sm_out_init(struct sm_out *q);
void sm_out_push(struct sm_out *q, struct sm_item *it);
/* Peer says h. Items acknowledged are moved to done (caller frees). ERR_PROTOCOL when h is outside
 * [acked, sent]. */
enum err sm_out_ack(struct sm_out *q, uint32_t h, struct list *done) MUST_USE;
uint32_t sm_out_pending(const struct sm_out *q);

/* Receiving side with custody: stanzas get numbers as they arrive; each may be completed later and
 * out of order; h is the highest number below which all are complete. */
struct sm_in {
    uint32_t received; /* stanzas that arrived */
    uint32_t h;        /* may be acknowledged */
    uint64_t *done;    /* bit ring of completed numbers above h */
    uint32_t window;   /* bits in the ring, power of two */
};
enum { SM_WINDOW_MAX = 65536 };
void sm_in_init(struct sm_in *q);
void sm_in_fini(struct sm_in *q);
uint32_t sm_in_receive(struct sm_in *q);               /* number of this stanza: 1, 2, ... */
bool sm_in_complete(struct sm_in *q, uint32_t number); /* true when h advanced */
bool sm_in_full(const struct sm_in *q); /* SM_WINDOW_MAX uncompleted: pause the reader */
#endif
