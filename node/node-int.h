#ifndef NODE_NODE_INT_H
#define NODE_NODE_INT_H
/* Shared by node.c (life), node-tls.c (contexts) and node-listen.c (listeners). */
#include "lib/base/vec.h"
#include "lib/net/listen.h"
#include "node/node.h"

struct node_listener {
    struct node_shard *shard;
    struct listener *listener;
    bool direct_tls;
};
enum err node_tls_open(struct node *n, char *why, size_t why_size) MUST_USE;
void node_tls_close(struct node *n);
enum err node_listen_open(struct node *n, char *why,
                          size_t why_size) MUST_USE; /* all shards, before they run */
void node_listen_close(struct node_shard *sh);       /* this shard's, on it */
#endif
