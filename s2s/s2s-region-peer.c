/* DOC: a member we send to: its queue, its attempts, its death.
 * Design: the queue outlives streams and incarnations of the peer; what was sent is in the session
 * of stream management, the rest waits. To take something out of the middle the session is given up
 * and begun anew: the sequence numbers make the repeats harmless. There is no giving up while the
 * member is known: attempts go on with a jittered back-off. */
#include "s2s/s2s-region-int.h"

#include "lib/base/rand.h"

static const char *const state_names[PEER_STATES] = {
    [PEER_DOWN] = "down",       [PEER_DIAL] = "connecting", [PEER_OPEN] = "negotiating",
    [PEER_HELLO] = "hello",     [PEER_SM] = "resuming",     [PEER_UP] = "up",
    [PEER_CLOSING] = "closing",
};
const char *region_peer_state_name(enum region_peer_state st)
{
    return state_names[st];
}

/* ---- connecting ---- */

static void on_dialed(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct region_peer *p = ctx;
    if (e == ERR_OK)
        region_link_open(p, &t);
    else
        region_peer_down(p, r->why[0] ? r->why : err_text(e));
}

static void connect_now(void *ctx)
{
    struct region_peer *p = ctx;
    struct dial_target target = {.addr = p->endpoint, .direct_tls = true};
    if (p->endpoint.family == ADDR_NONE) /* it reached us before the registry told of it */
        return;
    str_put(target.name, sizeof target.name, p->domain);
    timer_stop(&p->retry);
    p->state = PEER_DIAL;
    timer_start(&p->deadline, REGION_CONNECT_MS);
    dial_open(p->r->loop, &p->ops, dial_source_fixed(p->r->loop, &target, 1), REGION_CONNECT_MS - 1,
              on_dialed, p);
}

static void retry_later(struct region_peer *p)
{
    uint64_t ms = p->backoff_ms / 2 + rand_below(p->backoff_ms / 2 + 1);
    p->backoff_ms *= 2;
    if (p->backoff_ms > REGION_BACKOFF_MAX_MS)
        p->backoff_ms = REGION_BACKOFF_MAX_MS;
    timer_start(&p->retry, ms < REGION_BACKOFF_MIN_MS ? REGION_BACKOFF_MIN_MS : ms);
}

/* ---- waiting too long ---- */

static uint64_t due_us(const struct region_peer *p, const struct region_entry *e)
{
    uint64_t from = e->since_us > p->down_us ? e->since_us : p->down_us;
    return from + p->r->conf.wait_ms * 1000;
}

static void watch_expiry(struct region_peer *p)
{
    uint64_t now = loop_now_us(p->r->loop);
    const struct region_entry *e = region_queue_oldest(&p->q);
    timer_stop(&p->expiry);
    if (p->state == PEER_UP || p->state == PEER_CLOSING || !e)
        return;
    uint64_t due = due_us(p, e);
    uint64_t ms = due > now ? (due - now) / 1000 + 1 : 0;
    timer_start(&p->expiry, ms < UINT32_MAX ? ms : UINT32_MAX);
}

/* Give up the session: what it holds waits again, in front. */
static void reset_session(struct region_peer *p)
{
    if (p->sm)
        sm_session_free(&p->sm);
    region_queue_rewind(p->r, &p->q);
}

static void return_waiting(struct region_peer *p, struct region_entry *e, const char *why)
{
    region_queue_del(&p->q, e, false);
    region_return(p->r, p->id, e, why);
}

static void on_expiry(void *ctx)
{
    struct region_peer *p = ctx;
    uint64_t now = loop_now_us(p->r->loop);
    struct region_entry *e = region_queue_oldest(&p->q);
    if (e && due_us(p, e) <= now) {
        if (p->state != PEER_DOWN)
            region_peer_down(p, "it did not become ready in time");
        reset_session(p);
    }
    for (e = region_queue_oldest(&p->q); e && due_us(p, e) <= now; e = region_queue_oldest(&p->q))
        return_waiting(p, e, "it waited too long for the member");
    watch_expiry(p);
}

/* ---- up and down ---- */

/* While it is up nothing expires: the waiting time begins when it ceases to be. */
static void set_state(struct region_peer *p, enum region_peer_state st)
{
    if (p->state == PEER_UP)
        p->down_us = loop_now_us(p->r->loop);
    p->state = st;
}

void region_peer_closing(struct region_peer *p)
{
    set_state(p, PEER_CLOSING);
    timer_stop(&p->ping);
    timer_stop(&p->deadline);
}

static void stop_stream(struct region_peer *p)
{
    op_owner_cancel_all(&p->ops);
    timer_stop(&p->deadline);
    timer_stop(&p->ping);
    timer_stop(&p->retry);
    defer_cancel(&p->pump);
    if (p->sm)
        sm_detach(p->sm);
    stream_out_free(&p->stream);
}

void region_peer_down(struct region_peer *p, const char *why)
{
    str_put(p->last_error, sizeof p->last_error, why);
    log_info(&p->log, p->state == PEER_UP ? "region.link.down" : "region.link.failed", "why", why);
    set_state(p, PEER_DOWN);
    stop_stream(p);
    if (p->is_gone)
        return;
    if (p->r->is_stopping) {
        region_check_stopped(p->r);
        return;
    }
    retry_later(p);
    watch_expiry(p);
}

void region_peer_up(struct region_peer *p, bool resumed)
{
    struct s2s_region *r = p->r;
    char id[sizeof p->id];
    bool is_same = p->up_incarnation == p->incarnation;
    p->state = PEER_UP;
    if (p->up_incarnation)
        p->reconnects++;
    p->up_incarnation = p->incarnation;
    p->backoff_ms = REGION_BACKOFF_MIN_MS;
    p->heard_us = loop_now_us(r->loop);
    p->last_error[0] = '\0';
    timer_stop(&p->deadline);
    timer_stop(&p->expiry);
    timer_start(&p->ping, REGION_PING_MS);
    log_info(&p->log, "region.link.up", "incarnation", LOG_NUM(p->incarnation), "resumed",
             resumed ? "yes" : "no", "same", is_same ? "yes" : "no");
    str_put(id, sizeof id, p->id);
    loop_defer(r->loop, &p->pump);
    r->ops->link_up(r->ctx, id, !resumed);
}

/* ---- sending ---- */

void region_peer_pump(struct region_peer *p)
{
    bool more = p->state == PEER_UP;
    while (more) {
        struct region_entry *e = region_queue_next(&p->q, &p->r->seq);
        if (!e)
            return;
        struct stanza *wire = region_route_put(e->s, &e->route);
        more = sm_send(p->sm, wire);
        stanza_unref(&wire);
    }
}

static void on_pump(void *ctx)
{
    struct region_peer *p = ctx;
    region_peer_pump(p);
    if (p->r->is_stopping)
        region_peer_stop(p);
}

void region_peer_send(struct region_peer *p, struct stanza *s, const struct region_route *route,
                      void *token)
{
    struct region_entry *e = mem_alloc(sizeof *e);
    *e = (struct region_entry){.s = s, .route = *route, .token = token};
    e->bytes = s->bytes + sizeof *e;
    e->since_us = loop_now_us(p->r->loop);
    if (e->bytes > p->r->conf.queue_bytes || p->q.bytes > p->r->conf.queue_bytes - e->bytes) {
        region_return(p->r, p->id, e, "too much waits for this member already");
        return;
    }
    str_put(e->route.origin, sizeof e->route.origin, p->r->conf.self_id);
    e->route.incarnation = p->r->conf.self_incarnation;
    e->route.seq = 0; /* given when it is sent */
    region_queue_push(&p->q, e);
    if (p->state == PEER_UP)
        loop_defer(p->r->loop, &p->pump);
    else if (!timer_running(&p->expiry))
        watch_expiry(p);
}

/* The oldest sent one is in the custody of the peer. */
void region_peer_acked(struct region_peer *p)
{
    struct region_entry *e = region_queue_acked(&p->q);
    if (!e)
        return;
    void *token = e->token;
    e->token = NULL;
    region_entry_free(p->r, e);
    if (p->state == PEER_UP)
        loop_defer(p->r->loop, &p->pump);
    if (token)
        p->r->ops->acked(p->r->ctx, token);
}

void region_peer_got(struct region_peer *p, uint64_t seq)
{
    struct region_entry *e = region_queue_got(&p->q, seq);
    if (!e)
        return;
    void *token = e->token;
    e->token = NULL;
    stanza_unref(&e->s);
    if (p->state == PEER_UP)
        loop_defer(p->r->loop, &p->pump);
    if (token)
        p->r->ops->acked(p->r->ctx, token);
}

/* ---- what the registry says ---- */

static void adopt(struct region_peer *p, const struct s2s_region_peer *now)
{
    str_put(p->domain, sizeof p->domain, now->domain);
    p->endpoint = now->endpoint;
    p->incarnation = now->incarnation;
    p->is_dead = false;
}

void region_peer_update(struct region_peer *p, const struct s2s_region_peer *now)
{
    bool is_moved = !addr_eq(&p->endpoint, &now->endpoint) || strcmp(p->domain, now->domain) != 0;
    if (now->incarnation < p->incarnation)
        return; /* old news */
    bool is_new = is_moved || now->incarnation > p->incarnation;
    bool was_dead = p->is_dead;
    adopt(p, now);
    if (p->r->is_stopping || (!is_new && !was_dead))
        return;
    if (p->state == PEER_UP && p->up_incarnation == p->incarnation && !is_moved)
        return; /* the link was faster than the registry */
    p->backoff_ms = REGION_BACKOFF_MIN_MS;
    region_peer_down(p, "the registry has news of this member");
    connect_now(p);
}

static bool outlives(const struct region_entry *e)
{
    return e->route.purpose == REGION_USER || e->route.purpose == REGION_FROM;
}

struct last_will {
    struct region_peer *p;
    bool all;
};

static void bury_entry(void *ctx, struct region_entry *e)
{
    struct last_will *w = ctx;
    if (w->all || !outlives(e))
        return_waiting(w->p, e, "the member is dead");
}

void region_peer_dead(struct region_peer *p, bool all)
{
    p->is_dead = true;
    region_peer_down(p, "the registry says that it is dead");
    reset_session(p);
    struct last_will w = {p, all};
    region_queue_each_waiting(&p->q, bury_entry, &w);
    watch_expiry(p);
    if (!all)
        return;
    p->is_gone = true;
    stop_stream(p);
    timer_stop(&p->expiry);
    (void)hmap_del(&p->r->peers, str_of(p->id));
    list_push(&p->r->graves, &p->grave);
    loop_defer(p->r->loop, &p->bury);
}

/* ---- life ---- */

static void on_deadline(void *ctx)
{
    struct region_peer *p = ctx;
    char why[80];
    snprintf(why, sizeof why, "no answer in time (%s)", state_names[p->state]);
    region_peer_down(p, why);
}

static void on_ping(void *ctx)
{
    struct region_peer *p = ctx;
    if (loop_now_us(p->r->loop) - p->heard_us > (uint64_t)REGION_SILENT_MS * 1000) {
        region_peer_down(p, "it is silent");
        return;
    }
    struct str ask = STR("<r xmlns='urn:xmpp:sm:3'/>");
    (void)stream_out_send_text(p->stream, ask);
    timer_start(&p->ping, REGION_PING_MS);
}

static void bury(void *ctx)
{
    region_peer_free(ctx);
}

struct region_peer *region_peer_new(struct s2s_region *r, const struct s2s_region_peer *now)
{
    struct region_peer *p = mem_alloc(sizeof *p);
    p->r = r;
    str_put(p->id, sizeof p->id, now->id);
    adopt(p, now);
    p->state = PEER_DOWN;
    p->backoff_ms = REGION_BACKOFF_MIN_MS;
    p->down_us = loop_now_us(r->loop);
    p->log = (struct log_scope){.key1 = "member", .value1 = p->id};
    region_queue_init(&p->q);
    op_owner_init(&p->ops);
    timer_init(&p->retry, r->loop, connect_now, p);
    timer_init(&p->deadline, r->loop, on_deadline, p);
    timer_init(&p->ping, r->loop, on_ping, p);
    timer_init(&p->expiry, r->loop, on_expiry, p);
    defer_init(&p->bury, bury, p);
    defer_init(&p->pump, on_pump, p);
    must(!hmap_put(&r->peers, str_of(p->id), p));
    if (!r->is_stopping)
        connect_now(p);
    return p;
}

static void drop_entry(void *ctx, struct region_entry *e)
{
    struct region_peer *p = ctx;
    region_queue_del(&p->q, e, false);
    region_entry_free(p->r, e);
}

void region_peer_free(struct region_peer *p)
{
    struct s2s_region *r = p->r;
    stop_stream(p);
    timer_stop(&p->expiry);
    defer_cancel(&p->bury);
    if (p->sm)
        sm_session_free(&p->sm);
    region_queue_rewind(p->r, &p->q);
    region_queue_each_waiting(&p->q, drop_entry, p);
    hmap_fini(&p->q.by_seq);
    if (!p->is_gone)
        (void)hmap_del(&r->peers, str_of(p->id));
    list_del(&p->grave);
    mem_free(p);
}

bool region_peer_is_busy(const struct region_peer *p)
{
    return p->stream != NULL;
}

void region_peer_stop(struct region_peer *p)
{
    if (p->state == PEER_UP && !region_queue_empty(&p->q))
        return;
    if (p->state != PEER_UP && p->state != PEER_CLOSING) {
        stop_stream(p);
        set_state(p, PEER_DOWN);
        region_check_stopped(p->r);
        return;
    }
    if (p->state == PEER_CLOSING)
        return;
    region_peer_closing(p);
    stream_out_close(p->stream, STREAM_OK, NULL);
}
