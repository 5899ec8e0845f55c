/* The node's place in the world: opens registry and region links on shard 0, keeps the list of
 * members and gives every shard a copy of it, publishes which bare JIDs have connections here.
 * Members are never forgotten while the node runs: a region whose nodes are all dead still is the
 * home of its accounts, and stanzas wait for it (DESIGN section 10). */
#include "node/cluster/world-int.h"

#include "global-registry/reg-driver.h"
#include "lib/base/log.h"
#include "node/c2s/c2s.h"
#include "node/route/module.h"
#include "node/session/user.h"

const struct world_view *world_view(const struct node_shard *sh)
{
    return &sh->node->world->views[sh->index];
}
const char *world_self_id(const struct world *w)
{
    return w->self_id;
}

const struct world_member *world_member_find(const struct world_view *v, const char *id)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->members[i].id, id) == 0)
            return &v->members[i];
    return NULL;
}

/* ---- views */
struct view_mail {
    struct world *world;
    struct world_view view;
    char reattach[130]; /* connections anchored there (or anywhere, if "*") attach again */
    char dead[130];     /* sessions connected there are gone */
    uint64_t dead_incarnation;
    bool is_ours; /* it is of our region */
};

static void view_mail_free(void *ctx)
{
    struct view_mail *m = ctx;
    mem_free(m->view.members);
    mem_free(m);
}

static void view_arrived(struct node_shard *sh, void *ctx)
{
    struct view_mail *m = ctx;
    struct world_view *v = &m->world->views[sh->index];
    struct world_view old = *v;
    *v = m->view;
    m->view = old;
    if (m->dead[0])
        user_peer_dead(sh, m->dead, m->dead_incarnation);
    c2s_reattach(sh, m->reattach);
    if (m->is_ours)
        module_region_changed(sh);
    view_mail_free(m);
}

static bool is_ours(const struct world *w, const char *id)
{
    const struct world_member *m = world_member_find(&w->view, id);
    return m && !m->self && strcmp(m->m.region, w->node->conf->region_name) == 0;
}

static void view_spread(struct world *w, const char *reattach, const char *dead,
                        uint64_t incarnation)
{
    for (unsigned i = 0; i < w->node->n_shards; i++) {
        struct view_mail *m = mem_alloc(sizeof *m);
        m->world = w;
        m->view.n = w->view.n;
        m->view.members = mem_dup(w->view.members, w->view.n * sizeof *w->view.members);
        m->dead_incarnation = incarnation;
        str_put(m->reattach, sizeof m->reattach, reattach);
        str_put(m->dead, sizeof m->dead, dead);
        m->is_ours = is_ours(w, reattach);
        node_post(&w->node->shard[i], view_arrived, view_mail_free, m);
    }
}

/* It may have taken us for dead and dropped our connections' sessions. */
void world_anew(void *ctx, const char *peer_id)
{
    view_spread(ctx, peer_id, "", 0);
}

static struct world_member *member_put(struct world *w, const struct reg_member *m)
{
    char id[130];
    snprintf(id, sizeof id, "%s/%s", m->region, m->node);
    size_t at = 0;
    while (at < w->view.n && strcmp(w->view.members[at].id, id) < 0)
        at++;
    if (at == w->view.n || strcmp(w->view.members[at].id, id) != 0) {
        w->view.members = mem_realloc(w->view.members, (w->view.n + 1) * sizeof *w->view.members);
        memmove(&w->view.members[at + 1], &w->view.members[at],
                (w->view.n - at) * sizeof *w->view.members);
        w->view.n++;
    }
    struct world_member *wm = &w->view.members[at];
    memset(wm, 0, sizeof *wm);
    wm->m = *m;
    str_put(wm->id, sizeof wm->id, id);
    return wm;
}

static bool region_lives(const struct world *w, const char *region)
{
    for (size_t i = 0; i < w->view.n; i++)
        if (w->view.members[i].live && strcmp(w->view.members[i].m.region, region) == 0)
            return true;
    return false;
}

/* ---- registry events */
static void on_member_up(void *ctx, const struct reg_member *m)
{
    struct world *w = ctx;
    struct s2s_region_peer p = {.incarnation = m->incarnation};
    snprintf(p.id, sizeof p.id, "%s/%s", m->region, m->node);
    str_put(p.domain, sizeof p.domain, m->domain);
    if (addr_parse_hostport(str_of(m->endpoint), &p.endpoint) != ERR_OK) { /* not one to talk to */
        log_warn(NULL, "world.member.endpoint.bad", "member", p.id, "endpoint", m->endpoint);
        return;
    }
    member_put(w, m)->live = true;
    log_info(NULL, "world.member.up", "member", p.id, "incarnation", LOG_NUM(m->incarnation));
    s2s_region_peer(w->links, &p);
    view_spread(w, p.id, "", 0);
}

static void on_member_down(void *ctx, const struct reg_member *m)
{
    struct world *w = ctx;
    struct world_member *wm = member_put(w, m);
    log_warn(NULL, "world.member.down", "member", wm->id, "incarnation", LOG_NUM(m->incarnation));
    char id[130];
    str_put(id, sizeof id, wm->id);
    view_spread(w, id, id, m->incarnation);
    s2s_region_dead(w->links, id, m->incarnation, region_lives(w, m->region));
}

static void on_fenced(void *ctx)
{
    struct world *w = ctx;
    log_error(NULL, "world.fenced", "member", w->self_id, "why",
              "a younger process has our name; stopping");
    node_fenced(w->node);
}

static void on_state(void *ctx, bool connected)
{
    struct world *w = ctx;
    log_info(NULL, connected ? "registry.up" : "registry.down", "member", w->self_id);
}

const struct registry_events world_reg_events = {on_member_up, on_member_down, on_fenced, on_state};

/* ---- life */
static void world_open_links(struct world *w, struct reg_driver **driver)
{
    const struct node_conf *c = w->node->conf;
    snprintf(w->self_id, sizeof w->self_id, "%s/%s", c->region_name, c->node_name);
    w->link_conf = (struct s2s_region_conf){
        .tls_server = w->node->tls_region_in,
        .tls_client = w->node->tls_region_out,
        .self_id = w->self_id,
        .self_domain = c->region_domain,
        .self_incarnation = w->node->incarnation,
        .domain_suffix = c->region_domain_suffix,
        .queue_bytes = c->region_queue_bytes,
        .wait_ms = c->region_wait_ms,
        .limits = &c->limits,
    };
    w->links = s2s_region_new(w->hub->loop, &w->link_conf, &world_link_ops, w);
    struct registry_conf rc = {.beat_ms = c->registry_beat_ms, .lease_ms = c->registry_lease_ms};
    str_put(rc.self.region, sizeof rc.self.region, c->region_name);
    str_put(rc.self.node, sizeof rc.self.node, c->node_name);
    str_put(rc.self.domain, sizeof rc.self.domain, c->region_domain);
    if (c->region_endpoint)
        str_put(rc.self.endpoint, sizeof rc.self.endpoint, c->region_endpoint);
    else
        addr_format(rc.self.endpoint, &c->region_listen);
    rc.self.incarnation = w->node->incarnation;
    struct world_member *self = member_put(w, &rc.self);
    self->live = self->self = true;
    w->registry = registry_open(w->hub->loop, &rc, driver, &world_reg_events, w);
    for (unsigned i = 0; i < w->node->n_shards; i++) {
        w->views[i].n = w->view.n;
        w->views[i].members = mem_dup(w->view.members, w->view.n * sizeof *w->view.members);
    }
}

struct world *world_new(struct node *n, struct reg_driver **driver)
{
    struct world *w = mem_alloc(sizeof *w);
    w->node = n;
    w->hub = &n->shard[0];
    op_owner_init(&w->ops);
    list_init(&w->questions);
    n->world = w;
    if (n->conf->region_name)
        world_open_links(w, driver);
    return w;
}

static void registry_closed(void *ctx)
{
    struct world *w = ctx;
    w->closing = NULL;
    w->stopped(w->stopped_ctx);
}

static void links_stopped(void *ctx)
{
    struct world *w = ctx;
    w->closing = w->registry;
    registry_close(&w->registry, registry_closed, w);
}

void world_stop(struct world *w, void (*done)(void *ctx), void *ctx)
{
    w->stopped = done;
    w->stopped_ctx = ctx;
    if (!w->links)
        done(ctx);
    else
        s2s_region_stop(w->links, links_stopped, w);
}

void world_free(struct world **pw)
{
    struct world *w = *pw;
    *pw = NULL;
    if (!w)
        return;
    op_owner_cancel_all(&w->ops);
    world_questions_fini(w);
    world_asks_fini(w);
    registry_free(&w->closing);
    registry_free(&w->registry);
    s2s_region_free(&w->links);
    for (unsigned i = 0; i < SHARDS_MAX; i++)
        mem_free(w->views[i].members);
    mem_free(w->view.members);
    mem_free(w);
}

/* ---- publish, withdraw */
struct row_mail {
    struct world *world;
    bool on;
    char home[64];
    struct str bare;
    char text[];
};

static void row_arrived(struct node_shard *sh, void *ctx)
{
    (void)sh;
    struct row_mail *m = ctx;
    if (!m->world->registry)
        ;
    else if (m->on)
        registry_publish(m->world->registry, m->bare, str_of(m->home));
    else
        registry_withdraw(m->world->registry, m->bare);
    mem_free(m);
}

static void row_post(struct node_shard *sh, struct str bare, struct str home, bool on)
{
    struct world *w = sh->node->world;
    if (!w->node->conf->region_name)
        return;
    struct row_mail *m = mem_alloc(sizeof *m + bare.n + 1);
    memcpy(m->text, bare.p, bare.n);
    m->bare = str_make(m->text, bare.n);
    m->world = w;
    m->on = on;
    snprintf(m->home, sizeof m->home, STR_FMT, STR_ARG(home));
    node_post(w->hub, row_arrived, mem_free, m);
}

void world_publish(struct node_shard *sh, struct str bare, struct str home)
{
    row_post(sh, bare, home, true);
}
void world_withdraw(struct node_shard *sh, struct str bare)
{
    row_post(sh, bare, STR_NONE, false);
}

void world_accept(struct world *w, struct transport *t)
{
    s2s_region_accept(w->links, t);
}

bool world_registry_connected(const struct world *w)
{
    return w->registry && registry_connected(w->registry);
}
size_t world_registry_rows(const struct world *w)
{
    return w->registry ? registry_rows(w->registry) : 0;
}

void world_list(const struct world *w, struct json *members, struct json *links)
{
    for (size_t i = 0; i < w->view.n; i++) {
        const struct world_member *m = &w->view.members[i];
        struct json *o = json_new_object();
        json_set_str(o, "id", str_of(m->id));
        json_set_str(o, "endpoint", str_of(m->m.endpoint));
        json_set_num(o, "incarnation", (int64_t)m->m.incarnation);
        json_set_bool(o, "live", m->live);
        json_set_bool(o, "self", m->self);
        json_push(members, &o);
    }
    if (w->links)
        s2s_region_list(w->links, links);
}
