/* Who may log in, and how: stored hashes, their upgrade; channel binding, downgrades. */
#include "integration-tests/sim/tests-node-int.h"

#include "lib/base/encode.h"
#include "lib/store/store.h"

static enum sasl_failure try_login(const struct rig *r, const char *user, const char *password,
                                   enum sasl_mech m)
{
    struct sim_client_conf c = rig_conf(r, user, NULL);
    c.password = password;
    c.mech = m;
    struct sim_client *s = sim_client_new(&c);
    const bool in = sim_client_wait(s, SIM_CLIENT_BOUND);
    const enum sasl_failure f = sim_client_refused(s);
    assert_int_equal(in, f == SASL_FAIL_NONE);
    sim_client_free(&s);
    return f;
}

/* ---- accounts made before a hash was configured */
static void only_sha1(struct node_conf *c)
{
    c->scram_digests = 1U << DIGEST_SHA1;
}

static void test_auth_missing_hash_comes_with_plain(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 1, 2, only_sha1);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512),
                     SASL_FAIL_INVALID_MECHANISM); /* not offered */
    r.conf.scram_digests |= 1U << DIGEST_SHA512;
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512),
                     SASL_FAIL_NOT_AUTHORIZED); /* offered, as the account is not known then */
    assert_int_equal(try_login(&r, "alice", "wrong", SASL_PLAIN), SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512),
                     SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_PLAIN), SASL_FAIL_NONE);
    (void)sim_run(1000000, NULL, NULL);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_512), SASL_FAIL_NONE);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_1), SASL_FAIL_NONE);
    assert_int_equal(try_login(&r, "bob", "builder", SASL_SCRAM_SHA_512), SASL_FAIL_NOT_AUTHORIZED);
    rig_end(&r);
}

/* ---- channel binding */
static void test_auth_channel_binding(void **state)
{
    static const enum sasl_mech mechs[] = {SASL_SCRAM_SHA_1_PLUS, SASL_SCRAM_SHA_256_PLUS,
                                           SASL_SCRAM_SHA_512_PLUS};
    static const char *const types[] = {"tls-exporter", "tls-server-end-point"};
    struct rig r;
    (void)state;
    rig_begin(&r, 2, 2, NULL);
    for (size_t i = 0; i < ARRAY_LEN(mechs) * ARRAY_LEN(types); i++) {
        struct sim_client_conf c = rig_conf(&r, "alice", NULL);
        c.mech = mechs[i / 2];
        c.binding = types[i % 2];
        c.direct_tls = i % 2;
        c.server = r.listen[i % 2].at;
        struct sim_client *s = sim_client_login(&c);
        assert_non_null(s);
        sim_client_free(&s);
    }
    assert_int_equal(try_login(&r, "alice", "wrong", SASL_SCRAM_SHA_256_PLUS),
                     SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(try_login(&r, "nobody", "wonder", SASL_SCRAM_SHA_256_PLUS),
                     SASL_FAIL_NOT_AUTHORIZED);
    rig_end(&r);
}

static void strip_plus(struct sasl_offer *seen)
{
    seen->mechs &= ~(unsigned)SASL_MECHS_PLUS;
    seen->n = 0;
}

static void strip_exporter(struct sasl_offer *seen)
{
    seen->bindings[0] = seen->bindings[1];
    seen->n = 1;
}

static void between(struct sasl_offer *seen)
{
    seen->bindings[0].data[0] ^= 1;
}

/* XEP-0474: an offer that was changed on its way ends the login at the client; another TLS
 * connection in between ends it at the server. */
static void test_auth_downgrade(void **state)
{
    static const struct {
        enum sasl_mech mech;
        const char *binding;
        void (*tamper)(struct sasl_offer *seen);
        enum sasl_failure refused;
    } cases[] = {
        {SASL_SCRAM_SHA_256, NULL, strip_plus, SASL_FAIL_NONE},
        {SASL_SCRAM_SHA_256_PLUS, "tls-server-end-point", strip_exporter, SASL_FAIL_NONE},
        {SASL_SCRAM_SHA_256_PLUS, "tls-exporter", between, SASL_FAIL_NOT_AUTHORIZED},
    };
    struct rig r;
    (void)state;
    rig_begin(&r, 3, 1, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_client_conf c = rig_conf(&r, "alice", NULL);
        c.mech = cases[i].mech;
        c.binding = cases[i].binding;
        c.tamper = cases[i].tamper;
        struct sim_client *s = sim_client_new(&c);
        assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
        assert_int_equal(sim_client_refused(s), cases[i].refused);
        assert_int_equal(sim_client_end(s)->err, ERR_AUTH);
        sim_client_free(&s);
    }
    rig_end(&r);
}

static void no_binding(struct node_conf *c)
{
    c->channel_binding = false;
}

/* A client without our channel bindings may try each -PLUS mechanism before it takes one it can do
 * (slixmpp 1.8.3 does): that is no guess of a password. Guesses still end the stream. */
static void first_message(struct sim_client *s, const char *mechanism)
{
    sim_client_send(s, "<auth xmlns='%s' mechanism='%s'>biwsbj1hbGljZSxyPWFiY2RlZmdo</auth>",
                    NS_SASL, mechanism); /* n,,n=alice,r=abcdefgh */
}

static void test_auth_channel_binding_given_up(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 12, 1, NULL);
    struct sim_client_conf c = rig_conf(&r, "alice", NULL);
    c.no_sasl = true;
    struct sim_client *s = sim_client_new(&c);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    for (int i = 0; i < 5; i++) {
        first_message(s, i & 1 ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-1-PLUS");
        assert_true(
            sim_client_expect(s, "<failure xmlns='%s'><malformed-request/></failure>", NS_SASL));
    }
    first_message(s, "SCRAM-SHA-256");
    assert_true(sim_client_expect(s, "<challenge xmlns='%s'/>", NS_SASL));
    for (int i = 0; i < 3; i++)
        first_message(s, "NOPE");
    assert_true(sim_client_wait(s, SIM_CLIENT_ENDED));
    assert_int_equal(sim_client_end(s)->received, STREAM_POLICY_VIOLATION);
    sim_client_free(&s);
    rig_end(&r);
}

static void test_auth_channel_binding_off(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 4, 1, no_binding);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_256_PLUS),
                     SASL_FAIL_INVALID_MECHANISM);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_256), SASL_FAIL_NONE);
    rig_end(&r);
}

/* ---- throttling */
static void few_tries(struct node_conf *c)
{
    c->tries_per_address = 6;
    c->tries_per_account = 4;
    c->tries_window_ms = 60000;
}

/* An account is closed after four tries from anywhere, whether it is there or not, on whatever
 * shard the connections land; after a while it is open again. */
static void test_auth_throttle_account(void **state)
{
    static const char *const users[] = {"alice", "nobody"};
    (void)state;
    for (size_t u = 0; u < ARRAY_LEN(users); u++) {
        for (int m = SASL_SCRAM_SHA_256; m <= SASL_PLAIN; m += SASL_PLAIN - SASL_SCRAM_SHA_256) {
            struct rig r;
            rig_begin(&r, 5, 4, few_tries);
            for (int i = 0; i < 4; i++)
                assert_int_equal(try_login(&r, users[u], "wrong", (enum sasl_mech)m),
                                 SASL_FAIL_NOT_AUTHORIZED);
            assert_int_equal(try_login(&r, users[u], "wonder", (enum sasl_mech)m),
                             SASL_FAIL_TEMPORARY_AUTH_FAILURE);
            assert_int_equal(try_login(&r, "bob", "builder", (enum sasl_mech)m), SASL_FAIL_NONE);
            (void)sim_run(16000000, NULL, NULL);
            assert_int_equal(try_login(&r, users[u], "wonder", (enum sasl_mech)m),
                             u ? SASL_FAIL_NOT_AUTHORIZED : SASL_FAIL_NONE);
            rig_end(&r);
        }
    }
}

/* Successful logins cost nothing; failures of one address add up over accounts and shards. */
static void test_auth_throttle_address(void **state)
{
    struct rig r;
    (void)state;
    rig_begin(&r, 6, 4, few_tries);
    for (int i = 0; i < 10; i++)
        assert_int_equal(try_login(&r, "alice", "wonder", SASL_PLAIN), SASL_FAIL_NONE);
    for (int i = 0; i < 6; i++) {
        char user[16];
        snprintf(user, sizeof user, "user%d", i);
        assert_int_equal(try_login(&r, user, "wrong", SASL_PLAIN), SASL_FAIL_NOT_AUTHORIZED);
        (void)sim_run(1000, NULL, NULL);
    }
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_PLAIN),
                     SASL_FAIL_TEMPORARY_AUTH_FAILURE);
    (void)sim_run(61000000, NULL, NULL);
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_PLAIN), SASL_FAIL_NONE);
    rig_end(&r);
}

/* ---- accounts that do not exist */
/* Salt and iteration count of the challenge for a user. */
static void challenge_of(struct rig *r, const char *user, char out[256])
{
    struct sim_client_conf c = rig_conf(r, user, NULL);
    c.no_sasl = true;
    struct sim_client *s = sim_client_new(&c);
    struct buf first, text;
    buf_init(&first, 256);
    buf_init(&text, 512);
    buf_printf(&first, "n,,n=%s,r=abc", user);
    base64_encode(&text, first.p, first.n);
    assert_true(sim_client_wait(s, SIM_CLIENT_READY));
    sim_client_send(s, "<auth xmlns='%s' mechanism='SCRAM-SHA-256'>" STR_FMT "</auth>", NS_SASL,
                    STR_ARG(buf_view(&text)));
    assert_true(sim_client_expect(s, "<challenge xmlns='%s'/>", NS_SASL));
    struct arena *a = arena_new(0);
    buf_clear(&first);
    assert_int_equal(base64_decode(&first, xml_text(a, sim_client_last(s))), ERR_OK);
    buf_char(&first, '\0');
    snprintf(out, 256, "%s", strstr(first.p, ",s="));
    arena_free(&a);
    buf_fini(&first);
    buf_fini(&text);
    sim_client_free(&s);
}

static void fixed_secret(struct node_conf *c)
{
    c->dialback_secret = "the same everywhere";
}

/* The challenge of an unknown user has the form of a known one's and stays over restarts. */
static void test_auth_unknown_user_looks_real(void **state)
{
    char known[256], unknown[256], again[256];
    struct rig r;
    (void)state;
    rig_begin(&r, 7, 2, fixed_secret);
    challenge_of(&r, "alice", known);
    challenge_of(&r, "nobody", unknown);
    rig_end(&r);
    assert_int_equal(strlen(known), strlen(unknown));
    assert_non_null(strstr(unknown, ",i=4096,h="));
    assert_string_equal(strstr(known, ",i="), strstr(unknown, ",i="));
    rig_begin(&r, 8, 2, fixed_secret);
    challenge_of(&r, "nobody", again);
    rig_end(&r);
    assert_string_equal(unknown, again);
}

/* Virtual time and looks into the store from one attempt to its failure. */
static uint64_t time_of(const char *user, enum sasl_mech m)
{
    struct rig r;
    rig_begin(&r, 11, 1, fixed_secret);
    const uint64_t before = sim_now_us();
    assert_int_equal(try_login(&r, user, "wrong", m), SASL_FAIL_NOT_AUTHORIZED);
    const uint64_t after = sim_now_us();
    rig_end(&r);
    return after - before;
}

/* The same seed, the same steps: what is done for an account that is there and for one that is not
 * takes the same number of looks and hashes. */
static void test_auth_unknown_user_takes_as_long(void **state)
{
    (void)state;
    for (int m = SASL_SCRAM_SHA_512; m <= SASL_PLAIN; m++)
        assert_int_equal(time_of("alice", (enum sasl_mech)m), time_of("nobod", (enum sasl_mech)m));
}

/* ---- certificates */
static char client_ca[TEST_PATH_MAX];

static void with_client_ca(struct node_conf *c)
{
    c->client_ca_file = client_ca;
}

#define ADDR(jid) "otherName:1.3.6.1.5.5.7.8.5;UTF8:" jid

/* Log in with EXTERNAL and a certificate with these names, of the CA for clients or another. */
static enum sasl_failure try_external(const struct rig *r, const char *san, const char *issuer,
                                      const char *authzid, const char *want_jid)
{
    char crt[TEST_PATH_MAX], key[TEST_PATH_MAX], why[256];
    const struct test_cert cert = {.cn = "x", .san = san, .eku = "clientAuth", .issuer = issuer};
    struct tls_ctx *tls;
    test_cert_make(rig_certs, "person", &cert);
    const struct tls_ctx_conf tc = {.ca_file = rig_ca,
                                    .no_system_ca = true,
                                    .cert_file = test_path(crt, rig_certs, "person", "crt"),
                                    .key_file = test_path(key, rig_certs, "person", "key")};
    assert_int_equal(tls_ctx_new(false, &tc, &tls, why, sizeof why), ERR_OK);
    struct sim_client_conf c = rig_conf(r, "alice", "desk");
    c.mech = SASL_EXTERNAL;
    c.authzid = authzid;
    c.tls = tls;
    struct sim_client *s = sim_client_new(&c);
    const bool in = sim_client_wait(s, SIM_CLIENT_BOUND);
    const enum sasl_failure f = sim_client_refused(s);
    assert_int_equal(in, f == SASL_FAIL_NONE);
    if (in)
        assert_string_equal(sim_client_jid(s), want_jid);
    sim_client_free(&s);
    tls_ctx_unref(&tls);
    return f;
}

static void test_auth_external(void **state)
{
    static const char alice[] = "alice@" RIG_DOMAIN "/desk", bob[] = "bob@" RIG_DOMAIN "/desk";
    static const char both[] = ADDR("alice@" RIG_DOMAIN) "," ADDR("bob@" RIG_DOMAIN);
    static const struct {
        const char *san, *issuer, *authzid, *jid;
        enum sasl_failure f;
    } cases[] = {
        {ADDR("alice@" RIG_DOMAIN), "people", NULL, alice, SASL_FAIL_NONE},
        {ADDR("Alice@IM.test"), "people", NULL, alice, SASL_FAIL_NONE},
        {ADDR("alice@" RIG_DOMAIN), "people", "alice@" RIG_DOMAIN, alice, SASL_FAIL_NONE},
        {ADDR("alice@" RIG_DOMAIN), "people", "bob@" RIG_DOMAIN, NULL, SASL_FAIL_INVALID_AUTHZID},
        {both, "people", NULL, NULL, SASL_FAIL_INVALID_AUTHZID},
        {both, "people", "bob@" RIG_DOMAIN, bob, SASL_FAIL_NONE},
        {ADDR("nobody@" RIG_DOMAIN), "people", NULL, NULL, SASL_FAIL_NOT_AUTHORIZED},
        /* not offered: */
        {ADDR("alice@elsewhere.test"), "people", NULL, NULL, SASL_FAIL_INVALID_MECHANISM},
        {ADDR(RIG_DOMAIN), "people", NULL, NULL, SASL_FAIL_INVALID_MECHANISM},
        {"DNS:" RIG_DOMAIN ",email:alice@" RIG_DOMAIN, "people", NULL, NULL,
         SASL_FAIL_INVALID_MECHANISM},
        {ADDR("alice@" RIG_DOMAIN), "ca", NULL, NULL, SASL_FAIL_INVALID_MECHANISM},
        {ADDR("alice@" RIG_DOMAIN), NULL, NULL, NULL, SASL_FAIL_INVALID_MECHANISM},
    };
    struct rig r;
    (void)state;
    test_cert_make(rig_certs, "people", &(struct test_cert){.cn = "People", .is_ca = true});
    test_path(client_ca, rig_certs, "people", "crt");
    rig_begin(&r, 9, 4, with_client_ca);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const enum sasl_failure f =
            try_external(&r, cases[i].san, cases[i].issuer, cases[i].authzid, cases[i].jid);
        if (f != cases[i].f)
            print_error("%s of %s: %s\n", cases[i].san, cases[i].issuer, sasl_failure_name(f));
        assert_int_equal(f, cases[i].f);
    }
    assert_int_equal(try_login(&r, "alice", "wonder", SASL_SCRAM_SHA_256_PLUS), SASL_FAIL_NONE);
    rig_end(&r);
    rig_begin(&r, 10, 1, NULL); /* clients are not asked */
    assert_int_equal(try_external(&r, cases[0].san, "people", NULL, NULL),
                     SASL_FAIL_INVALID_MECHANISM);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth_missing_hash_comes_with_plain),
        cmocka_unit_test(test_auth_channel_binding),
        cmocka_unit_test(test_auth_downgrade),
        cmocka_unit_test(test_auth_channel_binding_given_up),
        cmocka_unit_test(test_auth_channel_binding_off),
        cmocka_unit_test(test_auth_throttle_account),
        cmocka_unit_test(test_auth_throttle_address),
        cmocka_unit_test(test_auth_unknown_user_takes_as_long),
        cmocka_unit_test(test_auth_external),
        cmocka_unit_test(test_auth_unknown_user_looks_real),
    };
    return cmocka_run_group_tests(tests, rig_certs_begin, rig_certs_end);
}
