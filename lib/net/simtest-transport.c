/* The conformance suite over the simulated network, and the network's own behaviour: cuts, deaths,
 * addresses, order. */
#include "lib/net/tests-suite-int.h"

#include "lib/loop/sim-loop.h"
#include "lib/net/dial.h"
#include "lib/net/listen.h"
#include "lib/net/sim-net.h"
#include "lib/net/tests-certs.h"

struct world {
    struct loop *a, *b; /* client's, server's */
    struct listener *listener;
    struct peer *pair;
};

static uint64_t seed;
static struct world world;

static bool sim_run_suite(struct suite *s, bool (*pred)(void *ctx), void *ctx)
{
    (void)s;
    return sim_run(pred ? SUITE_WAIT_US : 1000000, pred, ctx);
}

static void on_accept(void *ctx, struct transport *t)
{
    pair_take(&((struct world *)ctx)->pair[1], t);
}

static void on_dialled(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    assert_int_equal(e, ERR_OK);
    assert_int_equal(r->attempts, 1);
    pair_take(&((struct world *)ctx)->pair[0], t);
}

static void dial_world(struct world *w, dial_done *done, void *ctx)
{
    struct dial_target target = {.addr = *listener_addr(w->listener)};
    dial_open(w->a, NULL, dial_source_fixed(w->a, &target, 1), 5000, done, ctx);
}

static void sim_connect(struct suite *s, struct peer *p)
{
    struct world *w = s->impl;
    w->pair = p;
    dial_world(w, on_dialled, w);
}

static enum err listen_b(void)
{
    struct addr at;
    assert_int_equal(addr_parse(STR("10.9.8.7"), 5269, &at), ERR_OK);
    return listener_open(world.b, &at, on_accept, &world, &world.listener);
}

static int begin(void **state UNUSED)
{
    sim_begin(seed);
    sim_net_begin();
    world.a = loop_new("a/0", 0);
    world.b = loop_new("b/0", 0);
    assert_int_equal(listen_b(), ERR_OK);
    return 0;
}

static int end(void **state UNUSED)
{
    sim_run(10000000, NULL, NULL);
    listener_close(&world.listener);
    loop_free(&world.a);
    loop_free(&world.b);
    sim_net_end();
    sim_end();
    return 0;
}

static struct suite plain = {
    .name = "sim", .connect = sim_connect, .run = sim_run_suite, .impl = &world};

static void test_cut_resets(void **state UNUSED)
{
    struct peer p[2];
    pair_open(&plain, p);
    sim_net_cut("a", "b", false);
    assert_true(sim_run(SUITE_WAIT_US, pair_ended, p));
    assert_int_equal(p[0].why, ERR_RESET);
    assert_int_equal(p[1].why, ERR_RESET);
    pair_close(p);
    sim_net_heal("a", "b");
}

static void test_silent_cut_heals(void **state UNUSED)
{
    struct peer p[2];
    pair_open(&plain, p);
    sim_net_cut("a", "b", true);
    p[1].expect = p[0].left = 100000;
    peer_pump(&p[0]);
    sim_run(60000000, NULL, NULL);
    assert_int_equal(p[1].in.n, 0);
    assert_int_equal(p[0].ends + p[1].ends, 0);
    sim_net_heal("a", "b");
    assert_true(sim_run(SUITE_WAIT_US, peer_full, &p[1]));
    peer_check(&p[1], p[0].seed);
    pair_close(p);
}

/* 8,000 bytes in drawn pieces, then whole: two segments. */
static void test_whole_segments(void **state UNUSED)
{
    struct peer p[2];
    pair_open(&plain, p);
    p[1].expect = p[0].left = 8000;
    peer_pump(&p[0]);
    assert_true(sim_run(SUITE_WAIT_US, peer_full, &p[1]));
    assert_true(p[1].datas > 2);
    sim_net_whole();
    unsigned before = p[1].datas;
    p[1].expect = 16000;
    p[0].left = 8000;
    peer_pump(&p[0]);
    assert_true(sim_run(SUITE_WAIT_US, peer_full, &p[1]));
    assert_int_equal(p[1].datas, before + 2);
    pair_close(p);
}

static void test_kill_resets_peer(void **state UNUSED)
{
    struct peer p[2];
    pair_open(&plain, p);
    p[1].left = p[0].expect = 30000;
    peer_pump(&p[1]);
    sim_run(sim_rand(6000), NULL, NULL);
    sim_net_kill("b");
    peer_send(&p[1], STR("from the dead"));
    peer_send(&p[0], STR("to the dead"));
    assert_true(sim_run(SUITE_WAIT_US, peer_ended, &p[0]));
    sim_run(1000000, NULL, NULL);
    assert_int_equal(p[0].why, ERR_RESET);
    assert_int_equal(p[1].ends, 0);
    for (size_t i = 0; i < p[0].in.n; i++) /* a prefix, in order */
        assert_int_equal(p[0].in.p[i], suite_byte(p[1].seed, i));
    pair_close(p);
    listener_close(&world.listener); /* it died too */
    sim_net_revive("b");
    assert_int_equal(listen_b(), ERR_OK);
    pair_open(&plain, p);
    pair_close(p);
}

struct dialled {
    bool done;
    enum err e;
    struct transport *t;
    struct dial_result result;
    uint64_t took_us;
};

static void on_result(void *ctx, enum err e, struct transport *t, const struct dial_result *r)
{
    struct dialled *d = ctx;
    d->done = true;
    d->e = e;
    d->t = t;
    d->result = *r;
    d->took_us = sim_now_us();
}
static bool is_dialled(void *ctx)
{
    return ((struct dialled *)ctx)->done;
}

static struct dial_target target_of(const char *hostport)
{
    struct dial_target t = {.addr = {.family = ADDR_NONE}};
    assert_int_equal(addr_parse_hostport(str_of(hostport), &t.addr), ERR_OK);
    return t;
}

static void test_refused(void **state UNUSED)
{
    struct dialled d = {0};
    struct dial_target targets[2] = {target_of("10.9.8.7:1"), target_of("[fd00::1]:2")};
    dial_open(world.a, NULL, dial_source_fixed(world.a, targets, 2), 5000, on_result, &d);
    assert_false(d.done);
    assert_true(sim_run(200000, is_dialled, &d)); /* the second at once, not after 250 ms */
    assert_int_equal(d.e, ERR_REFUSED);
    assert_int_equal(d.result.attempts, 2);
    assert_string_equal(d.result.why, "[fd00::1]:2: connection refused");
}

static void test_no_target(void **state UNUSED)
{
    struct dialled d = {0};
    dial_open(world.a, NULL, dial_source_fixed(world.a, NULL, 0), 5000, on_result, &d);
    assert_true(sim_run(200000, is_dialled, &d));
    assert_int_equal(d.e, ERR_UNREACHABLE);
}

/* The first target hangs: the second is tried after 250 ms and wins. */
static void test_staggered(void **state UNUSED)
{
    struct loop *c = loop_new("c/0", 0);
    struct listener *hole = NULL;
    struct peer p[2];
    struct dialled d = {0};
    struct dial_target targets[2] = {target_of("10.0.0.3:5269"), target_of("10.9.8.7:5269")};
    uint64_t from_us = sim_now_us();

    assert_int_equal(listener_open(c, &targets[0].addr, on_accept, &world, &hole), ERR_OK);
    sim_net_cut("a", "c", true);
    memset(p, 0, sizeof p);
    p[1].suite = &plain;
    p[1].other = &p[0];
    buf_init(&p[1].in, 1000);
    world.pair = p;
    dial_open(world.a, NULL, dial_source_fixed(world.a, targets, 2), 5000, on_result, &d);
    assert_true(sim_run(SUITE_WAIT_US, is_dialled, &d));
    assert_int_equal(d.e, ERR_OK);
    assert_true(d.took_us - from_us >= 250000 && d.took_us - from_us < 300000);
    assert_true(addr_eq(&d.result.target.addr, &targets[1].addr));
    transport_close(&d.t);
    assert_true(sim_run(SUITE_WAIT_US, peer_ended, &p[1]));
    transport_close(&p[1].t);
    buf_fini(&p[1].in);
    sim_net_heal("a", "c");
    sim_run(1000000, NULL, NULL);
    listener_close(&hole);
    loop_free(&c);
}

static void test_deadline(void **state UNUSED)
{
    struct dialled d = {0};
    uint64_t from_us = sim_now_us();
    sim_net_cut("a", "b", true);
    dial_world(&world, on_result, &d);
    assert_true(sim_run(SUITE_WAIT_US, is_dialled, &d));
    assert_int_equal(d.e, ERR_TIMEOUT);
    assert_true(d.took_us - from_us >= 5000000);
    assert_string_equal(d.result.why, "10.9.8.7:5269: timed out");
    sim_net_heal("a", "b");
}

static void test_dial_cancelled(void **state UNUSED)
{
    struct dialled d = {0};
    struct op_owner owner;
    struct dial_target target = target_of("10.9.8.7:5269");
    op_owner_init(&owner);
    dial_open(world.a, &owner, dial_source_fixed(world.a, &target, 1), 5000, on_result, &d);
    sim_run(sim_rand(1500), NULL, NULL);
    op_owner_cancel_all(&owner);
    sim_run(1000000, NULL, NULL);
    assert_false(d.done);
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
    if (tls_ctx_new(server, &conf, &ctx, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

int main(void)
{
    char dir[TEST_PATH_MAX];
    struct suite tls = plain;
    const struct CMUnitTest tests_plain[] = {SUITE_TESTS(&plain)};
    const struct CMUnitTest tests_tls[] = {SUITE_TESTS(&tls)};
    const struct CMUnitTest tests_own[] = {
        cmocka_unit_test(test_cut_resets),       cmocka_unit_test(test_silent_cut_heals),
        cmocka_unit_test(test_kill_resets_peer), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_target),        cmocka_unit_test(test_staggered),
        cmocka_unit_test(test_deadline),         cmocka_unit_test(test_dial_cancelled),
        cmocka_unit_test(test_whole_segments),
    };
    int failed = 0;

    test_certs_begin(dir);
    test_cert_domain(dir, "server.example");
    tls.server_ctx = make_ctx(dir, true);
    tls.client_ctx = make_ctx(dir, false);
    for (seed = 1; seed <= 6; seed++) {
        failed += cmocka_run_group_tests_name("network", tests_own, begin, end);
        failed += cmocka_run_group_tests_name("sim", tests_plain, begin, end);
        if (seed <= 2)
            failed += cmocka_run_group_tests_name("tls over sim", tests_tls, begin, end);
    }
    tls_ctx_unref(&tls.server_ctx);
    tls_ctx_unref(&tls.client_ctx);
    test_certs_end(dir);
    return failed;
}
