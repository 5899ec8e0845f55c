/* Simulated listeners and connecting.
 *
 * Design: listeners are found by address among the living; several loops of one host may share one,
 * and the seed picks. A wildcard address answers only its own host, because simulated hosts share
 * one address space. A connection is established when the request arrives, as in a kernel's
 * backlog; accept comes from a deferred call on the listener's loop. */
#include "lib/net/listen.h"
#include "lib/net/sim-net-int.h"

enum { SIM_FIRST_PORT = 32768 };

struct listener {
    struct list link;
    struct loop *loop;
    struct sim_host *host;
    uint32_t incarnation;
    struct addr addr;
    listen_accept *accept;
    void *ctx;
    struct defer turn;
    struct list waiting; /* conn.waiting */
    bool paused;
    bool accepting; /* inside the user's accept, */
    bool closed;    /* who closed it there: freed when it returned */
};

static struct list listeners;
static uint16_t last_port;

void sim_listeners_init(void)
{
    list_init(&listeners);
    last_port = SIM_FIRST_PORT;
}

static uint16_t sim_port(void)
{
    if (++last_port < SIM_FIRST_PORT)
        last_port = SIM_FIRST_PORT;
    return last_port;
}

static bool listener_is_alive(const struct listener *s)
{
    return s->host->is_alive && s->host->incarnation == s->incarnation;
}

static bool addr_is_any(const struct addr *a)
{
    static const uint8_t zero[16];
    return !memcmp(a->ip, zero, a->family == ADDR_V6 ? 16 : 4);
}

static bool listener_answers(const struct listener *s, const struct addr *to,
                             const struct sim_host *from)
{
    struct addr any = {.family = to->family, .port = to->port};
    if (!listener_is_alive(s))
        return false;
    return addr_eq(&s->addr, to) || (s->host == from && addr_eq(&s->addr, &any));
}

/* One of those who answer, drawn. */
static struct listener *listener_find(const struct addr *to, const struct sim_host *from)
{
    struct listener *found = NULL;
    uint64_t n_found = 0;
    list_each (&listeners, n) {
        struct listener *s = list_entry(n, struct listener, link);
        if (listener_answers(s, to, from) && sim_rand(++n_found) == 0)
            found = s;
    }
    return found;
}

static void listener_turn(void *ctx)
{
    struct listener *s = ctx;
    struct list *n;

    s->accepting = true;
    while (!s->closed && !s->paused && listener_is_alive(s) && (n = list_shift(&s->waiting)))
        s->accept(s->ctx, conn_accept(list_entry(n, struct conn, waiting)));
    s->accepting = false;
    if (s->closed)
        mem_free(s);
}

static bool listener_conflicts(const struct addr *at, const struct sim_host *h)
{
    list_each (&listeners, n) {
        const struct listener *s = list_entry(n, struct listener, link);
        if (s->host != h && listener_is_alive(s) && addr_eq(&s->addr, at))
            return !addr_is_any(at);
    }
    return false;
}

enum err listener_open(struct loop *l, const struct addr *at, listen_accept *accept, void *ctx,
                       struct listener **out)
{
    struct sim_host *h = sim_host_of(l);
    struct listener *s;

    if (at->port != 0 && listener_conflicts(at, h))
        return ERR_EXISTS;
    s = mem_alloc(sizeof *s);
    s->loop = l;
    s->host = h;
    s->incarnation = h->incarnation;
    s->addr = *at;
    if (at->port == 0)
        s->addr.port = sim_port();
    s->accept = accept;
    s->ctx = ctx;
    defer_init(&s->turn, listener_turn, s);
    list_init(&s->waiting);
    list_push(&listeners, &s->link);
    *out = s;
    return ERR_OK;
}

enum err listener_open_unix(struct loop *l UNUSED, const char *path UNUSED,
                            listen_accept *accept UNUSED, void *ctx UNUSED,
                            struct listener **out UNUSED)
{
    return ERR_UNSUPPORTED;
}

const struct addr *listener_addr(const struct listener *s)
{
    return &s->addr;
}

void listener_pause(struct listener *s, bool paused)
{
    s->paused = paused;
    if (!paused && listener_is_alive(s) && !list_empty(&s->waiting))
        loop_defer(s->loop, &s->turn);
}

static void listener_refuse_waiting(struct listener *s)
{
    for (struct list *n; (n = list_shift(&s->waiting));) {
        struct transport *t = &list_entry(n, struct conn, waiting)->side[1].t;
        transport_abort(&t);
    }
}

void listener_close(struct listener **ps)
{
    struct listener *s = *ps;
    if (!s)
        return;
    *ps = NULL;
    listener_refuse_waiting(s);
    defer_cancel(&s->turn);
    list_del(&s->link);
    s->closed = true;
    if (!s->accepting)
        mem_free(s);
}

void sim_listeners_kill(struct sim_host *h)
{
    list_each (&listeners, n) {
        struct listener *s = list_entry(n, struct listener, link);
        if (s->host == h)
            defer_cancel(&s->turn);
    }
}

/* --- connecting --- */

/* The address a connection comes from: one the host listens on, else one made from its number. */
static struct addr sim_source_addr(const struct sim_host *h, const struct addr *to)
{
    struct addr a = {.family = to->family, .port = sim_port()};

    if (addr_is_loopback(to)) {
        memcpy(a.ip, to->ip, sizeof a.ip);
        return a;
    }
    list_each (&listeners, n) {
        const struct listener *s = list_entry(n, struct listener, link);
        if (s->host == h && s->addr.family == a.family && !addr_is_any(&s->addr) &&
            !addr_is_loopback(&s->addr)) {
            memcpy(a.ip, s->addr.ip, sizeof a.ip);
            return a;
        }
    }
    a.ip[0] = a.family == ADDR_V6 ? 0xfd : 10;
    a.ip[a.family == ADDR_V6 ? 14 : 2] = (uint8_t)(h->number >> 8);
    a.ip[a.family == ADDR_V6 ? 15 : 3] = (uint8_t)h->number;
    return a;
}

static void sim_refused(void *ctx)
{
    struct conn *c = ctx;
    conn_fail(c, ERR_REFUSED);
    conn_unref(c);
}

static void sim_unsupported(void *ctx)
{
    struct conn *c = ctx;
    conn_fail(c, ERR_UNSUPPORTED);
    conn_unref(c);
}

/* The request reaches whoever listens. */
static void sim_syn(void *ctx)
{
    struct conn *c = ctx;
    struct side *client = &c->side[0];
    struct listener *s = listener_find(&c->to, client->host);
    enum sim_cut cut = s ? sim_cut_of(client->host, s->host) : SIM_WHOLE;

    if (client->state != SIDE_CONNECTING || !side_is_alive(client)) {
        conn_unref(c);
    } else if (cut == SIM_SILENT) {
        c->syn_stalled = true;
        conn_unref(c);
    } else if (!s || cut == SIM_CUT) {
        sim_after(sim_latency_us(client->host, s ? s->host : NULL), sim_refused, conn_unref, c);
    } else {
        conn_serve(c, s->loop, s->host);
        list_push(&s->waiting, &c->waiting);
        if (!s->paused)
            loop_defer(s->loop, &s->turn);
        conn_unref(c);
    }
}

static void sim_connect_start(struct conn *c, void (*fn)(void *ctx))
{
    struct listener *s = listener_find(&c->to, c->side[0].host);
    conn_ref(c);
    sim_after(sim_latency_us(c->side[0].host, s ? s->host : NULL), fn, conn_unref, c);
}

void sim_connect_retry(struct conn *c)
{
    c->syn_stalled = false;
    sim_connect_start(c, sim_syn);
}

struct transport *net_connect(struct loop *l, const struct addr *to)
{
    struct conn *c = conn_new(l, to);
    c->side[0].t.local = sim_source_addr(c->side[0].host, to);
    sim_connect_start(c, sim_syn);
    return &c->side[0].t;
}

struct transport *net_connect_unix(struct loop *l, const char *path UNUSED)
{
    struct addr nowhere = {.family = ADDR_NONE};
    struct conn *c = conn_new(l, &nowhere);
    sim_connect_start(c, sim_unsupported);
    return &c->side[0].t;
}
