/* Arbitrary bytes into a receiving entity. First byte: 1 server namespace, 2 secured, 4 pause at
 * each element, 8 close in order at the third element; high bits: how the rest is cut into reads.
 * Oracle: what we answer is itself a well-formed stream, the end comes exactly once, nothing comes
 * after it. */
#include "lib/base/rand.h"
#include "lib/net/tls.h"
#include "lib/stream/stream-in.h"
#include "lib/stream/tests-wire.h"

struct player {
    struct wire *wire;
    struct stream_in *s;
    unsigned elements, ends;
    bool pauses, closes;
};

static struct tls_info secure_info = {.version = "TLSv1.3", .cipher = "none"};

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

static void play(struct loop *l, struct player *p, struct str bytes, size_t piece)
{
    while (bytes.n && !p->wire->is_closed) {
        if (p->wire->is_paused) {
            stream_in_pause(p->s, false);
            turn(l);
            continue;
        }
        p->wire->t.events->data(p->wire->t.ctx, wire_cut(&bytes, piece));
        if (p->wire->is_paused || piece > 64)
            turn(l);
        finish(p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct loop *l;
    if (!l)
        l = loop_new("fuzz/0", 0);
    if (!n)
        return 0;
    rand_seed(1);
    struct wire w;
    wire_begin(&w, l);
    w.tls = data[0] & 2 ? &secure_info : NULL;
    struct player p = {.wire = &w, .pauses = data[0] & 4, .closes = data[0] & 8};
    struct stream_in_conf conf = {.content_ns = data[0] & 1 ? NS_SERVER : NS_CLIENT,
                                  .default_from = "example.net"};
    struct transport *t = &w.t;
    p.s = stream_in_new(&t, &conf, &player_events, &p);
    play(l, &p, str_make((const char *)data + 1, n - 1), wire_pieces[data[0] >> 5]);
    wire_end(&w);
    must(p.ends == 1 && w.is_closed);
    stream_in_free(&p.s);
    xml_parser_free(&w.oracle);
    return 0;
}
