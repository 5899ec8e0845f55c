/* TLS sessions between simulated hosts, all by certificate: resumed and proven, and no way in for
 * whom the full handshake would refuse by now. */
#include "s2s/tests-raw-int.h"

enum { SEEDS = 10 };

/* dir/STEM.crt with the lists of "ca", for both directions of a host. */
static void reload(struct tls_ctx *ctx, bool is_server, const char *stem, bool has_list)
{
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], crl[TEST_PATH_MAX], why[256];
    struct tls_ctx_conf c = {.ca_file = test_path(ca, certs_dir, "ca", "crt"),
                             .cert_file = test_path(crt, certs_dir, stem, "crt"),
                             .key_file = test_path(key, certs_dir, stem, "key"),
                             .crl_file = has_list ? test_path(crl, certs_dir, "ca", "crl") : NULL,
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .alpn = "xmpp-server"};
    struct tls_set *set;
    if (tls_set_new(is_server, &c, &set, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    tls_ctx_replace(ctx, &set);
}

static void list_revokes(const char *stem)
{
    const char *const stems[] = {stem, NULL};
    test_crl_make(certs_dir, "ca", stems, 10);
}

/* The stream of host 0 to host 1 ends in order. */
static void part(struct world *w)
{
    run_for(2 * SEC); /* all is acknowledged */
    assert_int_equal(s2s_kick(w->h[0].s2s, STR("d1.test")), 1);
    run_for(10 * SEC);
    assert_string_equal(host_list(&w->h[0], "out", "d1.test", "state"), "");
}

/* Host 0 has written to host 1, and their stream is over. */
static struct world *acquainted(uint64_t seed, bool is_direct)
{
    struct world *w = world_begin(seed);
    for (int i = 0; i < HOSTS; i++) {
        char stem[20];
        snprintf(stem, sizeof stem, "d%d.test", i);
        w->h[i].conf.dialback = false;
        w->h[i].conf.no_bidi = true;
        reload(good_in[i], true, stem, false); /* no sessions of other tests */
        reload(good_out[i], false, stem, false);
    }
    world_open(w);
    if (is_direct) {
        sim_dns_zone("_xmpps-server._tcp.d1.test 60 SRV 0 0 5270 x1.test\n");
        listener_close(&w->h[1].listener);
        host_listen_direct(&w->h[1]);
    }
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[1].n_in, 1, 10 * SEC);
    part(w);
    assert_int_equal(w->h[0].s2s->stats.out_tls_resumed, 0);
    assert_int_equal(s2s_tls_count(&w->h[0].s2s->tls), 1);
    return w;
}

static void again_refused(struct world *w, const char *why)
{
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[0].n_back, 1, 11 * SEC);
    if (!strstr(w->h[0].back[0].text, why))
        fail_msg("%s", w->h[0].back[0].text);
    assert_int_equal(w->h[1].n_in, 1);
}

/* And again, each time by the session that the last time gave. */
static void test_tls_resumed(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = acquainted(seed, seed % 2);
        for (size_t n = 1; n <= 3; n++) {
            host_send(&w->h[0], "d1.test", 10);
            run_until(&w->h[1].n_in, n + 1, 10 * SEC);
            assert_int_equal(w->h[0].s2s->stats.out_tls_resumed, n);
            assert_string_equal(host_list(&w->h[1], "in", "d0.test", "auth"), "external");
            part(w);
        }
        assert_int_equal(w->h[0].n_back, 0);
        world_end(&w);
    }
}

/* Host 0 read a list with the certificate of host 1, which has the session still. */
static void test_tls_server_revoked(void **state UNUSED)
{
    struct world *w = acquainted(1, false);
    list_revokes("d1.test");
    reload(good_out[0], false, "d0.test", true);
    again_refused(w, "revoked");
    assert_true(w->h[0].s2s->stats.out_tls_resumed > 0);
    world_end(&w);
}

/* Host 1 read a list with that of host 0. */
static void test_tls_client_revoked(void **state UNUSED)
{
    struct world *w = acquainted(1, false);
    list_revokes("d0.test");
    reload(good_in[1], true, "d1.test", true);
    again_refused(w, "no way to authenticate");
    world_end(&w);
}

/* A rule of host 1 denies host 0: the session is good, the domain is not. */
static void test_tls_client_denied(void **state UNUSED)
{
    static const struct s2s_rule deny = {.host = "d0.test", .is_denied = true};
    struct s2s_policy_conf conf = {.rules = &deny, .n_rules = 1};
    struct s2s_policy *p;
    char why[200];
    struct world *w = acquainted(1, true);
    assert_int_equal(s2s_policy_new(&conf, &p, why, sizeof why), ERR_OK);
    s2s_set_policy(w->h[1].s2s, &p);
    again_refused(w, "policy-violation");
    assert_true(w->h[0].s2s->stats.out_tls_resumed > 0);
    world_end(&w);
}

static void test_tls_server_forgot(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = acquainted(seed, seed % 2);
        reload(good_in[1], true, "d1.test", false);
        host_send(&w->h[0], "d1.test", 10);
        run_until(&w->h[1].n_in, 2, SEC);
        assert_int_equal(w->h[0].s2s->stats.out_tls_resumed, 0);
        world_end(&w);
    }
}

/* We have another certificate since: the old one is not what host 1 shall see. */
static void test_tls_renewed(void **state UNUSED)
{
    struct world *w = acquainted(1, false);
    test_cert_domain(certs_dir, "d0.test");
    reload(good_out[0], false, "d0.test", false);
    host_send(&w->h[0], "d1.test", 10);
    run_until(&w->h[1].n_in, 2, SEC);
    assert_int_equal(w->h[0].s2s->stats.out_tls_resumed, 0);
    world_end(&w);
}

static bool is_cut(void *ctx)
{
    const struct raw *raw = ctx;
    return raw->connections == 2 && !raw->t;
}

/* A server that ends a handshake with a session is asked without, at once, and for a day. */
static void test_tls_session_not_borne(void **state UNUSED)
{
    struct raw raw;
    struct world *w = world_begin(1);
    struct host *a = &w->h[0];
    w->h[0].conf.no_bidi = true;
    world_open(w);
    raw_begin(&raw, w, 1, RAW_STEPS); /* closes the listener of host 1 */
    raw.external = true;
    for (size_t n = 1; n <= 4; n++) {
        raw.how = RAW_CUTS;
        raw.stop = n == 2 ? RAW_HANDSHAKE : RAW_STEPS;
        host_send(a, "d1.test", 10);
        if (n == 2) {
            assert_true(sim_run(SEC, is_cut, &raw));
            raw.stop = RAW_STEPS;
        }
        run_until(&raw.stanzas, n, SEC / 2);
        part(w);
    }
    assert_int_equal(raw.connections, 5);
    assert_int_equal(a->s2s->stats.outcomes[0][S2S_CAUSE_TLS_LOST], 0);
    assert_int_equal(a->s2s->stats.out_tls_resumed, 0);
    assert_int_equal(s2s_tls_count(&a->s2s->tls), 1);
    raw_finish(&raw);
    world_end(&w);
}

static void test_tls_sessions_bounded(void **state UNUSED)
{
    struct s2s_tls c;
    char key[60];
    s2s_tls_init(&c);
    for (int i = 0; i < S2S_TLS_SESSIONS_MAX + 50; i++) {
        snprintf(key, sizeof key, "a.test d%d.test 10.0.0.1:1", i);
        s2s_tls_avoid(&c, key, 1);
        assert_true(s2s_tls_count(&c) <= S2S_TLS_SESSIONS_MAX);
    }
    assert_int_equal(s2s_tls_count(&c), S2S_TLS_SESSIONS_MAX);
    assert_null(hmap_get(&c.by_key, STR("a.test d49.test 10.0.0.1:1")));
    assert_non_null(hmap_get(&c.by_key, STR("a.test d50.test 10.0.0.1:1")));
    s2s_tls_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_resumed),           cmocka_unit_test(test_tls_server_revoked),
        cmocka_unit_test(test_tls_client_revoked),    cmocka_unit_test(test_tls_client_denied),
        cmocka_unit_test(test_tls_server_forgot),     cmocka_unit_test(test_tls_renewed),
        cmocka_unit_test(test_tls_session_not_borne), cmocka_unit_test(test_tls_sessions_bounded),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
