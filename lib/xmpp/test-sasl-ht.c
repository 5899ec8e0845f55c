/* HT and ANONYMOUS: proofs against independent values, first messages. */
#include "lib/base/base.h"

#include <setjmp.h>

#include <cmocka.h>

#include "lib/xmpp/test-sasl-int.h"

#define TOKEN "secret-token"
#define BINDING "binding data"

static struct str bytes_of(struct buf *b, const char *hex)
{
    buf_clear(b);
    assert_int_equal(hex_decode(b, str_of(hex)), ERR_OK);
    return buf_view(b);
}

static const struct {
    enum sasl_mech mech;
    const char *type, *initiator, *responder;
} known[] = {
    /* hmac(token, who + binding), by Python's hmac */
    {SASL_HT_SHA_256_NONE, NULL, "3f6de92b45cddc50c601ad166458f7b5874565e399f3006b1afb03f0bb03ff88",
     "5572a63e0496195609273c23be8a50b9bee64e0369324079e73245bf4472a5b1"},
    {SASL_HT_SHA_256_EXPR, "tls-exporter",
     "10f28321771501272c1b4c1cc1fea2936d3068ef8e1ada336654aba2b33d30f4",
     "e7e3ed7eada70642d8de2c6f67adcbbea5d4000571d137a8f0d694a7590bd9e1"},
    {SASL_HT_SHA_256_ENDP, "tls-server-end-point",
     "10f28321771501272c1b4c1cc1fea2936d3068ef8e1ada336654aba2b33d30f4",
     "e7e3ed7eada70642d8de2c6f67adcbbea5d4000571d137a8f0d694a7590bd9e1"},
};

static struct sasl_offer offer_with(const char *type)
{
    struct sasl_offer o = {.n = type ? 1 : 0, .bindings = {{.type = type}}};
    o.bindings[0].data_n = strlen(BINDING);
    memcpy(o.bindings[0].data, BINDING, strlen(BINDING));
    return o;
}

/* A server that has read the proof of this mechanism. */
static struct sasl_server *asking(size_t i, struct str user, struct buf *out)
{
    struct buf hex, message;
    const struct sasl_offer o = offer_with(known[i].type);
    struct sasl_server *s = sasl_server_new(known[i].mech);
    buf_init(&hex, 64);
    buf_init(&message, 256);
    sasl_server_set_offer(s, &o);
    buf_str(&message, user);
    buf_char(&message, '\0');
    buf_str(&message, bytes_of(&hex, known[i].initiator));
    assert_int_equal(server_step(s, buf_view(&message), out), SASL_NEED_TOKEN);
    buf_fini(&hex);
    buf_fini(&message);
    return s;
}

static void test_sasl_ht_proofs(void **state)
{
    struct buf out, hex;
    uint8_t response[SASL_HT_BYTES];
    (void)state;
    buf_init(&out, OUT_MAX);
    buf_init(&hex, 64);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct sasl_server *s = asking(i, STR("Alice"), &out);
        const struct str proof = sasl_server_proof(s), binding = sasl_server_binding(s);
        assert_true(str_eqc(sasl_server_user(s), "alice"));
        assert_true(str_eqc(binding, known[i].type ? BINDING : ""));
        assert_false(sasl_ht_check(STR("secret-toke"), binding, proof, response));
        assert_false(sasl_ht_check(STR(TOKEN), STR("binding datA"), proof, response));
        assert_false(sasl_ht_check(STR(TOKEN), binding, str_make(proof.p, proof.n - 1), response));
        assert_true(sasl_ht_check(STR(TOKEN), binding, proof, response));
        assert_int_equal(sasl_server_token(s, response, &out), SASL_DONE);
        assert_true(str_eq(buf_view(&out), bytes_of(&hex, known[i].responder)));
        assert_int_equal(sasl_server_token(s, response, &out), SASL_FAILED);
        sasl_server_free(&s);
        s = asking(i, STR("alice"), &out);
        assert_int_equal(sasl_server_verdict(s, SASL_FAIL_CREDENTIALS_EXPIRED, &out), SASL_FAILED);
        assert_int_equal(sasl_server_failure(s), SASL_FAIL_CREDENTIALS_EXPIRED);
        sasl_server_free(&s);
    }
    buf_fini(&out);
    buf_fini(&hex);
}

/* A proof of a token is no answer to another mechanism's question. */
static void test_sasl_ht_token_for_password(void **state)
{
    struct buf out;
    const uint8_t response[SASL_HT_BYTES] = {0};
    (void)state;
    buf_init(&out, OUT_MAX);
    struct sasl_server *s = sasl_server_new(SASL_PLAIN);
    assert_int_equal(server_step(s, STR("\0alice\0wonder"), &out), SASL_NEED_PASSWORD);
    assert_int_equal(sasl_server_token(s, response, &out), SASL_FAILED);
    sasl_server_free(&s);
    buf_fini(&out);
}

#define PROOF "0123456789abcdef0123456789abcdef"

static void test_sasl_ht_first_messages(void **state)
{
    static const struct str malformed[] = {
        STR_NONE,
        {"alice", 5},
        {"alice\0", 6},
        {"alice\0" PROOF "x", 39},
        {"alice\0" PROOF, 37},
        {"\0" PROOF, 33},
        {"al\xff\0" PROOF, 36},
    };
    (void)state;
    for (size_t i = 1; i < ARRAY_LEN(malformed); i++)
        assert_int_equal(first_message(SASL_HT_SHA_256_NONE, malformed[i]),
                         SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_HT_SHA_256_NONE, STR("a\0" PROOF)), SASL_FAIL_NONE);
    assert_int_equal(first_message(SASL_HT_SHA_256_NONE, STR("a b\0" PROOF)),
                     SASL_FAIL_NOT_AUTHORIZED);
    assert_int_equal(first_message(SASL_HT_SHA_256_EXPR, STR("a\0" PROOF)),
                     SASL_FAIL_INVALID_MECHANISM); /* there is no such channel */
    struct sasl_offer names_only = offer_with("tls-exporter");
    names_only.bindings[0].data_n = 0;
    struct buf out;
    buf_init(&out, OUT_MAX);
    struct sasl_server *srv = sasl_server_new(SASL_HT_SHA_256_EXPR);
    sasl_server_set_offer(srv, &names_only);
    assert_int_equal(server_step(srv, STR("a\0" PROOF), &out), SASL_FAILED);
    sasl_server_free(&srv);
    buf_fini(&out);
    assert_int_equal(sasl_ht_usable(SASL_MECHS_HT, &(struct sasl_offer){0}),
                     1U << SASL_HT_SHA_256_NONE);
    const struct sasl_offer o = offer_with("tls-exporter");
    assert_int_equal(sasl_ht_usable(SASL_MECHS_HT | 1U << SASL_PLAIN, &o),
                     1U << SASL_HT_SHA_256_NONE | 1U << SASL_HT_SHA_256_EXPR | 1U << SASL_PLAIN);
}

static void test_sasl_anonymous(void **state)
{
    struct buf trace;
    (void)state;
    buf_init(&trace, 4096);
    assert_int_equal(first_message(SASL_ANONYMOUS, STR("")), SASL_FAIL_NONE);
    assert_int_equal(first_message(SASL_ANONYMOUS, STR("me@example.com")), SASL_FAIL_NONE);
    assert_int_equal(first_message(SASL_ANONYMOUS, STR("a\0b")), SASL_FAIL_MALFORMED_REQUEST);
    assert_int_equal(first_message(SASL_ANONYMOUS, STR("\xc3")), SASL_FAIL_MALFORMED_REQUEST);
    for (int i = 0; i < 255; i++)
        buf_cstr(&trace, "\xc3\xa4");
    assert_int_equal(first_message(SASL_ANONYMOUS, buf_view(&trace)), SASL_FAIL_NONE);
    buf_char(&trace, 'x');
    assert_int_equal(first_message(SASL_ANONYMOUS, buf_view(&trace)), SASL_FAIL_MALFORMED_REQUEST);
    buf_fini(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sasl_ht_proofs),
        cmocka_unit_test(test_sasl_ht_token_for_password),
        cmocka_unit_test(test_sasl_ht_first_messages),
        cmocka_unit_test(test_sasl_anonymous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
