/* TLS: verdicts on certificates, names, choice by SNI and ALPN, failures in words. Over the
 * simulated network. */
#include "lib/net/tests-sim-pair-int.h"

#include "lib/net/tests-certs.h"

static char dir[TEST_PATH_MAX];

/* A context from certificate stems of dir; NULL = none. */
static struct tls_ctx *make(bool server, const char *cert, bool request, const char *alpn)
{
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf conf = {
        .ca_file = test_path(ca, dir, "ca", "crt"), .request_peer_cert = request, .alpn = alpn};
    struct tls_ctx *ctx = NULL;
    if (cert) {
        conf.cert_file = test_path(crt, dir, cert, "crt");
        conf.key_file = test_path(key, dir, cert, "key");
    }
    if (tls_ctx_new(server, &conf, &ctx, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

/* Connected and, with contexts in the suite, about to shake hands. */
static void start(struct world *w)
{
    sim_begin(7);
    sim_net_begin();
    world_connect(w);
}

/* Takes both contexts. */
static void meet_as(struct world *w, struct tls_ctx *server, struct tls_ctx *client,
                    const char *sni, const char *as)
{
    memset(w, 0, sizeof *w);
    w->suite = (struct suite){.server_ctx = server, .client_ctx = client, .sni = sni, .as = as};
    start(w);
    assert_true(run(NULL, is_settled, w->p));
}

static void meet(struct world *w, struct tls_ctx *server, struct tls_ctx *client, const char *sni)
{
    meet_as(w, server, client, sni, NULL);
}

static void part(struct world *w)
{
    world_part(w);
    sim_net_end();
    sim_end();
}

#define XMPP_ADDR "otherName:1.3.6.1.5.5.7.8.5;UTF8:"
#define SRV_NAME "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:"

static const struct {
    const char *stem, *san, *eku, *issuer;
    int from_days, to_days;
    const char *objection; /* NULL: chain_ok */
} certs[] = {
    {"server", "DNS:im.example.com", "serverAuth", "ca", 0, 0, NULL},
    {"client-usage", "DNS:im.example.com", "clientAuth", "ca", 0, 0, NULL},
    {"both-usages", "DNS:im.example.com", "serverAuth,clientAuth", "ca", 0, 0, NULL},
    {"no-usage", "DNS:im.example.com", NULL, "ca", 0, 0, NULL},
    {"mail-usage", "DNS:im.example.com", "emailProtection", "ca", 0, 0, "neither TLS servers nor"},
    {"expired", "DNS:im.example.com", "serverAuth", "ca", -20, -10, "certificate has expired"},
    {"early", "DNS:im.example.com", "serverAuth", "ca", 10, 20, "certificate is not yet valid"},
    {"self", "DNS:im.example.com", "serverAuth", NULL, 0, 0, "self-signed certificate"},
    {"stranger", "DNS:im.example.com", "serverAuth", "other-ca", 0, 0,
     "unable to get local issuer"},
};

static void make_certs(void)
{
    test_certs_begin(dir);
    test_cert_make(dir, "other-ca", &(struct test_cert){.cn = "Other CA", .is_ca = true});
    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        test_cert_make(dir, certs[i].stem,
                       &(struct test_cert){.cn = certs[i].stem,
                                           .san = certs[i].san,
                                           .eku = certs[i].eku,
                                           .issuer = certs[i].issuer,
                                           .from_days = certs[i].from_days,
                                           .to_days = certs[i].to_days});
}

static void check_verdict(const struct tls_info *info, const char *stem, const char *objection)
{
    assert_true(info->has_cert);
    assert_non_null(strstr(tls_subject(info), stem));
    if (objection && !strstr(tls_chain_why(info), objection))
        fail_msg("%s: '%s' instead of '%s'", stem, tls_chain_why(info), objection);
    if (!objection)
        assert_string_equal(tls_chain_why(info), "");
    assert_int_equal(info->chain_ok, objection == NULL);
}

/* Either role shows each certificate; the handshake always completes, the verdict says what is
 * wrong. */
static void test_tls_verdicts(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(certs); i++) {
        struct world w;
        meet(&w, make(true, certs[i].stem, true, NULL), make(false, certs[i].stem, false, NULL),
             "im.example.com");
        assert_true(pair_is_ready(w.p));
        check_verdict(transport_tls(w.p[0].t), certs[i].stem, certs[i].objection);
        check_verdict(transport_tls(w.p[1].t), certs[i].stem, certs[i].objection);
        assert_string_equal(transport_tls(w.p[0].t)->version, "TLSv1.3");
        assert_true(strlen(transport_tls(w.p[0].t)->cipher) > 0);
        assert_true(tls_peer_is(w.p[0].t, STR("im.example.com")));
        assert_true(tls_peer_is(w.p[1].t, STR("IM.example.com.")));
        part(&w);
    }
}

static void test_tls_client_without_cert(void **state UNUSED)
{
    struct world w;
    meet(&w, make(true, "server", true, NULL), make(false, NULL, false, NULL), NULL);
    assert_true(pair_is_ready(w.p));
    assert_false(transport_tls(w.p[1].t)->has_cert);
    assert_false(transport_tls(w.p[1].t)->chain_ok);
    assert_string_equal(tls_chain_why(transport_tls(w.p[1].t)), "no certificate shown");
    assert_false(tls_peer_is(w.p[1].t, STR("im.example.com")));
    part(&w);
}

static void test_tls_names(void **state UNUSED)
{
    static const struct {
        const char *cn, *san, *domain;
        bool is;
    } rows[] = {
        {"cn.example", NULL, "cn.example", false},
        {"cn.example", "DNS:a.example", "cn.example", false},
        {"x", "DNS:a.example,DNS:b.example", "b.example", true},
        {"x", "DNS:A.Example", "a.eXAMPLE", true},
        {"x", "DNS:*.example.com", "im.example.com", true},
        {"x", "DNS:*.example.com", "a.im.example.com", false},
        {"x", "DNS:*.example.com", "example.com", false},
        {"x", "DNS:*.example.com", ".example.com", false},
        {"x", "DNS:*.com", "example.com", false},
        {"x", "DNS:*", "com", false},
        {"x", "DNS:i*.example.com", "im.example.com", false},
        {"x", "DNS:im.*.com", "im.example.com", false},
        {"x", "DNS:*.*.com", "a.b.com", false},
        {"x", XMPP_ADDR "im.example.com", "im.example.com", true},
        {"x", XMPP_ADDR "user@im.example.com", "im.example.com", false},
        {"x", XMPP_ADDR "*.example.com", "im.example.com", false},
        {"x", SRV_NAME "_xmpp-server.im.example.com", "im.example.com", true},
        {"x", SRV_NAME "_xmpps-server.im.example.com", "im.example.com", true},
        {"x", SRV_NAME "_xmpp-client.im.example.com", "im.example.com", false},
        {"x", SRV_NAME "_xmpp-server.im.example.com", "example.com", false},
        {"x", SRV_NAME "_xmpp-server.im.example.com", "_xmpp-server.im.example.com", false},
        {"x", "email:im@example.com", "example.com", false},
        {"x", "DNS:a.example", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        test_cert_make(dir, "names",
                       &(struct test_cert){.cn = rows[i].cn, .san = rows[i].san, .issuer = "ca"});
        meet(&w, make(true, "names", false, NULL), make(false, NULL, false, NULL), NULL);
        assert_true(pair_is_ready(w.p));
        if (tls_peer_is(w.p[0].t, str_of(rows[i].domain)) != rows[i].is)
            fail_msg("row %zu: %s for %s", i, rows[i].san ? rows[i].san : "-", rows[i].domain);
        part(&w);
    }
}

static void test_tls_sni(void **state UNUSED)
{
    static const struct {
        const char *sni, *subject;
    } rows[] = {{"other.example", "other.example"},
                {"OTHER.example", "other.example"},
                {"unknown.example", "server"},
                {"", "server"}};
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256];

    test_cert_domain(dir, "other.example");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_ctx *server = make(true, "server", false, "xmpp-client");
        struct world w;
        assert_int_equal(
            tls_ctx_add_cert(server, "other.example", test_path(crt, dir, "other.example", "crt"),
                             test_path(key, dir, "other.example", "key"), why, sizeof why),
            ERR_OK);
        meet(&w, server, make(false, NULL, false, "xmpp-client"), rows[i].sni);
        assert_true(pair_is_ready(w.p));
        assert_non_null(strstr(tls_subject(transport_tls(w.p[0].t)), rows[i].subject));
        assert_true(transport_tls(w.p[0].t)->chain_ok);
        part(&w);
    }
}

/* Sites of the configuration: chosen by the name asked for, and by who we are; kept over a reload.
 */
static void test_tls_sites(void **state UNUSED)
{
    static const struct {
        const char *sni, *as, *server, *client;
    } rows[] = {{"other.example", "other.example", "other.example", "other.example"},
                {"im.example.com", "OTHER.example", "server", "other.example"},
                {"other.example", "unknown.example", "other.example", "server"},
                {"other.example", NULL, "other.example", "server"}};
    char ca[TEST_PATH_MAX], crt[2][TEST_PATH_MAX], key[2][TEST_PATH_MAX], why[256];
    struct tls_site_conf sites[2] = {{"other.example", NULL, NULL}, {NULL, NULL, NULL}};
    test_cert_domain(dir, "other.example");
    sites[0].cert_file = test_path(crt[0], dir, "other.example", "crt");
    sites[0].key_file = test_path(key[0], dir, "other.example", "key");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_ctx_conf c = {.cert_file = test_path(crt[1], dir, "server", "crt"),
                                 .key_file = test_path(key[1], dir, "server", "key"),
                                 .ca_file = test_path(ca, dir, "ca", "crt"),
                                 .no_system_ca = true,
                                 .request_peer_cert = true,
                                 .sites = sites};
        struct tls_ctx *server, *client;
        struct tls_set *fresh = NULL;
        struct world w;
        assert_int_equal(tls_ctx_new(true, &c, &server, why, sizeof why), ERR_OK);
        assert_int_equal(tls_ctx_new(false, &c, &client, why, sizeof why), ERR_OK);
        assert_int_equal(tls_set_new(true, &c, &fresh, why, sizeof why), ERR_OK);
        assert_true(tls_set_cert_is(fresh, STR("other.example")));
        tls_ctx_replace(server, &fresh);
        meet_as(&w, server, client, rows[i].sni, rows[i].as);
        assert_true(pair_is_ready(w.p));
        assert_non_null(strstr(tls_subject(transport_tls(w.p[0].t)), rows[i].server));
        assert_non_null(strstr(tls_subject(transport_tls(w.p[1].t)), rows[i].client));
        part(&w);
    }
    sites[0].cert_file = "/nowhere";
    struct tls_ctx_conf bad = {.cert_file = crt[1], .key_file = key[1], .sites = sites};
    struct tls_ctx *none;
    assert_int_equal(tls_ctx_new(true, &bad, &none, why, sizeof why), ERR_TLS);
    assert_non_null(strstr(why, "/nowhere"));
}

/* A stream goes on with the certificate it began with; the next one gets the new one. */
static void test_tls_replaced_certificate(void **state UNUSED)
{
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256];
    struct tls_ctx *server = make(true, "server", false, NULL);
    struct tls_cert_info info;
    struct tls_set *fresh = NULL;
    struct world w;

    test_cert_domain(dir, "fresh.example");
    struct tls_ctx_conf c = {.cert_file = test_path(crt, dir, "fresh.example", "crt"),
                             .key_file = test_path(key, dir, "fresh.example", "key")};
    assert_true(tls_ctx_cert(server, &info));
    assert_non_null(strstr(info.subject, "server"));
    meet(&w, tls_ctx_ref(server), make(false, NULL, false, NULL), NULL);
    assert_true(pair_is_ready(w.p));
    assert_int_equal(tls_set_new(true, &c, &fresh, why, sizeof why), ERR_OK);
    assert_true(tls_set_cert_is(fresh, STR("fresh.example")));
    assert_false(tls_set_cert_is(fresh, STR("im.example.com")));
    tls_ctx_replace(server, &fresh);
    assert_null(fresh);
    w.p[1].expect = 10;
    peer_send(&w.p[0], STR("still here"));
    assert_true(run(NULL, peer_full, &w.p[1]));
    part(&w);
    meet(&w, tls_ctx_ref(server), make(false, NULL, false, NULL), NULL);
    assert_non_null(strstr(tls_subject(transport_tls(w.p[0].t)), "fresh.example"));
    part(&w);
    c.key_file = "/nowhere/x.key";
    assert_int_equal(tls_set_new(true, &c, &fresh, why, sizeof why), ERR_TLS);
    assert_non_null(strstr(why, "/nowhere/x.key"));
    assert_true(tls_ctx_cert(server, &info));
    assert_non_null(strstr(info.subject, "fresh.example"));
    assert_false(info.is_self_signed);
    assert_true(info.not_after_us > info.not_before_us);
    tls_ctx_unref(&server);
}

static void test_tls_alpn_mismatch(void **state UNUSED)
{
    struct world w;
    meet(&w, make(true, "server", false, "xmpp-server"), make(false, NULL, false, "h2"), NULL);
    assert_int_equal(w.p[0].ends, 1);
    assert_int_equal(w.p[0].why, ERR_TLS);
    assert_int_equal(w.p[1].why, ERR_TLS);
    assert_non_null(strstr(tls_error(w.p[0].t), "application protocol"));
    assert_true(strlen(tls_error(w.p[1].t)) > 0);
    part(&w);
}

static void test_tls_garbage(void **state UNUSED)
{
    struct world w;
    struct tls_ctx *client = make(false, NULL, false, NULL);
    struct transport *bare;

    memset(&w, 0, sizeof w);
    start(&w);
    w.suite.server_ctx = make(true, "server", false, NULL);
    w.suite.client_ctx = client;
    bare = w.p[1].t;
    peer_take(&w.p[1], tls_server(&bare, w.suite.server_ctx));
    assert_null(bare);
    peer_send(&w.p[0], STR("<?xml version='1.0'?><stream:stream to='im.example.com'>"));
    assert_true(run(NULL, peer_ended, &w.p[1]));
    assert_int_equal(w.p[1].why, ERR_TLS);
    assert_true(strlen(tls_error(w.p[1].t)) > 0);
    part(&w);
}

static void test_tls_eof_in_handshake(void **state UNUSED)
{
    struct world w;
    struct transport *bare;

    memset(&w, 0, sizeof w);
    start(&w);
    w.suite.client_ctx = make(false, NULL, false, NULL);
    bare = w.p[0].t;
    peer_take(&w.p[0], tls_client(&bare, w.suite.client_ctx, "x.example"));
    PEER_DOWN(&w.p[1], transport_shut(w.p[1].t));
    assert_true(run(NULL, peer_ended, &w.p[0]));
    assert_int_equal(w.p[0].why, ERR_TLS);
    assert_string_equal(tls_error(w.p[0].t), "connection closed during the handshake");
    part(&w);
}

static void test_tls_ctx_errors(void **state UNUSED)
{
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256];
    struct tls_ctx *ctx = NULL;
    struct tls_ctx_conf none = {0}, absent = {.cert_file = "/nowhere/x.crt"};
    struct tls_ctx_conf mixed = {.cert_file = test_path(crt, dir, "server", "crt"),
                                 .key_file = test_path(key, dir, "expired", "key")};
    struct tls_ctx_conf no_ca = {.ca_file = "/nowhere/ca.crt"};

    assert_int_equal(tls_ctx_new(true, &none, &ctx, why, sizeof why), ERR_INVALID);
    assert_int_equal(tls_ctx_new(true, &absent, &ctx, why, sizeof why), ERR_TLS);
    assert_string_equal(why, "/nowhere/x.crt: No such file or directory");
    assert_int_equal(tls_ctx_new(true, &mixed, &ctx, why, sizeof why), ERR_TLS);
    assert_non_null(strstr(why, key));
    assert_int_equal(tls_ctx_new(false, &no_ca, &ctx, why, sizeof why), ERR_TLS);
    assert_non_null(strstr(why, "/nowhere/ca.crt"));
    assert_null(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_verdicts),
        cmocka_unit_test(test_tls_client_without_cert),
        cmocka_unit_test(test_tls_names),
        cmocka_unit_test(test_tls_sni),
        cmocka_unit_test(test_tls_sites),
        cmocka_unit_test(test_tls_replaced_certificate),
        cmocka_unit_test(test_tls_alpn_mismatch),
        cmocka_unit_test(test_tls_garbage),
        cmocka_unit_test(test_tls_eof_in_handshake),
        cmocka_unit_test(test_tls_ctx_errors),
    };
    int failed;
    make_certs();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_certs_end(dir);
    return failed;
}
