#ifndef NODE_CLUSTER_WORLD_INT_H
#define NODE_CLUSTER_WORLD_INT_H
/* Shared by world.c (registry, members, views), world-send.c (out of this node) and world-in.c
 * (into it). Shard 0, except views. */
#include "lib/loop/timer.h"
#include "node/cluster/world.h"
#include "node/route/route.h"

struct world {
    struct node *node;
    struct node_shard *hub;    /* shard 0 */
    struct registry *registry; /* NULL without regions */
    struct registry *closing;  /* the same, while it says good-bye */
    struct s2s_region *links;  /* NULL without regions */
    char self_id[130];
    struct world_view view;              /* shard 0's truth */
    struct world_view views[SHARDS_MAX]; /* each touched by its shard only */
    struct hmap asks;                    /* id -> struct ask (world-ask.c) */
    struct list questions;               /* registry look-ups under way (world-locate.c) */
    struct s2s_region_conf link_conf;
    struct op_owner ops;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};
extern const struct s2s_region_ops world_link_ops;
extern const struct registry_events world_reg_events; /* world.c */
/* world-in.c */
void world_deliver(void *ctx, const char *peer_id, uint64_t incarnation, struct stanza *s,
                   const struct region_route *r, region_ticket t);
void world_link_up(void *ctx, const char *peer_id, bool fresh);
void world_anew(void *ctx, const char *peer_id); /* world.c */
/* world-ask.c: an ANSWER arrived; a member that was asked is gone. */
void world_answered(struct world *w, const char *peer_id, const struct stanza *answer);
void world_ask_lost(struct world *w, const char *peer_id, struct str ask_id);
void world_asks_fini(struct world *w);
void world_questions_fini(struct world *w); /* world-locate.c */
/* Send from shard 0 itself. */
void world_send_now(struct world *w, const char *peer_id, struct stanza *s, struct custody *c,
                    const struct region_route *r);
const struct world_member *world_member_find(const struct world_view *v, const char *id);
#endif
