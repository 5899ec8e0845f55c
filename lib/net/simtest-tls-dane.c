/* DANE: records against certificates of real handshakes, over the simulated network. The chain is
 * ca -> mid -> leaf, sent whole. */
#include "lib/net/tests-sim-pair-int.h"

#include "lib/net/tests-certs.h"
#include "lib/net/tls-dane.h"

static char dir[TEST_PATH_MAX];

static struct tls_ctx *make(bool server, const char *stem)
{
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256] = "";
    struct tls_ctx_conf conf = {.no_system_ca = true};
    struct tls_ctx *ctx = NULL;
    if (server) {
        conf.cert_file = test_path(crt, dir, stem, "chain");
        conf.key_file = test_path(key, dir, stem, "key");
    }
    if (tls_ctx_new(server, &conf, &ctx, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

/* The handshake of a server that shows this certificate is over. */
static void meet(struct world *w, const char *stem)
{
    memset(w, 0, sizeof *w);
    w->suite = (struct suite){.server_ctx = make(true, stem), .client_ctx = make(false, NULL)};
    sim_begin(7);
    sim_net_begin();
    world_connect(w);
    assert_true(run(NULL, is_settled, w->p));
}

static void part(struct world *w)
{
    world_part(w);
    sim_net_end();
    sim_end();
}

/* ---- certificates */

/* STEM.chain: the certificates of these stems. */
static void write_chain(const char *stem, const char *const *stems)
{
    char path[TEST_PATH_MAX];
    FILE *out = fopen(test_path(path, dir, stem, "chain"), "w");
    assert_non_null(out);
    for (; *stems; stems++) {
        X509 *x = NULL;
        EVP_PKEY *key = NULL;
        test_cert_issuer(dir, *stems, &x, &key);
        assert_int_equal(PEM_write_X509(out, x), 1);
        X509_free(x);
        EVP_PKEY_free(key);
    }
    assert_int_equal(fclose(out), 0);
}

static void make_certs(void)
{
    static const struct test_cert leaf = {.cn = "leaf", .san = "DNS:x.example", .issuer = "mid"};
    struct test_cert old = leaf;
    old.from_days = -20;
    old.to_days = -10;
    test_certs_begin(dir);
    test_cert_make(dir, "mid", &(struct test_cert){.cn = "Mid", .issuer = "ca", .is_ca = true});
    test_cert_make(dir, "other", &(struct test_cert){.cn = "Other", .is_ca = true});
    test_cert_make(dir, "leaf", &leaf);
    test_cert_make(dir, "old", &old);
    test_cert_make(dir, "self", &(struct test_cert){.cn = "self"}); /* without any name */
    write_chain("leaf", (const char *const[]){"leaf", "mid", "ca", NULL});
    write_chain("old", (const char *const[]){"old", "mid", NULL});
    write_chain("self", (const char *const[]){"self", NULL});
}

/* Record of a certificate: digests made here by other calls than those under test. */
static struct tls_dane record(unsigned usage, unsigned selector, unsigned matching,
                              const char *stem)
{
    X509 *x = NULL;
    EVP_PKEY *key = NULL;
    char rdata[3 + 64] = {(char)usage, (char)selector, (char)matching};
    const EVP_MD *md = matching == 1 ? EVP_sha256() : EVP_sha512();
    unsigned char *der = NULL;
    unsigned n = 0;
    struct tls_dane out;
    test_cert_issuer(dir, stem, &x, &key);
    if (selector == 0) {
        assert_int_equal(X509_digest(x, md, (unsigned char *)rdata + 3, &n), 1);
    } else {
        int der_n = i2d_PUBKEY(key, &der);
        assert_int_equal(EVP_Digest(der, (size_t)der_n, (unsigned char *)rdata + 3, &n, md, NULL),
                         1);
        OPENSSL_free(der);
    }
    assert_true(tls_dane_read(str_make(rdata, 3 + n), &out));
    X509_free(x);
    EVP_PKEY_free(key);
    return out;
}

/* ---- tests */

static void test_read(void **state UNUSED)
{
    static const struct {
        unsigned char head[3];
        size_t n; /* of the data */
        bool is_usable;
    } cases[] = {
        {{3, 1, 1}, 32, true},  {{3, 0, 2}, 64, true},  {{2, 0, 1}, 32, true},
        {{2, 1, 2}, 64, true},  {{0, 0, 1}, 32, false}, {{1, 1, 1}, 32, false},
        {{4, 1, 1}, 32, false}, {{3, 2, 1}, 32, false}, {{3, 1, 3}, 32, false},
        {{3, 1, 1}, 31, false}, {{3, 1, 1}, 33, false}, {{3, 1, 2}, 32, false},
        {{3, 1, 0}, 64, false}, {{3, 1, 1}, 0, false},  {{255, 255, 255}, 32, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char rdata[3 + 64] = {0};
        struct tls_dane out;
        memcpy(rdata, cases[i].head, 3);
        for (size_t n = 0; n < cases[i].n; n++)
            rdata[3 + n] = (char)(n + 1);
        assert_int_equal(tls_dane_read(str_make(rdata, 3 + cases[i].n), &out), cases[i].is_usable);
        if (!cases[i].is_usable)
            continue;
        assert_int_equal(out.n, cases[i].n);
        assert_memory_equal(out.digest, rdata + 3, out.n);
    }
    assert_false(tls_dane_read(STR(""), &(struct tls_dane){0}));
}

static void test_match(void **state UNUSED)
{
    static const struct {
        const char *shown;
        unsigned usage;
        const char *recorded, *name, *why; /* why NULL: it matches */
    } cases[] = {
        {"leaf", 3, "leaf", "x.example", NULL},
        {"leaf", 3, "leaf", "other.example", NULL}, /* names do not count */
        {"old", 3, "old", "x.example", NULL},       /* nor dates */
        {"self", 3, "self", "x.example", NULL},     /* nor who signed */
        {"leaf", 3, "old", "x.example", "no TLSA record"},
        {"leaf", 3, "mid", "x.example", "no TLSA record"}, /* usage 3 is of the certificate */
        {"leaf", 2, "mid", "x.example", NULL},             /* PARTIAL_CHAIN: mid signs not itself */
        {"leaf", 2, "ca", "x.example", NULL},
        {"leaf", 2, "ca", "other.example", "other names"},
        {"leaf", 2, "leaf", "x.example", "no TLSA record"}, /* usage 2 is of an authority */
        {"leaf", 2, "other", "x.example", "no TLSA record"},
        {"old", 2, "mid", "x.example", "or not now"},
        {"old", 2, "ca", "x.example", "no TLSA record"}, /* it was not sent */
        {"self", 2, "self", "x.example", "no TLSA record"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        struct str names[2] = {STR("y.example"), str_of(cases[i].name)};
        meet(&w, cases[i].shown);
        for (unsigned how = 0; how < 4; how++) { /* selector and matching */
            const char *why = "";
            struct tls_dane r = record(cases[i].usage, how / 2, how % 2 + 1, cases[i].recorded);
            bool ok = tls_dane_match(w.p[0].t, &r, 1, names, 2, &why);
            if (ok != !cases[i].why || (!ok && !strstr(why, cases[i].why)))
                fail_msg("case %zu.%u: %d %s", i, how, ok, why);
        }
        part(&w);
    }
}

/* An authority that is right beside one that did not sign, and one record of several. */
static void test_several(void **state UNUSED)
{
    struct world w;
    const char *why = "";
    struct str name = STR("x.example");
    struct tls_dane records[3] = {record(2, 0, 1, "other"), record(3, 1, 1, "old"),
                                  record(2, 1, 1, "mid")};
    write_chain("leaf", (const char *const[]){"leaf", "other", "mid", NULL});
    meet(&w, "leaf");
    assert_false(tls_dane_match(w.p[0].t, records, 1, &name, 1, &why));
    assert_non_null(strstr(why, "not signed by"));
    assert_false(tls_dane_match(w.p[0].t, records, 2, &name, 1, &why));
    assert_true(tls_dane_match(w.p[0].t, records, 3, &name, 1, &why));
    assert_false(tls_dane_match(w.p[0].t, records, 0, &name, 1, &why));
    assert_false(tls_dane_match(w.p[0].t, records, 3, NULL, 0, &why));
    assert_false(tls_dane_match(w.p[1].t, records, 3, &name, 1, &why)); /* it shows none */
    part(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_several),
    };
    make_certs();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_certs_end(dir);
    return failed;
}
