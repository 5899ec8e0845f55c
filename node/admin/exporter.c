/* DOC: connections of the private port. A connection is read until its request is whole, answered,
 * and closed; few at a time, each with a deadline. What it asks of the shards hangs on it: a round
 * over all of them, so an answer of /healthz means that every loop turns. */
#include "node/admin/exporter.h"

#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "lib/net/http-get.h"
#include "lib/net/listen.h"
#include "node/admin/metrics.h"
#include "node/c2s/c2s.h"
#include "node/cluster/world.h"

enum { CONNS_MAX = 16, CONN_MS = 10000, ANSWER_MAX = 2 << 20 };

struct exporter {
    struct node *node;
    struct listener *listener;
    struct list conns;
    size_t n;
};
struct conn {
    struct list link;
    struct exporter *exporter;
    struct transport *transport;
    struct buf in;
    struct timer deadline;
    struct op_owner ops;
    bool is_asked, is_head;
};

static void conn_free(struct conn *c, bool flush)
{
    op_owner_cancel_all(&c->ops);
    list_del(&c->link);
    c->exporter->n--;
    timer_stop(&c->deadline);
    if (flush)
        transport_close(&c->transport);
    else
        transport_abort(&c->transport);
    buf_fini(&c->in);
    mem_free(c);
}

static void conn_answer(struct conn *c, unsigned status, const char *type, struct str body)
{
    struct buf text;
    buf_init(&text, ANSWER_MAX);
    http_answer(&text, status, type, body, c->is_head);
    transport_send(c->transport, buf_view(&text));
    buf_fini(&text);
    conn_free(c, true);
}

static void conn_say(struct conn *c, unsigned status, const char *text)
{
    char body[128];
    snprintf(body, sizeof body, "%s\n", text);
    conn_answer(c, status, "text/plain; charset=utf-8", str_of(body));
}

/* ---- what is asked */
static void say_metrics(void *ctx, const struct buf *text)
{
    struct conn *c = ctx;
    if (buf_ok(text))
        conn_answer(c, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(text));
    else
        conn_say(c, 503, "the metrics are too large");
}

static void say_healthy(void *ctx, const struct buf *text)
{
    (void)text; /* all shards were visited for it */
    conn_say(ctx, 200, "ok");
}

static void say_ready(void *ctx, const struct buf *text)
{
    struct conn *c = ctx;
    const struct node *n = c->exporter->node;
    (void)text;
    if (n->is_stopping)
        conn_say(c, 503, "stopping");
    else if (c2s_drains_to(&n->shard[0]))
        conn_say(c, 503, "clients are sent elsewhere");
    else if (n->conf->region_name && !world_registry_connected(n->world))
        conn_say(c, 503, "the registry does not answer");
    else
        conn_say(c, 200, "ready");
}

static const struct {
    const char *path;
    metrics_cb *say;
} paths[] = {{"/metrics", say_metrics}, {"/healthz", say_healthy}, {"/readyz", say_ready}};

static void conn_ask(struct conn *c, const struct http_get *get)
{
    c->is_head = get->is_head;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (str_eqc(get->path, paths[i].path)) {
            metrics_gather(c->exporter->node, &c->ops, paths[i].say, c);
            return;
        }
    }
    conn_say(c, 404, "there are /metrics, /healthz and /readyz");
}

/* ---- connections */
static void on_data(void *ctx, struct str bytes)
{
    struct conn *c = ctx;
    struct http_get get;
    if (c->is_asked)
        return;
    buf_str(&c->in, bytes);
    unsigned status = buf_ok(&c->in) ? http_get_parse(buf_view(&c->in), &get) : 431;
    if (!status)
        return;
    c->is_asked = true;
    if (status == 200)
        conn_ask(c, &get);
    else
        conn_say(c, status, http_status_text(status));
}

static void on_end(void *ctx, enum err why)
{
    struct conn *c = ctx;
    if (!(c->is_asked && why == ERR_EOF)) /* it may half-close after its request */
        conn_free(c, false);
}

static void on_deadline(void *ctx)
{
    conn_free(ctx, false);
}
static void on_nothing(void *ctx)
{
    (void)ctx;
}
static const struct transport_events events = {on_nothing, on_data, on_nothing, on_end};

static void on_accept(void *ctx, struct transport *t)
{
    struct exporter *e = ctx;
    if (e->n == CONNS_MAX) {
        log_warn(NULL, "exporter.connections.many");
        transport_abort(&t);
        return;
    }
    struct conn *c = mem_alloc(sizeof *c);
    e->n++;
    c->exporter = e;
    c->transport = t;
    buf_init(&c->in, 2 * HTTP_GET_MAX);
    op_owner_init(&c->ops);
    timer_init(&c->deadline, e->node->shard[0].loop, on_deadline, c);
    timer_start(&c->deadline, CONN_MS);
    list_push(&e->conns, &c->link);
    transport_set_events(t, &events, c);
}

enum err exporter_open(struct node *n, const struct addr *at, struct exporter **out, char *why,
                       size_t why_size)
{
    struct exporter *e = mem_alloc(sizeof *e);
    e->node = n;
    list_init(&e->conns);
    enum err err = listener_open(n->shard[0].loop, at, on_accept, e, &e->listener);
    if (err != ERR_OK) {
        char text[ADDR_TEXT_MAX];
        snprintf(why, why_size, "metrics.listen: cannot listen on %s: %s", addr_format(text, at),
                 err_text(err));
        mem_free(e);
        return err;
    }
    *out = e;
    return ERR_OK;
}

void exporter_close(struct exporter **pe)
{
    struct exporter *e = *pe;
    *pe = NULL;
    if (!e)
        return;
    listener_close(&e->listener);
    list_each (&e->conns, n)
        conn_free(list_entry(n, struct conn, link), false);
    mem_free(e);
}
