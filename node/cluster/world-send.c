/* Out of this node: any shard posts, shard 0 hands to the link. What comes back undelivered is
 * handled by its purpose. */
#include "lib/base/log.h"
#include "node/c2s/c2s.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world-int.h"
#include "node/session/user.h"

struct out {
    struct world *world;
    struct stanza *stanza;
    struct custody *custody;
    struct region_route route;
    char peer[130];
};

static void out_free(void *ctx)
{
    struct out *o = ctx;
    stanza_unref(&o->stanza);
    custody_unref(&o->custody);
    mem_free(o);
}

void world_send_now(struct world *w, const char *peer_id, struct stanza *s, struct custody *c,
                    const struct region_route *r)
{
    w->hub->stats.flow[FLOW_to_regions][s->kind]++;
    custody_queued(&c);
    s2s_region_send(w->links, peer_id, s, r, c);
}

static void out_arrived(struct node_shard *sh, void *ctx)
{
    (void)sh;
    struct out *o = ctx;
    world_send_now(o->world, o->peer, o->stanza, o->custody, &o->route);
    mem_free(o);
}

void world_send(struct node_shard *sh, const char *peer_id, struct stanza *s, struct custody *c,
                const struct region_route *r)
{
    struct out *o = mem_alloc(sizeof *o);
    *o = (struct out){.world = sh->node->world, .stanza = s, .custody = c, .route = *r};
    str_put(o->peer, sizeof o->peer, peer_id);
    node_post(o->world->hub, out_arrived, out_free, o);
}

void world_gave_back(struct node_shard *sh, const char *peer_id, const struct jid *full,
                     const char *conn_id)
{
    struct stanza_build b;
    struct jid bare = jid_to_bare(full);
    struct region_route r = {.purpose = REGION_ENDED};
    stanza_build(&b, STANZA_PRESENCE, PRES_UNAVAILABLE, full, &bare, STR_NONE);
    route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, conn_id);
    world_send(sh, peer_id, stanza_finish(&b), NULL, &r);
}

/* ---- returned by the link, on the shard of the JID it is about */
static void user_again(struct node_shard *sh, void *ctx)
{
    struct out *o = ctx;
    struct anchor a;
    struct stanza *s = o->stanza;
    struct custody *c = o->custody;
    bool is_stuck =
        anchor_now(sh, s->to.bare, &a) && a.what == ANCHOR_PEER && strcmp(a.peer, o->peer) == 0;
    if (!is_stuck && o->route.hops < ROUTE_HOPS_MAX)
        route_start(sh, s, c, ROUTE_REGION, o->route.hops + 1, o->route.trace);
    else
        route_bounce(sh, s, c, STANZA_REMOTE_SERVER_TIMEOUT,
                     "the region of this account cannot be reached");
    mem_free(o);
}

static void from_again(struct node_shard *sh, void *ctx)
{
    struct out *o = ctx;
    c2s_returned(sh, o->stanza, o->custody, o->route.resource, o->peer);
    mem_free(o);
}

static void session_again(struct node_shard *sh, void *ctx)
{
    struct out *o = ctx;
    if (o->route.covered) {
        out_free(o);
        return;
    }
    user_returned(sh, o->stanza, o->custody, o->route.hops + 1);
    mem_free(o);
}

/* What waited for the front came back before it. */
static void ended_again(struct node_shard *sh, void *ctx)
{
    struct out *o = ctx;
    user_gave_back(sh, &o->stanza->to, o->route.resource);
    out_free(o);
}

static void up_failed(struct node_shard *sh, void *ctx)
{
    struct out *o = ctx;
    c2s_attached(sh, o->route.resource, ERR_UNAVAILABLE);
    out_free(o);
}

/* A member that has just restarted may ask before the registry tells us of it, which takes what we
 * answered for its former life's. Who does not wait for it ignores it. */
static void word_again(struct out *o)
{
    if (o->route.hops++ == 0) {
        world_send_now(o->world, o->peer, o->stanza, o->custody, &o->route);
        mem_free(o);
    } else {
        out_free(o);
    }
}

static void world_returned(void *ctx, const char *peer_id, struct stanza *s,
                           const struct region_route *r, void *token, const char *why)
{
    struct world *w = ctx;
    log_info(NULL, "world.returned", "peer", peer_id, "trace", r->trace, "why", why);
    struct out *o = mem_alloc(sizeof *o);
    *o = (struct out){.world = w, .stanza = s, .custody = token, .route = *r};
    str_put(o->peer, sizeof o->peer, peer_id);
    void (*then)(struct node_shard * sh, void *ctx) = NULL;
    struct str key = s->to.bare;
    switch (r->purpose) {
    case REGION_USER:
        then = user_again;
        break;
    case REGION_FROM:
        then = from_again;
        key = s->from.bare;
        break;
    case REGION_SESSION:
        then = session_again;
        break;
    case REGION_UP:
        then = up_failed;
        key = s->from.bare;
        break;
    case REGION_GONE: /* its anchor is dead: whoever is anchor now decides */
        then = user_again;
        break;
    case REGION_ENDED: /* at the front, it finds nobody */
        then = ended_again;
        break;
    case REGION_ASK:
        world_ask_lost(w, peer_id, s->id);
        break;
    case REGION_UP_OK:
    case REGION_ANSWER:
        word_again(o);
        return;
    case REGION_DOWN:
        break;
    }
    if (then)
        node_post(node_shard_of(w->node, key), then, out_free, o);
    else
        out_free(o);
}

static void world_acked(void *ctx, void *token)
{
    (void)ctx;
    struct custody *c = token;
    custody_unref(&c);
}

const struct s2s_region_ops world_link_ops = {
    .deliver = world_deliver,
    .link_up = world_link_up,
    .acked = world_acked,
    .drop_token = world_acked,
    .returned = world_returned,
    .anew = world_anew,
};
