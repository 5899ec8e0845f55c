#ifndef LIB_XMPP_TEST_SASL_INT_H
#define LIB_XMPP_TEST_SASL_INT_H
/* What the SASL tests share: single steps, the published exchanges, sides that are half way through
 * one. cmocka.h comes before it. */
#include "lib/xmpp/sasl-int.h"

#include "lib/base/encode.h"

enum { OUT_MAX = 3 * SASL_MESSAGE_MAX };

/* A key with a chosen salt, by the formulas of RFC 5802 section 3. */
static UNUSED struct scram_key key_with_salt(enum digest d, const char *password,
                                             const char *salt64, unsigned iterations)
{
    struct scram_key k = {.digest = d, .iterations = iterations};
    uint8_t salted[DIGEST_MAX], client[DIGEST_MAX];
    const size_t n = digest_size(d);
    struct buf salt;
    buf_init(&salt, sizeof k.salt);
    assert_int_equal(base64_decode(&salt, str_of(salt64)), ERR_OK);
    memcpy(k.salt, salt.p, salt.n);
    k.salt_len = salt.n;
    crypto_pbkdf2(d, str_of(password), buf_view(&salt), iterations, salted);
    crypto_hmac(d, str_make((char *)salted, n), STR("Client Key"), client);
    crypto_hash(d, str_make((char *)client, n), k.stored_key);
    crypto_hmac(d, str_make((char *)salted, n), STR("Server Key"), k.server_key);
    buf_fini(&salt);
    return k;
}

static UNUSED void assert_text(const struct buf *b, const char *want)
{
    if (!str_eqc(buf_view(b), want))
        print_error("got \"" STR_FMT "\", want \"%s\"\n", STR_ARG(buf_view(b)), want);
    assert_true(str_eqc(buf_view(b), want));
}

/* One step into a fresh buffer. */
static UNUSED enum sasl_status server_step(struct sasl_server *s, struct str in, struct buf *out)
{
    buf_clear(out);
    return sasl_server_step(s, in, out);
}

static UNUSED enum err client_step(struct sasl_client *c, struct str in, struct buf *out)
{
    buf_clear(out);
    return sasl_client_step(c, in, out);
}

/* Result of a first message: the failure, SASL_FAIL_NONE when the mechanism goes on. */
static UNUSED enum sasl_failure first_message(enum sasl_mech m, struct str in)
{
    struct sasl_server *s = sasl_server_new(m);
    struct buf out;
    buf_init(&out, OUT_MAX);
    const enum sasl_status st = sasl_server_step(s, in, &out);
    const enum sasl_failure f = sasl_server_failure(s);
    assert_int_equal(st == SASL_FAILED, f != SASL_FAIL_NONE);
    assert_int_equal(out.n, 0);
    sasl_server_free(&s);
    assert_null(s);
    buf_fini(&out);
    return f;
}

static const struct exchange {
    enum sasl_mech mech;
    const char *salt, *client_nonce, *server_nonce;
    const char *first, *challenge, *final, *success;
} exchanges[] = {
    {SASL_SCRAM_SHA_1, "QSXCR+Q6sek8bf92", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j",
     "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="}, /* RFC 5802 section 5 */
    {SASL_SCRAM_SHA_512, "Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=", "rOprNGfwEbeRWgbNEkqO",
     "02431b08-2f0c-4bad-a4e6-80c0564ec865", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO02431b08-2f0c-4bad-a4e6-80c0564ec865,"
     "s=Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO02431b08-2f0c-4bad-a4e6-80c0564ec865,"
     "p=/rEe0l0f8TFUZ602ZhrlhFQjPTPwhuBN2OtmtUkVwke0+1HXwg97t9EAECkJuwsneJbK96u3OkWQ9AnQTfQOkQ==",
     "v=+G6+ISRLYUHLGlkL5p/wF8dGGJb1DNQ+pAw35WkWjFeKS8/Ms75mKGsQVxiMR5dTV864MOPCzaB6hba2VXMbfA=="},
    /* computed with Python's hashlib and hmac; no RFC has one */
    {SASL_SCRAM_SHA_256, "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO",
     "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
     "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}, /* RFC 7677 section 3 */
};

/* Server after its challenge, ready for client-final. */
static UNUSED struct sasl_server *server_challenged(const struct exchange *x, struct buf *out)
{
    struct sasl_server *s = sasl_server_new(x->mech);
    const struct scram_key k = key_with_salt(sasl_server_digest(s), "pencil", x->salt, 4096);
    sasl_server_set_nonce(s, str_of(x->server_nonce));
    assert_int_equal(server_step(s, str_of(x->first), out), SASL_NEED_KEYS);
    assert_true(str_eqc(sasl_server_user(s), "user"));
    assert_true(str_eqc(sasl_server_authzid(s), ""));
    buf_clear(out);
    assert_int_equal(sasl_server_keys(s, &k, out), SASL_CONTINUE);
    return s;
}

static UNUSED struct sasl_client *client_challenged(const struct exchange *x, struct buf *out)
{
    struct sasl_client *c = sasl_client_new(x->mech, STR("user"), STR("pencil"), STR_NONE);
    sasl_client_set_nonce(c, str_of(x->client_nonce));
    assert_int_equal(client_step(c, STR_NONE, out), ERR_OK);
    assert_text(out, x->first);
    assert_int_equal(client_step(c, str_of(x->challenge), out), ERR_OK);
    assert_text(out, x->final);
    return c;
}
#endif
