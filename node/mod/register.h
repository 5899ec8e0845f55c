#ifndef NODE_MOD_REGISTER_H
#define NODE_MOD_REGISTER_H
/* For connections that register before they authenticate (c2s/c2s-register.c). */
#include "lib/net/addr.h"
#include "lib/xmpp/stanza.h"
#include "node/node.h"

/* Count an attempt from this address, wherever that is counted; the answer comes back to the shard.
 * done is called with the handle, which may be stale by then. */
void mod_register_try(struct node_shard *sh, const struct addr *from, handle h,
                      void (*done)(struct node_shard *sh, handle h, bool may));
/* name and password of a set, in a; STANZA_NOT_ACCEPTABLE, with why, when they cannot be. */
struct mod_register_wish {
    struct str username, password;
};
enum stanza_cond mod_register_read(struct arena *a, const struct xml *query,
                                   struct mod_register_wish *out);
#endif
