/* DOC: the gate before listeners that stand behind a load balancer, and the layer that a passed
 * connection keeps.
 * Design: header and first bytes of the client may share a segment, and a transport cannot take
 * bytes back. So a thin layer stays over the connection: it delivers what was read behind the
 * header and from then on only passes things through.
 * Invariants: while bytes are left to deliver, the lower layer is paused; no event comes before
 * ready; no event from inside a call of the user. Standards: proxy-protocol.txt section 2. */
#include "lib/net/proxy.h"

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/net-int.h"
#include "lib/net/proxy-header.h"

struct proxy_gate {
    struct loop *loop;
    listen_accept *accept;
    void *ctx;
    struct list waiting; /* struct waiting */
    size_t n;
};
struct waiting { /* one that has not shown its whole header */
    struct list link;
    struct proxy_gate *gate;
    struct transport *t;
    struct buf seen;
    struct timer deadline;
};
struct proxied {
    struct transport t;
    struct parcel parcel;
    struct transport *lower; /* NULL while it is a parcel */
    struct parcel *lower_parcel;
    struct buf rest; /* read behind the header, not yet delivered */
    struct defer turn;
    bool *gone;       /* of the running turn: set when the object is given up */
    enum err end_why; /* the lower layer's end, to come behind the rest; ERR_OK: none */
    bool ready_due, paused, ended;
};

static const struct transport_ops proxied_ops;

static struct proxied *proxied_of(const struct transport *t)
{
    return container_of((struct transport *)(uintptr_t)t, struct proxied, t);
}

/* ---- the layer ---- */

static void proxied_wake(struct proxied *s)
{
    loop_defer(s->t.loop, &s->turn);
}

static bool has_rest(const struct proxied *s)
{
    return s->ready_due || s->rest.n > 0;
}

static void proxied_end(struct proxied *s)
{
    s->ended = true;
    net_emit_end(&s->t, s->end_why);
}

static void deliver_rest(struct proxied *s)
{
    struct buf rest = s->rest;
    buf_init(&s->rest, PROXY_HEADER_MAX);
    net_emit_data(&s->t, buf_view(&rest));
    buf_fini(&rest);
}

/* What came with the header, in its order: ready, bytes, end. The user may give us up in any. */
static void proxied_turn(void *ctx)
{
    struct proxied *s = ctx;
    bool gone = false;
    s->gone = &gone;
    if (s->ready_due) {
        s->ready_due = false;
        net_emit_ready(&s->t);
        if (gone)
            return;
    }
    if (s->rest.n > 0 && !s->paused && !s->ended) {
        deliver_rest(s);
        if (gone)
            return;
    }
    s->gone = NULL;
    if (s->end_why && !s->ended && (!has_rest(s) || s->end_why != ERR_EOF))
        proxied_end(s);
    else if (!has_rest(s) && !s->ended)
        transport_pause(s->lower, s->paused);
}

static void lower_data(void *ctx, struct str bytes)
{
    struct proxied *s = ctx;
    net_emit_data(&s->t, bytes);
}

static void lower_drain(void *ctx)
{
    struct proxied *s = ctx;
    net_emit_drain(&s->t);
}

static void lower_end(void *ctx, enum err why)
{
    struct proxied *s = ctx;
    s->end_why = why;
    if (has_rest(s))
        proxied_wake(s);
    else
        proxied_end(s);
}

static bool proxied_send(struct transport *t, struct str bytes)
{
    return transport_send(proxied_of(t)->lower, bytes);
}

static void proxied_pause(struct transport *t, bool paused)
{
    struct proxied *s = proxied_of(t);
    s->paused = paused;
    if (has_rest(s))
        proxied_wake(s);
    else
        transport_pause(s->lower, paused);
}

static void proxied_shut(struct transport *t)
{
    transport_shut(proxied_of(t)->lower);
}

static size_t proxied_queued(const struct transport *t)
{
    return transport_queued(proxied_of(t)->lower);
}

static void proxied_let_go(struct proxied *s)
{
    if (s->gone)
        *s->gone = true;
    s->gone = NULL;
    defer_cancel(&s->turn);
}

static void proxied_free(struct proxied *s)
{
    buf_fini(&s->rest);
    mem_free(s);
}

static void proxied_close(struct transport *t, bool abort_it)
{
    struct proxied *s = proxied_of(t);
    proxied_let_go(s);
    if (abort_it)
        transport_abort(&s->lower);
    else
        transport_close(&s->lower);
    proxied_free(s);
}

static void take_lower(struct proxied *s, struct transport *lower)
{
    static const struct transport_events events = {
        .data = lower_data, .drain = lower_drain, .end = lower_end};
    s->lower = lower;
    s->t.loop = lower->loop;
    transport_set_events(lower, &events, s);
    transport_pause(lower, has_rest(s));
    defer_init(&s->turn, proxied_turn, s);
    if (has_rest(s) || s->end_why)
        proxied_wake(s);
}

static struct transport *proxied_attach(struct parcel *p, struct loop *to)
{
    struct proxied *s = container_of(p, struct proxied, parcel);
    s->paused = false;
    take_lower(s, parcel_attach(&s->lower_parcel, to));
    return &s->t;
}

static void proxied_drop(struct parcel *p)
{
    struct proxied *s = container_of(p, struct proxied, parcel);
    parcel_drop(&s->lower_parcel);
    proxied_free(s);
}

static struct parcel *proxied_detach(struct transport *t)
{
    struct proxied *s = proxied_of(t);
    proxied_let_go(s);
    s->parcel = (struct parcel){.attach = proxied_attach, .drop = proxied_drop};
    s->lower_parcel = transport_detach(&s->lower);
    return &s->parcel;
}

static const struct transport_ops proxied_ops = {
    .send = proxied_send,
    .pause = proxied_pause,
    .shut = proxied_shut,
    .close = proxied_close,
    .detach = proxied_detach,
    .queued = proxied_queued,
};

static struct transport *proxied_new(struct transport *lower, const struct proxy_header *h,
                                     struct str rest)
{
    struct proxied *s = mem_alloc(sizeof *s);
    s->t.ops = &proxied_ops;
    s->t.peer = h->is_known ? h->peer : lower->peer;
    s->t.local = h->is_known ? h->local : lower->local;
    buf_init(&s->rest, NET_QUEUE_MAX_BYTES);
    buf_str(&s->rest, rest);
    s->ready_due = true;
    take_lower(s, lower);
    return &s->t;
}

/* ---- the gate ---- */

static void waiting_free(struct waiting *w)
{
    timer_stop(&w->deadline);
    list_del(&w->link);
    w->gate->n--;
    transport_abort(&w->t);
    buf_fini(&w->seen);
    mem_free(w);
}

static void refuse(struct waiting *w, const char *why)
{
    char ip[ADDR_TEXT_MAX];
    log_info(NULL, "listen.proxy.refused", "ip", addr_format(ip, &w->t->peer), "why", why);
    waiting_free(w);
}

static void pass(struct waiting *w, const struct proxy_header *h, struct str rest)
{
    struct proxy_gate *g = w->gate;
    struct transport *lower = w->t;
    w->t = NULL;
    struct transport *t = proxied_new(lower, h, rest);
    waiting_free(w);
    g->accept(g->ctx, t);
}

static void waiting_data(void *ctx, struct str bytes)
{
    struct waiting *w = ctx;
    struct proxy_header h;
    const char *why;
    buf_str(&w->seen, bytes);
    switch (proxy_header_parse(buf_view(&w->seen), &h, &why)) {
    case PROXY_MORE:
        break;
    case PROXY_OK:
        pass(w, &h, str_make(w->seen.p + h.bytes, w->seen.n - h.bytes));
        break;
    case PROXY_BAD:
        refuse(w, why);
        break;
    }
}

/* A connection without a byte is a load balancer's look whether we are there. */
static void waiting_end(void *ctx, enum err why)
{
    struct waiting *w = ctx;
    if (w->seen.n == 0)
        waiting_free(w);
    else
        refuse(w, why == ERR_EOF ? "connection ended within the PROXY header" : err_text(why));
}

static void waiting_late(void *ctx)
{
    refuse(ctx, "no PROXY header in time");
}

struct proxy_gate *proxy_gate_new(struct loop *l, listen_accept *accept, void *ctx)
{
    struct proxy_gate *g = mem_alloc(sizeof *g);
    g->loop = l;
    g->accept = accept;
    g->ctx = ctx;
    list_init(&g->waiting);
    return g;
}

void proxy_gate_free(struct proxy_gate **pg)
{
    struct proxy_gate *g = *pg;
    if (!g)
        return;
    *pg = NULL;
    for (struct list *n; (n = list_first(&g->waiting));)
        waiting_free(list_entry(n, struct waiting, link));
    mem_free(g);
}

void proxy_gate_take(void *gate, struct transport *t)
{
    static const struct transport_events events = {.data = waiting_data, .end = waiting_end};
    struct proxy_gate *g = gate;
    struct waiting *w = mem_alloc(sizeof *w);
    w->gate = g;
    w->t = t;
    buf_init(&w->seen, NET_QUEUE_MAX_BYTES);
    list_push(&g->waiting, &w->link);
    timer_init(&w->deadline, g->loop, waiting_late, w);
    transport_set_events(t, &events, w);
    if (++g->n > PROXY_WAITING_MAX)
        refuse(w, "too many connections without a PROXY header");
    else
        timer_start(&w->deadline, PROXY_HEADER_MS);
}
