/* Channel bindings: both ends have the same bytes, other connections other ones. Over the simulated
 * network. */
#include "lib/net/tests-sim-pair-int.h"

#include "lib/base/crypto.h"
#include "lib/net/channel-binding.h"
#include "lib/net/tests-certs.h"
#include "lib/net/tls-int.h"

static char dir[TEST_PATH_MAX];

static struct tls_ctx *server_ctx(const char *stem)
{
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx *ctx = NULL;
    const struct tls_ctx_conf conf = {.cert_file = test_path(crt, dir, stem, "crt"),
                                      .key_file = test_path(key, dir, stem, "key")};
    if (tls_ctx_new(true, &conf, &ctx, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

/* version: the highest the client speaks. */
static void meet(struct world *w, const char *stem, int version, bool extms)
{
    char why[256];
    const struct tls_ctx_conf none = {.no_system_ca = true};
    memset(w, 0, sizeof *w);
    w->suite = (struct suite){.server_ctx = server_ctx(stem), .sni = "im.example.com"};
    assert_int_equal(tls_ctx_new(false, &none, &w->suite.client_ctx, why, sizeof why), ERR_OK);
    struct tls_set *set = tls_ctx_set(w->suite.client_ctx);
    SSL_CTX_set_max_proto_version(set->ssl, version);
    if (!extms)
        SSL_CTX_set_options(set->ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    tls_set_unref(&set);
    world_connect(w);
    assert_true(run(NULL, is_settled, w->p));
    assert_true(pair_is_ready(w->p));
}

/* The bytes, the same at both ends; length 0: neither has any. */
static size_t binding(struct world *w, enum channel_binding b, uint8_t out[CHANNEL_BINDING_MAX])
{
    uint8_t other[CHANNEL_BINDING_MAX];
    size_t n = 0, other_n = 0;
    const bool has = channel_binding_get(w->p[0].t, b, out, &n);
    assert_int_equal(channel_binding_has(w->p[0].t, b), has);
    assert_int_equal(channel_binding_get(w->p[1].t, b, other, &other_n), has);
    if (!has)
        return 0;
    assert_int_equal(n, other_n);
    assert_memory_equal(out, other, n);
    return n;
}

static void test_channel_binding_exporter(void **state UNUSED)
{
    static const struct {
        int version;
        bool extms, has;
    } rows[] = {
        {TLS1_3_VERSION, true, true}, {TLS1_2_VERSION, true, true}, {TLS1_2_VERSION, false, false}};
    sim_begin(7);
    sim_net_begin();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        uint8_t first[CHANNEL_BINDING_MAX], second[CHANNEL_BINDING_MAX];
        meet(&w, "server", rows[i].version, rows[i].extms);
        assert_int_equal(binding(&w, CHANNEL_BINDING_EXPORTER, first), rows[i].has ? 32 : 0);
        world_part(&w);
        meet(&w, "server", rows[i].version, rows[i].extms);
        (void)binding(&w, CHANNEL_BINDING_EXPORTER, second);
        world_part(&w);
        if (rows[i].has)
            assert_memory_not_equal(first, second, 32);
    }
    sim_net_end();
    sim_end();
}

/* RFC 5929 section 3.1: 12 bytes of TLS 1.2, others with each handshake; none where it is unsafe.
 */
static void test_channel_binding_unique(void **state UNUSED)
{
    sim_begin(10);
    sim_net_begin();
    struct world w;
    uint8_t first[CHANNEL_BINDING_MAX], second[CHANNEL_BINDING_MAX];
    meet(&w, "server", TLS1_2_VERSION, true);
    assert_int_equal(binding(&w, CHANNEL_BINDING_UNIQUE, first), 12);
    /* of a full handshake the first Finished is the client's: what the server has got */
    assert_int_equal(SSL_get_peer_finished(tls_ssl(w.p[1].t), second, sizeof second), 12);
    const bool is_server = SSL_is_server(tls_ssl(w.p[1].t));
    assert_int_equal(memcmp(first, second, 12) == 0, is_server);
    world_part(&w);
    meet(&w, "server", TLS1_2_VERSION, true);
    assert_int_equal(binding(&w, CHANNEL_BINDING_UNIQUE, second), 12);
    assert_memory_not_equal(first, second, 12);
    world_part(&w);
    meet(&w, "server", TLS1_2_VERSION, false);
    assert_int_equal(binding(&w, CHANNEL_BINDING_UNIQUE, first), 0);
    world_part(&w);
    meet(&w, "server", TLS1_3_VERSION, true);
    assert_int_equal(binding(&w, CHANNEL_BINDING_UNIQUE, first), 0);
    world_part(&w);
    sim_net_end();
    sim_end();
}

/* RFC 5929 section 4.1: the certificate as it was sent, by the digest of its signature. */
static void test_channel_binding_end_point(void **state UNUSED)
{
    sim_begin(8);
    sim_net_begin();
    struct world w;
    uint8_t first[CHANNEL_BINDING_MAX], second[CHANNEL_BINDING_MAX], want[DIGEST_MAX];
    meet(&w, "server", TLS1_3_VERSION, true);
    assert_int_equal(binding(&w, CHANNEL_BINDING_END_POINT, first), 32);
    uint8_t *der = NULL;
    const int n = i2d_X509(tls_peer_cert(w.p[0].t), &der);
    crypto_hash(DIGEST_SHA256, str_make((const char *)der, (size_t)n), want);
    OPENSSL_free(der);
    assert_memory_equal(first, want, 32);
    world_part(&w);
    meet(&w, "server", TLS1_2_VERSION, true);
    assert_int_equal(binding(&w, CHANNEL_BINDING_END_POINT, second), 32);
    assert_memory_equal(first, second, 32);
    world_part(&w);
    meet(&w, "renewed", TLS1_3_VERSION, true);
    assert_int_equal(binding(&w, CHANNEL_BINDING_END_POINT, second), 32);
    assert_memory_not_equal(first, second, 32);
    world_part(&w);
    sim_net_end();
    sim_end();
}

static void test_channel_binding_needs_tls(void **state UNUSED)
{
    uint8_t out[CHANNEL_BINDING_MAX];
    size_t n;
    struct world w;
    sim_begin(9);
    sim_net_begin();
    meet(&w, "server", TLS1_3_VERSION, true);
    const struct transport_ops none = {0};
    const struct transport plain = {.ops = &none};
    assert_false(channel_binding_get(&plain, CHANNEL_BINDING_EXPORTER, out, &n));
    assert_string_equal(channel_binding_name(CHANNEL_BINDING_EXPORTER), "tls-exporter");
    assert_string_equal(channel_binding_name(CHANNEL_BINDING_END_POINT), "tls-server-end-point");
    assert_string_equal(channel_binding_name(CHANNEL_BINDING_UNIQUE), "tls-unique");
    world_part(&w);
    sim_net_end();
    sim_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_binding_exporter),
        cmocka_unit_test(test_channel_binding_end_point),
        cmocka_unit_test(test_channel_binding_unique),
        cmocka_unit_test(test_channel_binding_needs_tls),
    };
    test_certs_begin(dir);
    const struct test_cert cert = {.cn = "x", .san = "DNS:im.example.com", .issuer = "ca"};
    test_cert_make(dir, "server", &cert);
    test_cert_make(dir, "renewed", &cert);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_certs_end(dir);
    return failed;
}
