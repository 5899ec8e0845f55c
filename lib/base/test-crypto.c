/* DOC: Digests and key derivation against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/crypto.h"
#include "lib/base/encode.h"

static void assert_hex(const uint8_t *p, size_t n, const char *want)
{
    struct buf b;
    buf_init(&b, 200);
    hex_encode(&b, p, n);
    assert_true(str_eqc(buf_view(&b), want));
    buf_fini(&b);
}

/* FIPS 180-4, "abc". */
static void test_crypto_hash(void **state)
{
    (void)state;
    uint8_t out[DIGEST_MAX];
    crypto_hash(DIGEST_SHA1, STR("abc"), out);
    assert_hex(out, digest_size(DIGEST_SHA1), "a9993e364706816aba3e25717850c26c9cd0d89d");
    crypto_hash(DIGEST_SHA256, STR("abc"), out);
    assert_hex(out, digest_size(DIGEST_SHA256),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_hash(DIGEST_SHA512, STR("abc"), out);
    assert_hex(out, digest_size(DIGEST_SHA512),
               "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
               "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    crypto_hash(DIGEST_SHA1, STR_NONE, out);
    assert_hex(out, 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* RFC 2202 case 2, RFC 4231 case 2. */
static void test_crypto_hmac(void **state)
{
    (void)state;
    uint8_t out[DIGEST_MAX];
    struct str in = STR("what do ya want for nothing?");
    crypto_hmac(DIGEST_SHA1, STR("Jefe"), in, out);
    assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    crypto_hmac(DIGEST_SHA256, STR("Jefe"), in, out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    crypto_hmac(DIGEST_SHA512, STR("Jefe"), in, out);
    assert_hex(out, 64,
               "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
               "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    crypto_hmac(DIGEST_SHA256, STR_NONE, STR_NONE, out);
    assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 6070; for SHA-256 the same inputs. */
static void test_crypto_pbkdf2(void **state)
{
    (void)state;
    uint8_t out[DIGEST_MAX];
    crypto_pbkdf2(DIGEST_SHA1, STR("password"), STR("salt"), 1, out);
    assert_hex(out, 20, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
    crypto_pbkdf2(DIGEST_SHA1, STR("password"), STR("salt"), 4096, out);
    assert_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
    crypto_pbkdf2(DIGEST_SHA256, STR("password"), STR("salt"), 4096, out);
    assert_hex(out, 32, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
}

static void test_crypto_equal(void **state)
{
    (void)state;
    assert_true(crypto_equal("abc", "abc", 3));
    assert_true(crypto_equal("abc", "abd", 2));
    assert_false(crypto_equal("abc", "abd", 3));
    assert_false(crypto_equal("abc", "xbc", 3));
    assert_true(crypto_equal("a", "b", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_hash),
        cmocka_unit_test(test_crypto_hmac),
        cmocka_unit_test(test_crypto_pbkdf2),
        cmocka_unit_test(test_crypto_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
