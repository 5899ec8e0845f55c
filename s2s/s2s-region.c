/* DOC: links between the nodes of the world, the instance. Outgoing streams are in
 * s2s-region-peer.c and -link.c, incoming ones in -in.c and -origin.c, the elements in -route.c.
 * Design: a stream carries only the stanzas of who opened it. Three things make it exactly once
 * while the receiver lives: stream management repeats what was not acknowledged, h counts only
 * stanzas whose custody was taken, and a sequence number per (origin, incarnation) drops what comes
 * twice over a new numbering. Standards: RFC 6120, XEP-0178, XEP-0198, XEP-0368. */
#include "lib/xmpp/xep.h"
#include "s2s/s2s-region-int.h"

XEP("0198", "1.6.3", PARTIAL, "between the nodes of the world");

/* ---- who may take part ---- */

bool region_name_ok(const struct s2s_region *r, struct str domain)
{
    struct str suffix = str_of(r->conf.domain_suffix);
    return domain.n > suffix.n && (!suffix.n || str_ends(domain, suffix));
}

bool region_cert_ok(const struct transport *t, struct str domain, char *why, size_t why_size)
{
    const struct tls_info *info = t ? transport_tls(t) : NULL;
    if (!info || !info->has_cert)
        snprintf(why, why_size, "no certificate was shown");
    else if (!info->chain_ok)
        snprintf(why, why_size, "certificate not trusted: %.100s", tls_chain_why(info));
    else if (!tls_peer_is(t, domain))
        snprintf(why, why_size, "certificate is not for %.*s",
                 (int)(domain.n < 100 ? domain.n : 100), domain.p);
    else
        return true;
    return false;
}

/* ---- giving back ---- */

static void on_give_back(void *ctx)
{
    struct s2s_region *r = ctx;
    for (struct list *n = list_shift(&r->back); n; n = list_shift(&r->back)) {
        struct region_entry *e = list_entry(n, struct region_entry, link);
        r->ops->returned(r->ctx, e->peer_id, e->s, &e->route, e->token, e->why);
        mem_free(e->peer_id);
        mem_free(e);
    }
}

/* ---- interface ---- */

static struct region_peer *peer_get(const struct s2s_region *r, const char *id)
{
    return hmap_get(&r->peers, str_of(id));
}

void s2s_region_peer(struct s2s_region *r, const struct s2s_region_peer *p)
{
    if (strcmp(p->id, r->conf.self_id) == 0)
        return;
    struct region_origin *o = hmap_get(&r->origins, str_of(p->id));
    if (o && o->in && o->incarnation < p->incarnation)
        region_in_close(o->in, STREAM_CONFLICT, "a younger incarnation is known");
    struct region_peer *known = peer_get(r, p->id);
    if (known)
        region_peer_update(known, p);
    else
        (void)region_peer_new(r, p);
}

void s2s_region_dead(struct s2s_region *r, const char *peer_id, uint64_t incarnation, bool all)
{
    struct region_peer *p = peer_get(r, peer_id);
    if (p && p->incarnation <= incarnation)
        region_peer_dead(p, all);
}

void s2s_region_send(struct s2s_region *r, const char *peer_id, struct stanza *s,
                     const struct region_route *route, void *token)
{
    struct region_peer *p = peer_get(r, peer_id);
    if (!p) {
        struct s2s_region_peer unknown = {0};
        str_put(unknown.id, sizeof unknown.id, peer_id);
        p = region_peer_new(r, &unknown);
    }
    region_peer_send(p, s, route, token);
}

static void close_ins(void *ctx)
{
    struct s2s_region *r = ctx;
    timer_stop(&r->stop_custody);
    list_each (&r->ins, n)
        region_in_close((struct region_in *)(void *)n, STREAM_OK, NULL);
    region_check_stopped(r);
}

void s2s_region_complete(struct s2s_region *r, region_ticket t)
{
    region_ticket_done(r, t);
    if (timer_running(&r->stop_custody) && list_empty(&r->tickets))
        close_ins(r);
}

void s2s_region_accept(struct s2s_region *r, struct transport *t)
{
    if (r->is_stopping)
        transport_close(&t);
    else
        region_in_new(r, t);
}

/* ---- life ---- */

static bool is_any_busy(const struct s2s_region *r)
{
    size_t it = 0;
    for (const struct region_peer *p; (p = hmap_next(&r->peers, &it, NULL));)
        if (region_peer_is_busy(p))
            return true;
    return !list_empty(&r->ins);
}

void region_check_stopped(struct s2s_region *r)
{
    if (r->is_stopping && r->stopped && !is_any_busy(r))
        loop_defer(r->loop, &r->stop_done);
}

static void on_stop_done(void *ctx)
{
    struct s2s_region *r = ctx;
    void (*stopped)(void *ctx) = r->stopped;
    timer_stop(&r->stop_limit);
    r->stopped = NULL;
    if (stopped)
        stopped(r->stopped_ctx);
}

static void on_stop_limit(void *ctx)
{
    struct s2s_region *r = ctx;
    log_warn(NULL, "region.stop.late", "why", "some links did not close in time");
    size_t it = 0;
    for (struct region_peer *p; (p = hmap_next(&r->peers, &it, NULL));)
        if (region_peer_is_busy(p))
            region_peer_down(p, "stopping");
    list_each (&r->ins, n)
        region_in_free((struct region_in *)(void *)n);
    region_check_stopped(r);
}

static struct stream_limits limits_for(const struct stream_limits *base)
{
    struct stream_limits l = base ? *base : stream_limits_default;
    l.after_auth.max_stanza_bytes *= REGION_GROWTH;
    l.after_auth.max_tag_bytes *= REGION_GROWTH;
    l.after_auth.max_elements *= 2;
    l.after_auth.max_depth += 8;
    return l;
}

struct s2s_region *s2s_region_new(struct loop *l, const struct s2s_region_conf *c,
                                  const struct s2s_region_ops *ops, void *ctx)
{
    struct s2s_region *r = mem_alloc(sizeof *r);
    r->loop = l;
    r->conf = *c;
    if (!r->conf.queue_bytes)
        r->conf.queue_bytes = (size_t)64 << 20;
    if (!r->conf.wait_ms)
        r->conf.wait_ms = 300000;
    r->limits = limits_for(c->limits);
    r->in_conf = (struct stream_in_conf){
        .content_ns = NS_SERVER, .limits = &r->limits, .default_from = c->self_domain};
    r->ops = ops;
    r->ctx = ctx;
    hmap_init(&r->peers);
    hmap_init(&r->origins);
    list_init(&r->ins);
    list_init(&r->graves);
    list_init(&r->tickets);
    list_init(&r->back);
    r->handles = handle_table_new(loop_index(l));
    defer_init(&r->give_back, on_give_back, r);
    defer_init(&r->stop_done, on_stop_done, r);
    timer_init(&r->stop_limit, l, on_stop_limit, r);
    timer_init(&r->stop_custody, l, close_ins, r);
    return r;
}

void s2s_region_stop(struct s2s_region *r, void (*done)(void *ctx), void *ctx)
{
    size_t it = 0;
    r->is_stopping = true;
    r->stopped = done;
    r->stopped_ctx = ctx;
    timer_start(&r->stop_limit, REGION_STOP_MS);
    for (struct region_peer *p; (p = hmap_next(&r->peers, &it, NULL));)
        region_peer_stop(p);
    list_each (&r->ins, n)
        region_in_stop((struct region_in *)(void *)n);
    if (list_empty(&r->tickets))
        close_ins(r);
    else
        timer_start(&r->stop_custody, REGION_STOP_CUSTODY_MS);
}

void s2s_region_free(struct s2s_region **pr)
{
    struct s2s_region *r = *pr;
    size_t it = 0;
    *pr = NULL;
    if (!r)
        return;
    r->stopped = NULL;
    for (struct region_peer *p; (p = hmap_next(&r->peers, &it, NULL));)
        region_peer_free(p);
    list_each (&r->graves, g)
        region_peer_free(list_entry(g, struct region_peer, grave));
    list_each (&r->ins, n)
        region_in_free((struct region_in *)(void *)n);
    it = 0;
    for (struct region_origin *o; (o = hmap_next(&r->origins, &it, NULL));)
        region_origin_free(o);
    for (struct list *n = list_shift(&r->tickets); n; n = list_shift(&r->tickets))
        mem_free(list_entry(n, struct region_ticket_rec, link));
    for (struct list *n = list_shift(&r->back); n; n = list_shift(&r->back))
        region_entry_free(r, list_entry(n, struct region_entry, link));
    timer_stop(&r->stop_limit);
    timer_stop(&r->stop_custody);
    defer_cancel(&r->give_back);
    defer_cancel(&r->stop_done);
    handle_table_free(&r->handles);
    hmap_fini(&r->peers);
    hmap_fini(&r->origins);
    mem_free(r);
}

static struct json *row(const char *id, const char *state, uint64_t incarnation)
{
    struct json *j = json_new_object();
    json_set_str(j, "id", str_of(id));
    json_set_str(j, "state", str_of(state));
    json_set_num(j, "incarnation", (int64_t)incarnation);
    return j;
}

static void numbers(struct json *j, size_t queued, size_t unacked, uint64_t in_h,
                    uint64_t reconnects, const char *last_error)
{
    json_set_num(j, "queued", (int64_t)queued);
    json_set_num(j, "unacked", (int64_t)unacked);
    json_set_num(j, "in_h", (int64_t)in_h);
    json_set_num(j, "reconnects", (int64_t)reconnects);
    json_set_str(j, "last_error", str_of(last_error));
}

void s2s_region_list(const struct s2s_region *r, struct json *array)
{
    size_t it = 0;
    for (const struct region_peer *p; (p = hmap_next(&r->peers, &it, NULL));) {
        const struct region_origin *o = hmap_get(&r->origins, str_of(p->id));
        struct json *j = row(p->id, region_peer_state_name(p->state), p->incarnation);
        numbers(j, p->q.n_waiting, p->q.n_sent, o ? sm_h(o->sm) : 0, p->reconnects, p->last_error);
        json_push(array, &j);
    }
    it = 0;
    for (const struct region_origin *o; (o = hmap_next(&r->origins, &it, NULL));) {
        if (peer_get(r, o->id))
            continue;
        struct json *j = row(o->id, o->in ? "incoming" : "gone", o->incarnation);
        numbers(j, 0, 0, sm_h(o->sm), 0, "");
        json_push(array, &j);
    }
}
