/* Links between members over a network that is cut again and again, by seed: with resets, as black
 * holes, with receivers that restart. Custody is taken late and out of order. What was acknowledged
 * had custody, nothing comes twice to one process, order is kept, every token ends once. And who
 * may not take part. */
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

enum { SENT_MAX = 400, OPEN_MAX = 64, SEEDS = 200, RESTART_SEEDS = 100 };
#define SEC UINT64_C(1000000)

static char dir[TEST_PATH_MAX];
static struct tls_ctx *ctx_server[4], *ctx_client[4]; /* a, b, wrong CA (as a), wrong name (as a) */
static const char *const domains[] = {"a.regions.test", "b.regions.test"};
static const char *const ids[] = {"ra/a", "rb/b"};

/* ---- certificates, once ---- */

static void make_ctx(size_t i, const char *stem)
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

static void swallow(void *ctx UNUSED, enum log_level l UNUSED, const char *line UNUSED) {}

static int begin(void **state UNUSED)
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

static int end(void **state UNUSED)
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
    bool holds;                                    /* takes no custody */
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

static unsigned number_of(const struct stanza *s)
{
    uint64_t n = 0;
    assert_true(str_to_u64(s->id, 1000000, &n));
    return (unsigned)n;
}

static void take_custody(struct member *m, unsigned k)
{
    struct sent *s = &m->other->sent[m->open[k].number];
    s->had_custody = true;
    s2s_region_complete(m->r, m->open[k].t);
    m->open[k] = m->open[--m->n_open];
}

static void on_deliver(void *ctx, const char *peer, uint64_t incarnation, struct stanza *s,
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

static void on_up(void *ctx, const char *peer, bool fresh)
{
    struct member *m = ctx;
    assert_string_equal(peer, ids[!m->i]);
    m->ups++;
    m->fresh_ups += fresh;
}

static void ended(struct sent *s, char how)
{
    assert_int_equal(s->ends, 0);
    s->ends++;
    s->how = how;
    s->by->n_ended++;
}

static void on_acked(void *ctx, void *token)
{
    struct sent *s = token;
    assert_ptr_equal(s->by, ctx);
    assert_true(s->had_custody);
    ended(s, 'a');
}

static void on_dropped(void *ctx UNUSED, void *token)
{
    ended(token, 'd');
}

static void on_returned(void *ctx, const char *peer, struct stanza *s, const struct region_route *r,
                        void *token, const char *why)
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

static const struct s2s_region_ops member_ops = {on_deliver, on_up, on_acked, on_dropped,
                                                 on_returned, NULL};

static struct stanza *make_stanza(unsigned n)
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

static void send_one(struct member *m, enum region_purpose purpose)
{
    unsigned n = m->n_sent++;
    struct region_route r = {.purpose = purpose, .hops = n % 7, .resource = "conn-1"};
    assert_true(n < SENT_MAX);
    snprintf(r.trace, sizeof r.trace, "%032x", n);
    m->sent[n] = (struct sent){.by = m, .number = n};
    s2s_region_send(m->r, ids[!m->i], make_stanza(n), &r, &m->sent[n]);
}

static void on_work(void *ctx)
{
    struct member *m = ctx;
    for (uint64_t burst = sim_rand(6); burst && m->left; burst--, m->left--)
        send_one(m, sim_rand(3) ? REGION_USER : REGION_SESSION);
    while (!m->holds && m->n_open && sim_rand(4))
        take_custody(m, (unsigned)sim_rand(m->n_open));
    timer_start(&m->work, 1 + sim_rand(80));
}

static void on_accept(void *ctx, struct transport *t)
{
    s2s_region_accept(((struct member *)ctx)->r, t);
}

static struct addr address(size_t i)
{
    struct addr a = {.family = ADDR_V4, .port = 7000, .ip = {10, 0, 0, (uint8_t)(i + 1)}};
    return a;
}

static void tell_peer(struct member *m)
{
    struct s2s_region_peer p = {.endpoint = address(!m->i),
                                .incarnation = m->other->conf.self_incarnation};
    snprintf(p.id, sizeof p.id, "%s", ids[!m->i]);
    snprintf(p.domain, sizeof p.domain, "%s", domains[!m->i]);
    s2s_region_peer(m->r, &p);
}

static void member_start(struct member *m)
{
    struct addr at = address(m->i);
    memset(m->last_seen, 0, sizeof m->last_seen);
    m->n_open = 0;
    m->r = s2s_region_new(m->loop, &m->conf, &member_ops, m);
    assert_int_equal(listener_open(m->loop, &at, on_accept, m, &m->listener), ERR_OK);
}

static void member_stop(struct member *m)
{
    listener_close(&m->listener);
    s2s_region_free(&m->r);
}

static void world_begin(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
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
                                           .domain_suffix = ".regions.test",
                                           .custody_ms = 3600000};
        member_start(m);
    }
}

static void world_end(struct world *w)
{
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
}

/* ---- faults ---- */

static void heal(struct world *w)
{
    sim_net_heal("a", "b");
    w->is_cut = false;
}

static void restart(struct world *w, struct member *m)
{
    bool dead_first = sim_rand(2);
    /* What it sent is gone with it: its tokens are dropped. */
    member_stop(m);
    m->left = 0;
    m->conf.self_incarnation++;
    member_start(m);
    if (dead_first)
        s2s_region_dead(m->other->r, ids[m->i], m->conf.self_incarnation - 1, false);
    if (sim_rand(3))
        tell_peer(m->other); /* else the link itself notices */
    w->may_return = true;
}

static bool all_ended(void *ctx)
{
    struct world *w = ctx;
    for (size_t i = 0; i < 2; i++)
        if (w->m[i].left || w->m[i].n_ended < w->m[i].n_sent)
            return false;
    return true;
}

/* Fault after fault, until the given moment. */
struct chain {
    struct world *w;
    uint64_t until_us;
};
static void chain_next(void *ctx)
{
    struct chain *c = ctx;
    struct world *w = c->w;
    if (sim_now_us() >= c->until_us) {
        heal(w);
        return;
    }
    if (w->is_cut)
        heal(w);
    else if (w->restarts && sim_rand(4) == 0)
        restart(w, &w->m[1]);
    else {
        sim_net_cut("a", "b", sim_rand(2));
        w->is_cut = true;
    }
    sim_after(sim_rand(w->is_cut ? 15 * SEC : 2 * SEC), chain_next, NULL, c);
}

static void run_seed(uint64_t seed, bool restarts)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, seed);
    struct chain c = {.w = w, .until_us = sim_now_us() + 40 * SEC};
    w->restarts = restarts;
    for (size_t i = 0; i < 2; i++) {
        w->m[i].left = 150;
        tell_peer(&w->m[i]);
        timer_start(&w->m[i].work, 1);
    }
    sim_after(sim_rand(SEC), chain_next, NULL, &c);
    sim_run(60 * SEC, NULL, NULL);
    if (!sim_run(60 * SEC, all_ended, w))
        fail_msg("seed %" PRIu64 ": a %u of %u, b %u of %u", seed, w->m[0].n_ended, w->m[0].n_sent,
                 w->m[1].n_ended, w->m[1].n_sent);
    for (unsigned k = 0; k < w->m[0].n_sent; k++)
        assert_true(restarts ? w->m[0].sent[k].how != 'd' : w->m[0].sent[k].how == 'a');
    if (!restarts) {
        assert_int_equal(w->m[0].delivered, w->m[1].n_sent);
        assert_int_equal(w->m[1].delivered, w->m[0].n_sent);
        assert_true(w->m[0].ups >= 1);
    }
    world_end(w);
    mem_free(w);
}

static void test_region_cuts(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed, false);
}

static void test_region_restarts(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= RESTART_SEEDS; seed++)
        run_seed(seed + 1000, true);
}

/* ---- single behaviours ---- */

static bool a_ended(void *ctx)
{
    struct member *m = ctx;
    return m->n_ended == m->n_sent;
}

static bool b_has(void *ctx)
{
    struct world *w = ctx;
    return w->m[1].delivered == w->m[0].n_sent;
}

static void test_region_custody(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 7);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 30; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    sim_run(30 * SEC, NULL, NULL); /* alive by its answers all the while */
    assert_int_equal(w->m[0].n_ended, 0);
    assert_int_equal(w->m[0].ups, 1);
    while (w->m[1].n_open > 1) /* all but the first */
        take_custody(&w->m[1], w->m[1].n_open - 1);
    sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(w->m[0].n_ended, 29); /* each by itself: h cannot pass the first */
    region_ticket t = w->m[1].open[0].t;
    take_custody(&w->m[1], 0);
    s2s_region_complete(w->m[1].r, t); /* stale */
    s2s_region_complete(w->m[1].r, 12345);
    assert_true(sim_run(5 * SEC, a_ended, &w->m[0]));
    world_end(w);
    mem_free(w);
}

/* Acknowledged by itself, then the link is cut: the peer lives, so nothing comes again. */
static void test_region_got_survives_cuts(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 20);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 10; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    sim_net_cut("a", "b", true); /* the words about them are lost */
    for (int i = 0; i < 5; i++)
        take_custody(&w->m[1], 3);
    sim_run(SEC, NULL, NULL);
    sim_net_cut("a", "b", false);
    sim_net_heal("a", "b");
    sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(w->m[0].n_ended, 5);
    assert_int_equal(w->m[1].delivered, 10);
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(10 * SEC, a_ended, &w->m[0]));
    assert_int_equal(w->m[1].delivered, 10);
    world_end(w);
    mem_free(w);
}

static void test_region_custody_late(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 21);
    member_stop(&w->m[1]);
    w->m[1].conf.custody_ms = 2000;
    member_start(&w->m[1]);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 3; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(SEC, b_has, w));
    assert_int_equal(w->m[0].n_ended, 0);
    for (int i = 0; i < 3; i++)
        w->m[0].sent[i].had_custody = true; /* as far as the sender is told */
    assert_true(sim_run(3 * SEC, a_ended, &w->m[0]));
    take_custody(&w->m[1], 0); /* too late, no harm */
    world_end(w);
    mem_free(w);
}

/* A new numbering with custody open: the copies are not handed up, and are acknowledged by the same
 * custody. */
static void test_region_copies_wait_for_custody(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 8);
    tell_peer(&w->m[0]);
    for (int i = 0; i < 10; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    take_custody(&w->m[1], 3);
    s2s_region_dead(w->m[0].r, ids[1], 10,
                    false); /* a mistake of the registry: the session is given up */
    tell_peer(&w->m[0]);
    send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(10 * SEC, b_has, w));
    sim_run(5 * SEC, NULL, NULL);
    assert_int_equal(w->m[1].delivered, 11);
    assert_int_equal(w->m[0].n_ended, 1);
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(10 * SEC, a_ended, &w->m[0]));
    world_end(w);
    mem_free(w);
}

static unsigned count(const struct member *m, char how)
{
    unsigned n = 0;
    for (unsigned k = 0; k < m->n_sent; k++)
        n += m->sent[k].how == how;
    return n;
}

static void test_region_returned(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 9);
    struct member *a = &w->m[0];
    w->may_return = true;
    sim_net_cut("a", "b", false);
    tell_peer(a);
    send_one(a, REGION_USER);
    send_one(a, REGION_SESSION);
    s2s_region_dead(a->r, ids[1], 9, true); /* old news */
    sim_run(SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 0);
    s2s_region_dead(a->r, ids[1], 10, false); /* USER waits for the next incarnation */
    sim_run(SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 1);
    s2s_region_dead(a->r, ids[1], 10, true);
    assert_int_equal(a->n_ended, 1);
    assert_true(sim_run(SEC, a_ended, a));
    assert_int_equal(count(a, 'r'), 2);
    world_end(w);
    mem_free(w);
}

/* Its stream may reach us before the registry tells of it: what is for it waits. */
static void test_region_not_known_yet(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 19);
    struct member *a = &w->m[0];
    send_one(a, REGION_USER);
    sim_run(SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 0);
    tell_peer(a);
    assert_true(sim_run(5 * SEC, b_has, w));
    take_custody(&w->m[1], 0);
    assert_true(sim_run(5 * SEC, a_ended, a));
    assert_int_equal(count(a, 'a'), 1);
    world_end(w);
    mem_free(w);
}

/* Forgotten and met again: what is sent then is new to the receiver, although it remembers the
 * past. */
static void test_region_forgotten_and_back(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 10);
    struct member *a = &w->m[0];
    w->may_return = true;
    tell_peer(a);
    for (int i = 0; i < 5; i++)
        send_one(a, REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(5 * SEC, a_ended, a));
    s2s_region_dead(a->r, ids[1], 10, true);
    tell_peer(a);
    send_one(a, REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    take_custody(&w->m[1], 0);
    assert_true(sim_run(5 * SEC, a_ended, a));
    assert_int_equal(count(a, 'a'), 6);
    world_end(w);
    mem_free(w);
}

static void test_region_wait_ms(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 11);
    struct member *a = &w->m[0];
    w->may_return = true;
    tell_peer(a);
    send_one(a, REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    sim_run(400 * SEC, NULL, NULL); /* connected: nothing expires */
    assert_int_equal(a->n_ended, 0);
    sim_net_cut("a", "b", false);
    sim_run(100 * SEC, NULL, NULL);
    send_one(a, REGION_USER);
    sim_run(190 * SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 0);
    sim_run(15 * SEC, NULL, NULL);
    assert_int_equal(a->n_ended, 1);
    sim_run(100 * SEC, NULL, NULL);
    assert_int_equal(count(a, 'r'), 2);
    world_end(w);
    mem_free(w);
}

static void test_region_queue_full(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 12);
    struct member *a = &w->m[0];
    w->may_return = true;
    member_stop(a);
    a->conf.queue_bytes = 20000;
    member_start(a);
    tell_peer(a);
    for (int i = 0; i < 200; i++)
        send_one(a, REGION_USER);
    assert_int_equal(a->n_ended, 0); /* never inside send */
    sim_run(5 * SEC, NULL, NULL);
    assert_true(count(a, 'r') > 50 && count(a, 'r') < 200);
    assert_int_equal(w->m[1].delivered, 200 - count(a, 'r'));
    while (w->m[1].n_open || a->n_ended < a->n_sent) {
        while (w->m[1].n_open)
            take_custody(&w->m[1], 0);
        sim_run(SEC, NULL, NULL);
    }
    world_end(w);
    mem_free(w);
}

/* ---- who may not ---- */

static const struct json *list_row(struct member *m, struct json **keep)
{
    *keep = json_new_array();
    s2s_region_list(m->r, *keep);
    assert_int_equal(json_len(*keep), 1);
    return json_at(*keep, 0);
}

static void check_refused(size_t ctx, uint64_t incarnation_known_to_b, const char *self_domain,
                          const char *why)
{
    struct world *w = mem_alloc(sizeof *w);
    struct json *list;
    world_begin(w, 13);
    struct member *a = &w->m[0], *b = &w->m[1];
    member_stop(a);
    a->conf.tls_client = ctx_client[ctx];
    a->conf.self_domain = self_domain;
    member_start(a);
    if (incarnation_known_to_b) {
        uint64_t real = a->conf.self_incarnation;
        a->conf.self_incarnation = incarnation_known_to_b;
        tell_peer(b);
        a->conf.self_incarnation = real;
    }
    tell_peer(a);
    send_one(a, REGION_USER);
    sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(a->ups, 0);
    assert_int_equal(b->delivered, 0);
    assert_int_equal(a->n_ended, 0);
    const struct json *row = list_row(a, &list);
    if (!strstr(json_get_str(row, "last_error"), why))
        fail_msg("'%s' instead of '%s'", json_get_str(row, "last_error"), why);
    assert_int_equal(json_get_num(row, "queued", -1), 1);
    json_free(&list);
    world_end(w);
    mem_free(w);
}

static void test_region_refused(void **state UNUSED)
{
    check_refused(2, 0, domains[0], "not-authorized");
    check_refused(3, 0, domains[0], "not-authorized");
    check_refused(0, 0, "a.elsewhere.test", "invalid-from");
    check_refused(0, 11, domains[0], "older incarnation");
}

/* The other way round: who answers is not who should. */
static void test_region_wrong_server(void **state UNUSED)
{
    for (size_t ctx = 2; ctx < 4; ctx++) {
        struct world *w = mem_alloc(sizeof *w);
        world_begin(w, 14);
        member_stop(&w->m[1]);
        w->m[1].conf.tls_server = ctx_server[ctx];
        member_start(&w->m[1]);
        tell_peer(&w->m[0]);
        send_one(&w->m[0], REGION_USER);
        sim_run(20 * SEC, NULL, NULL);
        assert_int_equal(w->m[0].ups, 0);
        assert_int_equal(w->m[1].delivered, 0);
        world_end(w);
        mem_free(w);
    }
}

/* The registry knows a younger incarnation than the one that listens. */
static void test_region_old_process_answers(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    world_begin(w, 15);
    w->m[1].conf.self_incarnation = 11; /* what a is told */
    struct s2s_region_conf *real = &w->m[1].r->conf;
    assert_int_equal(real->self_incarnation, 10);
    tell_peer(&w->m[0]);
    send_one(&w->m[0], REGION_USER);
    sim_run(20 * SEC, NULL, NULL);
    assert_int_equal(w->m[0].ups, 0);
    assert_int_equal(w->m[1].delivered, 0);
    world_end(w);
    mem_free(w);
}

static void set_true(void *ctx)
{
    *(bool *)ctx = true;
}
static bool is_true(void *ctx)
{
    return *(bool *)ctx;
}

static void test_region_stop_flushes(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    bool stopped = false;
    world_begin(w, 16);
    tell_peer(&w->m[0]);
    tell_peer(&w->m[1]);
    for (int i = 0; i < 20; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    for (int i = 0; i < 20; i++)
        send_one(&w->m[0], REGION_USER);
    timer_start(&w->m[1].work, 1); /* takes custody */
    s2s_region_stop(w->m[0].r, set_true, &stopped);
    assert_false(stopped);
    assert_true(sim_run(3500000, is_true, &stopped));
    assert_int_equal(count(&w->m[0], 'a'), 40);
    world_end(w);
    mem_free(w);
}

/* Custody that is taken while the receiver stops is still acknowledged: nothing comes a second
 * time. */
static void test_region_stop_waits_for_custody(void **state UNUSED)
{
    struct world *w = mem_alloc(sizeof *w);
    bool stopped = false;
    world_begin(w, 17);
    w->m[1].holds = true;
    tell_peer(&w->m[0]);
    tell_peer(&w->m[1]);
    for (int i = 0; i < 20; i++)
        send_one(&w->m[0], REGION_USER);
    assert_true(sim_run(5 * SEC, b_has, w));
    assert_int_equal(count(&w->m[0], 'a'), 0);
    s2s_region_stop(w->m[1].r, set_true, &stopped);
    assert_false(sim_run(500000, is_true, &stopped));
    while (w->m[1].n_open)
        take_custody(&w->m[1], 0);
    assert_true(sim_run(500000, is_true, &stopped));
    assert_int_equal(count(&w->m[0], 'a'), 20);
    world_end(w);
    mem_free(w);
}

static void test_region_route_strict(void **state UNUSED)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"<route xmlns='urn:meridian:route:0' purpose='user' hops='1' origin='a/b' incarnation='1' "
         "seq='1'/>",
         true},
        {"<route xmlns='urn:meridian:route:0' purpose='up-ok' hops='0' origin='a/b' "
         "incarnation='18446744073709551615' seq='7' resource='x' home='y' covered='1' "
         "trace='0123456789abcdef0123456789abcdef'/>",
         true},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='0'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' seq='1'/>", false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' incarnation='1' seq='1'/>", false},
        {"<route xmlns='urn:meridian:route:0' origin='a' incarnation='1' seq='1'/>", false},
        {"<route xmlns='urn:meridian:route:0' purpose='x' origin='a' incarnation='1' seq='1'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='-1' seq='1'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "z='1'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "hops='256'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "trace='0'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "covered='2'/>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' "
         "seq='1'>x</route>",
         false},
        {"<route xmlns='urn:meridian:route:0' purpose='user' origin='a' incarnation='1' seq='1' "
         "home='0123456789012345678901234567890123456789012345678901234567890123'/>",
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct xml_doc *doc;
        struct region_route r;
        assert_int_equal(xml_parse_one(str_of(cases[i].text), NS_SERVER, &xml_limits_default, &doc),
                         ERR_OK);
        if ((region_route_read(doc->root, &r) == ERR_OK) != cases[i].ok)
            fail_msg("%s", cases[i].text);
        xml_doc_free(&doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_route_strict),
        cmocka_unit_test(test_region_custody),
        cmocka_unit_test(test_region_got_survives_cuts),
        cmocka_unit_test(test_region_custody_late),
        cmocka_unit_test(test_region_copies_wait_for_custody),
        cmocka_unit_test(test_region_returned),
        cmocka_unit_test(test_region_not_known_yet),
        cmocka_unit_test(test_region_forgotten_and_back),
        cmocka_unit_test(test_region_wait_ms),
        cmocka_unit_test(test_region_queue_full),
        cmocka_unit_test(test_region_refused),
        cmocka_unit_test(test_region_wrong_server),
        cmocka_unit_test(test_region_old_process_answers),
        cmocka_unit_test(test_region_stop_flushes),
        cmocka_unit_test(test_region_stop_waits_for_custody),
        cmocka_unit_test(test_region_cuts),
        cmocka_unit_test(test_region_restarts),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
