/* DOC: stanzas to the client, kept with their custody until their bytes left our memory. Where in
 * the stream's queue a stanza ends is known when it is queued; how much of the queue has left is
 * looked at by the end of the turn and then until nothing is kept. What left is believed two looks
 * later: a connection found broken by a write drops its queue at once and reports its end in the
 * next turn, and must not pass for one that was flushed. A client that ends its stream in order has
 * what left before.
 * Limits: past the stream's high mark the client is not read until the queue drained; past
 * C2S_OUTPUT_MAX bytes it is closed with resource-constraint, and what was kept goes back. */
#include "lib/base/log.h"
#include "node/c2s/c2s-int.h"
#include "node/cluster/world.h"
#include "node/session/user.h"

#define NEVER UINT64_MAX /* the stream was closing: it will not be sent */
struct kept {
    struct list link;
    struct stanza *stanza;
    struct custody *custody;
    uint64_t end; /* in conn_out.added */
    bool covered;
    unsigned hops;
};

static void kept_free(struct kept *k)
{
    list_del(&k->link);
    stanza_unref(&k->stanza);
    custody_unref(&k->custody);
    mem_free(k);
}

/* Queue it; where it ends there. */
static uint64_t put(struct conn *c, struct stanza *s)
{
    if (stream_in_is_closing(c->stream))
        return NEVER;
    size_t before = stream_in_queued(c->stream);
    if (!stream_in_send_stanza(c->stream, s))
        conn_stop(c, STOP_OUTPUT, true);
    size_t now = stream_in_queued(c->stream);
    c->out.is_over |= now > C2S_OUTPUT_MAX;
    if (now < before)
        return NEVER;
    c->out.added += now - before;
    return c->out.added;
}

static bool conn_write(struct conn *c, struct stanza *s, struct custody *cu, bool covered,
                       unsigned hops)
{
    if (!c || (c->state != CONN_BOUND && c->state != CONN_BINDING))
        return false;
    struct kept *k = mem_alloc(sizeof *k);
    *k = (struct kept){.stanza = s, .custody = cu, .covered = covered, .hops = hops};
    custody_queued(&k->custody);
    list_push(&c->out.kept, &k->link);
    k->end = put(c, s);
    c->out.stanzas++;
    c->sh->stats.flow[FLOW_to_clients][s->kind]++;
    loop_defer(c->sh->loop, &c->later);
    return true;
}

bool c2s_write(struct node_shard *sh, handle h, struct stanza *s, struct custody *c, bool covered,
               unsigned hops)
{
    return conn_write(h ? handle_get(sh->handles, h) : NULL, s, c, covered, hops);
}

bool c2s_write_to(struct node_shard *sh, const char *conn_id, struct stanza *s, struct custody *c,
                  bool covered, unsigned hops)
{
    return conn_write(conn_by_id(sh, conn_id), s, c, covered, hops);
}

/* ---- looking */
static void release(struct conn *c, uint64_t upto)
{
    struct list *n;
    while ((n = list_first(&c->out.kept))) {
        struct kept *k = list_entry(n, struct kept, link);
        if (k->end > upto)
            break;
        kept_free(k);
    }
}

static void poll_again(void *ctx)
{
    conn_out_look(ctx);
}

void conn_out_join(struct conn *c)
{
    timer_init(&c->out.poll, c->sh->loop, poll_again, c);
}

void conn_out_look(struct conn *c)
{
    struct conn_out *o = &c->out;
    if (o->is_over && c->state != CONN_CLOSING) {
        log_warn(NULL, "c2s.output.over", "jid", LOG_STR(c->jid.full));
        conn_close(c, STREAM_RESOURCE_CONSTRAINT, "you do not read what you are sent");
    }
    if (list_empty(&o->kept) || !stream_in_transport(c->stream))
        return;
    size_t queued = stream_in_queued(c->stream);
    release(c, o->left[1]);
    o->left[1] = o->left[0];
    o->left[0] = queued < o->added ? o->added - queued : 0;
    if (list_empty(&o->kept) || list_entry(list_first(&o->kept), struct kept, link)->end == NEVER)
        return;
    if (!queued) {
        loop_defer(c->sh->loop, &c->later);
        return;
    }
    if (!timer_running(&o->poll))
        timer_start(&o->poll, C2S_POLL_MS);
}

/* ---- the end */
static void give_back(struct conn *c, struct kept *k)
{
    struct stanza *s = k->stanza;
    struct custody *cu = k->custody;
    k->stanza = NULL;
    k->custody = NULL;
    if (!c->bind.far) {
        user_returned(c->sh, s, cu, k->hops + 1);
        return;
    }
    struct region_route r = {.purpose = REGION_GONE, .hops = k->hops};
    route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, c->bind.id);
    str_put(r.home, sizeof r.home, c->bind.far->home);
    world_send(c->sh, c->bind.far->peer, s, cu, &r);
}

void conn_out_return(struct conn *c, bool is_flushed)
{
    struct list *n;
    if (is_flushed)
        release(c, c->out.added);
    while ((n = list_first(&c->out.kept))) {
        struct kept *k = list_entry(n, struct kept, link);
        list_del(&k->link);
        if (!k->covered && k->stanza->kind != STANZA_PRESENCE)
            give_back(c, k);
        kept_free(k);
    }
}

void conn_out_free(struct conn *c)
{
    struct list *n;
    if (c->out.poll.fn)
        timer_stop(&c->out.poll);
    while ((n = list_first(&c->out.kept)))
        kept_free(list_entry(n, struct kept, link));
}
