#pragma once
/* For the fuzzers of streams: a transport that is told what to deliver, and whose output must be a
 * well-formed stream. */
#include "lib/loop/timer.h"
#include "lib/net/transport.h"
#include "lib/xmpp/ns.h"
#include "lib/xmpp/xml-parse.h"

struct wire {
    struct transport t;
    struct xml_parser *oracle;
    bool is_paused, is_closed;
    const struct tls_info *tls; /* NULL: without */
    unsigned stanzas;           /* of servers, that came out */
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
    wire_of(t)->is_paused = paused;
}
static void wire_shut(struct transport *t UNUSED) {}
static void wire_close(struct transport *t, bool abort UNUSED)
{
    wire_of(t)->is_closed = true;
}
static const struct tls_info *wire_tls(const struct transport *t)
{
    return wire_of(t)->tls;
}
static size_t wire_queued(const struct transport *t UNUSED)
{
    return 0;
}
static const struct transport_ops wire_ops = {.send = wire_send,
                                              .pause = wire_pause,
                                              .shut = wire_shut,
                                              .close = wire_close,
                                              .tls = wire_tls,
                                              .queued = wire_queued};

static enum stream_cond oracle_open(void *ctx UNUSED, const struct xml *root UNUSED,
                                    const char *content_ns UNUSED)
{
    return STREAM_OK;
}
static void oracle_element(void *ctx, struct xml_doc *doc)
{
    struct wire *w = ctx;
    if (xml_is(doc->root, NS_SASL, "success"))
        xml_parser_reset(w->oracle, false);
    w->stanzas += doc->root->ns == NS_SERVER;
    xml_doc_free(&doc);
}
static const struct xml_parser_events oracle_events = {oracle_open, oracle_element, NULL};

static void wire_begin(struct wire *w, struct loop *l)
{
    *w = (struct wire){.t = {.ops = &wire_ops, .loop = l}};
    w->oracle = xml_parser_new(&xml_limits_default, &oracle_events, w);
}

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

/* How a fuzzer cuts its input into reads, by the high bits of its first byte. */
static const size_t wire_pieces[] = {1, 7, 100, 1000, 4096, 5000, 65536, 1 << 20};

static struct str wire_cut(struct str *bytes, size_t piece)
{
    struct str now = str_make(bytes->p, bytes->n < piece ? bytes->n : piece);
    *bytes = str_make(bytes->p + now.n, bytes->n - now.n);
    return now;
}

/* The connection ends, if it has not yet, and all that waits for a turn is done. */
static void wire_end(struct wire *w)
{
    turn(w->t.loop);
    if (!w->is_closed)
        w->t.events->end(w->t.ctx, ERR_EOF);
    turn(w->t.loop);
}
