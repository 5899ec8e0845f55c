/* SASL mechanisms: both sides against each other, PLAIN, EXTERNAL, order of calls, clients against
 * hostile servers. */
#include "lib/base/base.h"

#include <setjmp.h>

#include <cmocka.h>

#include "lib/xmpp/test-sasl-int.h"

/* ---- both sides ---- */

struct account {
    const char *user, *password;
};

/* The caller's part: look up keys, check the password, allow the identity. */
static enum sasl_status answer(struct sasl_server *s, enum sasl_status st,
                               const struct account *acc, struct buf *out)
{
    struct scram_key k;
    const bool known = str_eqc(sasl_server_user(s), acc->user);
    switch (st) {
    case SASL_NEED_KEYS:
        scram_key_derive(&k, sasl_server_digest(s), str_of(acc->password), 4096);
        return sasl_server_keys(s, known ? &k : NULL, out);
    case SASL_NEED_PASSWORD:
        return sasl_server_verdict(s,
                                   known && str_eqc(sasl_server_password(s), acc->password)
                                       ? SASL_FAIL_NONE
                                       : SASL_FAIL_NOT_AUTHORIZED,
                                   out);
    case SASL_NEED_IDENTITY:
        return sasl_server_verdict(
            s,
            str_eqc(sasl_server_authzid(s), acc->user) ? SASL_FAIL_NONE : SASL_FAIL_INVALID_AUTHZID,
            out);
    case SASL_NEED_TOKEN:
    case SASL_CONTINUE:
    case SASL_DONE:
    case SASL_FAILED:
        break;
    }
    return st;
}

/* The whole talk; returns the server's failure. */
static enum sasl_failure talk(enum sasl_mech m, const char *user, const char *password,
                              const char *authzid, const struct account *acc)
{
    struct sasl_client *c = sasl_client_new(m, str_of(user), str_of(password), str_of(authzid));
    struct sasl_server *s = sasl_server_new(m);
    struct buf up, down;
    buf_init(&up, OUT_MAX);
    buf_init(&down, OUT_MAX);
    enum sasl_status st = SASL_CONTINUE;
    assert_int_equal(client_step(c, STR_NONE, &up), ERR_OK);
    for (int i = 0; st == SASL_CONTINUE; i++) {
        assert_true(i < 4);
        st = server_step(s, up.n ? buf_view(&up) : STR(""), &down);
        st = answer(s, st, acc, &down);
        if (st == SASL_CONTINUE)
            assert_int_equal(client_step(c, buf_view(&down), &up), ERR_OK);
    }
    if (st == SASL_DONE)
        assert_int_equal(sasl_client_finish(c, buf_view(&down)), ERR_OK);
    const enum sasl_failure f = sasl_server_failure(s);
    assert_int_equal(st, f ? SASL_FAILED : SASL_DONE);
    assert_true(str_eqc(sasl_server_password(s), "")); /* wiped with the verdict */
    sasl_client_free(&c);
    sasl_server_free(&s);
    buf_fini(&up);
    buf_fini(&down);
    return f;
}

static void test_sasl_both_sides(void **state)
{
    (void)state;
    static const enum sasl_mech mechs[] = {SASL_SCRAM_SHA_512, SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1,
                                           SASL_PLAIN};
    const struct account juliet = {"juliet", "r0m30 \xc3\xa9"};
    const struct account odd = {"a,b=c", "p,=q"};
    for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
        const enum sasl_mech m = mechs[i];
        assert_int_equal(talk(m, "juliet", "r0m30 \xc3\xa9", NULL, &juliet), SASL_FAIL_NONE);
        assert_int_equal(talk(m, "juliet", "r0m30 \xc3\xa9", "juliet@example.com", &juliet),
                         SASL_FAIL_NONE);
        assert_int_equal(talk(m, "a,b=c", "p,=q", NULL, &odd), SASL_FAIL_NONE);
        assert_int_equal(talk(m, "juliet", "r0m30", NULL, &juliet), SASL_FAIL_NOT_AUTHORIZED);
        assert_int_equal(talk(m, "romeo", "r0m30 \xc3\xa9", NULL, &juliet),
                         SASL_FAIL_NOT_AUTHORIZED);
    }
    const struct account domain = {"example.com", ""};
    assert_int_equal(talk(SASL_EXTERNAL, "", "", "example.com", &domain), SASL_FAIL_NONE);
    assert_int_equal(talk(SASL_EXTERNAL, "", "", NULL, &domain), SASL_FAIL_INVALID_AUTHZID);
}

/* ---- PLAIN, EXTERNAL ---- */

static struct str filled(struct buf *b, size_t authzid, size_t user, size_t password)
{
    const size_t sizes[] = {authzid, user, password};
    buf_clear(b);
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            buf_char(b, '\0');
        for (size_t k = 0; k < sizes[i]; k++)
            buf_char(b, 'x');
    }
    return buf_view(b);
}

static void test_sasl_plain_messages(void **state)
{
    (void)state;
    static const struct str malformed[] = {
        {"", 0},
        {"user", 4},
        {"\0user", 5},
        {"\0user\0", 6},
        {"\0\0pass", 6},
        {"\0user\0pass\0", 11},
        {"\0user\0pa\0ss", 11},
        {"\0us\xff\0pass", 9},
        {"\0user\0\xc0\x80", 8},
    };
    struct buf b;
    buf_init(&b, 4 * SASL_MESSAGE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        assert_int_equal(first_message(SASL_PLAIN, malformed[i]), SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_PLAIN, STR("\0us\x07\0pass")), SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(first_message(SASL_PLAIN, filled(&b, 0, 255, 255)), SASL_FAIL_NONE);
    assert_int_equal(first_message(SASL_PLAIN, filled(&b, 0, 1024, 5)),
                     SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_PLAIN, filled(&b, 0, 5, 1024)),
                     SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_PLAIN, filled(&b, 3072, 5, 5)),
                     SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_PLAIN, filled(&b, 4096, 5, 5)),
                     SASL_FAIL_MALFORMED_REQUEST);
    buf_fini(&b);
}

static void test_sasl_plain_parts(void **state)
{
    (void)state;
    struct buf out;
    struct sasl_server *s = sasl_server_new(SASL_PLAIN);
    buf_init(&out, OUT_MAX);
    assert_int_equal(server_step(s, STR("me@example.com\0juliet\0pass word"), &out),
                     SASL_NEED_PASSWORD);
    assert_true(str_eqc(sasl_server_authzid(s), "me@example.com"));
    assert_true(str_eqc(sasl_server_user(s), "juliet"));
    assert_true(str_eqc(sasl_server_password(s), "pass word"));
    assert_int_equal(sasl_server_verdict(s, SASL_FAIL_ACCOUNT_DISABLED, &out), SASL_FAILED);
    assert_int_equal(sasl_server_failure(s), SASL_FAIL_ACCOUNT_DISABLED);
    assert_true(str_eqc(sasl_server_password(s), ""));
    sasl_server_free(&s);
    buf_fini(&out);
}

static void test_sasl_external_messages(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 2 * SASL_MESSAGE_MAX);
    assert_int_equal(first_message(SASL_EXTERNAL, STR("")), SASL_FAIL_NONE);
    assert_int_equal(first_message(SASL_EXTERNAL, STR("a@example.com")), SASL_FAIL_NONE);
    assert_int_equal(first_message(SASL_EXTERNAL, STR("a\0b")), SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_EXTERNAL, STR("\xff")), SASL_FAIL_MALFORMED_REQUEST);
    for (int i = 0; i < 3072; i++)
        buf_char(&b, 'x');
    assert_int_equal(first_message(SASL_EXTERNAL, buf_view(&b)), SASL_FAIL_INVALID_AUTHZID);
    buf_fini(&b);
}

/* ---- order of calls ---- */

/* <auth/> without an initial response: an empty challenge, then the message; an empty one is a
 * message. */
static void test_sasl_empty_initial_response(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct sasl_server *s = sasl_server_new(SASL_PLAIN);
    assert_int_equal(server_step(s, STR_NONE, &out), SASL_CONTINUE);
    assert_int_equal(out.n, 0);
    assert_int_equal(server_step(s, STR("\0juliet\0pass"), &out), SASL_NEED_PASSWORD);
    sasl_server_free(&s);
    s = sasl_server_new(SASL_PLAIN);
    assert_int_equal(server_step(s, STR_NONE, &out), SASL_CONTINUE);
    assert_int_equal(server_step(s, STR_NONE, &out), SASL_FAILED);
    sasl_server_free(&s);
    s = sasl_server_new(SASL_EXTERNAL);
    assert_int_equal(server_step(s, STR_NONE, &out), SASL_CONTINUE);
    assert_int_equal(server_step(s, STR_NONE, &out), SASL_NEED_IDENTITY);
    sasl_server_free(&s);
    buf_fini(&out);
}

static void test_sasl_wrong_order_fails(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (int m = 0; m < SASL_MECH_COUNT; m++) {
        struct sasl_server *s = sasl_server_new((enum sasl_mech)m);
        assert_int_equal(sasl_server_verdict(s, SASL_FAIL_NONE, &out), SASL_FAILED);
        sasl_server_free(&s);
        s = sasl_server_new((enum sasl_mech)m);
        assert_int_equal(sasl_server_keys(s, NULL, &out), SASL_FAILED);
        assert_int_equal(server_step(s, STR("n,,n=user,r=abc"), &out), SASL_FAILED);
        sasl_server_free(&s);
    }
    struct sasl_server *s = sasl_server_new(SASL_PLAIN); /* a message instead of the verdict */
    assert_int_equal(server_step(s, STR("\0u\0p"), &out), SASL_NEED_PASSWORD);
    assert_int_equal(server_step(s, STR("\0u\0p"), &out), SASL_FAILED);
    assert_int_equal(sasl_server_verdict(s, SASL_FAIL_NONE, &out), SASL_FAILED);
    sasl_server_free(&s);
    s = sasl_server_new(SASL_PLAIN); /* nothing after the end, the first reason stays */
    assert_int_equal(server_step(s, STR("\0u\0p"), &out), SASL_NEED_PASSWORD);
    assert_int_equal(sasl_server_verdict(s, SASL_FAIL_CREDENTIALS_EXPIRED, &out), SASL_FAILED);
    assert_int_equal(sasl_server_verdict(s, SASL_FAIL_NONE, &out), SASL_FAILED);
    assert_int_equal(server_step(s, STR_NONE, &out), SASL_FAILED);
    assert_int_equal(sasl_server_failure(s), SASL_FAIL_CREDENTIALS_EXPIRED);
    sasl_server_free(&s);
    s = NULL;
    sasl_server_free(&s);
    buf_fini(&out);
}

static void test_sasl_message_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 2 * SASL_MESSAGE_MAX);
    buf_cstr(&b, "n,,n=user,r=abc,x=");
    while (b.n < SASL_MESSAGE_MAX)
        buf_char(&b, 'y');
    assert_int_equal(first_message(SASL_SCRAM_SHA_1, buf_view(&b)), SASL_FAIL_NONE);
    buf_char(&b, 'y');
    assert_int_equal(first_message(SASL_SCRAM_SHA_1, buf_view(&b)), SASL_FAIL_MALFORMED_REQUEST);
    buf_fini(&b);
}

/* ---- client against hostile servers ---- */

static void test_sasl_client_refuses_challenges(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "r=abcdef",
        "r=abcdef,s=W22Z",
        "r=abc,s=W22Z,i=4096",    /* nothing added */
        "r=xbcdef,s=W22Z,i=4096", /* not ours */
        "r=abcdef,s=,i=4096",
        "r=abcdef,s=W22,i=4096",
        "r=abcdef,s=W22Z,i=4095", /* RFC 7677: at least 4096 */
        "r=abcdef,s=W22Z,i=1000001",
        "r=abcdef,s=W22Z,i=99999999999999999999",
        "r=abcdef,s=W22Z,i=-4096",
        "r=abcdef,s=W22Z,i=",
        "r=abcdef,s=W22Z,i=4096,m=x",
        "m=x,r=abcdef,s=W22Z,i=4096",
        "r=abcdef,i=4096,s=W22Z",
        "e=other-error",
    };
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct sasl_client *c =
            sasl_client_new(SASL_SCRAM_SHA_256, STR("user"), STR("pencil"), STR_NONE);
        sasl_client_set_nonce(c, STR("abc"));
        assert_int_equal(client_step(c, STR_NONE, &out), ERR_OK);
        assert_int_equal(client_step(c, str_of(wrong[i]), &out), ERR_AUTH);
        assert_int_equal(out.n, 0);
        assert_int_equal(client_step(c, STR("r=abcdef,s=W22Z,i=4096"), &out), ERR_AUTH);
        assert_int_equal(sasl_client_finish(c, STR_NONE), ERR_AUTH);
        sasl_client_free(&c);
    }
    buf_fini(&out);
}

static void test_sasl_client_needs_the_signature(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "v=",
                                        "v=6rri",
                                        "e=invalid-proof",
                                        "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                                        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct sasl_client *c = client_challenged(&exchanges[1], &out);
        assert_int_equal(sasl_client_finish(c, str_of(wrong[i])), ERR_AUTH);
        assert_int_equal(sasl_client_finish(c, str_of(exchanges[1].success)), ERR_AUTH);
        sasl_client_free(&c);
    }
    struct sasl_client *c =
        sasl_client_new(SASL_SCRAM_SHA_256, STR("user"), STR("pencil"), STR_NONE);
    assert_int_equal(sasl_client_finish(c, STR_NONE), ERR_AUTH); /* success before anything */
    sasl_client_free(&c);
    c = sasl_client_new(SASL_SCRAM_SHA_256, STR("user"), STR("pencil"), STR_NONE);
    assert_int_equal(client_step(c, STR_NONE, &out), ERR_OK);
    assert_int_equal(sasl_client_finish(c, STR_NONE), ERR_AUTH); /* success without proof */
    sasl_client_free(&c);
    buf_fini(&out);
}

/* A client that has kept its salted password needs no password; with another one it is refused. */
static void test_sasl_client_knows_its_salted_password(void **state)
{
    (void)state;
    struct scram_key k;
    uint8_t salted[DIGEST_MAX];
    scram_key_derive(&k, DIGEST_SHA1, STR("pencil"), 4096);
    crypto_pbkdf2(DIGEST_SHA1, STR("pencil"), str_make((const char *)k.salt, k.salt_len), 4096,
                  salted);
    for (int wrong = 0; wrong < 2; wrong++) {
        struct sasl_client *c =
            sasl_client_new(SASL_SCRAM_SHA_1, STR("user"), STR("forgotten"), STR_NONE);
        struct sasl_server *s = sasl_server_new(SASL_SCRAM_SHA_1);
        struct buf up, down;
        buf_init(&up, OUT_MAX);
        buf_init(&down, OUT_MAX);
        salted[0] = (uint8_t)(salted[0] ^ wrong);
        sasl_client_set_salted(c, salted);
        assert_int_equal(client_step(c, STR_NONE, &up), ERR_OK);
        assert_int_equal(server_step(s, buf_view(&up), &down), SASL_NEED_KEYS);
        assert_int_equal(sasl_server_keys(s, &k, &down), SASL_CONTINUE);
        assert_int_equal(client_step(c, buf_view(&down), &up), ERR_OK);
        assert_int_equal(server_step(s, buf_view(&up), &down), wrong ? SASL_FAILED : SASL_DONE);
        if (!wrong)
            assert_int_equal(sasl_client_finish(c, buf_view(&down)), ERR_OK);
        sasl_client_free(&c);
        sasl_server_free(&s);
        buf_fini(&up);
        buf_fini(&down);
    }
}

static void test_sasl_client_unprepared_name(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct sasl_client *c =
        sasl_client_new(SASL_SCRAM_SHA_256, STR("us\x07"), STR("pencil"), STR_NONE);
    assert_int_equal(client_step(c, STR_NONE, &out), ERR_AUTH);
    assert_int_equal(out.n, 0);
    sasl_client_free(&c);
    buf_fini(&out);
}

static void test_sasl_names(void **state)
{
    (void)state;
    enum sasl_mech m;
    for (int i = 0; i < SASL_MECH_COUNT; i++) {
        assert_true(sasl_mech_find(str_of(sasl_mech_name((enum sasl_mech)i)), &m));
        assert_int_equal(m, i);
    }
    assert_false(sasl_mech_find(STR("plain"), &m));
    assert_false(sasl_mech_find(STR("SCRAM-SHA-224-PLUS"), &m));
    assert_int_equal(sasl_failure_find(STR("not-authorized")), SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(sasl_failure_find(STR("none")), SASL_FAIL_NONE);
    assert_int_equal(sasl_failure_find(STR("whatever")), SASL_FAIL_NONE);
    for (int f = SASL_FAIL_ABORTED; f <= SASL_FAIL_TEMPORARY_AUTH_FAILURE; f++)
        assert_int_equal(sasl_failure_find(str_of(sasl_failure_name((enum sasl_failure)f))), f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sasl_both_sides),
        cmocka_unit_test(test_sasl_plain_messages),
        cmocka_unit_test(test_sasl_plain_parts),
        cmocka_unit_test(test_sasl_external_messages),
        cmocka_unit_test(test_sasl_empty_initial_response),
        cmocka_unit_test(test_sasl_wrong_order_fails),
        cmocka_unit_test(test_sasl_message_limit),
        cmocka_unit_test(test_sasl_client_refuses_challenges),
        cmocka_unit_test(test_sasl_client_needs_the_signature),
        cmocka_unit_test(test_sasl_client_knows_its_salted_password),
        cmocka_unit_test(test_sasl_client_unprepared_name),
        cmocka_unit_test(test_sasl_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
