/* Into this node: a stanza arrived on a region link. By its purpose it goes to the shard of the JID
 * it is about; the link acknowledges it when the custody made here is released. */
#include "lib/base/log.h"
#include "node/auth/account.h"
#include "node/c2s/c2s.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world-int.h"
#include "node/component/component.h"
#include "node/route/spool.h"
#include "node/session/user.h"

struct ticket { /* custody of one stanza of a link */
    struct custody custody;
    struct node_shard
        *hub; /* outlives the world: custody may be released while the node is freed */
    struct world *world;
    region_ticket number;
    struct spooled spooled;
    struct spool_item item;
};

static void ticket_stored(struct spooled *sp)
{
    struct ticket *t = container_of(sp, struct ticket, spooled);
    s2s_region_complete(t->world->links, t->number);
}

static void ticket_done(struct node_shard *sh, void *ctx)
{
    (void)sh;
    struct ticket *t = ctx;
    s2s_region_complete(t->world->links, t->number);
    spool_end(&t->spooled);
    mem_free(t);
}

static void ticket_drop(void *ctx)
{
    struct ticket *t = ctx;
    spool_forget(&t->spooled);
    mem_free(t);
}

static void ticket_release(struct custody *c)
{
    struct ticket *t = container_of(c, struct ticket, custody);
    node_post(t->hub, ticket_done, ticket_drop, t);
}

/* What of it is stored if its custody takes long. Words between nodes are not, nor copies, nor what
 * concerns one connection only: they end with it. */
static void ticket_spool(struct ticket *t, struct stanza *s, const struct region_route *r)
{
    static const enum spool_wait waits[] = {
        [REGION_USER] = SPOOL_USER,       [REGION_FROM] = SPOOL_FROM,
        [REGION_SESSION] = SPOOL_SESSION, [REGION_UP] = SPOOL_FROM,
        [REGION_UP_OK] = SPOOL_SESSION,   [REGION_DOWN] = SPOOL_FROM,
        [REGION_GONE] = SPOOL_SESSION,    [REGION_ENDED] = SPOOL_SESSION,
        [REGION_ASK] = SPOOL_FROM,        [REGION_ANSWER] = SPOOL_FROM};
    const bool to_session = r->purpose == REGION_SESSION || r->purpose == REGION_GONE;
    spool_watch(&t->spooled, t->hub, waits[r->purpose], &t->item, ticket_stored);
    if (r->purpose == REGION_FROM)
        spool_add(&t->spooled, s, ROUTE_CLIENT, r->trace);
    else if (r->purpose == REGION_USER || (to_session && !r->covered && s->kind == STANZA_MESSAGE))
        spool_add(&t->spooled, s, ROUTE_REGION, r->trace);
}

static struct custody *ticket_new(struct world *w, region_ticket number, struct stanza *s,
                                  const struct region_route *r)
{
    struct ticket *t = mem_alloc(sizeof *t);
    refs_init(&t->custody.refs);
    t->custody.release = ticket_release;
    t->hub = w->hub;
    t->world = w;
    t->number = number;
    ticket_spool(t, s, r);
    return &t->custody;
}

struct in {
    struct world *world;
    struct node_shard *sh; /* where a question is worked on */
    struct stanza *stanza;
    struct custody *custody;
    struct region_route route;
    char peer[130];
    uint64_t incarnation;
};

static void in_free(void *ctx)
{
    struct in *i = ctx;
    stanza_unref(&i->stanza);
    custody_unref(&i->custody);
    mem_free(i);
}

static void in_user(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    if (node_serves(sh->node, i->stanza->to.domain) ||
        component_serves(sh->node, i->stanza->to.domain))
        route_start(sh, i->stanza, i->custody, ROUTE_REGION, i->route.hops + 1, i->route.trace);
    else /* members serve other domains than we do: it must not leave to other servers from here */
        route_bounce(sh, i->stanza, i->custody, STANZA_SERVICE_UNAVAILABLE, NULL);
    mem_free(i);
}

static void from_session(struct node_shard *sh, struct in *i)
{
    user_from_session(sh, &i->stanza->from, i->route.resource, i->peer, i->incarnation, i->stanza,
                      i->custody, i->route.trace);
    mem_free(i);
}

static void in_session(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    if (c2s_write_to(sh, i->route.resource, i->stanza, i->custody, i->route.covered,
                     i->route.hops)) {
        mem_free(i);
        return;
    }
    if (i->route.covered) {
        in_free(i);
        return;
    }
    struct region_route r = i->route;
    r.purpose = REGION_GONE;
    world_send(sh, i->peer, i->stanza, i->custody, &r);
    mem_free(i);
}

static void in_gone(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    user_leaving(sh, &i->stanza->to, i->route.resource);
    user_returned(sh, i->stanza, i->custody, i->route.hops + 1);
    mem_free(i);
}

/* To a full JID: our connection ended, and its anchor wants to know when all came back; else a
 * front says so. */
static void in_ended(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    if (!jid_is_full(&i->stanza->to))
        user_gave_back(sh, &i->stanza->to, i->route.resource);
    else if (!c2s_will_give_back(sh, i->route.resource, i->peer))
        world_gave_back(sh, i->peer, &i->stanza->to, i->route.resource);
    in_free(i);
}

static void attach_session(struct node_shard *sh, struct in *i)
{
    struct stanza *s = i->stanza;
    enum err e =
        user_attach(sh, &s->from, i->route.resource, SESSION_REMOTE, 0, i->peer, i->incarnation);
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, e == ERR_OK ? PRES_AVAILABLE : PRES_ERROR, NULL, &s->from,
                 STR_NONE);
    if (e == ERR_OK)
        session_wants_add(b.arena, b.el,
                          user_wants(sh, &s->from, i->route.resource, session_wants_read(s)));
    struct region_route r = i->route;
    r.purpose = e == ERR_CONFLICT ? REGION_DOWN : REGION_UP_OK;
    world_send(sh, i->peer, stanza_finish(&b), NULL, &r);
    in_free(i);
}

/* ---- of sessions whose front is elsewhere: only if there is such an account, and in order */
static void refuse_session(struct node_shard *sh, struct in *i)
{
    struct stanza_build b;
    struct region_route r = i->route;
    stanza_build(&b, STANZA_PRESENCE, PRES_UNAVAILABLE, NULL, &i->stanza->from, STR_NONE);
    xml_add(b.arena, b.el, NS_STREAM_ERRORS, stream_cond_name(STREAM_NOT_AUTHORIZED));
    r.purpose = REGION_DOWN;
    log_info(NULL, "world.session.refused", "peer", i->peer, "jid", LOG_STR(i->stanza->from.full));
    world_send(sh, i->peer, stanza_finish(&b), NULL, &r);
    in_free(i);
}

static void end_session(struct node_shard *sh, struct in *i)
{
    user_detach(sh, &i->stanza->from, i->route.resource);
    in_free(i);
}

static void session_known(void *ctx, const struct anchor *a)
{
    struct in *i = ctx;
    if (i->route.purpose == REGION_DOWN)
        end_session(i->sh, i);
    else if (a->what == ANCHOR_NO_ACCOUNT) /* removed since it logged in */
        refuse_session(i->sh, i);
    else if (i->route.purpose == REGION_UP)
        attach_session(i->sh, i);
    else
        from_session(i->sh, i);
}

static void in_session_word(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    struct anchor a;
    i->sh = sh;
    if (!i->route.resource[0]) {
        spool_former(sh, i->stanza, i->custody, i->route.hops + 1, i->route.trace);
        mem_free(i);
        return;
    }
    if (user_has_session(sh, &i->stanza->from, i->route.resource))
        session_known(i, &(struct anchor){.what = ANCHOR_HERE});
    else if (anchor_now(sh, i->stanza->from.bare, &a))
        session_known(i, &a);
    else
        anchor_ask(sh, &sh->ops, i->stanza->from.bare, session_known, in_free, i);
}

/* Attached; or it was before, and wants something else. */
static void in_up_ok(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    enum err e = i->stanza->type == PRES_ERROR ? ERR_LIMIT : ERR_OK;
    if (e == ERR_OK)
        c2s_wants(sh, i->route.resource, session_wants_read(i->stanza));
    c2s_attached(sh, i->route.resource, e);
    in_free(i);
}

/* To a full JID: the anchor closes one of our connections, and its payload says why; else a
 * connection over there is gone. */
static void in_down(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    const struct xml *why = stanza_payload(i->stanza);
    if (!jid_is_full(&i->stanza->to)) {
        in_session_word(sh, i);
        return;
    }
    if (xml_is(why, NS_STREAM_ERRORS, "not-authorized"))
        c2s_close(sh, i->route.resource, STREAM_NOT_AUTHORIZED, "the account was removed");
    else if (xml_is(why, NS_STREAM_ERRORS, "policy-violation"))
        c2s_close(sh, i->route.resource, STREAM_POLICY_VIOLATION, "closed by the operator");
    else
        c2s_close(sh, i->route.resource, STREAM_CONFLICT, "replaced by a new connection");
    in_free(i);
}

static void answer_ready(void *ctx, struct stanza *answer)
{
    struct in *i = ctx;
    struct region_route r = i->route;
    r.purpose = REGION_ANSWER;
    if (answer)
        world_send(i->sh, i->peer, answer, NULL, &r);
    in_free(i);
}

static void in_ask(struct node_shard *sh, void *ctx)
{
    struct in *i = ctx;
    i->sh = sh;
    account_answer(sh, i->stanza, answer_ready, i);
}

static void in_answer(struct world *w, struct in *i)
{
    world_answered(w, i->peer, i->stanza);
    in_free(i);
}

enum key { BY_TO, BY_FROM, HUB };
static const struct {
    enum key key;
    void (*on_shard)(struct node_shard *sh, void *ctx);
    void (*on_hub)(struct world *w, struct in *i);
} purposes[] = {
    [REGION_USER] = {BY_TO, in_user, NULL},       [REGION_FROM] = {BY_FROM, in_session_word, NULL},
    [REGION_SESSION] = {BY_TO, in_session, NULL}, [REGION_UP] = {BY_FROM, in_session_word, NULL},
    [REGION_UP_OK] = {BY_TO, in_up_ok, NULL},     [REGION_DOWN] = {BY_TO, in_down, NULL},
    [REGION_GONE] = {BY_TO, in_gone, NULL},       [REGION_ENDED] = {BY_TO, in_ended, NULL},
    [REGION_ASK] = {BY_TO, in_ask, NULL},         [REGION_ANSWER] = {HUB, NULL, in_answer},
};

static bool is_our_user(const struct world *w, const struct jid *j)
{
    return j->local.p && node_serves(w->node, j->domain);
}

/* A name of a connection that fits into a session; without one nothing is found by it. */
static bool has_conn(const struct region_route *r)
{
    return r->resource[0] && strlen(r->resource) < SESSION_CONN_MAX;
}

/* What the anchor and the fronts rely on; a peer that breaks it is broken, its stanza is dropped.
 * What is addressed to nobody of ours is not dropped but refused (in_user). */
static bool in_is_sane(const struct world *w, const struct stanza *s, const struct region_route *r)
{
    switch (r->purpose) {
    case REGION_USER:
        return jid_is_set(&s->to) && jid_is_set(&s->from);
    case REGION_FROM: /* of a session of a former life it has no connection */
        return jid_is_full(&s->from) && is_our_user(w, &s->from) &&
               (has_conn(r) || !r->resource[0]);
    case REGION_UP:
        return jid_is_full(&s->from) && is_our_user(w, &s->from) && has_conn(r);
    case REGION_SESSION:
    case REGION_UP_OK:
    case REGION_GONE:
    case REGION_ENDED:
        return is_our_user(w, &s->to) && has_conn(r);
    case REGION_DOWN:
        return is_our_user(w, &s->to) && has_conn(r) &&
               (jid_is_full(&s->to) || (jid_is_full(&s->from) && jid_bare_eq(&s->from, &s->to)));
    case REGION_ASK:
        return s->kind == STANZA_IQ && s->id.p && jid_is_set(&s->to);
    case REGION_ANSWER:
        return s->kind == STANZA_IQ && s->id.p;
    }
    return false;
}

void world_deliver(void *ctx, const char *peer_id, uint64_t incarnation, struct stanza *s,
                   const struct region_route *r, region_ticket t)
{
    struct world *w = ctx;
    w->hub->stats.flow[FLOW_from_regions][s->kind]++;
    struct in *i = mem_alloc(sizeof *i);
    *i = (struct in){.world = w,
                     .stanza = s,
                     .custody = ticket_new(w, t, s, r),
                     .route = *r,
                     .incarnation = incarnation};
    str_put(i->peer, sizeof i->peer, peer_id);
    if (!in_is_sane(w, s, r)) {
        log_warn(NULL, "world.stanza.insane", "peer", peer_id, "trace", r->trace);
        in_free(i);
        return;
    }
    if (purposes[r->purpose].key == HUB) {
        purposes[r->purpose].on_hub(w, i);
        return;
    }
    struct str key = purposes[r->purpose].key == BY_TO ? s->to.bare : s->from.bare;
    node_post(node_shard_of(w->node, key), purposes[r->purpose].on_shard, in_free, i);
}

/* The peer took our stanzas again; its own restart is told by the registry (member_up). */
void world_link_up(void *ctx, const char *peer_id, bool fresh)
{
    (void)ctx;
    log_info(NULL, "world.link.up", "peer", peer_id, "resumed", fresh ? "no" : "yes");
}
