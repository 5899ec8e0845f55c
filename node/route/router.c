/* Where a stanza goes: an ordered table of steps, each done or not mine. Everything about one bare
 * JID (or one remote domain) happens on its shard of this node, so the order per (from, to) pair is
 * the order of the posts. Source: RFC 6120 section 10 (server rules for processing stanzas), RFC
 * 6121 section 8. */
#include "lib/base/log.h"
#include "lib/base/rand.h"
#include "node/auth/account.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world.h"
#include "node/component/component.h"
#include "node/route/hooks.h"
#include "node/route/iq.h"
#include "node/route/route.h"
#include "node/session/user.h"
#include "s2s/s2s.h"

static void route_free(void *ctx)
{
    struct route *r = ctx;
    stanza_unref(&r->stanza);
    custody_unref(&r->custody);
    mem_free(r);
}

static void route_end_bounce(struct route *r, enum stanza_cond c, const char *text)
{
    struct stanza *s = r->stanza;
    struct custody *cu = r->custody;
    r->stanza = NULL;
    r->custody = NULL;
    route_bounce(r->shard, s, cu, c, text);
    route_free(r);
}

/* ---- step: our own domains as an entity */
static void server_received(void *ctx, struct hook_run *run UNUSED,
                            struct server_stanza *subject UNUSED, enum verdict v)
{
    *(bool *)ctx = v == V_STOP;
}

/* A module waits for it. */
static bool is_taken(struct route *r)
{
    bool taken = false;
    struct server_stanza s = {r->stanza, r->source, r->trace};
    hook_run_server_receive(r->shard, &s, server_received, &taken);
    return taken;
}

static enum route_result step_server(struct route *r)
{
    struct stanza *s = r->stanza;
    if (s->to.local.p || !node_serves(r->shard->node, s->to.domain))
        return ROUTE_NOT_MINE;
    if (s->kind == STANZA_IQ && stanza_iq_request(s)) {
        r->stanza = NULL;
        struct custody *c = r->custody;
        r->custody = NULL;
        iq_dispatch(r->shard, IQ_TO_SERVER, NULL, 0, s, c);
        route_free(r);
    } else if (is_taken(r)) {
        route_free(r);
    } else if (s->kind == STANZA_MESSAGE) {
        route_end_bounce(r, STANZA_SERVICE_UNAVAILABLE, NULL);
    } else {
        r->shard->stats.stanzas_dropped++;
        route_free(r); /* answers to our own requests nobody waits for, presence to the server */
    }
    return ROUTE_DONE;
}

/* ---- step: users of our domains; on the home shard of the bare JID */
static void to_peer(struct route *r, const struct anchor *a)
{
    if (r->hops >= ROUTE_HOPS_MAX) {
        log_warn(NULL, "route.hops.exceeded", "trace", r->trace, "to", r->stanza->to.full.p);
        route_end_bounce(r, STANZA_SERVICE_UNAVAILABLE, "routed in a circle");
        return;
    }
    struct region_route rr = {.purpose = REGION_USER, .hops = r->hops};
    str_put(rr.trace, sizeof rr.trace, r->trace);
    struct stanza *s = r->stanza;
    struct custody *c = r->custody;
    r->stanza = NULL;
    r->custody = NULL;
    world_send(r->shard, a->peer, s, c, &rr);
    route_free(r);
}

/* RFC 6121 section 8.5.1: in silence, as for an account that is offline */
static void no_account(struct route *r)
{
    if (r->stanza->kind == STANZA_PRESENCE ||
        (r->stanza->type == MSG_HEADLINE && !jid_is_full(&r->stanza->to)))
        route_free(r);
    else
        route_end_bounce(r, STANZA_SERVICE_UNAVAILABLE, NULL);
}

/* An account without a password ends with its session (XEP-0175). */
static bool is_gone(const struct route *r)
{
    const struct jid *to = &r->stanza->to;
    if (!account_is_anonymous(r->shard->node->conf, to->local))
        return false;
    const struct user *u = user_find(r->shard, to->bare);
    return !u || !u->n_sessions;
}

static void to_anchor(void *ctx, const struct anchor *a)
{
    struct route *r = ctx;
    switch (a->what) {
    case ANCHOR_HERE:
        if (is_gone(r)) {
            no_account(r);
            break;
        }
        user_to(r->shard, r);
        mem_free(r);
        break;
    case ANCHOR_PEER:
        to_peer(r, a);
        break;
    case ANCHOR_NO_ACCOUNT:
        no_account(r);
        break;
    case ANCHOR_UNKNOWN:
        route_end_bounce(r, STANZA_REMOTE_SERVER_TIMEOUT,
                         "a region that may hold this account is out of reach");
        break;
    }
}

static void user_on_shard(struct node_shard *sh, void *ctx)
{
    struct route *r = ctx;
    struct anchor a;
    r->shard = sh;
    if (anchor_now(sh, r->stanza->to.bare, &a))
        to_anchor(r, &a);
    else
        anchor_ask(sh, &sh->ops, r->stanza->to.bare, to_anchor, route_free, r);
}

static enum route_result step_user(struct route *r)
{
    if (!node_serves(r->shard->node, r->stanza->to.domain))
        return ROUTE_NOT_MINE;
    struct node_shard *home = node_shard_of(r->shard->node, r->stanza->to.bare);
    if (home == r->shard)
        user_on_shard(home, r);
    else
        node_post(home, user_on_shard, route_free, r);
    return ROUTE_DONE;
}

/* ---- step: domains of components; on the shard of the domain */
static void component_on_shard(struct node_shard *sh, void *ctx)
{
    struct route *r = ctx;
    r->shard = sh;
    component_route(r);
    mem_free(r);
}

static enum route_result step_component(struct route *r)
{
    if (!component_serves(r->shard->node, r->stanza->to.domain))
        return ROUTE_NOT_MINE;
    struct node_shard *owner = node_shard_of(r->shard->node, r->stanza->to.domain);
    if (owner == r->shard)
        component_on_shard(owner, r);
    else
        node_post(owner, component_on_shard, route_free, r);
    return ROUTE_DONE;
}

/* ---- step: everything else is another server's; on the shard that owns the remote domain */
static void s2s_on_shard(struct node_shard *sh, void *ctx)
{
    struct route *r = ctx;
    r->shard = sh;
    struct stanza *s = r->stanza;
    r->stanza = NULL;
    sh->stats.flow[FLOW_to_s2s][s->kind]++;
    custody_queued(&r->custody);
    struct custody *c = r->custody;
    r->custody = NULL;
    s2s_send(sh->s2s, s, c);
    route_free(r);
}

static enum route_result step_s2s(struct route *r)
{
    if (!r->shard->s2s) {
        route_end_bounce(r, STANZA_REMOTE_SERVER_NOT_FOUND, "federation is switched off");
        return ROUTE_DONE;
    }
    struct node_shard *owner = node_shard_of(r->shard->node, r->stanza->to.domain);
    if (owner == r->shard)
        s2s_on_shard(owner, r);
    else
        node_post(owner, s2s_on_shard, route_free, r);
    return ROUTE_DONE;
}

static enum route_result (*const steps[])(struct route *r) = {step_server, step_user,
                                                              step_component, step_s2s};

void route_start(struct node_shard *sh, struct stanza *s, struct custody *c, enum route_source src,
                 unsigned hops, const char *trace)
{
    struct route *r = mem_alloc(sizeof *r);
    *r = (struct route){.shard = sh, .stanza = s, .custody = c, .source = src, .hops = hops};
    if (trace && trace[0])
        str_put(r->trace, sizeof r->trace, trace);
    else
        route_trace_new(r->trace);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (steps[i](r) == ROUTE_DONE)
            return;
}

void route_send(struct node_shard *sh, struct stanza *s)
{
    route_start(sh, s, NULL, ROUTE_SERVER, 0, NULL);
}

void route_bounce(struct node_shard *sh, struct stanza *s, struct custody *c, enum stanza_cond cond,
                  const char *text)
{
    struct stanza *e = jid_is_set(&s->from) ? stanza_error_reply(s, cond, text) : NULL;
    if (e) {
        sh->stats.stanzas_bounced++;
        route_start(sh, e, c, ROUTE_SERVER, 0, NULL);
        stanza_unref(&s);
    } else {
        route_drop(sh, s, c);
    }
}

void route_drop(struct node_shard *sh, struct stanza *s, struct custody *c)
{
    sh->stats.stanzas_dropped++;
    log_debug(NULL, "route.dropped", "kind", stanza_kind_name(s->kind), "from",
              LOG_STR(s->from.full), "to", LOG_STR(s->to.full));
    custody_unref(&c);
    stanza_unref(&s);
}

/* Eight hex digits, all at once: each nibble in a byte of its own, then '0' or 'a' - 10 on top. */
static void put_hex(char *out, uint32_t x)
{
    uint64_t v = x;
    v = (v | v << 16) & 0x0000ffff0000ffffu;
    v = (v | v << 8) & 0x00ff00ff00ff00ffu;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fu;
    uint64_t letters = (v + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
    v += 0x3030303030303030u + letters * ('a' - '0' - 10);
    memcpy(out, &v, sizeof v);
}

void route_trace_new(char out[33])
{
    for (int i = 0; i < 32; i += 16) {
        uint64_t r = rand_name();
        put_hex(out + i, (uint32_t)r);
        put_hex(out + i + 8, (uint32_t)(r >> 32));
    }
    out[32] = 0;
}
