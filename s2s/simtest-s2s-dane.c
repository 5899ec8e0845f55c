/* DANE between simulated hosts: host 0 trusts its resolver; what the TLSA records of host 1 say
 * decides, whatever PKIX and dialback would. And the other way: host 1 is come to by host 0, whose
 * records count for it, never against it. */
#include "s2s/s2s-explain.h"
#include "s2s/tests-world-int.h"

enum { SEEDS = 10 };

static struct tls_ctx *host_in, *host_out;   /* for x1.test, the host of d1.test */
static struct tls_ctx *chain_in, *chain_out; /* for d0.test, with "ca2" behind it */

/* Host i believes its resolver. */
static void trust(struct world *w, int i)
{
    struct dns_conf dc = {.trust_ad = true};
    char why[100];
    dns_close(&w->h[i].dns);
    assert_int_equal(dns_open(w->h[i].loop, &dc, &w->h[i].dns, why, sizeof why), ERR_OK);
}

static void distrust(struct world *w, int i)
{
    char why[100];
    dns_close(&w->h[i].dns);
    assert_int_equal(dns_open(w->h[i].loop, &(struct dns_conf){0}, &w->h[i].dns, why, sizeof why),
                     ERR_OK);
}

/* A record for d1.test, of the certificate of this stem. */
static void publish(const char *stem, int usage)
{
    char rdata[TEST_TLSA_MAX], zone[200];
    snprintf(zone, sizeof zone, "_5269._tcp.x1.test 60 TLSA %s\n",
             test_cert_tlsa(rdata, certs_dir, stem, usage));
    sim_dns_zone(zone);
}

static void arrives(struct world *w)
{
    world_open(w);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[1].n_in, 1, 10 * SEC);
    assert_int_equal(w->h[0].n_back, 0);
}

/* Given back in the end, for this reason. */
static void is_refused(struct world *w, const char *in_text)
{
    world_open(w);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[0].n_back, 1, 11 * SEC);
    assert_int_equal(w->h[1].n_in, 0);
    if (!strstr(w->h[0].back[0].text, in_text))
        fail_msg("%s", w->h[0].back[0].text);
}

/* Signed by nobody known, and dialback is not allowed: the record is proof enough. */
static void test_proves(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_begin(seed);
        trust(w, 0);
        w->h[0].conf.dialback = false;
        w->h[1].conf.tls_server = bad_in[1];
        publish("bad1", 3);
        arrives(w);
        world_end(&w);
    }
}

/* Without the record, or without trust in the resolver, it is not. */
static void test_proof_needs_trust(void **state UNUSED)
{
    for (int how = 0; how < 4; how++) {
        struct world *w = world_begin(1);
        if (how != 0)
            trust(w, 0);
        w->h[0].conf.dialback = false;
        w->h[1].conf.tls_server = bad_in[1];
        if (how != 1)
            publish("bad1", 3);
        if (how == 2)
            sim_dns_zone("_5269._tcp.x1.test 60 INSECURE\n");
        if (how == 3)
            sim_dns_zone("_xmpp-server._tcp.d1.test 60 INSECURE\n");
        is_refused(w, "certificate");
        world_end(&w);
    }
}

/* A good certificate, dialback allowed: another key is in the zone. */
static void test_mismatch(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_begin(seed);
        trust(w, 0);
        publish("d2.test", 3);
        is_refused(w, "TLSA");
        world_end(&w);
    }
}

static void test_mismatch_without_dnssec(void **state UNUSED)
{
    struct world *w = world_begin(1);
    publish("d2.test", 3);
    arrives(w);
    world_end(&w);
}

/* While a key is being changed both are there. */
static void test_rollover(void **state UNUSED)
{
    struct world *w = world_begin(1);
    trust(w, 0);
    w->h[0].conf.dialback = false;
    publish("d2.test", 3);
    publish("d1.test", 3);
    arrives(w);
    world_end(&w);
}

/* The records cannot be had: nobody is connected to. */
static void test_bogus(void **state UNUSED)
{
    struct world *w = world_begin(1);
    trust(w, 0);
    sim_dns_zone("_5269._tcp.x1.test 60 SERVFAIL\n");
    is_refused(w, "signatures are bogus");
    assert_int_equal(w->h[1].n_accepted, 0);
    world_end(&w);
}

/* SRV records under DNSSEC: a certificate for the host they name is as good. */
static void test_host_name(void **state UNUSED)
{
    for (int is_secure = 0; is_secure < 2; is_secure++) {
        struct world *w = world_begin(1);
        trust(w, 0);
        w->h[0].conf.dialback = false;
        w->h[1].conf.tls_server = host_in;
        if (!is_secure)
            sim_dns_zone("_xmpp-server._tcp.d1.test 60 INSECURE\n");
        if (is_secure)
            arrives(w);
        else
            is_refused(w, "certificate is not for d1.test");
        world_end(&w);
    }
}

/* Records ask for TLS, although policy does not. */
static void test_tls_needed(void **state UNUSED)
{
    for (int has_records = 0; has_records < 2; has_records++) {
        struct world *w = world_begin(1);
        trust(w, 0);
        w->h[0].conf.tls_required = w->h[1].conf.tls_required = false;
        w->h[1].conf.tls_server = NULL;
        if (!has_records) {
            arrives(w);
        } else {
            publish("d1.test", 3);
            is_refused(w, "TLS");
        }
        world_end(&w);
    }
}

/* Whom host 1 asks about host 0, which comes by dialback, has to match as well. */
static void test_dialback_question(void **state UNUSED)
{
    for (int is_right = 0; is_right < 2; is_right++) {
        char rdata[TEST_TLSA_MAX], zone[200];
        struct world *w = world_begin(1);
        trust(w, 1);
        w->h[0].conf.tls_client = bad_out[0];
        snprintf(zone, sizeof zone, "_5269._tcp.x0.test 60 TLSA %s\n",
                 test_cert_tlsa(rdata, certs_dir, is_right ? "d0.test" : "d2.test", 3));
        sim_dns_zone(zone);
        if (is_right)
            arrives(w);
        else
            is_refused(w, "remote-server-timeout");
        world_end(&w);
    }
}

/* ---- who comes */

/* Records of host 0, of the certificate of this stem; host 1 believes its resolver. */
static struct world *comes(uint64_t seed, const char *stem, int usage)
{
    char rdata[TEST_TLSA_MAX], zone[200];
    struct world *w = world_begin(seed);
    trust(w, 1);
    w->h[0].conf.tls_client = bad_out[0];
    w->h[1].conf.dialback = false;
    snprintf(zone, sizeof zone, "_5269._tcp.x0.test 60 TLSA %s\n",
             test_cert_tlsa(rdata, certs_dir, stem, usage));
    sim_dns_zone(zone);
    return w;
}

static void test_client_proves(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = comes(seed, "bad0", 3);
        bool is_direct = seed % 2;
        if (is_direct) {
            sim_dns_zone("_xmpps-server._tcp.d1.test 60 SRV 0 0 5270 x1.test\n");
            host_listen_direct(&w->h[1]);
        }
        arrives(w);
        assert_string_equal(host_list(&w->h[1], "in", "d0.test", "auth"), "external");
        world_end(&w);
    }
}

/* By an authority that nobody knows and the client sends along. */
static void test_client_proves_by_authority(void **state UNUSED)
{
    for (int is_right = 0; is_right < 2; is_right++) {
        struct world *w = comes(1, is_right ? "ca2" : "ca", 2);
        w->h[0].conf.tls_client = chain_out;
        if (is_right)
            arrives(w);
        else
            is_refused(w, "not-authorized");
        world_end(&w);
    }
}

static void test_client_needs_trust(void **state UNUSED)
{
    for (int how = 0; how < 4; how++) {
        struct world *w = comes(1, how == 0 ? "d2.test" : "bad0", 3);
        if (how == 1)
            sim_dns_zone("_5269._tcp.x0.test 60 INSECURE\n");
        if (how == 2)
            sim_dns_zone("_xmpp-server._tcp.d0.test 60 INSECURE\n");
        if (how == 3)
            distrust(w, 1);
        is_refused(w, "not-authorized");
        world_end(&w);
    }
}

/* The records are of another certificate: PKIX goes on to count, and so does dialback. */
static void test_client_nothing_against(void **state UNUSED)
{
    for (int is_known = 0; is_known < 2; is_known++) {
        struct world *w = comes(1, is_known ? "d2.test" : "d0.test", 3);
        if (is_known)
            w->h[0].conf.tls_client = good_out[0];
        w->h[1].conf.dialback = true;
        arrives(w);
        assert_string_equal(host_list(&w->h[1], "in", "d0.test", "auth"),
                            is_known ? "external" : "dialback");
        world_end(&w);
    }
}

/* No server speaks of the records: features come after a while, without EXTERNAL. */
static void test_client_bounded(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = comes(seed, "bad0", 3);
        w->h[0].conf.tune.connect_timeout_ms = 8000;
        w->h[0].conf.tune.expire_message_ms = 8000;
        sim_dns_zone("_5269._tcp.x0.test 60 TIMEOUT\n");
        is_refused(w, "not-authorized");
        world_end(&w);
    }
}

/* Either side goes while the question is open. */
static void test_client_gone_meanwhile(void **state UNUSED)
{
    for (int who = 0; who < 2; who++)
        for (uint64_t ms = 10; ms < 400; ms += 10) {
            struct world *w = comes(ms, "bad0", 3);
            sim_dns_zone("_5269._tcp.x0.test 60 TIMEOUT\n");
            world_open(w);
            host_send(&w->h[0], "d1.test", 10);
            run_for(ms * 1000);
            listener_close(&w->h[who].listener);
            s2s_free(&w->h[who].s2s);
            run_for(8 * SEC);
            assert_int_equal(w->h[1].n_in, 0); /* without proof */
            if (who == 0)
                assert_int_equal(host_rows(&w->h[1]), 0);
            world_end(&w);
        }
}

static void on_report(void *ctx, struct json **report)
{
    struct json **out = ctx;
    *out = *report;
    *report = NULL;
}

static bool is_told(void *ctx)
{
    return *(struct json **)ctx != NULL;
}

static void test_explain(void **state UNUSED)
{
    for (int is_right = 0; is_right < 2; is_right++) {
        struct world *w = world_begin(1);
        struct json *report = NULL;
        struct op_owner ops;
        op_owner_init(&ops);
        trust(w, 0);
        publish(is_right ? "d1.test" : "d2.test", 3);
        world_open(w);
        s2s_explain(w->h[0].s2s, &ops, "d0.test", STR("d1.test"), on_report, &report);
        assert_true(sim_run(11 * SEC, is_told, &report));
        s2s_explain_verdict(report);
        assert_string_equal(json_get_str(report, "cause"), is_right ? "none" : "cert-dane");
        if (!is_right)
            assert_non_null(strstr(json_get_str(report, "verdict"), "TLSA"));
        json_free(&report);
        world_end(&w);
    }
}

static int begin(void **state)
{
    int failed = certs_begin(state);
    test_cert_domain(certs_dir, "x1.test");
    certs_ctx("x1.test", &host_in, &host_out);
    test_cert_make(certs_dir, "chain",
                   &(struct test_cert){.cn = "x", .san = "DNS:d0.test", .issuer = "ca2"});
    test_cert_append(certs_dir, "chain", "ca2");
    certs_ctx("chain", &chain_in, &chain_out);
    return failed;
}

static int end(void **state)
{
    tls_ctx_unref(&host_in);
    tls_ctx_unref(&host_out);
    tls_ctx_unref(&chain_in);
    tls_ctx_unref(&chain_out);
    return certs_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proves),
        cmocka_unit_test(test_proof_needs_trust),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_mismatch_without_dnssec),
        cmocka_unit_test(test_rollover),
        cmocka_unit_test(test_bogus),
        cmocka_unit_test(test_host_name),
        cmocka_unit_test(test_tls_needed),
        cmocka_unit_test(test_dialback_question),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_client_proves),
        cmocka_unit_test(test_client_proves_by_authority),
        cmocka_unit_test(test_client_needs_trust),
        cmocka_unit_test(test_client_nothing_against),
        cmocka_unit_test(test_client_bounded),
        cmocka_unit_test(test_client_gone_meanwhile),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
