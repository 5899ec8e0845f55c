/* Listeners: each shard opens its own on every public address (the kernel spreads connections by
 * reuse-port); region links arrive on shard 0, where the world lives. A connection of a public
 * address passes the gate of the PROXY protocol, where the port has one, and then takes one of the
 * seats that its address has in this node. */
#include "lib/base/log.h"
#include "lib/base/tally.h"
#include "lib/net/proxy.h"
#include "node/c2s/c2s.h"
#include "node/cluster/world.h"
#include "node/component/component.h"
#include "node/node-int.h"
#include "s2s/s2s.h"

static void accept_c2s(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    c2s_accept(l->shard, t, l->conf->direct_tls, &l->conf->rate);
}

static void accept_component(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    component_accept(l->shard, t, l->conf->direct_tls, &l->conf->rate);
}

static void accept_s2s(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    s2s_accept(l->shard->s2s, t, l->conf->direct_tls, &l->conf->rate);
}

static void accept_region(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    world_accept(l->shard->node->world, t);
}

/* ---- seats */
static void seat_left(struct transport_seats *s, uint64_t key)
{
    const struct node *n = container_of(s, struct node, seats);
    tally_give_back(n->addresses, key);
}

static void refuse(struct node_listener *l, struct transport *t)
{
    char ip[ADDR_TEXT_MAX];
    l->shard->stats.connections_refused++;
    log_info(NULL, "listen.refused", "ip", addr_format(ip, &t->peer), "why",
             "too many connections from the address");
    transport_abort(&t);
}

/* A connection of a public address, which is now known. */
static void admit(void *ctx, struct transport *t)
{
    struct node_listener *l = ctx;
    struct node *n = l->shard->node;
    const uint64_t key = addr_network_key(&t->peer);
    if (n->conf->connections_per_address) {
        if (!tally_take(n->addresses, key)) {
            refuse(l, t);
            return;
        }
        transport_set_seat(t, (struct transport_seat){&n->seats, key});
    }
    l->accept(l, t);
}

/* ---- opening */
static void listener_free(struct node_listener *l)
{
    listener_close(&l->listener);
    proxy_gate_free(&l->gate);
    mem_free(l);
}

static enum err open_at(struct node_listener *l, const struct addr *at, listen_accept *accept,
                        void *ctx, const char *what, char *why, size_t why_size)
{
    enum err e = listener_open(l->shard->loop, at, accept, ctx, &l->listener);
    if (e != ERR_OK) {
        char text[ADDR_TEXT_MAX];
        snprintf(why, why_size, "%s: cannot listen on %s: %s", what, addr_format(text, at),
                 err_text(e));
        listener_free(l);
        return e;
    }
    vec_push(&l->shard->listeners, l);
    return ERR_OK;
}

static enum err open_public(struct node_shard *sh, const struct node_conf_listen *c,
                            listen_accept *accept, const char *what, char *why, size_t why_size)
{
    struct node_listener *l = mem_alloc(sizeof *l);
    l->shard = sh;
    l->conf = c;
    l->accept = accept;
    if (!c->has_proxy_header)
        return open_at(l, &c->at, admit, l, what, why, why_size);
    l->gate = proxy_gate_new(sh->loop, admit, l);
    return open_at(l, &c->at, proxy_gate_take, l->gate, what, why, why_size);
}

static enum err open_region(struct node_shard *sh, char *why, size_t why_size)
{
    struct node_listener *l = mem_alloc(sizeof *l);
    l->shard = sh;
    return open_at(l, &sh->node->conf->region_listen, accept_region, l, "region.listen", why,
                   why_size);
}

static enum err open_shard(struct node_shard *sh, char *why, size_t why_size)
{
    const struct node_conf *c = sh->node->conf;
    enum err e = ERR_OK;
    for (size_t i = 0; i < c->c2s_n && e == ERR_OK; i++)
        e = open_public(sh, &c->c2s[i], accept_c2s, "listen.c2s", why, why_size);
    for (size_t i = 0; i < c->component_listen_n && e == ERR_OK; i++)
        e = open_public(sh, &c->component_listen[i], accept_component, "listen.component", why,
                        why_size);
    for (size_t i = 0; sh->s2s && i < c->s2s_n && e == ERR_OK; i++)
        e = open_public(sh, &c->s2s[i], accept_s2s, "listen.s2s", why, why_size);
    if (c->region_name && sh->index == 0 && e == ERR_OK)
        e = open_region(sh, why, why_size);
    return e;
}

enum err node_listen_open(struct node *n, char *why, size_t why_size)
{
    enum err e = ERR_OK;
    n->seats.leave = seat_left;
    for (unsigned i = 0; i < n->n_shards && e == ERR_OK; i++)
        e = open_shard(&n->shard[i], why, why_size);
    return e;
}

void node_listen_close(struct node_shard *sh)
{
    for (size_t i = 0; i < sh->listeners.n; i++)
        listener_free(sh->listeners.p[i]);
    vec_fini(&sh->listeners);
}
