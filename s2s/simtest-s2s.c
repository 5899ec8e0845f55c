/* Federation between simulated hosts: finding, proving, waiting, failing, closing. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-raw-int.h"

enum { STALL_SEEDS = 220, CUT_SEEDS = 100 };

static void check_in_order(const struct host *h, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(h->in[from + i].id, i + 1);
}

/* ---- proving ---- */

static void both_ways(struct world *w, const char *auth)
{
    struct host *a = &w->h[0], *b = &w->h[1];
    for (int i = 0; i < 50; i++) {
        host_send(a, b->domain, 10 + (size_t)i);
        host_send(b, a->domain, 2000);
    }
    run_until(&a->n_in, 50, 20 * SEC);
    run_until(&b->n_in, 50, 20 * SEC);
    check_in_order(a, 0, 50);
    check_in_order(b, 0, 50);
    assert_int_equal(a->n_back + b->n_back, 0);
    run_for(6 * SEC); /* connections for questions of dialback go */
    assert_string_equal(host_list(a, "out", b->domain, "auth"), auth);
    assert_string_equal(host_list(b, "out", a->domain, "auth"), auth);
    assert_string_equal(host_list(b, "in", a->domain, "auth"), auth);
    assert_string_equal(host_list(a, "out", b->domain, "state"), "ready");
    assert_int_equal(host_rows(a), 2);
}

static void test_external_both_ways(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *w = world_begin(seed);
        w->h[0].conf.no_bidi = true;
        w->h[seed % 2].conf.no_acks = true;
        world_open(w);
        both_ways(w, "external");
        world_end(&w);
    }
}

static void test_dialback_both_ways(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_begin(seed);
        for (int i = 0; i < 2; i++) {
            w->h[i].conf.tls_server = bad_in[i];
            w->h[i].conf.tls_client = bad_out[i];
            w->h[i].conf.no_bidi = true;
        }
        if (seed % 2 == 0)
            w->h[0].conf.external = false;
        world_open(w);
        both_ways(w, "dialback");
        world_end(&w);
    }
}

/* A second domain of ours over dialback of its own, a certificate that proves it not. */
static void test_subdomain(void **state UNUSED)
{
    struct world *w = world_begin(3);
    world_open(w);
    sim_dns_zone("sub.d0.test 60 A 10.0.0.1\n");
    host_put(&w->h[0],
             "<message id='1' from='u@sub.d0.test' to='v@d1.test'><body>x</body></message>");
    run_until(&w->h[1].n_in, 1, 10 * SEC);
    assert_string_equal(host_list(&w->h[1], "in", "sub.d0.test", "auth"), "dialback");
    world_end(&w);
}

static void test_certificate_needed(void **state UNUSED)
{
    struct world *w = world_begin(4);
    w->h[1].conf.tls_server = bad_in[1];
    w->h[0].conf.dialback = false;
    world_open(w);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[0].n_back, 1, 11 * SEC);
    assert_int_equal(w->h[0].back[0].cond, STANZA_REMOTE_SERVER_TIMEOUT);
    assert_non_null(strstr(w->h[0].back[0].text, "certificate"));
    assert_int_equal(w->h[1].n_in, 0);
    world_end(&w);
}

/* The receiving server wants certificates, ours is bad: told, not stuck. */
static void test_dialback_not_allowed_there(void **state UNUSED)
{
    struct world *w = world_begin(5);
    w->h[0].conf.tls_client = bad_out[0];
    w->h[1].conf.dialback = false;
    world_open(w);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[0].n_back, 1, 11 * SEC);
    assert_int_equal(w->h[0].back[0].cond, STANZA_REMOTE_SERVER_TIMEOUT);
    assert_int_equal(w->h[1].n_in, 0);
    world_end(&w);
}

/* Nobody listens where our domain lives: the other side cannot verify us. */
static void test_dialback_cannot_call_back(void **state UNUSED)
{
    struct world *w = world_begin(6);
    w->h[0].conf.tls_client = bad_out[0];
    world_open(w);
    listener_close(&w->h[0].listener);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[0].n_back, 1, 11 * SEC);
    assert_int_equal(w->h[0].back[0].cond, STANZA_REMOTE_SERVER_TIMEOUT);
    assert_non_null(strstr(w->h[0].back[0].text, "remote-connection-failed"));
    world_end(&w);
}

/* Somebody takes our name, with a key of his own: the true server of the name denies it. */
static void test_dialback_impostor(void **state UNUSED)
{
    struct world *w = world_begin(7);
    w->h[2].conf.tls_client = bad_out[2];
    snprintf(w->h[2].domain, sizeof w->h[2].domain, "d0.test");
    world_open(w);
    host_send(&w->h[2], "d1.test", 10);
    run_until(&w->h[2].n_back, 1, 11 * SEC);
    assert_int_equal(w->h[2].back[0].cond, STANZA_INTERNAL_SERVER_ERROR);
    assert_int_equal(w->h[1].n_in, 0);
    world_end(&w);
}

/* ---- stalls ---- */

static void stall(uint64_t seed, enum raw_step step, enum raw_how how)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0];
    struct raw raw;
    uint64_t began;
    size_t n = 1 + seed % 4;
    raw_begin(&raw, w, 1, step);
    raw.how = how;
    host_open(a);
    began = sim_now_us();
    for (size_t i = 0; i < n; i++)
        host_send(a, "d1.test", 10);
    host_put(a, "<iq type='result' id='9' from='u@d0.test' to='d1.test'/>");
    if (step == RAW_ALL) {
        run_until(&raw.stanzas, n, 10 * SEC);
        assert_string_equal(host_list(a, "out", "d1.test", "auth"), "dialback");
    } else {
        run_until(&a->n_back, n, 10 * SEC + SEC / 10);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(a->back[i].id, i + 1);
            assert_int_equal(a->back[i].cond, STANZA_REMOTE_SERVER_TIMEOUT);
            assert_true(a->back[i].at_us - began <= 10 * SEC + SEC / 100);
        }
        run_for(45 * SEC);              /* the result expires, the last attempt ends */
        assert_int_equal(a->n_back, n); /* the result is not bounced */
        assert_int_equal(host_rows(a), 0);
        assert_int_equal(raw.stanzas, 0);
    }
    raw_finish(&raw);
    world_end(&w);
}

static void test_stall_at_every_step(void **state UNUSED)
{
    EACH_SEED(STALL_SEEDS)
    stall(seed_now, (enum raw_step)((seed_now - 1) % RAW_STEPS),
          (enum raw_how)((seed_now - 1) / RAW_STEPS % RAW_HOWS));
}

static void test_stall_black_hole(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_begin(seed);
        world_open(w);
        if (seed % 2)
            sim_net_cut("h0", "h1", true);
        host_send(&w->h[0], "d1.test", 10);
        run_for(sim_rand(30000));
        sim_net_cut("h0", "h1", true);
        if (w->h[1].n_in == 0)
            run_until(&w->h[0].n_back, 1, 10 * SEC + SEC / 10);
        sim_net_heal("h0", "h1");
        world_end(&w);
    }
}

/* Answers to questions that were not asked, and wrong answers. */
static void test_dialback_answers(void **state UNUSED)
{
    static const struct {
        const char *answer;
        enum stanza_cond cond;
    } cases[] = {
        {"<db:result from='d2.test' to='d0.test' type='valid'/>", STANZA_REMOTE_SERVER_TIMEOUT},
        {"<db:result from='d1.test' to='d9.test' type='valid'/>", STANZA_REMOTE_SERVER_TIMEOUT},
        {"<db:verify from='d1.test' to='d0.test' id='raw1' type='valid'/>",
         STANZA_REMOTE_SERVER_TIMEOUT},
        {"<db:result from='d1.test' to='d0.test'>key</db:result>", STANZA_REMOTE_SERVER_TIMEOUT},
        {"<db:result from='d1.test' to='d0.test' type='invalid'/>", STANZA_INTERNAL_SERVER_ERROR},
        {"<db:result from='d1.test' to='d0.test' type='error'><error type='cancel'><item-not-found "
         "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
         STANZA_REMOTE_SERVER_TIMEOUT},
        {"</stream:stream>", STANZA_REMOTE_SERVER_TIMEOUT},
        {"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
         "</stream:stream>",
         STANZA_REMOTE_SERVER_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_begin(i + 1);
        struct raw raw;
        raw_begin(&raw, w, 1, RAW_ALL);
        raw.answer = cases[i].answer;
        host_open(&w->h[0]);
        host_send(&w->h[0], "d1.test", 10);
        run_until(&w->h[0].n_back, 1, 11 * SEC);
        assert_int_equal(w->h[0].back[0].cond, cases[i].cond);
        assert_int_equal(raw.stanzas, 0);
        raw_finish(&raw);
        world_end(&w);
    }
}

/* ---- finding ---- */

static void test_dns_failures(void **state UNUSED)
{
    static const struct {
        const char *domain, *zone;
        enum stanza_cond cond;
    } cases[] = {
        {"nx.test", "", STANZA_REMOTE_SERVER_NOT_FOUND},
        {"nodata.test", "nodata.test 60 TXT x\n", STANZA_REMOTE_SERVER_NOT_FOUND},
        {"no.test",
         "_xmpp-server._tcp.no.test 60 SRV 0 0 0 .\n_xmpps-server._tcp.no.test 60 SRV 0 0 0 .\n",
         STANZA_REMOTE_SERVER_NOT_FOUND},
        {"bad.test",
         "bad.test 60 SERVFAIL\n_xmpp-server._tcp.bad.test 60 SERVFAIL\n"
         "_xmpps-server._tcp.bad.test 60 SERVFAIL\n",
         STANZA_REMOTE_SERVER_TIMEOUT},
        {"slow.test",
         "slow.test 60 TIMEOUT\n_xmpp-server._tcp.slow.test 60 TIMEOUT\n"
         "_xmpps-server._tcp.slow.test 60 TIMEOUT\n",
         STANZA_REMOTE_SERVER_TIMEOUT},
        {"off.test", "off.test 60 A 10.0.0.77\n", STANZA_REMOTE_SERVER_TIMEOUT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world *w = world_begin(i + 1);
        world_open(w);
        if (cases[i].zone[0])
            sim_dns_zone(cases[i].zone);
        host_send(&w->h[0], cases[i].domain, 10);
        run_until(&w->h[0].n_back, 1, 11 * SEC);
        if (w->h[0].back[0].cond != cases[i].cond)
            fail_msg("%s: %s", cases[i].domain, stanza_cond_name(w->h[0].back[0].cond));
        world_end(&w);
    }
}

static void test_override(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct s2s_override o[] = {{.domain = "d1.test", .target = {.addr = host_addr(1)}},
                               {.domain = NULL}};
    sim_dns_remove("_xmpp-server._tcp.d1.test");
    w->h[0].conf.overrides = o;
    world_open(w);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[1].n_in, 1, 10 * SEC);
    world_end(&w);
}

/* ---- waiting and failing ---- */

static void test_outbox_limits(void **state UNUSED)
{
    for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
        struct world *w = world_begin(1);
        struct host *a = &w->h[0];
        struct raw raw;
        a->conf.tune.sender_share = 100;
        a->conf.tune.pending_stanzas = by_bytes ? 1000 : 5;
        a->conf.tune.pending_bytes = by_bytes ? 10000 : 1 << 20;
        raw_begin(&raw, w, 1, RAW_HEADER);
        host_open(a);
        for (int i = 0; i < 8; i++)
            host_send(a, "d1.test", 1700);
        run_until(&a->n_back, 3, SEC);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(a->back[i].cond, STANZA_RESOURCE_CONSTRAINT);
            assert_int_equal(a->back[i].id, 6 + i);
        }
        run_until(&a->n_back, 8, 11 * SEC);
        assert_int_equal(a->n_back, 8);
        raw_finish(&raw);
        world_end(&w);
    }
}

/* What is final is told at once, and from memory for a while; a server that is away is waited for.
 */
static void test_final_from_memory(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0];
    world_open(w);
    host_send(a, "nx.test", 10);
    run_until(&a->n_back, 1, 5 * SEC);
    uint64_t at = sim_now_us();
    host_send(a, "nx.test", 10);
    run_until(&a->n_back, 2, 1000);
    assert_int_equal(a->back[1].at_us, at);
    assert_int_equal(a->back[1].cond, STANZA_REMOTE_SERVER_NOT_FOUND);
    assert_string_equal(a->back[1].text, a->back[0].text);
    world_end(&w);
}

static void test_server_comes_back(void **state UNUSED)
{
    for (uint64_t away_s = 1; away_s <= 10000; away_s *= 10) {
        struct world *w = world_begin(away_s);
        struct host *a = &w->h[0], *b = &w->h[1];
        a->conf.tune.expire_message_ms = 86400000;
        world_open(w);
        listener_close(&b->listener);
        for (int i = 0; i < 20; i++)
            host_send(a, "d1.test", 10);
        run_for(away_s * SEC);
        assert_int_equal(a->n_back, 0);
        host_listen(b);
        uint64_t at = sim_now_us();
        run_until(&b->n_in, 1, 2 * SEC);
        print_message("away %llu s, first delivery %llu ms after the return\n",
                      (unsigned long long)away_s, (unsigned long long)(sim_now_us() - at) / 1000);
        run_until(&b->n_in, 20, SEC);
        check_in_order(b, 0, 20);
        world_end(&w);
    }
}

/* Back-off has grown long; an incoming stream of that domain ends it. */
static void test_life_ends_backoff(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    struct raw raw;
    a->conf.tune.expire_message_ms = 86400000;
    raw_begin(&raw, w, 1, RAW_ALL);
    raw.answer = "<db:result from='d1.test' to='d0.test' type='invalid'/>";
    host_open(a);
    host_listen(a);
    host_open(b);
    host_send(a, "d1.test", 10);
    run_for(600 * SEC);
    unsigned tries = raw.connections;
    assert_in_range(tries, 5, 14); /* 1, 2, 4, ... 300 s, jittered by a quarter */
    raw_finish(&raw);
    host_listen(b);
    host_send(b, "d0.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_until(&a->n_in, 1, 5 * SEC);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

static void test_idle_close(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(50 * SEC);
    host_send(a, "d1.test", 10);
    run_for(30 * SEC);
    assert_int_equal(host_rows(a), 1);
    assert_int_equal(host_rows(b), 1);
    run_for(40 * SEC);
    assert_int_equal(host_rows(a), 0);
    assert_int_equal(host_rows(b), 0);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 3, 5 * SEC);
    check_in_order(b, 0, 3);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

/* Bursts larger than the marks, with cuts in between: what was not yet written goes over the next
 * stream or comes back; order holds; a stanza comes at most twice. */
static void cut_seed(uint64_t seed)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    unsigned seen[GOT_MAX] = {0}, high = 0, known = 0, sent = 0;
    world_open(w);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 60; i++)
            sent = host_send(a, "d1.test", 4000);
        run_for(sim_rand(200000));
        sim_net_cut("h0", "h1", false);
        run_for(sim_rand(100000));
        sim_net_heal("h0", "h1");
        run_for(6 * SEC);
    }
    unsigned last = host_send(a, "d1.test", 10);
    run_for(15 * SEC);
    for (size_t i = 0; i < b->n_in; i++) {
        unsigned id = b->in[i].id;
        assert_true(++seen[id] <= 2);
        if (seen[id] == 1) {
            assert_true(id > high);
            high = id;
        }
    }
    for (size_t i = 0; i < a->n_back; i++)
        seen[a->back[i].id]++;
    for (unsigned id = 1; id <= sent; id++)
        known += seen[id] > 0;
    assert_true(seen[last] > 0);
    assert_true(known >= sent / 2); /* the rest was in the network when it was cut */
    const char *state = host_list(a, "out", "d1.test", "state");
    assert_true(!*state || strcmp(state, "ready") == 0);
    world_end(&w);
}

static void test_cut_mid_burst(void **state UNUSED)
{
    EACH_SEED(CUT_SEEDS)
    cut_seed(seed_now);
}

static void set_true(void *ctx)
{
    *(bool *)ctx = true;
}
static bool is_true(void *ctx)
{
    return *(bool *)ctx;
}

static void test_stop(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    bool stopped = false;
    world_open(w);
    host_send(a, "d1.test", 10);
    host_send(b, "d0.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    run_until(&a->n_in, 1, 5 * SEC);
    host_send(a, "d1.test", 10); /* leaves before the end */
    host_send(a, "nx.test", 10); /* waits */
    s2s_stop(a->s2s, set_true, &stopped);
    assert_false(stopped);
    assert_true(sim_run(3100000, is_true, &stopped));
    assert_int_equal(host_rows(a), 0);
    run_for(SEC);
    assert_int_equal(host_rows(b), 0);
    assert_int_equal(b->n_in, 2);
    assert_int_equal(a->n_back, 1);
    host_send(a, "d1.test", 10);
    run_for(SEC);
    assert_int_equal(a->n_back, 2);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_external_both_ways),
        cmocka_unit_test(test_dialback_both_ways),
        cmocka_unit_test(test_subdomain),
        cmocka_unit_test(test_certificate_needed),
        cmocka_unit_test(test_dialback_not_allowed_there),
        cmocka_unit_test(test_dialback_cannot_call_back),
        cmocka_unit_test(test_dialback_impostor),
        cmocka_unit_test_teardown(test_stall_at_every_step, say_repeat),
        cmocka_unit_test(test_stall_black_hole),
        cmocka_unit_test(test_dialback_answers),
        cmocka_unit_test(test_dns_failures),
        cmocka_unit_test(test_override),
        cmocka_unit_test(test_outbox_limits),
        cmocka_unit_test(test_final_from_memory),
        cmocka_unit_test(test_server_comes_back),
        cmocka_unit_test(test_life_ends_backoff),
        cmocka_unit_test(test_idle_close),
        cmocka_unit_test_teardown(test_cut_mid_burst, say_repeat),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
