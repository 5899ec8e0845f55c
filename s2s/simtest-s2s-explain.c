/* Explaining domains between simulated hosts, and what an operator does about them. */
#include "lib/loop/tests-seeds.h"
#include "s2s/s2s-explain.h"
#include "s2s/tests-raw-int.h"

enum { STALL_SEEDS = 60, CANCEL_SEEDS = 300, KICK_SEEDS = 60 };

struct asked {
    size_t n; /* answers */
    struct json *report;
};

static void on_report(void *ctx, struct json **report)
{
    struct asked *q = ctx;
    q->n++;
    json_free(&q->report);
    q->report = *report;
    *report = NULL;
}

/* Ask, wait for the report; its sentence is made. */
static void explain_as(struct asked *q, struct host *h, const char *local, const char *remote)
{
    struct op_owner ops;
    *q = (struct asked){0};
    op_owner_init(&ops);
    s2s_explain(h->s2s, &ops, local, str_of(remote), on_report, q);
    assert_int_equal(q->n, 0); /* never inside the call */
    run_until(&q->n, 1, 11 * SEC);
    assert_non_null(q->report);
    assert_true(op_owner_idle(&ops));
    s2s_explain_verdict(q->report);
}

static void explain(struct asked *q, struct host *h, const char *remote)
{
    explain_as(q, h, h->domain, remote);
}

static void check_cause(const struct asked *q, const char *cause, const char *in_verdict)
{
    const char *verdict = json_get_str(q->report, "verdict");
    assert_string_equal(json_get_str(q->report, "cause"), cause);
    assert_int_equal(json_get_bool(q->report, "works", true), strcmp(cause, "none") == 0);
    if (!strstr(verdict, in_verdict))
        fail_msg("no \"%s\" in: %s", in_verdict, verdict);
}

static bool has_step(const struct asked *q, const char *step)
{
    const struct json *rows = json_get(q->report, "steps");
    for (size_t i = 0; i < json_len(rows); i++)
        if (strcmp(json_get_str(json_at(rows, i), "step"), step) == 0)
            return true;
    return false;
}

/* ---- what works ---- */

static void test_explain_external(void **state UNUSED)
{
    static const char *const steps[] = {"dns",         "connect",  "header",  "tls",
                                        "certificate", "features", "accepted"};
    struct world *w = world_begin(1);
    struct asked q;
    world_open(w);
    explain(&q, &w->h[0], "d1.test");
    check_cause(&q, "none", "d1.test is reached at 10.0.0.2:5269 with TLSv1.3");
    assert_string_equal(json_get_str(q.report, "auth"), "external");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        assert_true(has_step(&q, steps[i]));
    const struct json *cert = json_get(q.report, "certificate");
    assert_string_equal(json_get_str(cert, "cause"), "none");
    assert_string_equal(json_str(json_at(json_get(cert, "names"), 0)), "dns:d1.test");
    assert_true(json_len(json_get(cert, "chain")) >= 1);
    assert_true(json_get_num(cert, "days", 0) > 0);
    /* nothing was sent, and nothing is left of it */
    run_for(5 * SEC);
    assert_int_equal(host_rows(&w->h[0]) + host_rows(&w->h[1]), 0);
    assert_int_equal(w->h[1].n_in, 0);
    json_free(&q.report);
    world_end(&w);
}

static void test_explain_dialback(void **state UNUSED)
{
    struct world *w = world_begin(2);
    struct asked q;
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.tls_server = bad_in[i];
        w->h[i].conf.tls_client = bad_out[i];
    }
    world_open(w);
    explain(&q, &w->h[0], "d1.test");
    check_cause(&q, "none", "proves nothing: the certificate of the peer is signed by nobody");
    assert_string_equal(json_get_str(q.report, "auth"), "dialback");
    json_free(&q.report);
    world_end(&w);
}

/* Each of our domains shows its own certificate. */
static void test_explain_certificate_each(void **state UNUSED)
{
    static const char *const locals[] = {"d0.test", "sub.d0.test"};
    struct world *w = world_begin(12);
    struct asked q;
    w->h[0].conf.tls_client = sites_out;
    w->h[1].conf.dialback = false;
    world_open(w);
    for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
        explain_as(&q, &w->h[0], locals[i], "d1.test");
        check_cause(&q, "none", locals[i]);
        assert_string_equal(json_get_str(q.report, "auth"), "external");
        json_free(&q.report);
    }
    world_end(&w);
}

/* ---- what does not ---- */

static void test_explain_certificate(void **state UNUSED)
{
    struct world *w = world_begin(3);
    struct asked q;
    w->h[1].conf.tls_server = bad_in[1];
    w->h[0].conf.dialback = false;
    world_open(w);
    explain(&q, &w->h[0], "d1.test");
    check_cause(&q, "cert-issuer", "The fault is on their side.");
    json_free(&q.report);
    world_end(&w);
}

static void test_explain_dns(void **state UNUSED)
{
    static const struct {
        const char *domain, *cause;
    } rows[] = {
        {"gone.test", "dns-nxdomain"},      {"empty.test", "dns-nodata"},
        {"refuses.test", "dns-no-service"}, {"nohost.test", "dns-target"},
        {"broken.test", "dns-servfail"},    {"slow.test", "dns-timeout"},
        {"d2.test", "address-refused"},
    };
    struct world *w = world_begin(4);
    struct asked q;
    world_open(w);
    listener_close(&w->h[2].listener);
    sim_dns_zone("empty.test 60 TXT x\n"
                 "_xmpp-server._tcp.refuses.test 60 SRV 0 0 0 .\n"
                 "_xmpp-server._tcp.nohost.test 60 SRV 0 0 5269 nowhere.test\n"
                 "_xmpp-server._tcp.broken.test 60 SERVFAIL\n"
                 "_xmpp-server._tcp.slow.test 60 TIMEOUT\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        explain(&q, &w->h[0], rows[i].domain);
        check_cause(&q, rows[i].cause, rows[i].domain);
        json_free(&q.report);
    }
    world_end(&w);
}

/* Whatever the peer stops at: an answer within connect_timeout, with the right cause. */
static void test_explain_stalls(void **state UNUSED)
{
    EACH_SEED(STALL_SEEDS)
    {
        enum raw_step stop = (enum raw_step)(seed_now % RAW_STEPS);
        struct world *w = world_begin(seed_now);
        struct raw raw;
        struct asked q;
        raw_begin(&raw, w, 1, stop);
        host_open(&w->h[0]);
        uint64_t at = sim_now_us();
        explain(&q, &w->h[0], "d1.test");
        bool works = stop == RAW_ALL || stop == RAW_ACKS; /* we are accepted */
        check_cause(&q,
                    works                  ? "none"
                    : stop == RAW_DIALBACK ? "auth-dialback-error"
                                           : "peer-silent",
                    "d1.test");
        assert_true(sim_now_us() - at <= 10 * SEC + 1000);
        assert_int_equal(raw.stanzas, 0);
        json_free(&q.report);
        raw_finish(&raw);
        world_end(&w);
    }
}

static void test_explain_addresses(void **state UNUSED)
{
    struct world *w = world_begin(5);
    struct asked q;
    world_open(w);
    sim_dns_zone("_xmpp-server._tcp.two.test 60 SRV 1 0 5299 x1.test\n"
                 "_xmpp-server._tcp.two.test 60 SRV 2 0 5269 x1.test\n");
    explain(&q, &w->h[0], "two.test");
    const struct json *rows = json_get(q.report, "addresses");
    assert_int_equal(json_len(rows), 2);
    assert_string_equal(json_get_str(json_at(rows, 0), "cause"), "address-refused");
    assert_string_equal(json_get_str(json_at(rows, 0), "address"), "10.0.0.2:5299");
    /* the one that connects decides; d1's server does not serve two.test */
    check_cause(&q, "peer-host-unknown", "does not serve this domain");
    json_free(&q.report);
    world_end(&w);
}

static void test_explain_override(void **state UNUSED)
{
    struct world *w = world_begin(11);
    struct asked q;
    struct s2s_override o[] = {{.domain = "d1.test", .target = {.addr = host_addr(2)}},
                               {.domain = NULL}};
    w->h[0].conf.overrides = o;
    world_open(w);
    explain(&q, &w->h[0], "d1.test");
    assert_true(has_step(&q, "override"));
    assert_false(has_step(&q, "dns"));
    assert_string_equal(json_get_str(json_at(json_get(q.report, "addresses"), 0), "found"),
                        "override");
    check_cause(&q, "peer-host-unknown", "does not serve this domain");
    json_free(&q.report);
    world_end(&w);
}

/* ---- bounds ---- */

static void test_explain_too_many(void **state UNUSED)
{
    struct world *w = world_begin(6);
    struct asked q[S2S_EXPLAINS_MAX + 1] = {0};
    struct op_owner ops;
    op_owner_init(&ops);
    world_open(w);
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        s2s_explain(w->h[0].s2s, &ops, "d0.test", STR("d1.test"), on_report, &q[i]);
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        run_until(&q[i].n, 1, 11 * SEC);
    for (size_t i = 0; i < S2S_EXPLAINS_MAX; i++)
        assert_true(json_get_bool(q[i].report, "works", false));
    assert_null(q[S2S_EXPLAINS_MAX].report);
    for (size_t i = 0; i < S2S_EXPLAINS_MAX; i++)
        json_free(&q[i].report);
    /* there is room again */
    explain(&q[0], &w->h[0], "d1.test");
    check_cause(&q[0], "none", "is reached");
    json_free(&q[0].report);
    world_end(&w);
}

/* Whoever asks may go at any time. */
static void test_explain_cancelled(void **state UNUSED)
{
    EACH_SEED(CANCEL_SEEDS)
    {
        struct world *w = world_begin(seed_now);
        struct asked q = {0};
        struct op_owner ops;
        op_owner_init(&ops);
        world_open(w);
        s2s_explain(w->h[0].s2s, &ops, "d0.test", STR("d1.test"), on_report, &q);
        run_for(seed_now * 2000);
        size_t before = q.n;
        op_owner_cancel_all(&ops);
        run_for(20 * SEC);
        assert_int_equal(q.n, before);
        json_free(&q.report);
        world_end(&w);
    }
}

/* ---- what to do ---- */

/* d1 says for long that our key is invalid, so that back-off has grown; two messages wait. */
static void grow_backoff(struct world *w, struct raw *raw)
{
    struct host *a = &w->h[0];
    a->conf.tune.expire_message_ms = 86400000;
    raw_begin(raw, w, 1, RAW_ALL);
    raw->answer = "<db:result from='d1.test' to='d0.test' type='invalid'/>";
    host_open(a);
    host_send(a, "d1.test", 10);
    host_send(a, "d1.test", 10);
    run_for(600 * SEC);
}

static void test_probe_is_a_sign_of_life(void **state UNUSED)
{
    struct world *w = world_begin(7);
    struct raw raw;
    struct asked q;
    grow_backoff(w, &raw);
    raw.answer = "<db:result from='d1.test' to='d0.test' type='valid'/>";
    explain(&q, &w->h[0], "d1.test");
    check_cause(&q, "none", "is reached");
    run_until(&raw.stanzas, 2, 2 * SEC);
    json_free(&q.report);
    raw_finish(&raw);
    world_end(&w);
}

static void test_show_and_retry(void **state UNUSED)
{
    struct world *w = world_begin(8);
    struct raw raw;
    grow_backoff(w, &raw);
    struct json *out = json_new_object();
    assert_true(s2s_show(w->h[0].s2s, STR("d1.test"), out));
    assert_string_equal(json_get_str(out, "cause"), "auth-dialback-invalid");
    assert_string_equal(json_get_str(out, "side"), "ours");
    assert_true(json_get_num(out, "attempts_failed", 0) >= 5);
    assert_in_range(json_get_num(out, "down_s", 0), 590, 601);
    assert_true(json_get_num(out, "next_try_s", 0) > 0);
    const struct json *outcome = json_at(json_get(out, "outcomes"), 0);
    assert_string_equal(json_get_str(outcome, "cause"), "auth-dialback-invalid");
    assert_int_equal(json_get_num(outcome, "count", 0), json_get_num(out, "attempts_failed", 0));
    assert_int_equal(json_get_num(json_at(json_get(out, "outbox"), 0), "waiting", 0), 2);
    json_free(&out);
    out = json_new_object();
    assert_false(s2s_show(w->h[0].s2s, STR("elsewhere.test"), out));
    json_free(&out);

    unsigned before = raw.connections;
    assert_int_equal(s2s_retry(w->h[0].s2s, STR("d1.test")), 1);
    assert_int_equal(s2s_retry(w->h[0].s2s, STR("elsewhere.test")), 0);
    run_for(SEC / 2);
    assert_int_equal(raw.connections, before + 1);
    raw_finish(&raw);
    world_end(&w);
}

static void test_drop(void **state UNUSED)
{
    struct world *w = world_begin(9);
    struct host *a = &w->h[0];
    struct raw raw;
    grow_backoff(w, &raw);
    struct json *rows = json_new_array();
    s2s_outbox_list(a->s2s, rows);
    assert_int_equal(json_len(rows), 1);
    assert_string_equal(json_get_str(json_at(rows, 0), "remote"), "d1.test");
    assert_in_range(json_get_num(json_at(rows, 0), "oldest_s", 0), 590, 601);
    json_free(&rows);
    assert_int_equal(s2s_waiting(a->s2s, STR("d1.test")), 2);
    assert_int_equal(s2s_outbox_drop(a->s2s, STR("d1.test")), 2);
    assert_int_equal(a->n_back, 0); /* never inside the call */
    run_until(&a->n_back, 2, SEC);
    assert_non_null(strstr(a->back[0].text, "operator"));
    assert_int_equal(s2s_waiting(a->s2s, STR("d1.test")), 0);
    assert_int_equal(s2s_outbox_drop(a->s2s, STR("elsewhere.test")), 0);
    raw_finish(&raw);
    world_end(&w);
}

/* Everything came, in order; copies may be between. Returns their number. */
static size_t check_all_in_order(const struct host *h, unsigned last)
{
    unsigned want = 1;
    for (size_t i = 0; i < h->n_in; i++) {
        assert_true(h->in[i].id <= want);
        want += h->in[i].id == want;
    }
    assert_int_equal(want, last + 1);
    return h->n_in - last;
}

static bool has_last(void *ctx)
{
    const struct host *h = ctx;
    return h->n_in && h->in[h->n_in - 1].id == 40;
}

/* Closing streams under traffic, both ways, loses nothing, turns nothing round, and with acks
 * brings nothing twice: a stream ends when what is under way is acknowledged. By pings the other
 * side does not know what of its stanzas had arrived. */
static size_t kick_seed(uint64_t seed, bool no_acks)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    size_t copies;
    for (int i = 0; i < 2; i++) {
        w->h[i].conf.tune.expire_message_ms = 86400000;
        w->h[i].conf.no_bidi = seed % 2;
        w->h[i].conf.no_acks = no_acks;
        w->h[i].answers_pings = true;
    }
    world_open(w);
    host_send(a, "d1.test", 10);
    run_until(&b->n_in, 1, 5 * SEC);
    host_send(b, "d0.test", 10);
    for (int i = 1; i < 40; i++) {
        host_send(a, "d1.test", 10);
        host_send(b, "d0.test", 10);
        run_for(sim_rand(20000));
        if (i % 10 == 0)
            s2s_kick(i % 20 ? a->s2s : b->s2s, i % 20 ? STR("d1.test") : STR("d0.test"));
    }
    assert_int_equal(s2s_kick(a->s2s, STR("elsewhere.test")), 0);
    assert_true(sim_run(60 * SEC, has_last, b));
    assert_true(sim_run(60 * SEC, has_last, a));
    copies = check_all_in_order(b, 40) + check_all_in_order(a, 40);
    assert_int_equal(a->n_back + b->n_back, 0);
    assert_true(a->n_accepted + b->n_accepted > 1);
    world_end(&w);
    return copies;
}

static void test_kick(void **state UNUSED)
{
    size_t by_pings = 0;
    EACH_SEED(KICK_SEEDS)
    {
        assert_int_equal(kick_seed(seed_now, false), 0);
        by_pings += kick_seed(seed_now, true);
    }
    print_message("%" PRIu64 " runs of 80 stanzas and 3 kicks: no copies with acks, %zu by pings\n",
                  seed_last, by_pings);
}

static void test_top(void **state UNUSED)
{
    struct world *w = world_begin(10);
    struct host *a = &w->h[0];
    struct s2s_top top[S2S_TOP] = {0};
    char domain[32], zone[100];
    world_open(w);
    for (int i = 0; i < 15; i++) { /* nobody listens there */
        snprintf(domain, sizeof domain, "away%d.test", i);
        snprintf(zone, sizeof zone, "_xmpp-server._tcp.%s 60 SRV 0 0 5298 x1.test\n", domain);
        sim_dns_zone(zone);
        for (int k = 0; k <= (i * 7) % 15; k++)
            host_send(a, domain, 10);
    }
    run_for(3 * SEC);
    s2s_top(a->s2s, top);
    for (int i = 0; i < S2S_TOP; i++)
        assert_int_equal(top[i].waiting, 15 - i);
    assert_string_equal(top[0].domain, "away2.test"); /* 2 * 7 % 15 = 14: fifteen of them */
    world_end(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_external),
        cmocka_unit_test(test_explain_dialback),
        cmocka_unit_test(test_explain_certificate_each),
        cmocka_unit_test(test_explain_certificate),
        cmocka_unit_test(test_explain_dns),
        cmocka_unit_test_teardown(test_explain_stalls, say_repeat),
        cmocka_unit_test(test_explain_addresses),
        cmocka_unit_test(test_explain_override),
        cmocka_unit_test(test_explain_too_many),
        cmocka_unit_test_teardown(test_explain_cancelled, say_repeat),
        cmocka_unit_test(test_probe_is_a_sign_of_life),
        cmocka_unit_test(test_show_and_retry),
        cmocka_unit_test(test_drop),
        cmocka_unit_test_teardown(test_kick, say_repeat),
        cmocka_unit_test(test_top),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
