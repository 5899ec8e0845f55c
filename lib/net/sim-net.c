/* The simulated network: hosts, the roads between them, and what a test does to them.
 *
 * Role: same symbols as tcp.c and listen.c for the layers above; connections are in sim-conn.c,
 * listeners and connecting in sim-listen.c. Everything random is drawn from the simulation's seed.
 * State is one static struct, like the simulator's: a process is in at most one simulation. Killing
 * a host ends an incarnation; what belonged to it stays dead when it is revived. */
#include "lib/net/sim-net-int.h"

enum { SIM_MIN_US = 1000, SIM_MAX_US = 5000, SIM_LOCAL_MIN_US = 10, SIM_LOCAL_MAX_US = 100 };

static struct {
    bool is_on;
    bool is_whole; /* segments are not broken up */
    unsigned numbers;
    struct list hosts, roads, conns;
} net;

void sim_net_begin(void)
{
    must(!net.is_on);
    net.is_on = true;
    net.is_whole = false;
    net.numbers = 0;
    list_init(&net.hosts);
    list_init(&net.roads);
    list_init(&net.conns);
    sim_listeners_init();
}

void sim_net_end(void)
{
    must(net.is_on);
    for (struct list *n; (n = list_shift(&net.hosts));) {
        struct sim_host *h = list_entry(n, struct sim_host, link);
        mem_free(h->name);
        mem_free(h);
    }
    for (struct list *n; (n = list_shift(&net.roads));)
        mem_free(list_entry(n, struct sim_road, link));
    net.is_on = false;
}

void sim_net_whole(void)
{
    must(net.is_on);
    net.is_whole = true;
}

/* One byte, a few, or many: what parsers dislike. */
size_t sim_draw_size(void)
{
    if (net.is_whole)
        return SIM_SEGMENT_MAX;
    switch (sim_rand(8)) {
    case 0:
        return 1;
    case 1:
        return 1 + (size_t)sim_rand(64);
    default:
        return 1 + (size_t)sim_rand(SIM_SEGMENT_MAX);
    }
}

struct list *sim_conns(void)
{
    return &net.conns;
}

static struct sim_host *host_named(struct str name)
{
    must(net.is_on);
    list_each (&net.hosts, n) {
        struct sim_host *h = list_entry(n, struct sim_host, link);
        if (str_eqc(name, h->name))
            return h;
    }
    struct sim_host *h = mem_alloc(sizeof *h);
    h->name = str_dup(name);
    h->is_alive = true;
    h->number = ++net.numbers;
    list_push(&net.hosts, &h->link);
    return h;
}

struct sim_host *sim_host_of(const struct loop *l)
{
    struct str name = str_of(loop_name(l));
    return host_named(str_cut(&name, '/'));
}

static struct sim_road *road_find(const struct sim_host *a, const struct sim_host *b)
{
    list_each (&net.roads, n) {
        struct sim_road *r = list_entry(n, struct sim_road, link);
        if ((r->a == a && r->b == b) || (r->a == b && r->b == a))
            return r;
    }
    return NULL;
}

static struct sim_road *road_of(const char *host_a, const char *host_b)
{
    struct sim_host *a = host_named(str_of(host_a)), *b = host_named(str_of(host_b));
    struct sim_road *r = road_find(a, b);
    if (r)
        return r;
    r = mem_alloc(sizeof *r);
    r->a = a;
    r->b = b;
    r->min_us = a == b ? SIM_LOCAL_MIN_US : SIM_MIN_US;
    r->max_us = a == b ? SIM_LOCAL_MAX_US : SIM_MAX_US;
    list_push(&net.roads, &r->link);
    return r;
}

uint64_t sim_latency_us(struct sim_host *a, struct sim_host *b)
{
    const struct sim_road *r = b ? road_find(a, b) : NULL;
    uint64_t min_us = a == b ? SIM_LOCAL_MIN_US : SIM_MIN_US;
    uint64_t max_us = a == b ? SIM_LOCAL_MAX_US : SIM_MAX_US;
    if (r) {
        min_us = r->min_us;
        max_us = r->max_us;
    }
    return min_us + sim_rand(max_us - min_us + 1);
}

enum sim_cut sim_cut_of(const struct sim_host *a, const struct sim_host *b)
{
    const struct sim_road *r = road_find(a, b);
    return r ? r->cut : SIM_WHOLE;
}

void sim_net_latency(const char *host_a, const char *host_b, uint64_t min_us, uint64_t max_us)
{
    struct sim_road *r = road_of(host_a, host_b);
    must(min_us <= max_us);
    r->min_us = min_us;
    r->max_us = max_us;
}

static bool conn_between(const struct conn *c, const struct sim_road *r)
{
    const struct sim_host *a = c->side[0].host, *b = c->side[1].host;
    return (a == r->a && b == r->b) || (a == r->b && b == r->a);
}

void sim_net_cut(const char *host_a, const char *host_b, bool silent)
{
    struct sim_road *r = road_of(host_a, host_b);
    r->cut = silent ? SIM_SILENT : SIM_CUT;
    if (silent)
        return;
    list_each (&net.conns, n) {
        struct conn *c = list_entry(n, struct conn, link);
        if (!conn_between(c, r))
            continue;
        side_cut(&c->side[0]);
        side_cut(&c->side[1]);
    }
}

void sim_net_heal(const char *host_a, const char *host_b)
{
    struct sim_road *r = road_of(host_a, host_b);
    r->cut = SIM_WHOLE;
    list_each (&net.conns, n) {
        struct conn *c = list_entry(n, struct conn, link);
        if (c->syn_stalled)
            sim_connect_retry(c);
        if (!conn_between(c, r))
            continue;
        side_heal(&c->side[0]);
        side_heal(&c->side[1]);
    }
}

void sim_net_kill(const char *host)
{
    struct sim_host *h = host_named(str_of(host));
    if (!h->is_alive)
        return;
    h->is_alive = false;
    h->incarnation++;
    sim_listeners_kill(h);
    list_each (&net.conns, n) {
        struct conn *c = list_entry(n, struct conn, link);
        for (int i = 0; i < 2; i++)
            if (c->side[i].host == h)
                side_kill(&c->side[i]);
    }
}

void sim_net_revive(const char *host)
{
    host_named(str_of(host))->is_alive = true;
}
