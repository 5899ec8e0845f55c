/* Composition root: the only file that knows everybody. Builds shards, opens the store, wires
 * federation, region links and modules by their ops structs, and takes it all down again: in order
 * (node_stop) or at once (node_free). */
#include "node/node-int.h"

#include <sys/resource.h>

#include "global-registry/reg-driver.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/tally.h"
#include "lib/base/throttle.h"
#include "lib/loop/timer.h"
#include "node/c2s/c2s.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world.h"
#include "node/component/component.h"
#include "node/route/module.h"
#include "node/route/receipt.h"
#include "node/route/spool.h"
#include "node/session/user.h"
#include "s2s/s2s.h"

enum {
    STOP_MS = 5000,
    HASH_THREADS = 2,
    HASH_QUEUE = 4096,
    TRIES_KEYS = 16384,
    HALF_OPEN_SHARE = 4
};

bool node_serves(const struct node *n, struct str domain)
{
    for (const char *const *d = n->conf->domains; *d; d++)
        if (str_eqc(domain, *d))
            return true;
    return false;
}

/* ---- posts */
struct post {
    struct mail mail;
    struct node_shard *to;
    void (*fn)(struct node_shard *sh, void *ctx);
    void (*drop)(void *ctx);
    void *ctx;
};

static void post_run(struct mail *m)
{
    struct post p = *container_of(m, struct post, mail);
    mem_free(container_of(m, struct post, mail));
    p.fn(p.to, p.ctx);
}

static void post_drop(struct mail *m)
{
    struct post *p = container_of(m, struct post, mail);
    if (p->drop)
        p->drop(p->ctx);
    mem_free(p);
}

void node_post(struct node_shard *to, void (*fn)(struct node_shard *sh, void *ctx),
               void (*drop)(void *ctx), void *ctx)
{
    if (to->node->freeing) { /* nobody will run it */
        if (drop)
            drop(ctx);
        return;
    }
    struct post *p = mem_alloc(sizeof *p);
    *p = (struct post){{NULL, post_run, post_drop}, to, fn, drop, ctx};
    loop_post(to->loop, &p->mail);
}

/* ---- what s2s needs from its host */
static bool host_is_local(void *ctx, struct str domain)
{
    const struct node *n = ((struct node_shard *)ctx)->node;
    return node_serves(n, domain) || component_serves(n, domain);
}

static void host_deliver(void *ctx, struct stanza *s, struct s2s_receipt r)
{
    struct node_shard *sh = ctx;
    char trace[33];
    sh->stats.flow[FLOW_from_s2s][s->kind]++;
    route_trace_new(trace);
    route_start(sh, s, receipt_new(sh, r, s, trace), ROUTE_S2S, 0, trace);
}

static void host_bounce(void *ctx, struct stanza *s, enum stanza_cond c, const char *text,
                        void *token)
{
    route_bounce(ctx, s, token, c, text);
}

static void host_taken(void *ctx, void *token)
{
    struct custody *c = token;
    (void)ctx;
    custody_unref(&c);
}

/* A headline from our domain: shown now or not at all. */
static void host_delayed(void *ctx, const struct stanza *s, const char *text)
{
    struct stanza_build b;
    struct jid domain;
    struct arena *a = arena_new(0);
    if (jid_parse(a, s->from.domain, &domain, NULL) == ERR_OK) {
        stanza_build(&b, STANZA_MESSAGE, MSG_HEADLINE, &domain, &s->from, STR_NONE);
        xml_add_text(b.arena, xml_add(b.arena, b.el, NS_CLIENT, "body"), str_of(text));
        route_send(ctx, stanza_finish(&b));
    }
    arena_free(&a);
}

static bool host_owns(void *ctx, struct str remote)
{
    struct node_shard *sh = ctx;
    return node_shard_of(sh->node, remote) == sh;
}

static void parcel_take(struct node_shard *sh, void *ctx)
{
    struct s2s_parcel *p = ctx;
    if (sh->s2s)
        s2s_take(sh->s2s, &p);
    else
        s2s_parcel_drop(&p);
}

static void parcel_lost(void *ctx)
{
    struct s2s_parcel *p = ctx;
    s2s_parcel_drop(&p);
}

static void host_move(void *ctx, struct str remote, struct s2s_parcel *p)
{
    struct node_shard *sh = ctx;
    node_post(node_shard_of(sh->node, remote), parcel_take, parcel_lost, p);
}

static const struct s2s_host_ops host_ops = {.move = host_move,
                                             .is_local_domain = host_is_local,
                                             .deliver = host_deliver,
                                             .bounce = host_bounce,
                                             .taken = host_taken,
                                             .delayed = host_delayed,
                                             .owns = host_owns};

/* ---- opening */
static enum err shard_open(struct node_shard *sh, char *why, size_t why_size)
{
    struct node *n = sh->node;
    const struct node_conf *c = n->conf;
    op_owner_init(&sh->ops);
    node_tune_fill(&sh->tune, c);
    sh->fake = (struct stream_in_fake){c->dialback_secret, sh->tune.scram_iterations};
    sh->loop = shards_loop(n->shards, sh->index);
    sh->handles = handle_table_new(sh->index);
    sh->store = store_port_open(n->store, sh->loop);
    sh->anchors = anchor_cache_new(sh);
    sh->c2s = c2s_set_new(sh);
    sh->spool = spool_new(sh);
    struct dns_conf dc = {.servers = c->dns_servers, .trust_ad = c->dns_trust_ad};
    enum err e = dns_open(sh->loop, &dc, &sh->dns, why, why_size);
    if (e != ERR_OK)
        return e;
    if (c->s2s_enabled)
        sh->s2s = s2s_new(sh->loop, n->s2s_conf, sh->store, sh->dns, &host_ops, sh);
    return module_shard_init(sh);
}

/* Those that have proved nothing must leave descriptors for those that have, on all shards. */
static size_t half_open_max(const struct node *n)
{
    struct rlimit files;
    size_t max = n->conf->unauthenticated_connections;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return max;
    size_t share = (size_t)files.rlim_cur / HALF_OPEN_SHARE / n->n_shards;
    return share < max ? share + 1 : max;
}

static struct s2s_conf *s2s_conf_new(const struct node *n)
{
    const struct node_conf *c = n->conf;
    struct s2s_conf *s = mem_alloc(sizeof *s);
    *s = (struct s2s_conf){
        .tls_server = n->tls_s2s_in,
        .tls_client = n->tls_s2s_out,
        .tls_required = c->s2s_tls_required,
        .dialback = c->s2s_dialback,
        .external = c->s2s_external,
        .dialback_secret = c->dialback_secret,
        .no_bidi = !c->s2s_bidi,
        .no_acks = !c->s2s_acks,
        .newcomers = s2s_newcomers_new(c->s2s_new_domains),
        .tune = c->s2s_tune,
        .store_owner = c->node_name ? c->node_name : "node",
        .limits = &c->limits,
        .unproved_max = n->half_open_max,
        .overrides = c->s2s_overrides,
    };
    return s;
}

static void s2s_conf_free(struct s2s_conf *s)
{
    if (!s)
        return;
    s2s_policy_unref(&s->policy);
    s2s_newcomers_free(&s->newcomers);
    mem_free(s);
}

static enum err node_open_parts(struct node *n, struct store *shared, struct reg_driver **driver,
                                char *why, size_t why_size)
{
    enum err e = node_tls_open(n, why, why_size);
    if (e != ERR_OK)
        return e;
    n->half_open_max = half_open_max(n);
    n->s2s_conf = s2s_conf_new(n);
    e = s2s_policy_new(&n->conf->s2s_policy, &n->s2s_conf->policy, why, why_size);
    if (e != ERR_OK)
        return e;
    n->hashing = work_pool_new("hash", HASH_THREADS, HASH_QUEUE);
    const struct node_conf *c = n->conf;
    n->tries_address = throttle_new(c->tries_per_address, c->tries_window_ms, TRIES_KEYS);
    n->tries_account = throttle_new(c->tries_per_account, c->tries_window_ms, TRIES_KEYS);
    n->addresses = tally_new(c->connections_per_address);
    n->store_is_shared = shared != NULL;
    n->store = shared;
    if (!shared)
        e = store_open_at(&n->conf->store, n->conf->store_routes, n->conf->store_routes_n,
                          &n->store, why, why_size);
    if (e != ERR_OK)
        return e;
    if ((e = module_set_new(n, why, why_size)) != ERR_OK)
        return e;
    for (unsigned i = 0; i < n->n_shards; i++)
        if ((e = shard_open(&n->shard[i], why, why_size)) != ERR_OK)
            return e;
    world_new(n, driver);
    n->spool_load = spool_load_new(&n->shard[0]);
    return node_listen_open(n, why, why_size);
}

static struct dial_source redis_source(void *ctx)
{
    struct node *n = ctx;
    return dns_host_source(n->shard[0].dns, str_of(n->conf->redis_host), n->conf->redis_port);
}

static enum err redis_driver(struct node *n, struct reg_driver **out, char *why, size_t why_size)
{
    const struct node_conf *c = n->conf;
    struct redis_conf rc = {.source = redis_source,
                            .source_ctx = n,
                            .username = c->redis_username,
                            .password = c->redis_password,
                            .db = c->redis_db,
                            .sni = c->redis_host};
    if (c->redis_tls) {
        struct tls_ctx_conf tc = {.ca_file = c->redis_ca_file};
        enum err e = tls_ctx_new(false, &tc, &n->tls_redis, why, why_size);
        if (e != ERR_OK)
            return e;
        rc.tls = n->tls_redis;
    }
    *out = reg_redis_new(&rc, c->redis_prefix);
    return ERR_OK;
}

enum err node_new(const struct node_conf *c, struct shards *shards, struct reg_driver **registry,
                  struct store *store_shared, struct node **out, char *why, size_t why_size)
{
    struct node *n = mem_alloc(sizeof *n);
    n->conf = c;
    n->shards = shards;
    n->n_shards = shards_count(shards);
    n->incarnation = clock_wall_us();
    n->shard = mem_calloc(n->n_shards, sizeof *n->shard);
    for (unsigned i = 0; i < n->n_shards; i++) {
        n->shard[i].node = n;
        n->shard[i].index = i;
    }
    struct reg_driver *own = NULL;
    enum err e = ERR_OK;
    if (c->region_name && !registry)
        e = redis_driver(n, &own, why, why_size);
    if (e == ERR_OK)
        e = node_open_parts(n, store_shared, registry ? registry : &own, why, why_size);
    if (own)
        own->ops->close(&own);
    if (e != ERR_OK)
        node_free(&n);
    else
        *out = n;
    return e;
}

/* ---- stopping: each shard closes its listeners, clients and federation, then shard 0 the world */
struct stop {
    unsigned left;
    struct timer deadline;
    void (*done)(void *ctx);
    void *ctx;
};

/* By the last part that stopped, or by the deadline; who comes second finds nothing. */
static void stop_over(void *ctx)
{
    struct node *n = ctx;
    struct stop *s = n->stop;
    if (!s)
        return;
    timer_stop(&s->deadline);
    n->stop = NULL;
    void (*done)(void *ctx) = s->done;
    void *done_ctx = s->ctx;
    mem_free(s);
    done(done_ctx);
}

static void stop_shard_done(struct node_shard *hub, void *ctx)
{
    struct node *n = ctx;
    if (n->stop && --n->stop->left == 0)
        world_stop(hub->node->world, stop_over, n);
}

static void stop_tell(void *ctx)
{
    struct node_shard *sh = ctx;
    node_post(&sh->node->shard[0], stop_shard_done, NULL, sh->node);
}

static void stop_s2s(void *ctx)
{
    struct node_shard *sh = ctx;
    if (sh->s2s)
        s2s_stop(sh->s2s, stop_tell, sh);
    else
        stop_tell(sh);
}

static void stop_shard(struct node_shard *sh, void *ctx)
{
    (void)ctx;
    node_listen_close(sh);
    component_stop(sh);
    c2s_stop(sh, stop_s2s, sh);
}

void node_stop(struct node *n, void (*done)(void *ctx), void *ctx)
{
    if (n->is_stopping)
        return;
    n->is_stopping = true;
    struct stop *s = mem_alloc(sizeof *s);
    *s = (struct stop){.left = n->n_shards, .done = done, .ctx = ctx};
    n->stop = s;
    timer_init(&s->deadline, n->shard[0].loop, stop_over, n);
    timer_start(&s->deadline, STOP_MS);
    for (unsigned i = 0; i < n->n_shards; i++)
        node_post(&n->shard[i], stop_shard, NULL, NULL);
}

void node_fenced(struct node *n)
{
    n->fenced = true;
    shards_stop(n->shards);
}

/* ---- freeing */
static void shard_free(struct node_shard *sh)
{
    node_listen_close(sh);
    op_owner_cancel_all(&sh->ops);
    c2s_set_free(&sh->c2s);
    users_free(sh);
    anchor_cache_free(&sh->anchors);
    s2s_free(&sh->s2s);
    module_shard_fini(sh);
    if (sh->dns)
        dns_close(&sh->dns);
    spool_free(&sh->spool);
    store_port_close(&sh->store);
    handle_table_free(&sh->handles);
}

void node_free(struct node **pn)
{
    struct node *n = *pn;
    *pn = NULL;
    if (!n)
        return;
    n->freeing = true;
    if (n->stop) {
        timer_stop(&n->stop->deadline);
        mem_free(n->stop);
    }
    for (unsigned i = 0; i < n->n_shards; i++)
        if (n->shard[i].loop)
            loop_drop_mail(n->shard[i].loop);
    world_free(&n->world);
    if (n->spool_load)
        spool_load_stop(n->spool_load);
    for (unsigned i = 0; i < n->n_shards; i++)
        if (n->shard[i].loop)
            shard_free(&n->shard[i]);
    work_pool_free(&n->hashing);
    throttle_free(&n->tries_address);
    throttle_free(&n->tries_account);
    for (unsigned i = 0; i < n->n_shards; i++) /* what ended meanwhile */
        if (n->shard[i].loop)
            loop_drop_mail(n->shard[i].loop);
    spool_load_free(&n->spool_load);
    module_set_free(n);
    tally_free(&n->addresses);
    if (!n->store_is_shared && n->store)
        store_close(&n->store);
    node_tls_close(n);
    tls_ctx_unref(&n->tls_redis);
    s2s_conf_free(n->s2s_conf);
    mem_free(n->shard);
    mem_free(n);
}
