/* Listeners: each shard opens its own on every public address (the kernel spreads connections by
 * reuse-port); region links arrive on shard 0, where the world lives. */
#include "lib/base/log.h"
#include "node/c2s/c2s.h"
#include "node/cluster/world.h"
#include "node/component/component.h"
#include "node/node-int.h"
#include "s2s/s2s.h"

static void accept_c2s(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    c2s_accept(l->shard, t, l->direct_tls);
}

static void accept_component(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    component_accept(l->shard, t, l->direct_tls);
}

static void accept_s2s(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    s2s_accept(l->shard->s2s, t, l->direct_tls);
}

static void accept_region(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    world_accept(l->shard->node->world, t);
}

static enum err open_one(struct node_shard *sh, const struct addr *at, bool direct,
                         listen_accept *accept, const char *what, char *why, size_t why_size)
{
    struct node_listener *l = mem_alloc(sizeof *l);
    l->shard = sh;
    l->direct_tls = direct;
    enum err e = listener_open(sh->loop, at, accept, l, &l->listener);
    if (e != ERR_OK) {
        char text[ADDR_TEXT_MAX];
        snprintf(why, why_size, "%s: cannot listen on %s: %s", what, addr_format(text, at),
                 err_text(e));
        mem_free(l);
        return e;
    }
    vec_push(&sh->listeners, l);
    return ERR_OK;
}

static enum err open_shard(struct node_shard *sh, char *why, size_t why_size)
{
    const struct node_conf *c = sh->node->conf;
    enum err e = ERR_OK;
    for (size_t i = 0; i < c->c2s_n && e == ERR_OK; i++)
        e = open_one(sh, &c->c2s[i].at, c->c2s[i].direct_tls, accept_c2s, "listen.c2s", why,
                     why_size);
    for (size_t i = 0; i < c->component_listen_n && e == ERR_OK; i++)
        e = open_one(sh, &c->component_listen[i].at, c->component_listen[i].direct_tls,
                     accept_component, "listen.component", why, why_size);
    for (size_t i = 0; sh->s2s && i < c->s2s_n && e == ERR_OK; i++)
        e = open_one(sh, &c->s2s[i].at, c->s2s[i].direct_tls, accept_s2s, "listen.s2s", why,
                     why_size);
    if (c->region_name && sh->index == 0 && e == ERR_OK)
        e = open_one(sh, &c->region_listen, true, accept_region, "region.listen", why, why_size);
    return e;
}

enum err node_listen_open(struct node *n, char *why, size_t why_size)
{
    enum err e = ERR_OK;
    for (unsigned i = 0; i < n->n_shards && e == ERR_OK; i++)
        e = open_shard(&n->shard[i], why, why_size);
    return e;
}

void node_listen_close(struct node_shard *sh)
{
    for (size_t i = 0; i < sh->listeners.n; i++) {
        listener_close(&sh->listeners.p[i]->listener);
        mem_free(sh->listeners.p[i]);
    }
    vec_fini(&sh->listeners);
}
