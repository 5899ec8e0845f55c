/* Sessions that are resumed between two who both show certificates: judged anew each time. Over the
 * simulated network. */
#include "lib/net/tests-sim-pair-int.h"

#include "lib/net/tests-certs.h"
#include "lib/net/tls-int.h"

enum { DAY_S = 86400 };

static char dir[TEST_PATH_MAX];

static struct tls_ctx_conf conf_of(const char *stem, bool has_list)
{
    static char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], crl[TEST_PATH_MAX];
    return (struct tls_ctx_conf){.ca_file = test_path(ca, dir, "ca", "crt"),
                                 .cert_file = test_path(crt, dir, stem, "crt"),
                                 .key_file = test_path(key, dir, stem, "key"),
                                 .crl_file = has_list ? test_path(crl, dir, "mid", "crl") : NULL,
                                 .no_system_ca = true,
                                 .request_peer_cert = true};
}

static struct tls_ctx *make(bool is_server, const char *stem)
{
    struct tls_ctx_conf c = conf_of(stem, false);
    struct tls_ctx *ctx;
    char why[256];
    assert_int_equal(tls_ctx_new(is_server, &c, &ctx, why, sizeof why), ERR_OK);
    return ctx;
}

/* Its files are read anew. */
static void reload(struct tls_ctx *ctx, bool is_server, const char *stem, bool has_list)
{
    struct tls_ctx_conf c = conf_of(stem, has_list);
    struct tls_set *set;
    char why[256];
    assert_int_equal(tls_set_new(is_server, &c, &set, why, sizeof why), ERR_OK);
    tls_ctx_replace(ctx, &set);
}

/* Verifications are of a time so many days from now. */
static void days_pass(struct tls_ctx *ctx, int days)
{
    struct tls_set *set = tls_ctx_set(ctx);
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(set->ssl), time(NULL) + days * DAY_S);
    tls_set_unref(&set);
}

static struct world *begin(const char *stem)
{
    struct world *w = mem_alloc(sizeof *w);
    sim_begin(1);
    sim_net_begin();
    w->suite.server_ctx = make(true, stem);
    w->suite.client_ctx = make(false, stem);
    world_connect(w);
    assert_true(run(&w->suite, pair_is_ready, w->p));
    return w;
}

/* Their connection ends, its session is offered on another. */
static void again(struct world *w)
{
    peer_round(&w->suite, &w->p[1]);
    assert_null(tls_session_of(w->p[1].t));
    tls_session_unref(&w->suite.session);
    w->suite.session = tls_session_of(w->p[0].t);
    assert_non_null(w->suite.session);
    pair_close(w->p);
    pair_open_raw(&w->suite, w->p);
    assert_true(run(&w->suite, pair_is_ready, w->p));
}

static void end(struct world *w)
{
    tls_session_unref(&w->suite.session);
    world_part(w);
    sim_net_end();
    sim_end();
    mem_free(w);
}

/* Both sides see the same. */
static void both_see(struct world *w, bool is_resumed, enum tls_cert_fault fault)
{
    for (int i = 0; i < 2; i++) {
        const struct tls_info *info = transport_tls(w->p[i].t);
        assert_int_equal(info->resumed, is_resumed);
        assert_true(info->has_cert);
        assert_int_equal(info->cert_fault, fault);
        assert_int_equal(info->chain_ok, fault == TLS_CERT_OK);
        assert_true(tls_peer_is(w->p[i].t, STR("leaf.example")));
    }
}

/* Certificates with an intermediate, which is there to judge the third time, too. */
static void test_tls_session_resumed(void **state UNUSED)
{
    struct world *w = begin("leaf");
    both_see(w, false, TLS_CERT_OK);
    for (int i = 0; i < 3; i++) {
        again(w);
        assert_true(w->suite.is_offered);
        both_see(w, true, TLS_CERT_OK);
    }
    end(w);
}

/* Between the two handshakes the certificates ended. */
static void test_tls_session_expired(void **state UNUSED)
{
    struct world *w = begin("leaf");
    days_pass(w->suite.client_ctx, 40);
    days_pass(w->suite.server_ctx, 40);
    again(w);
    both_see(w, true, TLS_CERT_EXPIRED);
    assert_string_not_equal(tls_chain_why(transport_tls(w->p[1].t)), "");
    end(w);
}

/* The client read a list that revokes the server's, the server has its session still. */
static void test_tls_session_revoked(void **state UNUSED)
{
    static const char *const stems[] = {"leaf", NULL};
    struct world *w = begin("leaf");
    test_crl_make(dir, "mid", stems, 10);
    reload(w->suite.client_ctx, false, "leaf", true);
    again(w);
    assert_true(transport_tls(w->p[0].t)->resumed);
    assert_int_equal(transport_tls(w->p[0].t)->cert_fault, TLS_CERT_REVOKED);
    assert_false(transport_tls(w->p[0].t)->chain_ok);
    end(w);
}

/* The server read its files anew: nothing is resumed, and no harm done; its list counts. */
static void test_tls_session_forgotten(void **state UNUSED)
{
    static const char *const stems[] = {"leaf", NULL};
    struct world *w = begin("leaf");
    reload(w->suite.server_ctx, true, "leaf", false);
    again(w);
    assert_true(w->suite.is_offered);
    both_see(w, false, TLS_CERT_OK);
    test_crl_make(dir, "mid", stems, 10);
    reload(w->suite.server_ctx, true, "leaf", true);
    again(w);
    assert_int_equal(transport_tls(w->p[1].t)->cert_fault, TLS_CERT_REVOKED);
    end(w);
}

/* We show another certificate than then: whom would the peer see? */
static void test_tls_session_of_another(void **state UNUSED)
{
    struct world *w = begin("leaf");
    reload(w->suite.client_ctx, false, "renewed", false);
    again(w);
    assert_false(w->suite.is_offered);
    both_see(w, false, TLS_CERT_OK);
    end(w);
}

/* Not past the end of the certificate. */
static void test_tls_session_ended(void **state UNUSED)
{
    struct world *w = begin("ended");
    again(w);
    assert_false(w->suite.is_offered);
    both_see(w, false, TLS_CERT_EXPIRED);
    end(w);
}

/* A chain that is longer than sessions may keep is no chain. */
static void test_tls_session_chain_bounded(void **state UNUSED)
{
    struct world *w = mem_calloc(1, sizeof *w);
    sim_begin(1);
    sim_net_begin();
    w->suite.server_ctx = make(true, "leaf");
    w->suite.client_ctx = make(false, "long");
    world_connect(w);
    assert_true(run(&w->suite, peer_ended, &w->p[1]));
    assert_int_equal(w->p[1].readies, 0);
    end(w);
}

static int certs_begin(void **state UNUSED)
{
    static const char *const stems[] = {"leaf", "renewed"};
    test_certs_begin(dir);
    test_cert_make(dir, "mid",
                   &(struct test_cert){
                       .cn = "Mid", .is_ca = true, .issuer = "ca", .from_days = -1, .to_days = 90});
    for (size_t i = 0; i < ARRAY_LEN(stems); i++) {
        test_cert_make(dir, stems[i],
                       &(struct test_cert){.cn = "x", .san = "DNS:leaf.example", .issuer = "mid"});
        test_cert_append(dir, stems[i], "mid");
    }
    test_cert_make(dir, "long",
                   &(struct test_cert){.cn = "x", .san = "DNS:leaf.example", .issuer = "mid"});
    for (int i = 0; i < 100; i++)
        test_cert_append(dir, "long", "mid");
    test_cert_make(
        dir, "ended",
        &(struct test_cert){
            .cn = "x", .san = "DNS:leaf.example", .issuer = "ca", .from_days = -9, .to_days = -1});
    return 0;
}

static int certs_end(void **state UNUSED)
{
    test_certs_end(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_session_chain_bounded),
        cmocka_unit_test(test_tls_session_resumed),
        cmocka_unit_test(test_tls_session_expired),
        cmocka_unit_test(test_tls_session_revoked),
        cmocka_unit_test(test_tls_session_forgotten),
        cmocka_unit_test(test_tls_session_of_another),
        cmocka_unit_test(test_tls_session_ended),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
