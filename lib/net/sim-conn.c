/* Simulated connections: bytes in order, in pieces drawn from the seed, after latency.
 *
 * Design: each side has an output buffer, a list of segments on the wire towards the other side,
 * and a list of what arrived. An arrival event takes the first segment of the wire, whichever event
 * it was, so order holds whatever the latencies are. At most SIM_WINDOW_BYTES are sent and not
 * consumed, so a paused receiver is felt. Events to the user come from a call deferred on its loop,
 * one data event per segment; the other loop is only ever reached through events of the simulation.
 * A side lives in its conn; the conn lives as long as a user or an event refers to it. A side that
 * gave up gracefully swallows input for a second, then answers with a reset, as a lingering socket
 * does. */
#include "lib/net/sim-net-int.h"

#define SIDE_LINGER_US 1000000

static const struct transport_ops side_ops;
static void side_pump(struct side *s);
static void side_close_now(struct side *s, bool abort_it);

static struct side *side_of(const struct transport *t)
{
    return container_of((struct transport *)(uintptr_t)t, struct side, t);
}

bool side_is_alive(const struct side *s)
{
    return s->host && s->host->is_alive && s->host->incarnation == s->incarnation;
}

static void segs_free(struct list *l)
{
    for (struct list *n; (n = list_shift(l));)
        mem_free(list_entry(n, struct sim_seg, link));
}

void conn_ref(struct conn *c)
{
    c->refs++;
}

void conn_unref(void *ctx)
{
    struct conn *c = ctx;
    must(c->refs > 0);
    if (--c->refs > 0)
        return;
    for (int i = 0; i < 2; i++) {
        segs_free(&c->side[i].wire);
        segs_free(&c->side[i].in);
        buf_fini(&c->side[i].out);
    }
    list_del(&c->waiting);
    list_del(&c->link);
    mem_free(c);
}

static void side_unref(void *ctx)
{
    conn_unref(((struct side *)ctx)->conn);
}

static void side_later(struct side *s, uint64_t delay_us, void (*fn)(void *ctx))
{
    conn_ref(s->conn);
    sim_after(delay_us, fn, side_unref, s);
}

/* Have the user's side looked at, on its own loop. */
static void side_wake(struct side *s)
{
    if (side_is_alive(s) && (s->state == SIDE_OPEN || s->state == SIDE_CONNECTING))
        loop_defer(s->t.loop, &s->turn);
}

static void side_arrive(void *ctx);

static void side_put(struct side *s, enum sim_seg_kind kind, struct str bytes)
{
    struct sim_seg *g = mem_alloc(sizeof *g + bytes.n);
    uint64_t due_us = sim_now_us() + sim_latency_us(s->host, side_peer(s)->host);

    g->kind = kind;
    if (bytes.n)
        memcpy(g + 1, bytes.p, bytes.n);
    g->bytes = str_make((char *)(g + 1), bytes.n);
    list_push(&s->wire, &g->link);
    if (due_us < s->last_due_us)
        due_us = s->last_due_us;
    s->last_due_us = due_us;
    side_later(s, due_us - sim_now_us(), side_arrive);
}

/* Somebody sends to one who has gone. */
static void side_bounce(struct side *gone, const struct sim_seg *g)
{
    bool lingers = !gone->aborted && sim_now_us() - gone->closed_us < SIDE_LINGER_US;
    if (g->kind == SEG_DATA && !lingers && side_is_alive(gone) && !side_peer(gone)->ended)
        side_put(gone, SEG_RESET, STR_NONE);
}

/* The first segment on the wire of s reaches the other side. */
static void side_arrive(void *ctx)
{
    struct side *s = ctx, *p = side_peer(s);
    struct list *n = NULL;

    if (sim_cut_of(s->host, p->host) == SIM_SILENT)
        s->stalled++;
    else
        n = list_shift(&s->wire); /* none: lost in a cut */
    if (n && (p->state == SIDE_CLOSED || !side_is_alive(p))) {
        side_bounce(p, list_entry(n, struct sim_seg, link));
        mem_free(list_entry(n, struct sim_seg, link));
    } else if (n) {
        list_push(&p->in, n);
        side_wake(p);
    }
    conn_unref(s->conn);
}

void side_heal(struct side *s)
{
    for (; s->stalled > 0; s->stalled--)
        side_later(s, sim_latency_us(s->host, side_peer(s)->host), side_arrive);
}

/* The other side learns how much was consumed. ctx is the consumer. */
static void side_credit(void *ctx)
{
    struct side *s = ctx, *p = side_peer(s);

    p->in_window -= s->consumed;
    s->consumed = 0;
    s->crediting = false;
    if (p->state == SIDE_CLOSED && side_is_alive(p))
        side_pump(p);
    else
        side_wake(p);
    conn_unref(s->conn);
}

static void side_consume(struct side *s, size_t n)
{
    s->consumed += n;
    if (s->crediting)
        return;
    s->crediting = true;
    side_later(s, sim_latency_us(s->host, side_peer(s)->host), side_credit);
}

/* Send what the window allows; a side that was given up does not wait for it. */
static void side_pump(struct side *s)
{
    size_t at = 0;

    if (s->state == SIDE_CONNECTING || s->fin_sent)
        return;
    while (at < s->out.n && (s->in_window < SIM_WINDOW_BYTES || s->state == SIDE_CLOSED)) {
        size_t n = sim_draw_size();
        n = n < s->out.n - at ? n : s->out.n - at;
        side_put(s, SEG_DATA, str_make(s->out.p + at, n));
        s->in_window += n;
        at += n;
    }
    if (at == s->out.n)
        buf_release(&s->out);
    else
        buf_consume(&s->out, at);
    if (s->fin_wanted && s->out.n == 0) {
        s->fin_sent = true;
        side_put(s, SEG_FIN, STR_NONE);
    }
}

static void side_break(struct side *s, enum err why)
{
    if (!s->broken)
        s->broken = why;
    buf_release(&s->out);
}

static void side_end(struct side *s, enum err why)
{
    if (s->ended)
        return;
    s->ended = true;
    net_emit_end(&s->t, why);
}

/* Deliver one segment. */
static void side_deliver(struct side *s, struct sim_seg *g)
{
    switch (g->kind) {
    case SEG_OPEN:
        s->state = SIDE_OPEN;
        s->ready_due = false;
        net_emit_ready(&s->t);
        break;
    case SEG_DATA:
        side_consume(s, g->bytes.n);
        net_emit_data(&s->t, g->bytes);
        break;
    case SEG_FIN:
        side_end(s, ERR_EOF);
        break;
    case SEG_RESET:
        side_break(s, ERR_RESET);
        side_end(s, ERR_RESET);
        break;
    }
}

static bool side_has_reset(struct side *s)
{
    list_each (&s->in, n)
        if (list_entry(n, struct sim_seg, link)->kind == SEG_RESET)
            return true;
    return false;
}

static bool side_same_user(const struct side *s, unsigned owners)
{
    return s->owners == owners && side_is_alive(s);
}

/* All input that may be delivered now. False: the user gave it up meanwhile. */
static bool side_deliver_all(struct side *s, unsigned owners)
{
    struct list *n;
    while (!s->paused && !s->ended && !s->broken && !s->ready_due && (n = list_shift(&s->in))) {
        struct sim_seg *g = list_entry(n, struct sim_seg, link);
        side_deliver(s, g);
        mem_free(g);
        if (!side_same_user(s, owners))
            return false;
    }
    return true;
}

static void side_work(struct side *s)
{
    unsigned owners = s->owners;

    if (s->ready_due) {
        s->ready_due = false;
        net_emit_ready(&s->t);
        if (!side_same_user(s, owners))
            return;
    }
    if (!side_deliver_all(s, owners))
        return;
    if (s->paused && s->out.n > 0 && side_has_reset(s)) /* nobody else would find it */
        side_break(s, ERR_RESET);
    if (s->broken) {
        side_end(s, s->broken);
        return;
    }
    side_pump(s);
    if (s->blocked && !s->ended && s->out.n <= NET_LOW_BYTES) {
        s->blocked = false;
        net_emit_drain(&s->t);
    }
}

static void side_turn(void *ctx)
{
    struct side *s = ctx;
    struct conn *c = s->conn;

    if (!side_is_alive(s))
        return;
    conn_ref(c);
    side_work(s);
    conn_unref(c);
}

/* --- down --- */

static size_t side_queued(const struct transport *t)
{
    return side_of(t)->out.n;
}

static bool side_send(struct transport *t, struct str bytes)
{
    struct side *s = side_of(t);

    if (!side_is_alive(s))
        return true;
    if (s->broken || s->fin_wanted || bytes.n == 0)
        return !s->blocked;
    if (bytes.n > NET_QUEUE_MAX_BYTES - s->out.n) {
        side_break(s, ERR_LIMIT);
        side_wake(s);
        return false;
    }
    buf_add(&s->out, bytes.p, bytes.n);
    side_wake(s);
    if (s->out.n <= NET_HIGH_BYTES)
        return true;
    s->blocked = true;
    return false;
}

static void side_pause(struct transport *t, bool paused)
{
    struct side *s = side_of(t);
    s->paused = paused;
    side_wake(s);
}

static void side_shut(struct transport *t)
{
    struct side *s = side_of(t);
    s->fin_wanted = true;
    side_wake(s);
}

static void side_close(struct transport *t, bool abort_it)
{
    side_close_now(side_of(t), abort_it);
}

static void side_close_now(struct side *s, bool abort_it)
{
    bool is_connected = side_peer(s)->state != SIDE_NONE;

    abort_it = abort_it || s->state == SIDE_CONNECTING || s->broken;
    s->owners++;
    s->state = SIDE_CLOSED;
    s->aborted = abort_it;
    s->closed_us = sim_now_us();
    defer_cancel(&s->turn);
    segs_free(&s->in);
    if (!side_is_alive(s) || abort_it)
        buf_release(&s->out);
    if (side_is_alive(s) && is_connected && abort_it) {
        side_put(s, SEG_RESET, STR_NONE);
    } else if (side_is_alive(s) && is_connected) {
        s->fin_wanted = true;
        side_pump(s);
    }
    conn_unref(s->conn);
}

static struct transport *side_attach(struct parcel *p, struct loop *to)
{
    struct side *s = container_of(p, struct side, parcel);
    must(sim_host_of(to) == s->host);
    s->t.loop = to;
    s->state = SIDE_OPEN;
    s->paused = false;
    side_wake(s);
    return &s->t;
}

static void side_drop(struct parcel *p)
{
    side_close_now(container_of(p, struct side, parcel), false);
}

static struct parcel *side_detach(struct transport *t)
{
    struct side *s = side_of(t);
    must(s->state == SIDE_OPEN);
    s->owners++;
    s->state = SIDE_QUEUED;
    defer_cancel(&s->turn);
    s->parcel = (struct parcel){.attach = side_attach, .drop = side_drop};
    return &s->parcel;
}

/* --- life --- */

static void side_init(struct side *s, struct conn *c)
{
    s->conn = c;
    s->t.ops = &side_ops;
    list_init(&s->wire);
    list_init(&s->in);
    buf_init(&s->out, NET_QUEUE_MAX_BYTES);
    defer_init(&s->turn, side_turn, s);
}

static void side_settle(struct side *s, struct loop *l, struct sim_host *h, enum side_state state)
{
    s->t.loop = l;
    s->host = h;
    s->incarnation = h->incarnation;
    s->state = state;
    conn_ref(s->conn);
}

struct conn *conn_new(struct loop *l, const struct addr *to)
{
    struct conn *c = mem_alloc(sizeof *c);

    c->to = *to;
    list_init(&c->waiting);
    side_init(&c->side[0], c);
    side_init(&c->side[1], c);
    side_settle(&c->side[0], l, sim_host_of(l), SIDE_CONNECTING);
    c->side[0].t.peer = *to;
    list_push(sim_conns(), &c->link);
    return c;
}

void conn_serve(struct conn *c, struct loop *l, struct sim_host *h)
{
    struct side *s = &c->side[1];
    side_settle(s, l, h, SIDE_QUEUED);
    s->t.peer = c->side[0].t.local;
    s->t.local = c->to;
    side_put(s, SEG_OPEN, STR_NONE);
}

struct transport *conn_accept(struct conn *c)
{
    struct side *s = &c->side[1];
    s->state = SIDE_OPEN;
    s->ready_due = true;
    side_wake(s);
    return &s->t;
}

void conn_fail(struct conn *c, enum err why)
{
    side_break(&c->side[0], why);
    side_wake(&c->side[0]);
}

void side_cut(struct side *s)
{
    struct side *p = side_peer(s);
    struct sim_seg *g;

    segs_free(&p->wire);
    p->stalled = 0;
    if (s->state == SIDE_NONE || s->state == SIDE_CLOSED)
        return;
    g = mem_alloc(sizeof *g);
    g->kind = SEG_RESET;
    list_push(&s->in, &g->link);
    side_wake(s);
}

/* Of what was on the wire a drawn part still arrives, then the reset. */
void side_kill(struct side *s)
{
    struct sim_seg *g;
    bool keep = true;

    defer_cancel(&s->turn);
    segs_free(&s->in);
    buf_release(&s->out);
    if (s->state == SIDE_NONE)
        return;
    list_each (&s->wire, n) {
        g = list_entry(n, struct sim_seg, link);
        keep = keep && sim_rand(4) > 0;
        if (keep)
            continue;
        list_del(n);
        mem_free(g);
    }
    if (side_peer(s)->state != SIDE_NONE)
        side_put(s, SEG_RESET, STR_NONE);
}

void net_announce(struct transport *t)
{
    struct side *s = side_of(t);
    s->ready_due = true;
    side_wake(s);
}

static const struct transport_ops side_ops = {
    .send = side_send,
    .pause = side_pause,
    .shut = side_shut,
    .close = side_close,
    .detach = side_detach,
    .queued = side_queued,
};
