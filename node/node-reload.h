#ifndef NODE_NODE_RELOAD_H
#define NODE_NODE_RELOAD_H
/* The configuration and the certificates of a running node, taken over anew: whole or not at all.
 * Words: report = what changed and what waits for a restart. On shard 0. */
#include "conf/conf.h"
#include "lib/base/json.h"
#include "node/node.h"

struct reloader;
/* boot: the snapshot the node runs with; path: its file. Hangs itself into the node
 * (node->reloader). */
struct reloader *reloader_new(struct node *n, const char *path, struct conf *boot);
void reloader_free(struct reloader **pr); /* before the node; what runs is forgotten */
/* Read and check the file and all certificates on a worker thread, then put in force what may
 * change now. ERR_OK: report has "changed" (objects option, before, after, applies) and
 * "certificates"; else report has "errors" (texts) and nothing has changed. ERR_LIMIT: one runs
 * already (*report NULL). Also logged. */
typedef void reload_cb(void *ctx, enum err e, struct json **report); /* may be taken */
struct op *reloader_run(struct reloader *r, struct op_owner *o, reload_cb *cb, void *ctx);
#endif
