#ifndef NODE_NODE_INT_H
#define NODE_NODE_INT_H
/* Shared by node.c (life), node-tls.c (contexts) and node-listen.c (listeners). */
#include "lib/base/json.h"
#include "lib/base/vec.h"
#include "lib/net/listen.h"
#include "lib/net/tls.h"
#include "node/node.h"

struct node_listener {
    struct node_shard *shard;
    struct listener *listener;
    struct proxy_gate *gate;             /* NULL: connections come as they are */
    listen_accept *accept;               /* of the kind of port */
    const struct node_conf_listen *conf; /* NULL: of region links */
};
/* ---- node-tls.c */
enum node_tls_role {
    NODE_TLS_C2S,
    NODE_TLS_S2S_IN,
    NODE_TLS_S2S_OUT,
    NODE_TLS_REGION_IN,
    NODE_TLS_REGION_OUT,
    NODE_TLS_ROLES
};
struct node_tls_sets {
    struct tls_set *set[NODE_TLS_ROLES];
};
enum err node_tls_open(struct node *n, char *why, size_t why_size) MUST_USE;
void node_tls_close(struct node *n);
/* All files of a configuration, read and checked; any thread. */
enum err node_tls_read(const struct node_conf *c, struct node_tls_sets *out, char *why,
                       size_t why_size) MUST_USE;
void node_tls_replace(struct node *n, struct node_tls_sets *take); /* new streams use them */
void node_tls_drop(struct node_tls_sets *sets);
/* Objects: what, subject, issuer, not_after, days, self_signed. */
void node_tls_list(struct node *n, struct json *array);
/* ---- node-listen.c */
enum err node_listen_open(struct node *n, char *why,
                          size_t why_size) MUST_USE; /* all shards, before they run */
void node_listen_close(struct node_shard *sh);       /* this shard's, on it */
#endif
