/* DOC: block lists that pubsub services publish in real time (RTBL). The lists live on shard 0,
 * where one subscription of this node is kept for each (rtbl-follow.c); what they name is put in
 * force on all shards as an immutable set (s2s/s2s-rtbl.h), at most every RTBL_GATHER_MS. The same
 * set says each shard whose stanzas are for us: only from the address of a service are events and
 * answers believed, and federation has proved that address. All nodes of a world subscribe as the
 * same domain, so what a service says may reach any of them: events are passed on to the others,
 * answers to the one that asked. Never named, whatever a list says: domains of ours, of our
 * components, and those of the list services. Standards: XEP-0060, as a subscriber; what an item
 * id means is a convention (s2s/s2s-rtbl.c). */
#include <stdio.h>

#include "lib/base/clock.h"
#include "node/cluster/world.h"
#include "node/mod/mods.h"
#include "node/mod/rtbl-int.h"
#include "s2s/s2s.h"

static const char *const event_names[RTBL_EVENTS] = {
    [RTBL_PUBLISH] = "publish", [RTBL_RETRACT] = "retract",           [RTBL_PURGE] = "purge",
    [RTBL_DELETE] = "delete",   [RTBL_UNSUBSCRIBED] = "unsubscribed",
};
_Static_assert((int)RTBL_EVENT_KINDS == (int)RTBL_EVENTS, "as many in both headers");

const char *rtbl_event_name(unsigned e)
{
    return event_names[e];
}

static struct rtbl *rtbl_of(struct node_shard *sh)
{
    return module_shard_slot(sh, &mod_rtbl);
}

/* ---- in force */
static void set_shard(struct node_shard *sh, void *ctx)
{
    struct s2s_rtbl_set *set = ctx;
    struct rtbl *r = rtbl_of(sh);
    s2s_rtbl_set_unref(&r->set);
    r->set = s2s_rtbl_set_ref(set);
    if (sh->s2s)
        s2s_set_rtbl(sh->s2s, &set);
    s2s_rtbl_set_unref(&set);
}

static void set_drop(void *ctx)
{
    struct s2s_rtbl_set *set = ctx;
    s2s_rtbl_set_unref(&set);
}

static struct str domain_of(struct str address)
{
    ptrdiff_t at = str_find(address, '@');
    struct str rest = at < 0 ? address : str_make(address.p + at + 1, address.n - (size_t)at - 1);
    return str_cut(&rest, '/');
}

/* Who stands on a list of others all the same: ours, and who gives us the lists. */
static void spare(const struct rtbl *r, struct s2s_rtbl *l)
{
    const struct node_conf *c = r->shard->node->conf;
    for (const char *const *d = c->domains; *d; d++)
        s2s_rtbl_spare(l, str_of(*d));
    for (size_t i = 0; i < c->components_n; i++)
        s2s_rtbl_spare(l, str_of(c->components[i].domain));
    for (size_t i = 0; i < r->lists.n; i++)
        s2s_rtbl_spare(l, domain_of(str_of(r->lists.p[i]->service)));
}

static void on_publish(void *ctx)
{
    struct rtbl *r = ctx;
    struct node *n = r->shard->node;
    struct s2s_rtbl_set *set = s2s_rtbl_set_new();
    r->published_us = clock_mono_us();
    for (size_t i = 0; i < r->lists.n; i++) {
        struct rtbl_list *l = r->lists.p[i];
        if (!l->shown) {
            l->shown = rtbl_items_list(&l->items, str_of(l->service), str_of(l->node));
            spare(r, l->shown);
        }
        struct s2s_rtbl *shown = s2s_rtbl_ref(l->shown);
        s2s_rtbl_set_add(set, &shown);
    }
    for (unsigned i = 1; i < n->n_shards; i++)
        node_post(&n->shard[i], set_shard, set_drop, s2s_rtbl_set_ref(set));
    set_shard(r->shard, set);
}

/* At once, not by mail: who is a service must be known before it is asked, or its answer is not
 * believed. */
void rtbl_publish(struct rtbl *r)
{
    timer_stop(&r->publish);
    on_publish(r);
}

void rtbl_changed(struct rtbl_list *l)
{
    struct rtbl *r = l->all;
    uint64_t gone = (clock_mono_us() - r->published_us) / 1000;
    s2s_rtbl_unref(&l->shown);
    if (gone >= RTBL_GATHER_MS)
        rtbl_publish(r);
    else if (!timer_running(&r->publish))
        timer_start(&r->publish, RTBL_GATHER_MS - gone);
}

/* ---- from a service */
struct heard {
    struct node *node;
    struct stanza *stanza;
};

static void heard_drop(void *ctx)
{
    struct heard *p = ctx;
    stanza_unref(&p->stanza);
    mem_free(p);
}

static void heard_take(struct node_shard *hub, void *ctx)
{
    struct heard *p = ctx;
    struct rtbl *r = rtbl_of(hub);
    for (size_t i = 0; i < r->lists.n; i++)
        if (str_eqc(p->stanza->from.full, r->lists.p[i]->service))
            rtbl_list_take(r->lists.p[i], p->stanza);
    heard_drop(p);
}

static bool is_service(const struct rtbl *r, struct str from)
{
    const struct s2s_rtbl *l;
    for (size_t i = 0; (l = s2s_rtbl_at(r->set, i)); i++)
        if (str_eq(s2s_rtbl_service(l), from))
            return true;
    return false;
}

/* The member that asked, of an answer; all others, of an event. Only once: not what came from one.
 */
static bool is_for(const struct world_member *m, const struct stanza *s)
{
    char prefix[sizeof m->id + 8];
    if (m->self || !m->live)
        return false;
    snprintf(prefix, sizeof prefix, "rtbl:%s:", m->id);
    return s->kind == STANZA_MESSAGE || str_starts(s->id, str_of(prefix));
}

static void pass_on(struct node_shard *sh, const struct server_stanza *in)
{
    const struct world_view *v = world_view(sh);
    for (size_t i = 0; i < v->n; i++) {
        struct region_route rr = {.purpose = REGION_USER};
        if (!is_for(&v->members[i], in->stanza))
            continue;
        str_put(rr.trace, sizeof rr.trace, in->trace);
        world_send(sh, v->members[i].id, stanza_ref(in->stanza), NULL, &rr);
    }
}

static enum verdict on_server(struct hook_run *run, struct server_stanza *in)
{
    struct node_shard *sh = run->shard;
    struct stanza *s = in->stanza;
    if (s->kind == STANZA_PRESENCE || s->type == MSG_ERROR ||
        !is_service(rtbl_of(sh), s->from.full))
        return V_PASS;
    if (in->source == ROUTE_S2S || in->source == ROUTE_COMPONENT)
        pass_on(sh, in);
    struct heard *p = mem_alloc(sizeof *p);
    *p = (struct heard){sh->node, stanza_ref(s)};
    node_post(&sh->node->shard[0], heard_take, heard_drop, p);
    return V_STOP;
}

/* ---- to a service */
struct str rtbl_me(const struct rtbl_list *l)
{
    return str_of(l->all->shard->node->conf->domains[0]);
}

void rtbl_request(struct rtbl_list *l, enum stanza_type t, struct str id, struct stanza_build *b)
{
    struct arena *a = arena_new(0);
    struct jid me, service;
    must(jid_parse(a, rtbl_me(l), &me, NULL) == ERR_OK);
    must(jid_parse(a, str_of(l->service), &service, NULL) == ERR_OK);
    stanza_build(b, STANZA_IQ, t, &me, &service, id);
    arena_free(&a);
}

/* ---- which lists */
static bool is_same(const struct rtbl_list *l, const struct node_conf_rtbl *c)
{
    struct arena *a = arena_new(0);
    struct jid service;
    must(jid_parse(a, str_of(c->service), &service, NULL) == ERR_OK);
    bool same = str_eqc(service.full, l->service) && strcmp(l->node, c->node) == 0;
    arena_free(&a);
    return same;
}

static bool is_wanted(const struct rtbl_list *l, const struct node_conf_rtbl *c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(l, &c[i]))
            return true;
    return false;
}

static void follow(struct rtbl *r, const struct node_conf_rtbl *c)
{
    for (size_t i = 0; i < r->lists.n; i++) {
        if (!is_same(r->lists.p[i], c))
            continue;
        rtbl_list_tune(r->lists.p[i], c);
        return;
    }
    vec_push(&r->lists, rtbl_list_open(r, c));
}

void rtbl_configure(struct node *n, const struct node_conf_rtbl *c, size_t count)
{
    struct rtbl *r = rtbl_of(&n->shard[0]);
    if (!n->shard[0].s2s)
        return;
    for (size_t i = r->lists.n; i-- > 0;) {
        if (is_wanted(r->lists.p[i], c, count))
            continue;
        rtbl_list_leave(r->lists.p[i]);
        rtbl_list_close(&r->lists.p[i]);
        vec_remove(&r->lists, i);
        timer_start(&r->publish, 0);
    }
    for (size_t i = 0; i < count; i++)
        follow(r, &c[i]);
}

/* ---- for the operator */
static void view(const struct rtbl_list *l, struct rtbl_view *v)
{
    const uint64_t now_s = clock_wall_us() / 1000000, now_ms = clock_mono_us() / 1000;
    const struct timer *next = &l->ask.timer;
    *v = (struct rtbl_view){.state = rtbl_state_name(l->state),
                            .why = l->why,
                            .is_following = l->state == RTBL_FOLLOWING,
                            .items = rtbl_items_count(&l->items),
                            .age_s = UINT64_MAX,
                            .ignored = l->ignored};
    snprintf(v->name, sizeof v->name, "%.*s/%s", S2S_RTBL_NAME_MAX, l->service, l->node);
    if (l->saved.confirmed_s)
        v->age_s = now_s > l->saved.confirmed_s ? now_s - l->saved.confirmed_s : 0;
    if (timer_running(next) && next->due_ms > now_ms)
        v->next_s = (next->due_ms - now_ms) / 1000;
    memcpy(v->events, l->events, sizeof v->events);
}

size_t rtbl_views(struct node *n, struct rtbl_view out[S2S_RTBL_LISTS_MAX])
{
    const struct rtbl *r = rtbl_of(&n->shard[0]);
    for (size_t i = 0; i < r->lists.n; i++)
        view(r->lists.p[i], &out[i]);
    return r->lists.n;
}

void rtbl_rows(struct node *n, struct json *array)
{
    struct rtbl_view views[S2S_RTBL_LISTS_MAX];
    size_t count = rtbl_views(n, views);
    for (size_t i = 0; i < count; i++) {
        const struct rtbl_view *v = &views[i];
        struct json *row = json_new_object();
        json_set_str(row, "list", str_of(v->name));
        json_set_str(row, "state", str_of(v->state));
        json_set_num(row, "items", (int64_t)v->items);
        json_set_num(row, "ignored", (int64_t)v->ignored);
        if (v->age_s != UINT64_MAX)
            json_set_num(row, "age_s", (int64_t)v->age_s);
        json_set_num(row, "next_s", (int64_t)v->next_s);
        if (v->why[0])
            json_set_str(row, "why", str_of(v->why));
        json_push(array, &row);
    }
}

/* ---- life */
static enum err init(struct node_shard *sh, void *state)
{
    struct rtbl *r = state;
    const struct node_conf *c = sh->node->conf;
    r->shard = sh;
    timer_init(&r->publish, sh->loop, on_publish, r);
    if (sh->index == 0 && sh->s2s)
        for (size_t i = 0; i < c->rtbls_n; i++)
            follow(r, &c->rtbls[i]);
    return ERR_OK;
}

static void fini(struct node_shard *sh UNUSED, void *state)
{
    struct rtbl *r = state;
    timer_stop(&r->publish);
    for (size_t i = 0; i < r->lists.n; i++)
        rtbl_list_close(&r->lists.p[i]);
    vec_fini(&r->lists);
    s2s_rtbl_set_unref(&r->set);
}

static const struct hook_handler hooks[] = {HOOK_ON(server_receive, PH_DELIVER, on_server)};
const struct module mod_rtbl = {
    .name = "rtbl",
    .xep = "0060",
    .hooks = hooks,
    .n_hooks = ARRAY_LEN(hooks),
    .shard_size = sizeof(struct rtbl),
    .init = init,
    .fini = fini,
};
