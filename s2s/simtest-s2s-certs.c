/* Certificates that prove nothing, shown by the server we go to and by the one that comes, where
 * dialback does not count: each is refused for its own cause. And what is no objection. */
#include "s2s/tests-world-int.h"

enum { JUDGE, SUSPECT };

/* dir/bundle.crt: the CAs that the judge trusts. */
static void make_bundle(void)
{
    static const char *const stems[] = {"ca", "weakca"};
    char path[TEST_PATH_MAX], line[200];
    FILE *out = fopen(test_path(path, certs_dir, "bundle", "crt"), "w");
    assert_non_null(out);
    for (size_t i = 0; i < ARRAY_LEN(stems); i++) {
        FILE *in = fopen(test_path(path, certs_dir, stems[i], "crt"), "r");
        assert_non_null(in);
        while (fgets(line, sizeof line, in))
            assert_true(fputs(line, out) >= 0);
        fclose(in);
    }
    fclose(out);
}

static void make(const char *stem, const char *domain, const struct test_cert *like)
{
    char san[60];
    struct test_cert c = *like;
    snprintf(san, sizeof san, "DNS:%s", domain);
    c.cn = "x";
    c.san = san;
    if (!c.issuer)
        c.issuer = "ca";
    test_cert_make(certs_dir, stem, &c);
}

static int begin(void **state)
{
    static const struct test_cert good = {.eku = "serverAuth"}, client = {.eku = "clientAuth"},
                                  expired = {.from_days = -10, .to_days = -1},
                                  early = {.from_days = 2, .to_days = 10},
                                  unknown = {.issuer = "ca2"}, weak = {.issuer = "weakca"};
    if (certs_begin(state) != 0)
        return -1;
    test_cert_make(certs_dir, "weakca",
                   &(struct test_cert){.cn = "Weak CA", .is_ca = true, .rsa_bits = 1024});
    make_bundle();
    make("server", "d1.test", &good);
    make("client", "d1.test", &client);
    make("expired", "d1.test", &expired);
    make("early", "d1.test", &early);
    make("name", "other.test", &good);
    make("unknown", "d1.test", &unknown);
    make("weak", "d1.test", &weak);
    make("revoked", "d1.test", &good);
    return 0;
}

/* Contexts of the judge: the bundle, and perhaps the list of "ca". */
static void judge(struct host *h, bool has_list)
{
    char ca[TEST_PATH_MAX], crt[TEST_PATH_MAX], key[TEST_PATH_MAX], crl[TEST_PATH_MAX], why[256];
    struct tls_ctx_conf c = {.ca_file = test_path(ca, certs_dir, "bundle", "crt"),
                             .cert_file = test_path(crt, certs_dir, "d0.test", "crt"),
                             .key_file = test_path(key, certs_dir, "d0.test", "key"),
                             .crl_file = has_list ? test_path(crl, certs_dir, "ca", "crl") : NULL,
                             .no_system_ca = true,
                             .request_peer_cert = true,
                             .alpn = "xmpp-server"};
    if (tls_ctx_new(true, &c, &h->conf.tls_server, why, sizeof why) != ERR_OK ||
        tls_ctx_new(false, &c, &h->conf.tls_client, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    h->conf.dialback = false;
}

static bool has_outcome(struct host *h, bool is_inbound, const char *cause)
{
    struct json *out = json_new_object();
    bool found = false;
    (void)s2s_show(h->s2s, STR("d1.test"), out);
    const struct json *rows = json_get(out, "outcomes");
    for (size_t i = 0; i < json_len(rows); i++) {
        const struct json *row = json_at(rows, i);
        bool is_in = strcmp(json_get_str(row, "direction"), "in") == 0;
        found = found || (is_in == is_inbound && strcmp(json_get_str(row, "cause"), cause) == 0);
    }
    json_free(&out);
    return found;
}

/* One stanza each way, each over a stream of its sender. cause "none": both arrive. */
static void check_both_ways(const char *stem, const char *cause, bool has_list)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[JUDGE], *b = &w->h[SUSPECT];
    bool is_good = strcmp(cause, "none") == 0;
    judge(a, has_list);
    certs_ctx(stem, &b->conf.tls_server, &b->conf.tls_client);
    a->conf.no_bidi = true;
    world_open(w);
    host_send(a, "d1.test", 10);
    host_send(b, "d0.test", 10);
    run_until(is_good ? &b->n_in : &a->n_back, 1, 11 * SEC);
    run_until(is_good ? &a->n_in : &b->n_back, 1, 11 * SEC);
    if (!has_outcome(a, false, cause) || !has_outcome(a, true, cause))
        fail_msg("%s: not %s both ways", stem, cause);
    assert_int_equal(a->n_in, is_good ? 1 : 0);
    assert_int_equal(b->n_in, is_good ? 1 : 0);
    struct tls_ctx *ctx[] = {a->conf.tls_server, a->conf.tls_client, b->conf.tls_server,
                             b->conf.tls_client};
    world_end(&w);
    for (size_t i = 0; i < ARRAY_LEN(ctx); i++)
        tls_ctx_unref(&ctx[i]);
}

static void test_each_cause(void **state UNUSED)
{
    static const char *const rows[][2] = {
        {"server", "none"},          {"client", "none"},
        {"expired", "cert-expired"}, {"early", "cert-not-yet-valid"},
        {"name", "cert-name"},       {"unknown", "cert-issuer"},
        {"weak", "cert-weak"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_both_ways(rows[i][0], rows[i][1], false);
}

static void test_revoked(void **state UNUSED)
{
    static const char *const stems[] = {"revoked", NULL};
    test_crl_make(certs_dir, "ca", stems, 10);
    check_both_ways("revoked", "none", false);
    check_both_ways("revoked", "cert-revoked", true);
    check_both_ways("server", "none", true);
    check_both_ways("expired", "cert-expired", true);
    check_both_ways("unknown", "cert-issuer", true);
}

/* Nobody renewed the list: what it revokes stays revoked, all else is good. */
static void test_outdated_list(void **state UNUSED)
{
    static const char *const stems[] = {"revoked", NULL};
    test_crl_make(certs_dir, "ca", stems, -1);
    check_both_ways("revoked", "cert-revoked", true);
    check_both_ways("server", "none", true);
}

/* The only list is that of another issuer. */
static void test_no_list_of_the_issuer(void **state UNUSED)
{
    static const char *const none[] = {NULL};
    char from[TEST_PATH_MAX], to[TEST_PATH_MAX];
    test_crl_make(certs_dir, "ca2", none, 10);
    assert_int_equal(
        rename(test_path(from, certs_dir, "ca2", "crl"), test_path(to, certs_dir, "ca", "crl")), 0);
    check_both_ways("revoked", "none", true);
}

/* A list that is none: said with the name of the file. */
static void test_bad_list(void **state UNUSED)
{
    char ca[TEST_PATH_MAX], why[300] = "";
    struct tls_ctx_conf c = {
        .ca_file = test_path(ca, certs_dir, "ca", "crt"), .crl_file = ca, .no_system_ca = true};
    struct tls_ctx *ctx = NULL;
    assert_int_equal(tls_ctx_new(false, &c, &ctx, why, sizeof why), ERR_TLS);
    assert_non_null(strstr(why, ca));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_cause),    cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_outdated_list), cmocka_unit_test(test_no_list_of_the_issuer),
        cmocka_unit_test(test_bad_list),
    };
    return cmocka_run_group_tests(tests, begin, certs_end);
}
