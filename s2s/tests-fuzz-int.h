#ifndef S2S_TESTS_FUZZ_INT_H
#define S2S_TESTS_FUZZ_INT_H
/* What the fuzzers of federation share: a transport that is told what to deliver and whose output
 * must be a well-formed stream, and a resolver that asks nobody. */
#include "dns/dns.h"
#include "lib/base/rand.h"
#include "s2s/s2s-int.h"

struct wire { /* a transport; sent: stanzas */
    struct transport t;
    struct xml_parser *oracle;
    bool is_closed;
    unsigned sent;
};
static struct wire *wire_of(const struct transport *t)
{
    return (struct wire *)(uintptr_t)t;
}
static bool wire_send(struct transport *t, struct str bytes)
{
    const char *why = NULL;
    must(!wire_of(t)->is_closed);
    must(xml_parser_feed(wire_of(t)->oracle, bytes, &why) == STREAM_OK);
    return true;
}
static void wire_pause(struct transport *t, bool paused)
{
    (void)t;
    (void)paused;
}
static void wire_shut(struct transport *t)
{
    (void)t;
}
static void wire_close(struct transport *t, bool abort)
{
    (void)abort;
    wire_of(t)->is_closed = true;
}
static size_t wire_queued(const struct transport *t)
{
    (void)t;
    return 0;
}
static const struct transport_ops wire_ops = {.send = wire_send,
                                              .pause = wire_pause,
                                              .shut = wire_shut,
                                              .close = wire_close,
                                              .queued = wire_queued};

static enum stream_cond oracle_open(void *ctx, const struct xml *root, const char *content_ns)
{
    (void)ctx;
    (void)root;
    (void)content_ns;
    return STREAM_OK;
}
static void oracle_element(void *ctx, struct xml_doc *doc)
{
    struct wire *w = ctx;
    if (doc->root->ns == NS_SERVER)
        w->sent++;
    xml_doc_free(&doc);
}
static const struct xml_parser_events oracle_events = {oracle_open, oracle_element, NULL};

static void stopped(void *ctx)
{
    loop_stop(ctx);
}
static void turn(struct loop *l)
{
    struct timer stop;
    timer_init(&stop, l, stopped, l);
    timer_start(&stop, 0);
    loop_run(l);
    timer_stop(&stop);
}

static void quiet(void *ctx, enum log_level l, const char *line)
{
    (void)ctx;
    (void)l;
    (void)line;
}

static void play(struct loop *l, struct wire *w, struct str bytes, size_t piece)
{
    while (bytes.n && !w->is_closed) {
        struct str now = str_make(bytes.p, bytes.n < piece ? bytes.n : piece);
        bytes = str_make(bytes.p + now.n, bytes.n - now.n);
        w->t.events->data(w->t.ctx, now);
        if (piece > 64)
            turn(l);
    }
}

static struct dns *open_dns(struct loop *l)
{
    static const char *const servers[] = {"127.0.0.1:1", NULL};
    struct dns_conf c = {.servers = servers};
    struct dns *d = NULL;
    char why[200];
    must(dns_open(l, &c, &d, why, sizeof why) == ERR_OK);
    return d;
}

#endif
