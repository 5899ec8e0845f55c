#ifndef S2S_TESTS_REGION_INT_H
#define S2S_TESTS_REGION_INT_H
/* Two members with a link between them on the simulated network: what is sent has a token, custody
 * is taken when the test says so, and every token ends once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/rand.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/listen.h"
#include "lib/net/sim-net.h"
#include "lib/net/tests-certs.h"
#include "s2s/s2s-region-int.h"

enum { SENT_MAX = 400, OPEN_MAX = 64 };
#define SEC UINT64_C(1000000)

static char dir[TEST_PATH_MAX];
static struct tls_ctx *ctx_server[4], *ctx_client[4]; /* a, b, wrong CA (as a), wrong name (as a) */
static const char *const domains[] = {"a.regions.test", "b.regions.test"};
static const char *const ids[] = {"ra/a", "rb/b"};

/* ---- certificates, once ---- */

static UNUSED void make_ctx(size_t i, const char *stem)
{
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf c = {.ca_file = test_path(ca, dir, "ca", "crt"),
                             .cert_file = test_path(crt, dir, stem, "crt"),
                             .key_file = test_path(key, dir, stem, "key"),
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .alpn = "xmpp-server"};
    if (tls_ctx_new(true, &c, &ctx_server[i], why, sizeof why) != ERR_OK ||
        tls_ctx_new(false, &c, &ctx_client[i], why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
}

static UNUSED void swallow(void *ctx UNUSED, enum log_level l UNUSED, const char *line UNUSED) {}

static UNUSED int begin(void **state UNUSED)
{
    test_certs_begin(dir);
    test_cert_domain(dir, domains[0]);
    test_cert_domain(dir, domains[1]);
    test_cert_domain(dir, "c.regions.test");
    test_cert_make(dir, "ca2", &(struct test_cert){.cn = "Other CA", .is_ca = true});
    test_cert_make(dir, "foreign",
                   &(struct test_cert){.cn = "x", .san = "DNS:a.regions.test", .issuer = "ca2"});
    make_ctx(0, domains[0]);
    make_ctx(1, domains[1]);
    make_ctx(2, "foreign");
    make_ctx(3, "c.regions.test");
    log_set_capture(getenv("TEST_LOG") ? NULL : swallow, NULL);
    return 0;
}

static UNUSED int end(void **state UNUSED)
{
    for (size_t i = 0; i < 4; i++) {
        tls_ctx_unref(&ctx_server[i]);
        tls_ctx_unref(&ctx_client[i]);
    }
    test_certs_end(dir);
    return 0;
}

/* ---- members ---- */

struct sent { /* the token */
    struct member *by;
    unsigned number, ends;
    char how; /* a, r, d */
    bool had_custody;
};
struct member {
    struct world *w;
    size_t i;
    struct loop *loop;
    struct listener *listener;
    struct s2s_region *r;
    struct s2s_region_conf conf;
    struct member *other;
    struct sent sent[SENT_MAX];
    unsigned n_sent, n_ended;
    unsigned last_seen[REGION_ANSWER + 1]; /* by purpose, as receiver, of this incarnation */
    unsigned delivered, ups, fresh_ups;
    bool holds; /* takes no custody */
    struct {
        region_ticket t;
        unsigned number;
    } open[OPEN_MAX];
    unsigned n_open;
    struct timer work;
    unsigned left; /* to send */
};
struct world {
    struct member m[2];
    bool restarts, is_cut;
    bool may_return;
};

static UNUSED unsigned number_of(const struct stanza *s)
{
    uint64_t n = 0;
    assert_true(str_to_u64(s->id, 1000000, &n));
    return (unsigned)n;
}

static UNUSED void take_custody(struct member *m, unsigned k)
{
    struct sent *s = &m->other->sent[m->open[k].number];
    s->had_custody = true;
    s2s_region_complete(m->r, m->open[k].t);
    m->open[k] = m->open[--m->n_open];
}

static UNUSED void on_deliver(void *ctx, const char *peer, uint64_t incarnation, struct stanza *s,
                              const struct region_route *r, region_ticket t)
{
    struct member *m = ctx;
    unsigned n = number_of(s);
    assert_string_equal(peer, ids[!m->i]);
    assert_true(incarnation <= m->other->conf.self_incarnation);
    assert_string_equal(r->origin, ids[!m->i]);
    assert_int_equal(r->hops, n % 7);
    assert_string_equal(r->resource, "conn-1");
    assert_null(stanza_child(s, NS_MERIDIAN_ROUTE, "route"));
    assert_true(n + 1 > m->last_seen[r->purpose]); /* once, in order */
    assert_true(t != 0);
    m->last_seen[r->purpose] = n + 1;
    m->delivered++;
    stanza_unref(&s);
    if (m->n_open == OPEN_MAX)
        take_custody(m, 0);
    m->open[m->n_open].t = t;
    m->open[m->n_open++].number = n;
}

static UNUSED void on_up(void *ctx, const char *peer, bool fresh)
{
    struct member *m = ctx;
    assert_string_equal(peer, ids[!m->i]);
    m->ups++;
    m->fresh_ups += fresh;
}

static UNUSED void ended(struct sent *s, char how)
{
    assert_int_equal(s->ends, 0);
    s->ends++;
    s->how = how;
    s->by->n_ended++;
}

static UNUSED void on_acked(void *ctx, void *token)
{
    struct sent *s = token;
    assert_ptr_equal(s->by, ctx);
    assert_true(s->had_custody);
    ended(s, 'a');
}

static UNUSED void on_dropped(void *ctx UNUSED, void *token)
{
    ended(token, 'd');
}

static UNUSED void on_returned(void *ctx, const char *peer, struct stanza *s,
                               const struct region_route *r, void *token, const char *why)
{
    struct member *m = ctx;
    assert_true(m->w->may_return);
    assert_string_equal(peer, ids[!m->i]);
    assert_string_equal(r->resource, "conn-1");
    assert_true(strlen(why) > 0);
    assert_int_equal(number_of(s), ((struct sent *)token)->number);
    stanza_unref(&s);
    ended(token, 'r');
}

static const struct s2s_region_ops member_ops = {on_deliver, on_up,       on_acked,
                                                 on_dropped, on_returned, NULL};

static UNUSED struct stanza *make_stanza(unsigned n)
{
    char text[600];
    struct stanza *s;
    snprintf(text, sizeof text,
             n % 5 == 0 ? "<iq type='get' id='%u' from='u@x.test/r' to='v@x.test/s'><query "
                          "xmlns='jabber:iq:version'/></iq>"
                        : "<message id='%u' from='u@x.test/r' to='v@x.test'><body>%0*d &lt;</body>"
                          "<route xmlns='urn:meridian:route:0' purpose='gone'/></message>",
             n, (int)(n * 37 % 300), 0);
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    return s;
}

static UNUSED void send_one(struct member *m, enum region_purpose purpose)
{
    unsigned n = m->n_sent++;
    struct region_route r = {.purpose = purpose, .hops = n % 7, .resource = "conn-1"};
    assert_true(n < SENT_MAX);
    snprintf(r.trace, sizeof r.trace, "%032x", n);
    m->sent[n] = (struct sent){.by = m, .number = n};
    s2s_region_send(m->r, ids[!m->i], make_stanza(n), &r, &m->sent[n]);
}

static UNUSED void on_work(void *ctx)
{
    struct member *m = ctx;
    for (uint64_t burst = sim_rand(6); burst && m->left; burst--, m->left--)
        send_one(m, sim_rand(3) ? REGION_USER : REGION_SESSION);
    while (!m->holds && m->n_open && sim_rand(4))
        take_custody(m, (unsigned)sim_rand(m->n_open));
    timer_start(&m->work, 1 + sim_rand(80));
}

static UNUSED void on_accept(void *ctx, struct transport *t)
{
    s2s_region_accept(((struct member *)ctx)->r, t);
}

static UNUSED struct addr address(size_t i)
{
    struct addr a = {.family = ADDR_V4, .port = 7000, .ip = {10, 0, 0, (uint8_t)(i + 1)}};
    return a;
}

static UNUSED void tell_peer(struct member *m)
{
    struct s2s_region_peer p = {.endpoint = address(!m->i),
                                .incarnation = m->other->conf.self_incarnation};
    snprintf(p.id, sizeof p.id, "%s", ids[!m->i]);
    snprintf(p.domain, sizeof p.domain, "%s", domains[!m->i]);
    s2s_region_peer(m->r, &p);
}

static UNUSED void member_start(struct member *m)
{
    struct addr at = address(m->i);
    memset(m->last_seen, 0, sizeof m->last_seen);
    m->n_open = 0;
    m->r = s2s_region_new(m->loop, &m->conf, &member_ops, m);
    assert_int_equal(listener_open(m->loop, &at, on_accept, m, &m->listener), ERR_OK);
}

static UNUSED void member_stop(struct member *m)
{
    listener_close(&m->listener);
    s2s_region_free(&m->r);
}

static UNUSED struct world *world_new(uint64_t seed)
{
    struct world *w = mem_calloc(1, sizeof *w);
    sim_begin(seed);
    sim_net_begin();
    for (size_t i = 0; i < 2; i++) {
        struct member *m = &w->m[i];
        m->w = w;
        m->i = i;
        m->other = &w->m[!i];
        m->loop = loop_new(i ? "b/0" : "a/0", 0);
        timer_init(&m->work, m->loop, on_work, m);
        m->conf = (struct s2s_region_conf){.tls_server = ctx_server[i],
                                           .tls_client = ctx_client[i],
                                           .self_id = ids[i],
                                           .self_domain = domains[i],
                                           .self_incarnation = 10,
                                           .domain_suffix = ".regions.test"};
        member_start(m);
    }
    return w;
}

static UNUSED void world_free(struct world **pw)
{
    struct world *w = *pw;
    *pw = NULL;
    for (size_t i = 0; i < 2; i++) {
        timer_stop(&w->m[i].work);
        if (w->m[i].r)
            member_stop(&w->m[i]);
    }
    sim_run(10 * SEC, NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        loop_free(&w->m[i].loop);
    sim_net_end();
    sim_end();
    for (size_t i = 0; i < 2; i++)
        for (unsigned k = 0; k < w->m[i].n_sent; k++)
            assert_int_equal(w->m[i].sent[k].ends, 1);
    mem_free(w);
}
#endif
