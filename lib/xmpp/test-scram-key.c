/* Stored SCRAM keys: derivation against the published exchanges, text form both ways, refusals. */
#include "lib/xmpp/scram-key.h"

#include "lib/base/encode.h"

#include <setjmp.h>

#include <cmocka.h>

/* Made from the parameters of RFC 7677 section 3 and RFC 5802 section 5 (password "pencil"). */
static const char sha256_text[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
static const char sha1_text[] = "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
                                "D+CSWLOshSulAsxiupA+qs2/fTE=";

/* Of the exchange in test-sasl-int.h. */
static const char sha512_text[] =
    "SCRAM-SHA-512$4096:Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=$"
    "ERxGuwQnAHA2amc01Vb1Qb9WPqMb68u8swldhuOn4MR7udux+oQ/DNrgcAy5c0/SEZybLeGYZ5jFkWH5ELNOXA==:"
    "gFCGdO8qeAVvqKCfFpqPXI2n2596CVtax0k6IH3gzt94xA9+DgAD6NwrELJ0AjguZNc0dWJxduOe037HEcD1UA==";

static void test_scram_key_published(void **state)
{
    (void)state;
    static const char *const texts[] = {sha512_text, sha256_text, sha1_text};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct scram_key k;
        assert_int_equal(scram_key_parse(str_of(texts[i]), &k), ERR_OK);
        assert_int_equal(k.iterations, 4096);
        assert_true(scram_key_matches(&k, STR("pencil")));
        assert_false(scram_key_matches(&k, STR("pencil2")));
        assert_false(scram_key_matches(&k, STR("")));
        struct buf b;
        buf_init(&b, 512);
        scram_key_format(&k, &b);
        assert_true(str_eqc(buf_view(&b), texts[i]));
        buf_fini(&b);
        k.server_key[3] ^= 1;
        assert_false(scram_key_matches(&k, STR("pencil")));
        k.server_key[3] ^= 1;
        k.stored_key[0] ^= 0x80;
        assert_false(scram_key_matches(&k, STR("pencil")));
    }
}

static void test_scram_key_fresh(void **state)
{
    (void)state;
    static const enum digest digests[] = {DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512};
    for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
        struct scram_key a, b, parsed;
        struct buf text;
        scram_key_derive(&a, digests[i], STR("p\xc3\xa4ss"), 4096);
        scram_key_derive(&b, digests[i], STR("p\xc3\xa4ss"), 4096);
        assert_int_equal(a.salt_len, 16);
        assert_memory_not_equal(a.salt, b.salt, 16);
        assert_memory_not_equal(a.stored_key, b.stored_key, 20);
        buf_init(&text, 512);
        scram_key_format(&a, &text);
        assert_int_equal(scram_key_parse(buf_view(&text), &parsed), ERR_OK);
        assert_int_equal(parsed.digest, digests[i]);
        assert_true(scram_key_matches(&parsed, STR("p\xc3\xa4ss")));
        buf_fini(&text);
    }
}

static void test_scram_key_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "SCRAM-SHA-1",
        "SCRAM-SHA-1$",
        "SCRAM-SHA-224$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=",
        "scram-sha-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=",
        "SCRAM-SHA-1$4095:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=",
        "SCRAM-SHA-1$1000001:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=",
        "SCRAM-SHA-1$x:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/"
        "fTE=",
        "SCRAM-SHA-1$4096:$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y:D+CSWLOshSulAsxiupA+qs2/"
        "fTE=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7v:D+CSWLOshSulAsxiupA+qs2/"
        "fTE=",
        "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=:",
        "SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+"
        "qs2/fTE=",
        "SCRAM-SHA-1$4096:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$"
        "6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=", /* salt of 33 bytes */
    };
    struct scram_key k = {.iterations = 77};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(scram_key_parse(str_of(wrong[i]), &k), ERR_INVALID);
        assert_int_equal(k.iterations, 77); /* untouched */
    }
    assert_int_equal(scram_key_parse(STR_NONE, &k), ERR_INVALID);
    char *longer = mem_calloc(1, 600);
    memset(longer, 'A', 599);
    assert_int_equal(scram_key_parse(str_of(longer), &k), ERR_LIMIT);
    mem_free(longer);
    /* every prefix and every changed byte: refused or another key, never a crash */
    for (size_t i = 0; i < sizeof sha256_text - 1; i++)
        assert_int_equal(scram_key_parse(str_make(sha256_text, i), &k), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scram_key_published),
        cmocka_unit_test(test_scram_key_fresh),
        cmocka_unit_test(test_scram_key_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
