#ifndef NODE_ADMIN_METRICS_H
#define NODE_ADMIN_METRICS_H
/* What a node counts and measures, as text for Prometheus. A gathering visits every shard by post
 * and ends on shard 0. */
#include "lib/base/buf.h"
#include "node/node.h"

typedef void metrics_cb(void *ctx, const struct buf *text); /* borrowed */
/* On shard 0; hangs on o. */
struct op *metrics_gather(struct node *n, struct op_owner *o, metrics_cb *cb, void *ctx);
/* All metrics with type, labels and meaning, as docs/metrics.md. */
void metrics_docs(struct buf *out);
#endif
