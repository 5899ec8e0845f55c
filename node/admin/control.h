#ifndef NODE_ADMIN_CONTROL_H
#define NODE_ADMIN_CONTROL_H
/* The control socket: one request a connection, one line of JSON each way.
 * {"command":"where","args":["a@b"],"options":{}} -> {"ok":true,"result":...} or
 * {"ok":false,"error":"..."}. The socket file (mode 0600) is the permission. Shard 0. */
#include "lib/base/json.h"
#include "node/node.h"

struct control;
enum err control_open(struct node *n, const char *path, struct control **out, char *why,
                      size_t why_size) MUST_USE;
void control_close(struct control **pc);

/* A command being carried out. It visits shards by post and belongs to whoever has it; it ends with
 * control_done/_fail, or without an answer when the node goes. What it waits for hangs on its ops
 * and is over before it moves on. */
struct control_request {
    struct node *node;
    struct node_shard *shard;                /* where it is now */
    struct json *in;                         /* the whole request */
    struct json *args;                       /* array, borrowed from in */
    struct json *out;                        /* what commands build; taken by control_done */
    struct op_owner ops;                     /* what it asks on that shard */
    struct op on_shard;                      /* hangs on the shard: it ends with it */
    handle conn;                             /* shard 0's connection */
    void (*then)(struct control_request *r); /* after control_each_shard */
    void (*visit)(struct control_request *r);
};
enum { CONTROL_ERROR_MAX = 16384 };           /* bytes of what control_fail says */
void control_done(struct control_request *r); /* any shard */
void control_fail(struct control_request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Run visit on every shard, one after the other, then `then` on shard 0. */
void control_each_shard(struct control_request *r, void (*visit)(struct control_request *r),
                        void (*then)(struct control_request *r));
/* Go on at another shard. */
void control_move(struct control_request *r, struct node_shard *to,
                  void (*then)(struct control_request *r));
/* The connection stays open beyond the request, for lines of JSON, until its client goes or the
 * node: then gone is called, once. The request is over. On shard 0, in the command itself; 0: the
 * connection is gone already, and gone is not called. */
handle control_keep(struct control_request *r, void (*gone)(void *ctx), void *ctx);
/* One line to a kept connection; one that does not read is closed. On shard 0. */
void control_send(struct node *n, handle kept, const struct json *line);
const char *control_arg(const struct control_request *r,
                        size_t i); /* NULL when absent or not text */
const char *control_option(const struct control_request *r, const char *name); /* the same */

/* commands.c: the one table of commands, also printed by meridianctl help. */
struct control_command {
    const char *name, *args, *help; /* help NULL: only for meridianctl, not for people */
    size_t min_args, max_args;
    void (*run)(struct control_request *r); /* NULL: meridianctl does it by other commands */
    const char *options; /* names of those it takes, separated by spaces; NULL: none */
};
extern const struct control_command control_commands[];
extern const size_t control_commands_n;

/* cmd-s2s.c: what `s2s` is followed by. */
struct control_verb {
    const char *name, *args, *help;
    size_t min_args, max_args; /* behind the name */
    void (*run)(struct control_request *r);
};
extern const struct control_verb control_s2s_verbs[];
extern const size_t control_s2s_verbs_n;
#endif
