/* Arbitrary bytes into a receiving entity. First byte: 1 server namespace, 2 secured, 4 pause at
 * each element, 8 close in order at the third element; high bits: how the rest is cut into reads.
 * Oracle: what we answer is itself a well-formed stream, the end comes exactly once, nothing comes
 * after it. */
#include "lib/base/rand.h"
#include "lib/loop/timer.h"
#include "lib/net/tls.h"
#include "lib/stream/stream-in.h"

struct wire { /* a transport that delivers what it is told and looks at what it is given */
    struct transport t;
    struct xml_parser *oracle;
    bool is_paused, is_closed, is_secure;
};
struct player {
    struct wire *wire;
    struct stream_in *s;
    unsigned elements, ends;
    bool pauses, closes;
};

static struct tls_info secure_info = {.version = "TLSv1.3", .cipher = "none"};

static struct wire *wire_of(const struct transport *t)
{
    return (struct wire *)(uintptr_t)t;
}

static bool wire_send(struct transport *t, struct str bytes)
{
    const char *why = NULL;
    struct wire *w = wire_of(t);
    must(!w->is_closed);
    must(xml_parser_feed(w->oracle, bytes, &why) == STREAM_OK);
    return true;
}

static void wire_pause(struct transport *t, bool paused)
{
    wire_of(t)->is_paused = paused;
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

static const struct tls_info *wire_tls(const struct transport *t)
{
    return wire_of(t)->is_secure ? &secure_info : NULL;
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
                                              .tls = wire_tls,
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
    if (xml_is(doc->root, NS_SASL, "success"))
        xml_parser_reset(w->oracle, false);
    xml_doc_free(&doc);
}

static const struct xml_parser_events oracle_events = {oracle_open, oracle_element, NULL};

static enum stream_cond on_header(void *ctx, const struct stream_header *h)
{
    (void)ctx;
    return str_eqc(h->to, "wrong") ? STREAM_HOST_UNKNOWN : STREAM_OK;
}

static void on_features(void *ctx, struct arena *a, struct xml *features)
{
    (void)ctx;
    xml_add(a, features, NS_BIND, "bind");
}

static unsigned on_mechanisms(void *ctx)
{
    (void)ctx;
    return (1U << SASL_MECH_COUNT) - 1;
}

static void on_need(void *ctx, const struct stream_in_need *n)
{
    struct player *p = ctx;
    if (n->what == STREAM_NEED_KEYS)
        stream_in_keys(p->s, NULL);
    else if (n->what == STREAM_NEED_TOKEN && n->user.n % 2 == 0)
        stream_in_token(p->s, (const uint8_t *)n->proof.p);
    else
        stream_in_verdict(p->s, n->user.n & 1 ? SASL_FAIL_NOT_AUTHORIZED : SASL_FAIL_NONE);
}

static enum sasl_failure on_authenticated(void *ctx, enum sasl_mech m, struct str user,
                                          struct str authzid)
{
    (void)ctx;
    (void)m;
    (void)user;
    (void)authzid;
    return SASL_FAIL_NONE;
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct player *p = ctx;
    must(p->ends == 0);
    (void)stream_in_send(p->s, doc->root);
    xml_doc_free(&doc);
    if (++p->elements == 3 && p->closes)
        stream_in_close(p->s, STREAM_OK, NULL);
    if (p->pauses)
        stream_in_pause(p->s, true);
}

static void on_end(void *ctx, const struct stream_end *e)
{
    struct player *p = ctx;
    (void)e;
    must(p->ends++ == 0);
}

static void on_inline(void *ctx, struct arena *a, struct xml *features)
{
    (void)ctx;
    xml_add(a, features, NS_BIND2, "bind");
}

static const struct stream_in_events player_events = {on_header, on_features,      on_mechanisms,
                                                      on_need,   on_authenticated, on_element,
                                                      NULL,      on_end,           on_inline};

/* The user of SASL2 has done what came inline. */
static void finish(struct player *p)
{
    if (p->ends != 0 || !stream_in_request(p->s))
        return;
    if (p->closes)
        stream_in_resumed(p->s, STR("me@im.example/x"), STR("<resumed xmlns='urn:xmpp:sm:3'/>"));
    else
        stream_in_success(p->s, STR("me@im.example"), STR("<bound xmlns='urn:xmpp:bind:0'/>"));
}

static void stopped(void *ctx)
{
    loop_stop(ctx);
}

/* A turn of the loop: deferred calls run. */
static void turn(struct loop *l)
{
    struct timer stop;
    timer_init(&stop, l, stopped, l);
    timer_start(&stop, 0);
    loop_run(l);
    timer_stop(&stop);
}

static void play(struct loop *l, struct player *p, struct str bytes, size_t piece)
{
    while (bytes.n && !p->wire->is_closed) {
        if (p->wire->is_paused) {
            stream_in_pause(p->s, false);
            turn(l);
            continue;
        }
        struct str now = str_make(bytes.p, bytes.n < piece ? bytes.n : piece);
        bytes = str_make(bytes.p + now.n, bytes.n - now.n);
        p->wire->t.events->data(p->wire->t.ctx, now);
        if (p->wire->is_paused || piece > 64)
            turn(l);
        finish(p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const size_t pieces[] = {1, 7, 100, 1000, 4096, 5000, 65536, 1 << 20};
    static struct loop *l;
    if (!l)
        l = loop_new("fuzz/0", 0);
    if (!n)
        return 0;
    rand_seed(1);
    struct wire w = {.t = {.ops = &wire_ops, .loop = l}, .is_secure = data[0] & 2};
    struct player p = {.wire = &w, .pauses = data[0] & 4, .closes = data[0] & 8};
    struct stream_in_conf conf = {.content_ns = data[0] & 1 ? NS_SERVER : NS_CLIENT,
                                  .default_from = "example.net"};
    struct transport *t = &w.t;
    w.oracle = xml_parser_new(&xml_limits_default, &oracle_events, &w);
    p.s = stream_in_new(&t, &conf, &player_events, &p);
    play(l, &p, str_make((const char *)data + 1, n - 1), pieces[data[0] >> 5]);
    turn(l);
    if (!w.is_closed)
        w.t.events->end(w.t.ctx, ERR_EOF);
    turn(l);
    must(p.ends == 1 && w.is_closed);
    stream_in_free(&p.s);
    xml_parser_free(&w.oracle);
    return 0;
}
