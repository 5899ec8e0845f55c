/* DOC: the one move, right after authentication, to the shard where everything about the user is.
 * Reading stopped in the SASL callback; at the end of that turn the stream is taken off its loop
 * and mailed with the connection. While it travels it belongs to no set and has no handle, and
 * nothing is pending for it: no operation, no timer, nothing kept. */
#include "node/c2s/c2s-int.h"

struct move {
    struct conn *conn;
    struct stream_parcel *parcel;
};

static void move_drop(void *ctx)
{
    struct move *m = ctx;
    stream_parcel_drop(&m->parcel);
    conn_free(m->conn);
    mem_free(m);
}

static void move_arrived(struct node_shard *sh, void *ctx)
{
    struct move *m = ctx;
    struct conn *c = m->conn;
    conn_join(c, sh);
    c->stops = 0;
    c->stream = stream_in_attach(&m->parcel, sh->loop, &conn_events, c);
    mem_free(m);
    sh->stats.c2s_moved++;
    conn_unbound(c);
    loop_defer(sh->loop, &c->later); /* what came inline, if it did */
    if (sh->c2s->is_stopping)
        conn_close(c, STREAM_SYSTEM_SHUTDOWN, "the server stops");
}

void conn_move(struct conn *c)
{
    must(op_owner_idle(&c->ops));
    struct stream_parcel *p = stream_in_detach(&c->stream);
    if (!p) /* it is ending: that comes next */
        return;
    struct move *m = mem_alloc(sizeof *m);
    *m = (struct move){c, p};
    conn_part(c);
    node_post(node_shard_of(c->sh->node, c->jid.bare), move_arrived, move_drop, m);
}
