#ifndef NODE_CLUSTER_WORLD_H
#define NODE_CLUSTER_WORLD_H
/* The node's place in the world: registry and region links, both on shard 0, with thread-safe doors
 * for all shards (posting). Without [region] it exists and knows nobody. */
#include "global-registry/registry.h"
#include "lib/base/json.h"
#include "lib/loop/op.h"
#include "lib/xmpp/stanza.h"
#include "node/node.h"
#include "node/route/custody.h"
#include "s2s/s2s-region.h"

struct world;
/* Sets n->world; the driver is taken (NULL without [region]). */
struct world *world_new(struct node *n, struct reg_driver **driver);
void world_stop(struct world *w, void (*done)(void *ctx), void *ctx); /* shard 0 */
void world_free(struct world **pw);
const char *world_self_id(const struct world *w); /* "eu/eu1"; "" without regions */

/* All members ever seen and their liveness, a copy per shard refreshed by mail at every change;
 * borrowed until the next turn. */
struct world_member {
    struct reg_member m;
    char id[130]; /* "region/node" */
    bool live, self;
};
struct world_view {
    struct world_member *members; /* self included; ordered by id */
    size_t n;
};
const struct world_view *world_view(const struct node_shard *sh);

/* Any shard. Takes s and c. c is released when the peer acknowledged the stanza. When it cannot
 * arrive: handled by purpose (USER and FROM are routed again or bounced, SESSION goes back to the
 * user, UP fails the attach). */
void world_send(struct node_shard *sh, const char *peer_id, struct stanza *s, struct custody *c,
                const struct region_route *r);
/* To the anchor of a connection of ours that ended: all that it was sent has come back (ENDED). */
void world_gave_back(struct node_shard *sh, const char *peer_id, const struct jid *full,
                     const char *conn_id);
/* 0->1 and 1->0 of a bare JID on this node. */
void world_publish(struct node_shard *sh, struct str bare, struct str home);
void world_withdraw(struct node_shard *sh, struct str bare);
/* registry_locate from any shard; the locations are copies valid for the callback. */
struct world_location {
    char peer[130]; /* "region/node" */
    char home[64];
    uint64_t incarnation;
};
typedef void world_locate_cb(void *ctx, enum err e, const struct world_location *l, size_t n);
struct op *world_locate(struct node_shard *sh, struct op_owner *o, struct str bare, bool fresh,
                        world_locate_cb *cb, void *ctx);
/* Ask one live member of each other region (ask is an IQ; taken; its id is replaced). Answers come
 * one by one; then ERR_EOF, or ERR_TIMEOUT when a region did not answer within 5 s. */
typedef bool world_answer_cb(void *ctx, enum err e, const char *region,
                             const struct stanza *answer); /* false = enough */
struct op *world_ask(struct node_shard *sh, struct op_owner *o, struct stanza *ask,
                     world_answer_cb *cb, void *ctx);
/* The same to this member only, of any region. */
struct op *world_ask_member(struct node_shard *sh, struct op_owner *o, const char *peer_id,
                            struct stanza *ask, world_answer_cb *cb, void *ctx);
void world_accept(struct world *w, struct transport *t); /* region listener, shard 0 */
bool world_registry_connected(const struct world *w);    /* shard 0, like the next two */
size_t world_registry_rows(const struct world *w);
void world_list(const struct world *w, struct json *members, struct json *links); /* shard 0 */
#endif
