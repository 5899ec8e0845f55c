/* DOC: stanzas to the client, kept with their custody until their bytes left our memory, or, with
 * stream management, until the client acknowledged them (c2s-sm.c). Without it: where in
 * the stream's queue a stanza ends is known when it is queued; how much of the queue has left is
 * looked at by the end of the turn and then until nothing is kept. What left is believed two looks
 * later: a connection found broken by a write drops its queue at once and reports its end in the
 * next turn, and must not pass for one that was flushed. A client that ends its stream in order has
 * what left before.
 * Limits: past the stream's high mark the client is not read until the queue drained; past
 * [c2s] output_bytes it is closed with resource-constraint, and what was kept goes back. */
#include "lib/base/log.h"
#include "lib/xmpp/delay.h"
#include "node/c2s/c2s-int.h"
#include "node/cluster/world.h"
#include "node/session/user.h"

#define NEVER UINT64_MAX /* the stream was closing: it will not be sent */

static struct kept *kept_of(struct list *node)
{
    return list_entry(node, struct kept, e.item.link);
}

void conn_kept_free(struct kept *k)
{
    list_del(&k->e.item.link);
    stanza_unref(&k->e.st);
    custody_unref(&k->custody);
    mem_free(k);
}

uint64_t conn_put(struct conn *c, struct stanza *s)
{
    if (stream_in_is_closing(c->stream))
        return NEVER;
    size_t before = stream_in_queued(c->stream);
    if (!stream_in_send_stanza(c->stream, s))
        conn_stop(c, STOP_OUTPUT, true);
    size_t now = stream_in_queued(c->stream);
    c->out.is_over |= now > c->sh->node->conf->c2s_output_bytes;
    if (now < before)
        return NEVER;
    c->out.added += now - before;
    return c->out.added;
}

void conn_emit(struct conn *c, struct kept *k)
{
    c->out.stanzas++;
    c->sh->stats.flow[FLOW_to_clients][k->e.st->kind]++;
    if (c->sm) {
        conn_sm_write(c, k);
        return;
    }
    list_push(&c->out.kept, &k->e.item.link);
    k->end = conn_put(c, k->e.st);
    loop_defer(c->sh->loop, &c->later);
}

/* What comes while a connection closes that has yet to give back goes back behind that. */
static bool is_giving_back(const struct conn *c)
{
    return c->state == CONN_CLOSING && !list_empty(&c->out.kept);
}

bool conn_write(struct conn *c, struct stanza *s, struct custody *cu, bool covered, unsigned hops)
{
    if (!c || (!conn_is_session(c) && c->state != CONN_BINDING && !is_giving_back(c)))
        return false;
    struct kept *k = mem_alloc(sizeof *k);
    *k = (struct kept){.custody = cu, .covered = covered, .hops = hops};
    k->e.st = s;
    k->e.item.bytes = s->bytes + sizeof *k;
    custody_queued(&k->custody);
    if (c->state == CONN_CLOSING) {
        k->end = NEVER;
        list_push(&c->out.kept, &k->e.item.link);
        return true;
    }
    if (!c->csi || !conn_csi_hold(c, k))
        conn_emit(c, k);
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
        struct kept *k = kept_of(n);
        if (k->end > upto)
            break;
        conn_kept_free(k);
    }
}

static void poll_end(struct conn_out *o)
{
    if (o->poll)
        timer_stop(o->poll);
    mem_free(o->poll);
    o->poll = NULL;
}

static void poll_again(void *ctx)
{
    struct conn *c = ctx;
    poll_end(&c->out);
    conn_out_look(c);
}

static void poll_begin(struct conn *c)
{
    if (c->out.poll)
        return;
    c->out.poll = mem_alloc(sizeof *c->out.poll);
    timer_init(c->out.poll, c->sh->loop, poll_again, c);
    timer_start(c->out.poll, C2S_POLL_MS);
}

static void look_for_over(struct conn *c)
{
    if (!c->out.is_over || c->state == CONN_CLOSING)
        return;
    log_warn(NULL, "c2s.output.over", "jid", LOG_STR(c->jid.full), "sm", c->sm ? "yes" : "no");
    conn_close(c, STREAM_RESOURCE_CONSTRAINT, "you do not take what you are sent");
}

void conn_out_look(struct conn *c)
{
    struct conn_out *o = &c->out;
    look_for_over(c);
    if (list_empty(&o->kept) || !c->stream || !stream_in_transport(c->stream))
        return;
    size_t queued = stream_in_queued(c->stream);
    release(c, o->left[1]);
    o->left[1] = o->left[0];
    o->left[0] = queued < o->added ? o->added - queued : 0;
    if (list_empty(&o->kept) && c->state == CONN_CLOSING)
        conn_gave_back(c);
    if (list_empty(&o->kept) || kept_of(list_first(&o->kept))->end == NEVER)
        return;
    if (!queued) {
        loop_defer(c->sh->loop, &c->later);
        return;
    }
    poll_begin(c);
}

/* ---- the end */
static void give_back(struct conn *c, struct kept *k)
{
    struct custody *cu = k->custody;
    struct stanza *s =
        k->at_us ? delay_stamp(k->e.st, c->jid.domain, k->at_us) : stanza_ref(k->e.st);
    k->custody = NULL;
    if (!c->bind.far) {
        user_returned(c->sh, s, cu, k->hops + 1);
        return;
    }
    /* GONE says that the session leaves: of one that is only cut it is sent anew */
    bool is_cut = c->state == CONN_DETACHED;
    struct region_route r = {.purpose = is_cut ? REGION_USER : REGION_GONE,
                             .hops = is_cut ? k->hops + 1 : k->hops};
    route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, c->bind.id);
    str_put(r.home, sizeof r.home, c->bind.far->home);
    world_send(c->sh, c->bind.far->peer, s, cu, &r);
}

static void return_one(struct conn *c, struct kept *k)
{
    if (!k->covered && k->e.st->kind != STANZA_PRESENCE)
        give_back(c, k);
    conn_kept_free(k);
}

void conn_out_return(struct conn *c, const struct stream_end *orderly_or_null)
{
    const size_t unsent = orderly_or_null ? orderly_or_null->unsent_bytes : SIZE_MAX;
    struct list *n;
    struct kept *k;
    if (unsent < c->out.added)
        release(c, c->out.added - unsent);
    while ((n = list_shift(&c->out.kept)))
        return_one(c, kept_of(n));
    if (c->state == CONN_DETACHED) /* what stream management has stays */
        return;
    while ((k = conn_sm_take(c)))
        return_one(c, k);
    while ((k = conn_csi_take(c)))
        return_one(c, k);
    conn_gave_back(c);
}

void conn_out_closing(struct conn *c)
{
    struct kept *k;
    while ((k = conn_csi_take(c))) {
        k->end = NEVER;
        list_push(&c->out.kept, &k->e.item.link);
    }
    if (list_empty(&c->out.kept))
        conn_gave_back(c);
}

void conn_out_free(struct conn *c)
{
    struct list *n;
    struct kept *k;
    poll_end(&c->out);
    while ((n = list_first(&c->out.kept)))
        conn_kept_free(kept_of(n));
    while ((k = conn_sm_take(c)) || (k = conn_csi_take(c)))
        conn_kept_free(k);
}
