#ifndef NODE_AUTH_ACCOUNT_REMOVAL_H
#define NODE_AUTH_ACCOUNT_REMOVAL_H
/* An account that is being removed, as the store knows it: for who empties it at its anchor
 * (session/user-erase.c) and who goes on with what was interrupted (mod/removals.c). In this order:
 * announce, begin, all data, end, forget. Nothing is called back inside the call. */
#include "lib/store/store.h"
#include "node/node.h"

struct account_removal {
    enum {
        ACCOUNT_ABSENT,
        ACCOUNT_THERE,
        ACCOUNT_REMOVING, /* begun: no account to anybody else, but its name is taken */
    } state;
    uint64_t rev; /* of what says so */
};
typedef void account_removal_cb(void *ctx, enum err e, const struct account_removal *r);
void account_removal_look(struct node_shard *sh, struct op_owner *o, struct str bare,
                          account_removal_cb *cb, void *ctx);
/* The account is among those to be looked after; it is as before otherwise. */
void account_removal_announce(struct node_shard *sh, struct op_owner *o, struct str bare,
                              store_done_cb *cb, void *ctx);
/* No login, no look-up, no new account of the name; the revision is the next one then.
 * ERR_CONFLICT: it is not what r says. */
void account_removal_begin(struct node_shard *sh, struct op_owner *o, struct str bare,
                           const struct account_removal *r, store_done_cb *cb, void *ctx);
/* Nothing is kept of it: the name is free. ERR_CONFLICT as above. */
void account_removal_end(struct node_shard *sh, struct op_owner *o, struct str bare,
                         const struct account_removal *r, store_done_cb *cb, void *ctx);
void account_removal_forget(struct node_shard *sh, struct op_owner *o, struct str bare,
                            store_done_cb *cb, void *ctx);
/* Announced and not forgotten, of all nodes of the region, in byte order after a given one. */
void account_removals(struct node_shard *sh, struct op_owner *o, struct str after, size_t limit,
                      store_owners_cb *cb, void *ctx);
/* The value "created" of an account. */
bool account_is_removing(const struct store_kv *created);
#endif
