/* Limits a peer announces, signs of life of quiet streams, round trips before the first stanza. */
#include "s2s/tests-carry-int.h"

/* ---- limits ---- */

static void test_size_limit(void **state UNUSED)
{
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        struct world *w = world_begin(1);
        struct host *a = &w->h[is_reverse], *b = &w->h[1 - is_reverse];
        struct stream_limits small = stream_limits_default;
        small.after_auth.max_stanza_bytes = 12000;
        b->conf.limits = &small;
        world_open(w);
        host_send(&w->h[0], "d1.test", 10);
        run_until(&w->h[1].n_in, 1, 5 * SEC);
        unsigned first = host_send(a, b->domain, 5000);
        unsigned large = host_send(a, b->domain, 12000);
        unsigned last = host_send(a, b->domain, 5000);
        run_until(&a->n_back, 1, 5 * SEC);
        run_until(&b->n_in, is_reverse ? 2 : 3, 5 * SEC);
        assert_int_equal(a->back[0].id, large);
        assert_int_equal(a->back[0].cond, STANZA_POLICY_VIOLATION);
        assert_non_null(strstr(a->back[0].text, "12000"));
        assert_int_equal(b->in[b->n_in - 2].id, first);
        assert_int_equal(b->in[b->n_in - 1].id, last);
        assert_int_equal(rows(&w->h[0], "out"), 1); /* the stream lives */
        assert_int_equal(rows(&w->h[1], "out"), 0);
        world_end(&w);
    }
}

/* Closed before the peer would do it. */
static void test_idle_limit(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.idle_timeout_ms = 600000;
    b->conf.tune.idle_timeout_ms = 100000;
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(85 * SEC);
    assert_int_equal(host_rows(a), 1);
    run_for(10 * SEC);
    assert_int_equal(host_rows(a), 0);
    world_end(&w);
}

/* ---- signs of life ---- */

/* A black hole under a quiet stream is found in bounded time, on both sides. */
static void test_dead_is_found(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.tune.idle_timeout_ms = 3600000;
        w->h[i].conf.tune.ping_ms = 10000;
        w->h[i].conf.tune.ack_timeout_ms = 5000;
        w->h[i].conf.tune.resume_ms = 60000;
    }
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(300 * SEC);
    assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready"); /* quiet is not dead */
    sim_net_cut("h0", "h1", true);
    run_for(16 * SEC);
    assert_string_not_equal(host_list(a, "out", "d1.test", "state"), "ready");
    assert_string_equal(host_list(b, "in", "d0.test", "state"), "cut");
    run_for(120 * SEC);
    assert_int_equal(host_rows(a) + host_rows(b), 0); /* and given up */
    sim_net_heal("h0", "h1");
    world_end(&w);
}

static struct world *world_with_pings(bool is_bidi)
{
    struct world *w = world_begin(1);
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.no_acks = true;
        w->h[i].conf.no_bidi = !is_bidi;
        w->h[i].answers_pings = true;
        w->h[i].conf.tune.idle_timeout_ms = 3600000;
        w->h[i].conf.tune.ping_ms = 10000;
        w->h[i].conf.tune.ack_timeout_ms = 5000;
        w->h[i].conf.tune.expire_message_ms = 86400000;
    }
    world_open(w);
    return w;
}

/* Without acks: a ping behind what was sent, answered over the other stream. */
static void test_dead_without_acks(void **state UNUSED)
{
    for (int is_bidi = 0; is_bidi < 2; is_bidi++) {
        struct world *w = world_with_pings(is_bidi);
        struct host *a = &w->h[0], *b = &w->h[1];
        host_send(a, "d1.test", 10);
        run_until(&b->n_in, 1, 5 * SEC);
        run_for(60 * SEC);
        assert_int_equal(b->n_pings, 1); /* nothing more was sent */
        assert_int_equal(a->n_in, 0);    /* the host does not see the answer */
        assert_int_equal(a->n_pings, 0); /* which is none to be pinged for */
        assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready");
        sim_net_cut("h0", "h1", true);
        host_send(a, "d1.test", 10); /* leaves user space, and goes nowhere */
        run_for(16 * SEC);
        assert_string_not_equal(host_list(a, "out", "d1.test", "state"), "ready");
        sim_net_heal("h0", "h1");
        run_until(&b->n_in, 2, 90 * SEC); /* what nobody answered for goes over the next stream */
        world_end(&w);
    }
}

/* A peer that answered pings and does so no more is sent what it did not answer for over two more
 * streams, then it is not waited for. */
static void test_pings_end(void **state UNUSED)
{
    struct world *w = world_with_pings(false);
    struct host *a = &w->h[0], *b = &w->h[1];
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(10 * SEC);
    b->answers_pings = false;
    host_send(a, "d1.test", 10);
    run_for(600 * SEC);
    assert_int_equal(b->n_in, 4);
    host_send(a, "d1.test", 10);
    run_for(600 * SEC);
    assert_int_equal(b->n_in, 5);
    assert_string_equal(host_list(a, "out", "d1.test", "state"), "ready");
    world_end(&w);
}

/* It answers over one stream, not over the next, and the outbox is full: that is no reason to wait
 * long. */
static void test_pings_full(void **state UNUSED)
{
    struct world *w = world_with_pings(false);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.pending_stanzas = 20; /* half of it for one sender */
    a->conf.tune.ack_timeout_ms = 60000;
    s2s_tune(a->s2s, &a->conf.tune);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(10 * SEC);
    b->answers_pings = false;
    s2s_kick(a->s2s, STR("d1.test"));
    run_for(5 * SEC);
    for (int burst = 0; burst < 3; burst++) {
        for (int i = 0; i < 10; i++)
            host_send(a, "d1.test", 10);
        run_for(3 * SEC);
    }
    assert_int_equal(b->n_in, 31);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

/* Another stream found out that the domain does not answer there; this one goes by answers still.
 */
static void test_pings_of_another_stream(void **state UNUSED)
{
    struct world *w = world_with_pings(false);
    struct host *a = &w->h[0], *b = &w->h[1];
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(10 * SEC);
    assert_int_equal(b->n_pings, 1);
    s2s_domain_find(a->s2s, STR("d1.test"))->pings = S2S_PINGS_NEVER;
    host_send(a, "d1.test", 10);
    run_for(10 * SEC);
    assert_int_equal(b->n_pings, 2);
    assert_int_equal(b->n_in, 2);
    world_end(&w);
}

/* ---- round trips ---- */

static uint64_t first_delivery(bool is_direct, bool is_warm)
{
    struct world *w = world_begin(7);
    struct host *a = &w->h[0], *b = &w->h[1];
    uint64_t began;
    if (is_direct) {
        sim_dns_remove("_xmpp-server._tcp.d1.test");
        sim_dns_zone(
            "_xmpps-server._tcp.d1.test 600 SRV 0 0 5270 x1.test\nx1.test 600 A 10.0.0.2\n");
    }
    sim_net_whole();
    sim_net_latency("h0", "h1", 50000, 50000);
    a->conf.tune.idle_timeout_ms = 5000;
    world_open(w);
    host_listen_direct(b);
    host_put(a, "<message id='1' from='u@d0.test' to='v@d1.test'/>");
    began = sim_now_us();
    run_until(&b->n_in, 1, 20 * SEC);
    if (is_warm) {
        run_for(30 * SEC);
        assert_int_equal(host_rows(a), 0);
        began = sim_now_us();
        host_put(a, "<message id='2' from='u@d0.test' to='v@d1.test'/>");
        run_until(&b->n_in, 2, 20 * SEC);
    }
    uint64_t took = sim_now_us() - began;
    world_end(&w);
    return took;
}

/* A way is half a round trip: the stanza leaves after three of them, and arrives. */
static void test_round_trips(void **state UNUSED)
{
    static const struct {
        const char *name;
        bool is_direct, is_warm;
        uint64_t ways; /* at most */
    } cases[] = {
        {"direct TLS, cold", true, false, 7},
        {"direct TLS, warm", true, true, 7},
        {"STARTTLS, cold", false, false, 13},
        {"STARTTLS, warm", false, true, 11},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t us = first_delivery(cases[i].is_direct, cases[i].is_warm);
        print_message("%s: first stanza after %.2f round trips\n", cases[i].name,
                      (double)us / 100000);
        assert_in_range(us, 1, cases[i].ways * 50000 + 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pings_of_another_stream),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_idle_limit),
        cmocka_unit_test(test_dead_is_found),
        cmocka_unit_test(test_dead_without_acks),
        cmocka_unit_test(test_pings_end),
        cmocka_unit_test(test_pings_full),
        cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
