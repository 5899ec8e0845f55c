/* Several pairs over one stream, their turns, and streams that move to the instance that sends to
 * their domain. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-carry-int.h"

/* ---- several pairs ---- */

static void put(struct host *h, const char *from, const char *to, unsigned id)
{
    char text[300];
    snprintf(text, sizeof text, "<message id='%u' from='u@%s' to='v@%s'><body>x</body></message>",
             id, from, to);
    host_put(h, text);
}

static void test_pairs_on_one_stream(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_begin(seed);
        struct host *a = &w->h[0], *b = &w->h[1];
        sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
        if (seed % 2)
            by_dialback(w);
        world_open(w);
        put(a, "d0.test", "d1.test", 1);
        run_until(&b->n_in, 1, 10 * SEC);
        put(a, "sub.d0.test", "d1.test", 2);
        put(a, "sub.d0.test", "d1.test", 3);
        run_until(&b->n_in, 3, 10 * SEC);
        put(b, "d1.test", "sub.d0.test", 1); /* back over the same */
        run_until(&a->n_in, 1, 10 * SEC);
        check_all(b, 3);
        run_for(6 * SEC);
        assert_int_equal(rows(a, "out"), 1);
        assert_int_equal(rows(b, "out"), 0);
        assert_int_equal(first_in(b)->line.pairs.n, 2);
        world_end(&w);
    }
}

/* A domain below the one of the stream shares it only if the server's certificate proves it; else
 * its own records decide. */
static void test_target_pairs(void **state UNUSED)
{
    for (int proves = 0; proves < 2; proves++) {
        struct world *w = world_begin(1);
        struct host *a = &w->h[0], *b = &w->h[1];
        sim_dns_zone("sub.d1.test 60 A 10.0.0.2\n");
        if (proves)
            b->conf.tls_server = wide_in;
        world_open(w);
        put(a, "d0.test", "d1.test", 1);
        run_until(&b->n_in, 1, 10 * SEC);
        run_for(SEC);
        put(a, "d0.test", "sub.d1.test", 2);
        run_until(&b->n_in, 2, 10 * SEC);
        run_for(SEC);
        assert_int_equal(rows(a, "out"), proves ? 1 : 2);
        world_end(&w);
    }
}

/* Two domains of ours with a certificate each: both are proved by it, to a peer and by a peer that
 * want nothing else. */
static void test_certificate_each(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    a->conf.tls_server = sites_in;
    a->conf.tls_client = sites_out;
    a->conf.no_bidi = true;
    b->conf.dialback = false;
    world_open(w);
    put(a, "d0.test", "d1.test", 1);
    run_until(&b->n_in, 1, 10 * SEC);
    put(a, "sub.d0.test", "d1.test", 2);
    run_until(&b->n_in, 2, 10 * SEC);
    assert_string_equal(host_list(b, "in", "d0.test", "auth"), "external");
    assert_string_equal(host_list(b, "in", "sub.d0.test", "auth"), "external");
    put(b, "d1.test", "d0.test", 1);
    put(b, "d1.test", "sub.d0.test", 2);
    run_until(&a->n_in, 2, 10 * SEC);
    assert_string_equal(host_list(b, "out", "sub.d0.test", "state"), "ready");
    assert_int_equal(a->n_back + b->n_back, 0);
    world_end(&w);
}

/* A pair that is refused over a shared stream gets one of its own. */
static void test_pair_refused(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    a->conf.tls_client = good_out[0]; /* proves d0.test only */
    b->conf.tune.connect_timeout_ms = 2000;
    world_open(w);
    put(a, "d0.test", "d1.test", 1);
    run_until(&b->n_in, 1, 10 * SEC);
    listener_close(&a->listener); /* b cannot ask about sub.d0.test */
    put(a, "sub.d0.test", "d1.test", 2);
    run_for(3 * SEC);
    assert_int_equal(b->n_in, 1);
    host_listen(a);
    run_until(&b->n_in, 2, 10 * SEC);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

/* Many questions of dialback go over one connection; over an outgoing stream if there is one. */
static void test_questions_share(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    by_dialback(w);
    a->conf.no_bidi = b->conf.no_bidi = true;
    world_open(w);
    for (int i = 1; i <= 8; i++) { /* all at once: streams of their own */
        char sub[40], zone[80];
        snprintf(sub, sizeof sub, "sub.n%d.d0.test", i);
        snprintf(zone, sizeof zone, "%s 60 A 10.0.0.1\n", sub);
        sim_dns_zone(zone);
        put(a, sub, "d1.test", (unsigned)i);
    }
    run_until(&b->n_in, 8, 10 * SEC);
    size_t before = a->n_accepted;
    assert_int_equal(before, 8); /* one domain each */
    put(b, "d1.test", "d0.test", 1);
    run_until(&a->n_in, 1, 10 * SEC);
    run_for(7 * SEC);
    before = a->n_accepted;
    put(a, "d0.test", "d1.test", 9); /* b asks over its stream to d0.test */
    run_until(&b->n_in, 9, 10 * SEC);
    assert_int_equal(a->n_accepted, before);
    world_end(&w);
}

/* ---- turns ---- */

/* A box with much to send does not keep another one waiting. */
static void test_turns(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    a->conf.tune.sender_share = 100;
    world_open(w);
    put(a, "d0.test", "d1.test", 900);
    put(a, "sub.d0.test", "d1.test", 901);
    run_until(&b->n_in, 2, 10 * SEC);
    for (int i = 0; i < 200; i++)
        host_send(a, "d1.test", 4000);
    put(a, "sub.d0.test", "d1.test", 902);
    run_until(&b->n_in, 203, 20 * SEC);
    size_t at = 0;
    while (b->in[at].id != 902)
        at++;
    assert_in_range(at, 2, 60); /* behind what was written before it came, not behind all */
    world_end(&w);
}

/* ---- two instances of one host ---- */

static struct { /* host 1 has two: streams come to the first, the second sends to d0.test */
    struct host *first, *second;
    struct s2s_parcel *parcel;
    struct mail arrival;
    unsigned moves;
} twins;

static bool twin_owns(void *ctx, struct str remote)
{
    return (ctx == twins.second) == str_eqc(remote, "d0.test");
}

static void twin_arrives(struct mail *m UNUSED)
{
    if (twins.second->s2s)
        s2s_take(twins.second->s2s, &twins.parcel);
    else
        s2s_parcel_drop(&twins.parcel);
}
static void twin_lost(struct mail *m UNUSED)
{
    s2s_parcel_drop(&twins.parcel);
}

static void twin_move(void *ctx, struct str remote, struct s2s_parcel *p)
{
    assert_ptr_equal(ctx, twins.first);
    assert_true(str_eqc(remote, "d0.test"));
    assert_null(twins.parcel);
    twins.parcel = p;
    twins.moves++;
    twins.arrival = (struct mail){.fn = twin_arrives, .drop = twin_lost};
    loop_post(twins.second->loop, &twins.arrival);
}

static void twin_seed(uint64_t seed)
{
    struct s2s_host_ops ops = world_host_ops;
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1], *other = &w->h[2];
    ops.owns = twin_owns;
    ops.move = twin_move;
    twins.first = b;
    twins.second = other;
    twins.moves = 0;
    if (seed % 2)
        by_dialback(w);
    snprintf(other->domain, sizeof other->domain, "d1.test");
    other->conf.dialback_secret = b->conf.dialback_secret;
    other->conf.tune.expire_message_ms = 600000;
    a->conf.tune.expire_message_ms = 600000;
    world_open(w);
    s2s_free(&b->s2s);
    s2s_free(&other->s2s);
    struct loop *own_loop = other->loop;
    struct dns *own_dns = other->dns;
    struct dns_conf dc = {0};
    char why[100];
    other->loop = loop_new("h1/1", 0);
    assert_int_equal(dns_open(other->loop, &dc, &other->dns, why, sizeof why), ERR_OK);
    b->s2s = s2s_new(b->loop, &b->conf, NULL, b->dns, &ops, b);
    other->s2s = s2s_new(other->loop, &other->conf, NULL, other->dns, &ops, other);
    unsigned n_a = 0, n_b = 0;
    for (int i = 0; i < 3; i++)
        n_a = host_send(a, "d1.test", 1000);
    run_until(&other->n_in, 3, 20 * SEC);
    assert_int_equal(twins.moves, 1);
    assert_int_equal(b->n_in, 0);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 10; i++) {
            n_a = host_send(a, "d1.test", 1000);
            n_b = host_send(other, "d0.test", 1000);
        }
        run_for(sim_rand(60000));
        sim_net_cut("h0", "h1", false); /* where the connection was accepted */
        sim_net_heal("h0", "h1");
        run_for(SEC);
    }
    run_for(30 * SEC);
    check_all(other, n_a);
    check_all(a, n_b);
    assert_int_equal(twins.moves, 5);
    run_for(6 * SEC);
    assert_int_equal(rows(other, "out"), 0); /* all went back over the stream that moved */
    assert_int_equal(rows(other, "in"), 1);
    assert_int_equal(host_rows(b), 0);
    s2s_free(&other->s2s);
    dns_close(&other->dns);
    other->dns = own_dns;
    sim_run(10 * SEC, NULL, NULL);
    loop_free(&other->loop);
    other->loop = own_loop;
    world_end(&w);
}

static void test_moves_to_its_instance(void **state UNUSED)
{
    EACH_SEED(20)
    twin_seed(seed_now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_on_one_stream),
        cmocka_unit_test(test_target_pairs),
        cmocka_unit_test(test_certificate_each),
        cmocka_unit_test(test_pair_refused),
        cmocka_unit_test(test_questions_share),
        cmocka_unit_test(test_turns),
        cmocka_unit_test_teardown(test_moves_to_its_instance, say_repeat),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
