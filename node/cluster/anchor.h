#ifndef NODE_CLUSTER_ANCHOR_H
#define NODE_CLUSTER_ANCHOR_H
/* Which node does user-level work for a bare JID: rendezvous choice among the live members of the
 * account's home region, or among all known ones when none lives. (The design's "oldest session's
 * node" comes with replicas of the data: until then user-level work is done where the data is.) Ask
 * on the home shard of the bare JID. */
#include "lib/loop/op.h"
#include "node/node.h"

struct anchor {
    enum {
        ANCHOR_HERE,
        ANCHOR_PEER,
        ANCHOR_NO_ACCOUNT,
        ANCHOR_UNKNOWN
    } what;         /* UNKNOWN: a region that may own it is out of reach */
    char peer[130]; /* ANCHOR_PEER: a live member, or when the home region has none the one that
                       will be asked when it returns */
    char home[64];
};
struct anchor_cache;
struct anchor_cache *anchor_cache_new(struct node_shard *sh);
void anchor_cache_free(struct anchor_cache **pa);
/* True and filled when known without asking. */
bool anchor_now(struct node_shard *sh, struct str bare, struct anchor *out);
/* This node is, or would be, the anchor of an account of its own region. */
bool anchor_is_ours(struct node_shard *sh, struct str bare);
typedef void anchor_cb(void *ctx, const struct anchor *a);
/* drop (may be NULL) frees ctx when the question is cancelled. */
struct op *anchor_ask(struct node_shard *sh, struct op_owner *o, struct str bare, anchor_cb *cb,
                      void (*drop)(void *ctx), void *ctx);
/* Account created or removed here (any shard may post it), or its home learned from a row or a
 * route element. */
void anchor_learn(struct node_shard *sh, struct str bare, const char *home_or_null_for_forget);
#endif
