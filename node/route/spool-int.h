#ifndef NODE_ROUTE_SPOOL_INT_H
#define NODE_ROUTE_SPOOL_INT_H
/* Rows of the spool: a custody is an owner, "NODE INCARNATION SHARD NUMBER", each of its stanzas a
 * value under its index, "SOURCE TRACE TIME\n" (wall clock, microseconds) and the stanza. Owners
 * sort by their age. */
#include "node/route/spool.h"

#define SPOOL_TABLE "spool"
enum {
    SPOOL_OWNER_MAX = 400,
    SPOOL_KEY_MAX = 12,
    SPOOL_AGAIN_MS = 1000, /* what the store refused is tried again */
};
static const char *const spool_sources[] = {
    [ROUTE_CLIENT] = "client", [ROUTE_S2S] = "server", [ROUTE_REGION] = "region"};
static inline struct str spool_key(char out[SPOOL_KEY_MAX], unsigned i)
{
    int n = snprintf(out, SPOOL_KEY_MAX, "%u", i);
    return str_make(out, (size_t)n);
}
static inline const char *spool_node(const struct node_shard *sh)
{
    return sh->node->conf->node_name ? sh->node->conf->node_name : "node";
}
/* Its first n rows, all at once. */
struct op *spool_remove(struct node_shard *sh, struct op_owner *o, const char *owner, unsigned n,
                        store_done_cb *cb, void *ctx);
#endif
