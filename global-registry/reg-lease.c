/* DOC Our lease and the view of everybody's: one beat renews the one and reads the other.
 *
 * Who is believed: a member with a lease in the last view; and, while the registry's silence proves
 * nothing (it was out of reach or was wiped, until lease_ms after it came back), every member
 * believed before. A dead member's name is remembered with its incarnation: an older one is never
 * believed again (P5).
 *
 * What makes us assert everything again: the registry came back, its generation changed (it was
 * wiped), or our own lease may have ended between two confirmed beats, when readers may have swept
 * our rows as a dead member's. The bound for the last is counted from when the earlier beat was
 * sent, so it errs on the safe side.
 *
 * Completeness: our beat carries the generation in which all our rows stand. As long as a believed
 * member is missing from the view or has not finished, an empty answer is not "nobody"
 * (lease.certain). */
#include "global-registry/registry-int.h"

#include "lib/base/log.h"
#include "lib/base/rand.h"

struct change {
    bool up;
    struct reg_member m;
};
struct changes {
    VEC(struct change) v;
};

static void beat_due(void *ctx)
{
    reg_lease_beat(ctx);
}

void reg_lease_init(struct registry *r)
{
    timer_init(&r->lease.timer, r->loop, beat_due, r);
}

void reg_lease_fini(struct registry *r)
{
    timer_stop(&r->lease.timer);
    for (size_t i = 0; i < r->lease.peers.n; i++)
        mem_free(r->lease.peers.p[i]);
    vec_fini(&r->lease.peers);
}

/* Index of the peer, or where it belongs. */
static size_t peer_slot(const struct registry *r, struct str region, struct str node, bool *found)
{
    size_t lo = 0, hi = r->lease.peers.n;
    *found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct reg_member *m = &r->lease.peers.p[mid]->m;
        int c = str_cmp(str_of(m->region), region);
        if (!c)
            c = str_cmp(str_of(m->node), node);
        if (!c) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct reg_peer *reg_lease_peer(const struct registry *r, struct str region, struct str node)
{
    bool found;
    size_t i = peer_slot(r, region, node, &found);
    return found ? r->lease.peers.p[i] : NULL;
}

/* Make room by forgetting a dead name. */
static bool forget_one(struct reg_lease *l)
{
    for (size_t i = 0; i < l->peers.n; i++)
        if (!l->peers.p[i]->live) {
            mem_free(l->peers.p[i]);
            vec_remove(&l->peers, i);
            return true;
        }
    return false;
}

static struct reg_peer *peer_add(struct registry *r, const struct reg_member *m)
{
    struct reg_lease *l = &r->lease;
    bool found;
    if (l->peers.n >= REG_PEERS_MAX && !forget_one(l)) {
        log_error(NULL, "registry.members.limit", "region", m->region, "node", m->node);
        return NULL;
    }
    struct reg_peer *p = mem_alloc(sizeof *p);
    p->m = *m;
    size_t at = peer_slot(r, str_of(m->region), str_of(m->node), &found);
    vec_push(&l->peers, p);
    memmove(&l->peers.p[at + 1], &l->peers.p[at], (l->peers.n - 1 - at) * sizeof *l->peers.p);
    l->peers.p[at] = p;
    return p;
}

static void change_add(struct changes *c, bool up, const struct reg_member *m)
{
    struct change x = {.up = up, .m = *m};
    vec_push(&c->v, x);
}

static void member_seen(struct registry *r, const struct reg_member *m, bool complete,
                        struct changes *c)
{
    const struct reg_member *self = &r->conf.self;
    if (!strcmp(m->region, self->region) && !strcmp(m->node, self->node))
        return;
    struct reg_peer *p = reg_lease_peer(r, str_of(m->region), str_of(m->node));
    if (!p && !(p = peer_add(r, m)))
        return;
    if (m->incarnation < p->m.incarnation)
        return;
    if (p->live && m->incarnation > p->m.incarnation) {
        change_add(c, false, &p->m);
        p->live = false;
    }
    p->m = *m;
    if (!p->live)
        change_add(c, true, m);
    p->live = p->in_view = true;
    p->complete = complete;
}

static void view_apply(struct registry *r, const struct reg_lease_view *v, struct changes *c)
{
    struct reg_lease *l = &r->lease;
    bool proof = loop_now_us(r->loop) >= l->grace_until_us;
    for (size_t i = 0; i < l->peers.n; i++)
        l->peers.p[i]->in_view = l->peers.p[i]->complete = false;
    for (size_t i = 0; i < v->n; i++)
        member_seen(r, &v->members[i], v->complete[i], c);
    l->certain = true;
    for (size_t i = 0; i < l->peers.n; i++) {
        struct reg_peer *p = l->peers.p[i];
        if (p->live && !p->in_view && proof) {
            p->live = false;
            change_add(c, false, &p->m);
        }
        if (p->live && !p->complete)
            l->certain = false;
    }
}

static void tell_changes(struct registry *r, struct changes *c)
{
    for (size_t i = 0; i < c->v.n && r->state != REG_CLOSING; i++) {
        const struct reg_member *m = &c->v.p[i].m;
        log_info(NULL, c->v.p[i].up ? "registry.member.up" : "registry.member.down", "region",
                 m->region, "node", m->node, "incarnation", LOG_NUM(m->incarnation));
        if (c->v.p[i].up && r->ev.member_up)
            r->ev.member_up(r->ctx, m);
        if (!c->v.p[i].up && r->ev.member_down)
            r->ev.member_down(r->ctx, m);
    }
    vec_fini(&c->v);
}

static void beat_accepted(struct registry *r, const struct reg_lease_view *v)
{
    struct reg_lease *l = &r->lease;
    struct changes changes = {0};
    uint64_t now = loop_now_us(r->loop), life_us = r->conf.lease_ms * 1000;
    bool back = r->state == REG_JOINING;
    bool wiped = l->generation[0] && strcmp(l->generation, v->generation) != 0;
    bool lapsed = l->last_ok_us && now - l->last_ok_us >= life_us;
    if (back || wiped)
        l->grace_until_us = now + life_us;
    if (wiped)
        log_warn(NULL, "registry.wiped", "node", r->conf.self.node, "generation", v->generation);
    memcpy(l->generation, v->generation, sizeof l->generation);
    l->last_ok_us = l->sent_us;
    if (back)
        reg_cache_stale(&r->cache);
    reg_set_state(r, REG_CONNECTED);
    if (r->state == REG_CLOSING)
        return;
    if (back || wiped || lapsed)
        reg_rows_resync(r);
    view_apply(r, v, &changes);
    tell_changes(r, &changes);
}

static void beat_failed(struct registry *r, enum err e)
{
    log_warn(NULL, "registry.beat.failed", "node", r->conf.self.node, "reason", err_text(e));
    reg_set_state(r, REG_JOINING);
}

static void fenced(struct registry *r)
{
    log_error(NULL, "registry.fenced", "node", r->conf.self.node, "incarnation",
              LOG_NUM(r->conf.self.incarnation));
    reg_lease_pause(r);
    reg_set_state(r, REG_FENCED);
    if (r->state == REG_FENCED && r->ev.fenced)
        r->ev.fenced(r->ctx);
}

static void on_beat(void *ctx, enum err e, const struct reg_lease_view *v)
{
    struct registry *r = ctx;
    struct reg_lease *l = &r->lease;
    bool again = l->again;
    l->in_flight = l->again = false;
    l->rounds++;
    if (r->state != REG_JOINING && r->state != REG_CONNECTED)
        return;
    if (e == ERR_CONFLICT)
        fenced(r);
    else if (e == ERR_OK)
        beat_accepted(r, v);
    else
        beat_failed(r, e);
    if (r->state == REG_CLOSING)
        return;
    if (again && e == ERR_OK)
        reg_lease_kick(r, 0);
    reg_locate_resume(r);
}

void reg_lease_beat(struct registry *r)
{
    struct reg_lease *l = &r->lease;
    if (r->state != REG_JOINING && r->state != REG_CONNECTED)
        return;
    timer_start(&l->timer, r->conf.beat_ms);
    l->kicked = false;
    if (l->in_flight) {
        l->again = true;
        return;
    }
    l->in_flight = true;
    l->sent_us = loop_now_us(r->loop);
    r->driver->ops->beat(r->driver, &r->conf.self, r->conf.lease_ms, l->synced, on_beat, r);
}

void reg_lease_kick(struct registry *r, uint64_t within_ms)
{
    struct reg_lease *l = &r->lease;
    if (r->state != REG_JOINING && r->state != REG_CONNECTED)
        return;
    if (l->in_flight) {
        l->again = true;
        return;
    }
    if (l->kicked && within_ms)
        return;
    l->kicked = true;
    timer_start(&l->timer, within_ms ? rand_below(within_ms + 1) : 0);
}

void reg_lease_pause(struct registry *r)
{
    timer_stop(&r->lease.timer);
    r->lease.kicked = false;
}

const struct reg_member *registry_member(const struct registry *r, size_t i)
{
    for (size_t k = 0; k < r->lease.peers.n; k++)
        if (r->lease.peers.p[k]->live && i-- == 0)
            return &r->lease.peers.p[k]->m;
    return NULL;
}

const struct reg_member *registry_find(const struct registry *r, struct str region, struct str node)
{
    const struct reg_peer *p = reg_lease_peer(r, region, node);
    return p && p->live ? &p->m : NULL;
}
