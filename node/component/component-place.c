/* DOC: who has a component's domain. Its owner, the shard of the domain, knows the link of this
 * node; a second claim is refused or takes over, as configured. The first link publishes the domain
 * in the registry, as if it were the bare JID of a user, so that other nodes find it; they ask when
 * a stanza for it comes and believe the answer for COMPONENT_KEEP_MS. What comes while the question
 * is under way waits behind it, so that order holds. A link of this node comes before others'. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "node/cluster/world.h"
#include "node/component/component-int.h"

struct place {
    struct node_shard *sh; /* the owner */
    const struct node_conf_component *is;
    struct node_shard *at; /* of the link */
    handle link;           /* 0 = none here */
    struct list waiting;   /* struct wait, while asked */
    size_t n_waiting;
    bool is_asking;
    char peer[130]; /* who has one, "" = nobody */
    uint64_t peer_until_us;
};
struct wait {
    struct list link;
    struct route route;
};

static struct place *place_get(struct node_shard *sh, const struct node_conf_component *is)
{
    struct component_shard *cs = component_shard(sh);
    struct place *p = hmap_get(&cs->places, str_of(is->domain));
    if (p)
        return p;
    p = mem_alloc(sizeof *p);
    p->sh = sh;
    p->is = is;
    list_init(&p->waiting);
    hmap_put(&cs->places, str_of(is->domain), p);
    return p;
}

static void wait_free(struct wait *w)
{
    stanza_unref(&w->route.stanza);
    custody_unref(&w->route.custody);
    mem_free(w);
}

void places_free(struct component_shard *cs)
{
    struct place *p;
    for (size_t it = 0; (p = hmap_next(&cs->places, &it, NULL));) {
        struct list *n;
        while ((n = list_shift(&p->waiting)))
            wait_free(list_entry(n, struct wait, link));
        mem_free(p);
    }
    hmap_fini(&cs->places);
}

/* ---- claim and release */
struct claim {
    struct node_shard *asker;
    const struct node_conf_component *is;
    handle link;
    bool is_granted;
};

static struct claim *claim_new(struct node_shard *sh, const struct node_conf_component *is,
                               handle link)
{
    struct claim *c = mem_alloc(sizeof *c);
    *c = (struct claim){.asker = sh, .is = is, .link = link};
    return c;
}

static void claim_answered(struct node_shard *sh, void *ctx)
{
    struct claim *c = ctx;
    link_claimed(sh, c->link, c->is_granted);
    mem_free(c);
}

static void claim_lost(struct node_shard *sh, void *ctx)
{
    struct claim *c = ctx;
    link_replaced(sh, c->link);
    mem_free(c);
}

static void claim_at_owner(struct node_shard *sh, void *ctx)
{
    struct claim *c = ctx;
    struct place *p = place_get(sh, c->is);
    c->is_granted = !p->link || c->is->kicks_old;
    if (p->link && c->is_granted)
        node_post(p->at, claim_lost, mem_free, claim_new(p->at, c->is, p->link));
    if (c->is_granted) {
        if (!p->link)
            world_publish(sh, str_of(c->is->domain), str_of(sh->node->conf->region_name));
        p->at = c->asker;
        p->link = c->link;
    }
    node_post(c->asker, claim_answered, mem_free, c);
}

static void release_at_owner(struct node_shard *sh, void *ctx)
{
    struct claim *c = ctx;
    struct place *p = place_get(sh, c->is);
    if (p->link == c->link && p->at == c->asker) {
        p->link = 0;
        world_withdraw(sh, str_of(c->is->domain));
    }
    mem_free(c);
}

void place_claim(struct node_shard *sh, const struct node_conf_component *is, handle link)
{
    node_post(node_shard_of(sh->node, str_of(is->domain)), claim_at_owner, mem_free,
              claim_new(sh, is, link));
}

void place_release(struct node_shard *sh, const struct node_conf_component *is, handle link)
{
    node_post(node_shard_of(sh->node, str_of(is->domain)), release_at_owner, mem_free,
              claim_new(sh, is, link));
}

/* ---- stanzas to it */
static void refuse(struct node_shard *sh, struct route *r, enum stanza_cond c, const char *text)
{
    route_bounce(sh, r->stanza, r->custody, c, text);
}

struct hand { /* to the shard of the link */
    struct route route;
    handle link;
};

static void hand_drop(void *ctx)
{
    struct hand *h = ctx;
    stanza_unref(&h->route.stanza);
    custody_unref(&h->route.custody);
    mem_free(h);
}

static void hand_over(struct node_shard *sh, void *ctx)
{
    struct hand *h = ctx;
    if (!link_write(sh, h->link, h->route.stanza, h->route.custody))
        refuse(sh, &h->route, STANZA_SERVICE_UNAVAILABLE, "the component went");
    mem_free(h);
}

static void to_link(struct place *p, const struct route *r)
{
    struct hand *h = mem_alloc(sizeof *h);
    *h = (struct hand){.route = *r, .link = p->link};
    node_post(p->at, hand_over, hand_drop, h);
}

static void to_peer(struct place *p, struct route *r)
{
    struct region_route rr = {.purpose = REGION_USER, .hops = r->hops};
    str_put(rr.trace, sizeof rr.trace, r->trace);
    if (r->hops >= ROUTE_HOPS_MAX)
        refuse(p->sh, r, STANZA_SERVICE_UNAVAILABLE, "routed in a circle");
    else if (!p->peer[0])
        refuse(p->sh, r, STANZA_SERVICE_UNAVAILABLE, "the component is not connected");
    else
        world_send(p->sh, p->peer, r->stanza, r->custody, &rr);
}

/* What is known now: a link here, or what the registry said last. */
static void deliver_known(struct place *p, struct route *r)
{
    if (p->link)
        to_link(p, r);
    else
        to_peer(p, r);
}

static void located(void *ctx, enum err e, const struct world_location *l, size_t n)
{
    struct place *p = ctx;
    const char *self = world_self_id(p->sh->node->world);
    struct list *first;
    p->is_asking = false;
    p->peer[0] = 0;
    for (size_t i = 0; e == ERR_OK && i < n && !p->peer[0]; i++)
        if (strcmp(l[i].peer, self) != 0)
            str_put(p->peer, sizeof p->peer, l[i].peer);
    p->peer_until_us = clock_mono_us() + COMPONENT_KEEP_MS * 1000ull;
    if (e != ERR_OK)
        log_warn(NULL, "component.locate.failed", "domain", p->is->domain, "why", err_text(e));
    while ((first = list_shift(&p->waiting))) {
        struct wait *w = list_entry(first, struct wait, link);
        struct route r = w->route;
        p->n_waiting--;
        mem_free(w);
        deliver_known(p, &r);
    }
}

static void wait_for_answer(struct place *p, const struct route *r)
{
    struct wait *w = mem_alloc(sizeof *w);
    w->route = *r;
    custody_queued(&w->route.custody);
    list_push(&p->waiting, &w->link);
    p->n_waiting++;
    if (p->is_asking)
        return;
    p->is_asking = true;
    world_locate(p->sh, &p->sh->ops, str_of(p->is->domain), true, located, p);
}

void component_route(struct route *r)
{
    struct node_shard *sh = r->shard;
    struct place *p = place_get(sh, component_find(sh->node, r->stanza->to.domain));
    bool is_known = p->link || !sh->node->conf->region_name || (p->peer_until_us > clock_mono_us());
    if (p->is_asking && p->n_waiting >= COMPONENT_WAITING_MAX)
        refuse(sh, r, STANZA_RESOURCE_CONSTRAINT, "too many wait for the component");
    else if (p->is_asking || !is_known)
        wait_for_answer(p, r);
    else
        deliver_known(p, r);
}
