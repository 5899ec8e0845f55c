/* SCRAM on the server: published exchanges byte by byte, malformed and changed messages, users who
 * do not exist. */
#include "lib/base/base.h"

#include <setjmp.h>

#include <cmocka.h>

#include "lib/xmpp/test-sasl-int.h"

static void test_sasl_published_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        struct sasl_server *s = server_challenged(&exchanges[i], &out);
        assert_text(&out, exchanges[i].challenge);
        assert_int_equal(server_step(s, str_of(exchanges[i].final), &out), SASL_DONE);
        assert_text(&out, exchanges[i].success);
        assert_int_equal(server_step(s, str_of(exchanges[i].final), &out), SASL_FAILED);
        sasl_server_free(&s);
        buf_fini(&out);
    }
}

static void test_sasl_published_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        struct buf out;
        buf_init(&out, OUT_MAX);
        struct sasl_client *c = client_challenged(&exchanges[i], &out);
        assert_int_equal(sasl_client_finish(c, str_of(exchanges[i].success)), ERR_OK);
        sasl_client_free(&c);
        c = client_challenged(&exchanges[i], &out); /* signature in a challenge */
        assert_int_equal(client_step(c, str_of(exchanges[i].success), &out), ERR_OK);
        assert_int_equal(out.n, 0);
        assert_int_equal(sasl_client_finish(c, STR_NONE), ERR_OK);
        sasl_client_free(&c);
        assert_null(c);
        buf_fini(&out);
    }
}

/* Every changed byte of a valid client-final must be refused: the proof covers all of it. */
static void test_sasl_scram_changed_final(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t x = 0; x < ARRAY_LEN(exchanges); x++) {
        const size_t n = strlen(exchanges[x].final);
        for (size_t i = 0; i < n; i++) {
            struct sasl_server *s = server_challenged(&exchanges[x], &out);
            char *changed = mem_strdup(exchanges[x].final);
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            assert_int_equal(server_step(s, str_of(changed), &out), SASL_FAILED);
            assert_int_equal(out.n, 0);
            mem_free(changed);
            sasl_server_free(&s);
        }
    }
    buf_fini(&out);
}

static void test_sasl_scram_final_failures(void **state)
{
    (void)state;
#define NONCE "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
#define PROOF "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    static const struct {
        const char *text;
        enum sasl_failure failure;
    } cases[] = {
        {"c=biws," NONCE "," PROOF, SASL_FAIL_NONE},
        {"", SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws", SASL_FAIL_MALFORMED_REQUEST},
        {PROOF, SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," NONCE, SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," PROOF, SASL_FAIL_MALFORMED_REQUEST},
        {NONCE ",c=biws," PROOF, SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," NONCE "," PROOF ",", SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," NONCE ",p=v0X8", SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts", SASL_FAIL_MALFORMED_REQUEST},
        {"c=bi*s," NONCE "," PROOF, SASL_FAIL_MALFORMED_REQUEST},
        {"c=eSws," NONCE "," PROOF, SASL_FAIL_NOT_AUTHORIZED}, /* "y,,": not what was sent */
        {"c=," NONCE "," PROOF, SASL_FAIL_NOT_AUTHORIZED},
        {"c=biws," NONCE "x," PROOF, SASL_FAIL_NOT_AUTHORIZED},
        {"c=biws,r=fyko+d2lbbFgONRv9qkxdawL," PROOF, SASL_FAIL_NOT_AUTHORIZED},
        {"c=biws," NONCE ",x=1," PROOF, SASL_FAIL_NOT_AUTHORIZED}, /* not covered by this proof */
        {"c=biws," NONCE ",m=1," PROOF, SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," NONCE ",1=1," PROOF, SASL_FAIL_MALFORMED_REQUEST},
        {"c=biws," NONCE ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=", SASL_FAIL_NOT_AUTHORIZED},
    };
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sasl_server *s = server_challenged(&exchanges[0], &out);
        const bool ok = cases[i].failure == SASL_FAIL_NONE;
        assert_int_equal(server_step(s, str_of(cases[i].text), &out), ok ? SASL_DONE : SASL_FAILED);
        assert_int_equal(sasl_server_failure(s), cases[i].failure);
        sasl_server_free(&s);
    }
    buf_fini(&out);
}

static void test_sasl_scram_first_failures(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sasl_failure failure;
    } cases[] = {
        {"n,,n=user,r=abc", SASL_FAIL_NONE},
        {"y,,n=user,r=abc", SASL_FAIL_NONE},
        {"n,a=other@example.com,n=user,r=abc", SASL_FAIL_NONE},
        {"n,,n=user,r=abc,x=ext,y=ext", SASL_FAIL_NONE},
        {"n,,n=a=2Cb=3Dc,r=abc", SASL_FAIL_NONE},
        {"p=tls-unique,,n=user,r=abc", SASL_FAIL_NOT_AUTHORIZED},
        {"p=tls-exporter,,n=user,r=abc", SASL_FAIL_NOT_AUTHORIZED},
        {"n,,m=x,n=user,r=abc", SASL_FAIL_NOT_AUTHORIZED},
        {"p=,,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"p,,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"", SASL_FAIL_MALFORMED_REQUEST},
        {",", SASL_FAIL_MALFORMED_REQUEST},
        {"n", SASL_FAIL_MALFORMED_REQUEST},
        {"n,", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,", SASL_FAIL_MALFORMED_REQUEST},
        {"x,,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"N,,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,a=,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,b=x,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,a=x=y,n=user,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,r=abc,n=user", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=a b", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=a\x7f", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=us=er,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=us=2c,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=us=,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=us=2,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=abc,m=1", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=abc,", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=abc,x", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=user,r=abc,x=", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=us\xff\xfe,r=abc", SASL_FAIL_MALFORMED_REQUEST},
        {"n,,n=us\x07,r=abc", SASL_FAIL_NOT_AUTHORIZED}, /* no user can have this name */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const enum sasl_failure f = first_message(SASL_SCRAM_SHA_256, str_of(cases[i].text));
        if (f != cases[i].failure)
            print_error("\"%s\": %s\n", cases[i].text, sasl_failure_name(f));
        assert_int_equal(f, cases[i].failure);
    }
    assert_int_equal(first_message(SASL_SCRAM_SHA_256, STR("n,,n=us\0er,r=abc")),
                     SASL_FAIL_MALFORMED_REQUEST);
}

static void test_sasl_scram_names_are_decoded(void **state)
{
    (void)state;
    struct buf out;
    struct sasl_server *s = sasl_server_new(SASL_SCRAM_SHA_1);
    buf_init(&out, OUT_MAX);
    assert_int_equal(server_step(s, STR("y,a=x=2Cy@example.com,n=Us=3Der,r=abc"), &out),
                     SASL_NEED_KEYS);
    assert_true(str_eqc(sasl_server_authzid(s), "x,y@example.com"));
    assert_true(str_ieq(sasl_server_user(s), STR("us=er")));
    assert_int_equal(sasl_server_digest(s), DIGEST_SHA1);
    sasl_server_free(&s);
    buf_fini(&out);
}

/* ---- users who do not exist ---- */

/* Run up to the challenge without keys. */
static struct sasl_server *unknown_user(enum sasl_mech m, const char *name, const char *secret,
                                        struct buf *out)
{
    struct sasl_server *s = sasl_server_new(m);
    char first[64];
    snprintf(first, sizeof first, "n,,n=%s,r=abc", name);
    sasl_server_set_nonce(s, STR("def"));
    if (secret)
        sasl_server_set_fake(s, str_of(secret), 4097);
    assert_int_equal(server_step(s, str_of(first), out), SASL_NEED_KEYS);
    buf_clear(out);
    assert_int_equal(sasl_server_keys(s, NULL, out), SASL_CONTINUE);
    return s;
}

static void challenge_of(enum sasl_mech m, const char *name, const char *secret, char text[128])
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct sasl_server *s = unknown_user(m, name, secret, &out);
    snprintf(text, 128, STR_FMT, STR_ARG(buf_view(&out)));
    sasl_server_free(&s);
    buf_fini(&out);
}

static void test_sasl_scram_unknown_user_looks_real(void **state)
{
    (void)state;
    char a[128], b[128];
    challenge_of(SASL_SCRAM_SHA_256, "nobody", NULL, a);
    challenge_of(SASL_SCRAM_SHA_256, "nobody", NULL, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), strlen("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10000"));
    assert_non_null(strstr(a, ",i=10000"));
    challenge_of(SASL_SCRAM_SHA_256, "noone", NULL, b);
    assert_string_not_equal(a, b);
    challenge_of(SASL_SCRAM_SHA_1, "nobody", NULL, b);
    assert_string_not_equal(a, b);
    challenge_of(SASL_SCRAM_SHA_256, "nobody", "secret", b);
    assert_string_not_equal(a, b);
    assert_non_null(strstr(b, ",i=4097"));
    challenge_of(SASL_SCRAM_SHA_256, "nobody", "secret", a);
    assert_string_equal(a, b);
}

/* Same failure as with a wrong password; malformed stays malformed. */
static void test_sasl_scram_unknown_user_fails_at_proof(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct sasl_server *s = unknown_user(SASL_SCRAM_SHA_1, "nobody", NULL, &out);
    assert_int_equal(server_step(s, STR("c=biws,r=abcdef,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="), &out),
                     SASL_FAILED);
    assert_int_equal(sasl_server_failure(s), SASL_FAIL_NOT_AUTHORIZED);
    sasl_server_free(&s);
    s = unknown_user(SASL_SCRAM_SHA_1, "nobody", NULL, &out);
    assert_int_equal(server_step(s, STR("c=biws,r=abcdef,p=AAAA"), &out), SASL_FAILED);
    assert_int_equal(sasl_server_failure(s), SASL_FAIL_MALFORMED_REQUEST);
    sasl_server_free(&s);
    buf_fini(&out);
}

/* Even who knows the fake keys gets no success. */
static void test_sasl_scram_fake_keys_never_succeed(void **state)
{
    (void)state;
    struct buf out, proof;
    uint8_t signature[DIGEST_MAX];
    buf_init(&out, OUT_MAX);
    buf_init(&proof, OUT_MAX);
    struct sasl_server *s = unknown_user(SASL_SCRAM_SHA_256, "nobody", NULL, &out);
    const uint8_t client_key[32] = {1, 2, 3};
    crypto_hash(DIGEST_SHA256, str_make((const char *)client_key, 32), s->key.stored_key);
    const struct str auth[3] = {STR("n=nobody,r=abc"), buf_view(&out), STR("c=biws,r=abcdef")};
    scram_sign(DIGEST_SHA256, s->key.stored_key, auth, signature);
    for (size_t i = 0; i < 32; i++)
        signature[i] ^= client_key[i];
    buf_cstr(&proof, "c=biws,r=abcdef,p=");
    base64_encode(&proof, signature, 32);
    s->key_is_fake = true;
    struct buf result;
    buf_init(&result, OUT_MAX);
    assert_int_equal(sasl_server_step(s, buf_view(&proof), &result), SASL_FAILED);
    sasl_server_free(&s);
    /* the same with a true user of this key succeeds: the proof above was right */
    s = sasl_server_new(SASL_SCRAM_SHA_256);
    struct scram_key k = {.digest = DIGEST_SHA256, .iterations = 4096, .salt_len = 1};
    crypto_hash(DIGEST_SHA256, str_make((const char *)client_key, 32), k.stored_key);
    sasl_server_set_nonce(s, STR("def"));
    assert_int_equal(server_step(s, STR("n,,n=nobody,r=abc"), &out), SASL_NEED_KEYS);
    buf_clear(&out);
    assert_int_equal(sasl_server_keys(s, &k, &out), SASL_CONTINUE);
    const struct str auth2[3] = {auth[0], buf_view(&out), auth[2]};
    scram_sign(DIGEST_SHA256, k.stored_key, auth2, signature);
    for (size_t i = 0; i < 32; i++)
        signature[i] ^= client_key[i];
    buf_clear(&proof);
    buf_cstr(&proof, "c=biws,r=abcdef,p=");
    base64_encode(&proof, signature, 32);
    assert_int_equal(sasl_server_step(s, buf_view(&proof), &result), SASL_DONE);
    sasl_server_free(&s);
    buf_fini(&result);
    buf_fini(&proof);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sasl_published_server),
        cmocka_unit_test(test_sasl_published_client),
        cmocka_unit_test(test_sasl_scram_changed_final),
        cmocka_unit_test(test_sasl_scram_final_failures),
        cmocka_unit_test(test_sasl_scram_first_failures),
        cmocka_unit_test(test_sasl_scram_names_are_decoded),
        cmocka_unit_test(test_sasl_scram_unknown_user_looks_real),
        cmocka_unit_test(test_sasl_scram_unknown_user_fails_at_proof),
        cmocka_unit_test(test_sasl_scram_fake_keys_never_succeed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
