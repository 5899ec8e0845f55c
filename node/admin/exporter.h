#ifndef NODE_ADMIN_EXPORTER_H
#define NODE_ADMIN_EXPORTER_H
/* The private HTTP port: GET /metrics, /healthz (all shards answer), /readyz (and clients may
 * come: not stopping, the registry answers where there is one). One request a connection. Shard 0.
 */
#include "node/node.h"

struct exporter;
enum err exporter_open(struct node *n, const struct addr *at, struct exporter **out, char *why,
                       size_t why_size) MUST_USE;
void exporter_close(struct exporter **pe); /* before the node */
#endif
