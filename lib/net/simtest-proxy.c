/* DOC: connections through a load balancer over the simulated network: the conformance suite over
 * the layer that stays, plain and under TLS; what the gate refuses, and when. */
#include "lib/net/tests-suite-int.h"

#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"
#include "lib/net/dial.h"
#include "lib/net/proxy.h"
#include "lib/net/sim-net.h"
#include "lib/net/tests-certs.h"

#define V1 "PROXY TCP4 203.0.113.7 10.9.8.7 54321 5269\r\n"
#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"

struct world {
    struct loop *a, *b; /* client's, server's */
    struct listener *listener;
    struct proxy_gate *gate;
    struct peer *pair;
    struct str header; /* what the client begins with */
    struct addr seen;  /* the peer as accepted */
    unsigned accepted;
};
static uint64_t seed;
static struct world world;

static bool run_suite(struct suite *s, bool (*pred)(void *ctx), void *ctx)
{
    (void)s;
    return sim_run(pred ? SUITE_WAIT_US : 1000000, pred, ctx);
}

static void on_accept(void *ctx, struct transport *t)
{
    struct world *w = ctx;
    w->seen = t->peer;
    w->accepted++;
    pair_take(&w->pair[1], t);
}

static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct world *w = ctx;
    (void)r;
    assert_int_equal(e, ERR_OK);
    transport_send(t, w->header);
    pair_take(&w->pair[0], t);
}

static void connect_pair(struct suite *s, struct peer *p)
{
    struct world *w = s->impl;
    struct dial_target target = {.addr = *listener_addr(w->listener)};
    w->pair = p;
    dial_open(w->a, NULL, dial_source_fixed(w->a, &target, 1), 5000, on_dialled, w);
}

static struct suite plain = {
    .name = "proxied", .connect = connect_pair, .run = run_suite, .impl = &world};

static int begin(void **state)
{
    struct addr at;
    (void)state;
    sim_begin(seed);
    sim_net_begin();
    world = (struct world){.a = loop_new("a/0", 0), .b = loop_new("b/0", 0), .header = STR(V1)};
    world.gate = proxy_gate_new(world.b, on_accept, &world);
    assert_int_equal(addr_parse(STR("10.9.8.7"), 5269, &at), ERR_OK);
    assert_int_equal(listener_open(world.b, &at, proxy_gate_take, world.gate, &world.listener),
                     ERR_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sim_run(10000000, NULL, NULL);
    listener_close(&world.listener);
    proxy_gate_free(&world.gate);
    loop_free(&world.a);
    loop_free(&world.b);
    sim_net_end();
    sim_end();
    return 0;
}

/* ---- the gate ---- */

static bool is_connected(void *ctx)
{
    return ((struct peer *)ctx)->t != NULL;
}

/* A client that begins with these bytes. */
static void client_open(struct peer p[2], struct str header)
{
    memset(p, 0, 2 * sizeof *p);
    for (int i = 0; i < 2; i++) {
        p[i].suite = &plain;
        p[i].other = &p[!i];
        buf_init(&p[i].in, 100000);
    }
    world.header = header;
    world.accepted = 0;
    connect_pair(&plain, p);
    assert_true(sim_run(SUITE_WAIT_US, is_connected, &p[0]));
}

static void test_proxy_addresses(void **state)
{
    struct peer p[2];
    char text[ADDR_TEXT_MAX];
    (void)state;
    world.header = STR(V1);
    pair_open(&plain, p);
    assert_string_equal(addr_format(text, &world.seen), "203.0.113.7:54321");
    assert_string_equal(addr_format(text, &p[1].t->local), "10.9.8.7:5269");
    pair_close(p);
    world.header = str_make(V2_LOCAL, sizeof V2_LOCAL - 1); /* the proxy's own: as it is */
    pair_open(&plain, p);
    assert_true(str_starts(str_of(addr_format(text, &world.seen)), STR("10.")));
    pair_close(p);
}

/* The bytes behind the header are the client's, whatever segment they came in. */
static void test_proxy_rest(void **state)
{
    struct peer p[2];
    (void)state;
    client_open(p, STR(V1 "hello"));
    p[1].expect = 5;
    assert_true(sim_run(SUITE_WAIT_US, peer_full, &p[1]));
    assert_true(str_eqc(buf_view(&p[1].in), "hello"));
    assert_int_equal(p[1].readies, 1);
    pair_close(p);
}

static void pause_at_ready(struct peer *p, char what)
{
    if (what == 'r')
        PEER_DOWN(p, transport_pause(p->t, true));
}

/* What lies behind the header waits for a user that pauses, and the end behind it. */
static void test_proxy_rest_paused(void **state)
{
    struct peer p[2];
    (void)state;
    sim_net_whole();
    client_open(p, STR(V1 "hello"));
    p[1].on_event = pause_at_ready;
    PEER_DOWN(&p[0], transport_shut(p[0].t));
    sim_run(2000000, NULL, NULL);
    assert_int_equal(p[1].readies, 1);
    assert_int_equal(p[1].in.n + p[1].ends, 0);
    p[1].on_event = NULL;
    PEER_DOWN(&p[1], transport_pause(p[1].t, false));
    assert_true(sim_run(SUITE_WAIT_US, peer_ended, &p[1]));
    assert_true(str_eqc(buf_view(&p[1].in), "hello"));
    assert_int_equal(p[1].why, ERR_EOF);
    pair_close(p);
}

static void test_proxy_refused(void **state)
{
    const struct str wrong[] = {STR("<?xml version='1.0'?><stream:stream>"),
                                STR("\x16\x03\x01\x02"),
                                STR("PROXY TCP4 203.0.113.7 10.9.8.7 54321 5269 1\r\n")};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct peer p[2];
        uint64_t from_us = sim_now_us();
        client_open(p, wrong[i]);
        assert_true(sim_run(SUITE_WAIT_US, peer_ended, &p[0]));
        assert_int_equal(p[0].why, ERR_RESET);
        assert_true(sim_now_us() - from_us < 1000000); /* at once, not at the deadline */
        assert_int_equal(world.accepted, 0);
        pair_close(p);
    }
}

static void test_proxy_late(void **state)
{
    struct peer p[2];
    (void)state;
    client_open(p, STR("PROXY TCP4 203"));
    sim_run(PROXY_HEADER_MS * 1000 - 200000, NULL, NULL);
    assert_int_equal(p[0].ends, 0);
    assert_true(sim_run(1000000, peer_ended, &p[0]));
    assert_int_equal(p[0].why, ERR_RESET);
    assert_int_equal(world.accepted, 0);
    pair_close(p);
}

static void test_proxy_waiting_max(void **state)
{
    static struct peer p[PROXY_WAITING_MAX + 1][2];
    (void)state;
    sim_net_latency("a", "b", 100, 200); /* all are there before the first is late */
    for (size_t i = 0; i <= PROXY_WAITING_MAX; i++)
        client_open(p[i], STR("PROXY "));
    sim_run(200000, NULL, NULL);
    assert_int_equal(p[PROXY_WAITING_MAX][0].ends, 1); /* and only that one */
    for (size_t i = 0; i < PROXY_WAITING_MAX; i++)
        assert_int_equal(p[i][0].ends, 0);
    for (size_t i = 0; i <= PROXY_WAITING_MAX; i++)
        pair_close(p[i]);
}

/* What waits goes with the gate. */
static void test_proxy_gate_freed(void **state)
{
    struct peer p[2];
    (void)state;
    client_open(p, STR("PROXY "));
    sim_run(200000, NULL, NULL);
    listener_close(&world.listener);
    proxy_gate_free(&world.gate);
    assert_true(sim_run(SUITE_WAIT_US, peer_ended, &p[0]));
    pair_close(p);
}

static struct tls_ctx *make_ctx(const char *dir, bool server)
{
    char ca[TEST_PATH_MAX], cert[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf conf = {.ca_file = test_path(ca, dir, "ca", "crt")};
    struct tls_ctx *ctx = NULL;
    if (server) {
        conf.cert_file = test_path(cert, dir, "server.example", "crt");
        conf.key_file = test_path(key, dir, "server.example", "key");
    }
    assert_int_equal(tls_ctx_new(server, &conf, &ctx, why, sizeof why), ERR_OK);
    return ctx;
}

int main(void)
{
    char dir[TEST_PATH_MAX];
    struct suite tls = plain;
    const struct CMUnitTest own[] = {
        cmocka_unit_test_setup_teardown(test_proxy_addresses, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy_rest, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy_rest_paused, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy_late, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy_waiting_max, begin, end),
        cmocka_unit_test_setup_teardown(test_proxy_gate_freed, begin, end),
    };
    const struct CMUnitTest suite_plain[] = {SUITE_TESTS(&plain)};
    const struct CMUnitTest suite_tls[] = {SUITE_TESTS(&tls)};
    int failed = 0;
    log_set_level(LOG_WARN);
    test_certs_begin(dir);
    test_cert_domain(dir, "server.example");
    tls.server_ctx = make_ctx(dir, true);
    tls.client_ctx = make_ctx(dir, false);
    for (seed = 1; seed <= 3; seed++) {
        failed += cmocka_run_group_tests_name("gate", own, NULL, NULL);
        failed += cmocka_run_group_tests_name("proxied", suite_plain, begin, end);
        failed += cmocka_run_group_tests_name("tls over proxied", suite_tls, begin, end);
    }
    tls_ctx_unref(&tls.server_ctx);
    tls_ctx_unref(&tls.client_ctx);
    test_certs_end(dir);
    return failed;
}
