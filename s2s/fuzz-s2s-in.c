/* Arbitrary first-level bytes into an incoming server stream whose header was played. First byte: 1
 * the pair (d0.test, d1.test) is proved; high bits: how the rest is cut into reads. Oracle: only
 * stanzas of that pair are delivered, nothing without proof; what we answer is a well-formed
 * stream; everything is gone in the end. */
#include "dns/dns.h"
#include "lib/base/rand.h"
#include "s2s/s2s-int.h"

struct wire { /* a transport that is told what to deliver and looks at what it is given */
    struct transport t;
    struct xml_parser *oracle;
    bool is_closed;
};
static bool is_proved;

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
    (void)ctx;
    xml_doc_free(&doc);
}
static const struct xml_parser_events oracle_events = {oracle_open, oracle_element, NULL};

static bool is_local(void *ctx, struct str domain)
{
    (void)ctx;
    return str_eqc(domain, "d0.test") || str_eqc(domain, "sub.d0.test");
}
static void deliver(void *ctx, struct stanza *s, struct s2s_receipt r)
{
    (void)ctx;
    (void)r;
    must(is_proved);
    must(str_eqc(s->from.domain, "d1.test") && str_eqc(s->to.domain, "d0.test"));
    stanza_unref(&s);
}
static void bounce(void *ctx, struct stanza *s, enum stanza_cond c, const char *text, void *token)
{
    (void)ctx;
    must(!token);
    must(c != STANZA_OK && *text);
    stanza_unref(&s);
}
static const struct s2s_host_ops host = {
    .is_local_domain = is_local, .deliver = deliver, .bounce = bounce};

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const size_t pieces[] = {1, 7, 100, 1000, 4096, 5000, 65536, 1 << 20};
    static const struct s2s_conf conf = {
        .dialback = true, .external = true, .dialback_secret = "x"};
    static struct loop *l;
    static struct dns *dns;
    if (!n)
        return 0;
    if (!l) {
        log_set_capture(quiet, NULL);
        l = loop_new("fuzz/0", 0);
        dns = open_dns(l);
    }
    rand_seed(1);
    struct wire w = {.t = {.ops = &wire_ops, .loop = l}};
    struct s2s *s = s2s_new(l, &conf, NULL, dns, &host, NULL);
    w.oracle = xml_parser_new(&xml_limits_default, &oracle_events, &w);
    is_proved = data[0] & 1;
    s2s_accept(s, &w.t, false, NULL);
    play(l, &w,
         STR("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
             "xmlns:db='jabber:server:dialback' from='d1.test' to='d0.test' version='1.0'>"),
         1 << 20);
    struct s2s_in *in = list_entry(list_first(&s->ins), struct s2s_in, link);
    if (is_proved) {
        must(s2s_in_add_pair(in, STR("d0.test"), STR("d1.test"), "dialback"));
        stream_in_set_authenticated(in->stream);
    }
    play(l, &w, str_make((const char *)data + 1, n - 1), pieces[data[0] >> 5]);
    turn(l);
    if (!w.is_closed)
        w.t.events->end(w.t.ctx, ERR_EOF);
    turn(l);
    s2s_free(&s);
    must(w.is_closed);
    xml_parser_free(&w.oracle);
    return 0;
}
