/* DOC: Base64 (RFC 4648 section 10), hexadecimal, UTF-8 (RFC 3629), timestamps (XEP-0082). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/encode.h"
#include "lib/base/rand.h"

static void test_encode_base64_vectors(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xfb\xff\xfe", "+//+"}};
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&b);
        base64_encode(&b, rows[i][0], strlen(rows[i][0]));
        assert_true(str_eqc(buf_view(&b), rows[i][1]));
        buf_clear(&b);
        assert_int_equal(base64_decode(&b, str_of(rows[i][1])), ERR_OK);
        assert_true(str_eqc(buf_view(&b), rows[i][0]));
    }
    buf_fini(&b);
}

static void test_encode_base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",        "Zg",     "Zg=",  "Zh==", "Zm9=", "=",    "====", "Z===",     "Zg==Zg==",
        "Zm8=Zm8=", "Zm9v\n", "Zm 9", "Zm9-", "Zm9_", "Z=g=", "=Zg=", "Zm9v====", "Zm9\xc3"};
    struct buf b;
    buf_init(&b, 100);
    buf_cstr(&b, "kept");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(base64_decode(&b, str_of(bad[i])), ERR_INVALID);
        assert_true(str_eqc(buf_view(&b), "kept"));
    }
    assert_int_equal(base64_decode(&b, STR("Zm\0v")), ERR_INVALID);
    buf_fini(&b);
}

static void test_encode_round_trips_and_respects_the_ceiling(void **state)
{
    (void)state;
    uint8_t bytes[200];
    struct buf text, back;
    buf_init(&text, 1000);
    buf_init(&back, 100);
    rand_bytes(bytes, sizeof bytes);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        enum err want = n <= 100 ? ERR_OK : ERR_LIMIT;
        buf_clear(&text);
        buf_clear(&back);
        base64_encode(&text, bytes, n);
        assert_int_equal(base64_decode(&back, buf_view(&text)), want);
        assert_true(want || str_eq(buf_view(&back), str_make((char *)bytes, n)));
        buf_clear(&text);
        buf_clear(&back);
        hex_encode(&text, bytes, n);
        assert_int_equal(hex_decode(&back, buf_view(&text)), want);
        assert_true(want || str_eq(buf_view(&back), str_make((char *)bytes, n)));
    }
    buf_fini(&text);
    buf_fini(&back);
}

static void test_encode_hex(void **state)
{
    (void)state;
    static const char *const bad[] = {"a", "0g", "g0", "0x", " 0", "0:", "@0", "`0", "/0"};
    struct buf b;
    buf_init(&b, 100);
    hex_encode(&b, "\x00\x9f\xab", 3);
    assert_true(str_eqc(buf_view(&b), "009fab"));
    buf_clear(&b);
    assert_int_equal(hex_decode(&b, STR("009FaB")), ERR_OK);
    assert_true(str_eq(buf_view(&b), STR("\x00\x9f\xab")));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(hex_decode(&b, str_of(bad[i])), ERR_INVALID);
    assert_int_equal(b.n, 3);
    buf_fini(&b);
}

static void test_encode_utf8_edges(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        bool valid;
    } rows[] = {
        {{"", 0}, true},
        {{"a\0b", 3}, true},
        {{"\x7f", 1}, true},
        {{"\x80", 1}, false},
        {{"\xc0\x80", 2}, false}, /* overlong NUL */
        {{"\xc1\xbf", 2}, false},
        {{"\xc2\x80", 2}, true},
        {{"\xc2", 1}, false},
        {{"\xc2\x41", 2}, false},
        {{"\xe0\x9f\xbf", 3}, false}, /* overlong */
        {{"\xe0\xa0\x80", 3}, true},
        {{"\xe1\x80\xc0", 3}, false},
        {{"\xed\x9f\xbf", 3}, true},  /* U+D7FF */
        {{"\xed\xa0\x80", 3}, false}, /* surrogate */
        {{"\xee\x80\x80", 3}, true},
        {{"\xef\xbf\xbf", 3}, true},      /* a non-character is still UTF-8 */
        {{"\xf0\x8f\xbf\xbf", 4}, false}, /* overlong */
        {{"\xf0\x90\x80\x80", 4}, true},
        {{"\xf4\x8f\xbf\xbf", 4}, true}, /* U+10FFFF */
        {{"\xf4\x90\x80\x80", 4}, false},
        {{"\xf5\x80\x80\x80", 4}, false},
        {{"\xf0\x90\x80", 3}, false},
        {{"ok\xff", 3}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(utf8_valid(rows[i].text), rows[i].valid);
}

/* Every code point, encoded here by the definition, is read back; nothing else in between is. */
static void test_encode_utf8_every_code_point(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char p[4];
        uint32_t got = 0;
        size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        static const uint8_t mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t i = n; i-- > 1;)
            p[i] = (char)(0x80 | (cp >> 6 * (n - 1 - i) & 0x3f));
        p[0] = (char)(mark[n] | cp >> 6 * (n - 1));
        bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
        if (utf8_next(str_make(p, n), &got) != (surrogate ? 0 : n) || (!surrogate && got != cp))
            fail_msg("U+%04X", cp);
    }
}

static void test_encode_datefmt_known_dates(void **state)
{
    (void)state;
    static const struct {
        uint64_t us;
        const char *text;
    } rows[] = {{0, "1970-01-01T00:00:00.000000Z"},
                {951782399999999, "2000-02-28T23:59:59.999999Z"},
                {951782400000000, "2000-02-29T00:00:00.000000Z"},
                {951868800000000, "2000-03-01T00:00:00.000000Z"},
                {1795315506123456, "2026-11-22T02:45:06.123456Z"},
                {4107542400000000, "2100-03-01T00:00:00.000000Z"},
                {253402300799999999, "9999-12-31T23:59:59.999999Z"}};
    char out[DATEFMT_LEN + 1];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t us = 1;
        assert_string_equal(datefmt_utc(out, rows[i].us), rows[i].text);
        assert_int_equal(datefmt_parse(str_of(rows[i].text), &us), ERR_OK);
        assert_true(us == rows[i].us);
    }
    assert_string_equal(datefmt_utc(out, UINT64_MAX), "9999-12-31T23:59:59.999999Z");
}

/* Against the C library, one instant of each day until the year 2400. */
static void test_encode_datefmt_agrees_with_gmtime(void **state)
{
    (void)state;
    char out[DATEFMT_LEN + 1], want[64];
    for (time_t s = 12345; s < INT64_C(13569465600); s += 86400) {
        struct tm tm;
        uint64_t us = 0;
        gmtime_r(&s, &tm);
        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000007Z", &tm);
        datefmt_utc(out, (uint64_t)s * 1000000 + 7);
        if (strcmp(out, want) != 0 || datefmt_parse(str_of(out), &us) ||
            us != (uint64_t)s * 1000000 + 7)
            fail_msg("%s, not %s", out, want);
    }
}

static void test_encode_datefmt_parse_zones_and_fractions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t us;
    } rows[] = {{"1969-07-21T02:56:15Z", 0}, /* before the epoch: refused */
                {"2026-11-22T02:45:06Z", 1795315506000000},
                {"2026-11-21T21:45:06-05:00", 1795315506000000},
                {"2026-11-22T08:15:06.5+05:30", 1795315506500000},
                {"2026-11-22T02:45:06.1234567890Z", 1795315506123456},
                {"2026-11-22T02:45:06+00:00", 1795315506000000},
                {"2026-11-22T16:45:06+14:00", 1795315506000000},
                {"1970-01-01T01:00:00+01:00", 0}};
    for (size_t i = 1; i < ARRAY_LEN(rows); i++) {
        uint64_t us = 99;
        assert_int_equal(datefmt_parse(str_of(rows[i].text), &us), ERR_OK);
        assert_true(us == rows[i].us);
    }
    uint64_t kept = 99;
    assert_int_equal(datefmt_parse(str_of(rows[0].text), &kept), ERR_INVALID);
    assert_int_equal(kept, 99);
}

static void test_encode_datefmt_parse_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-11-22",
        "02:45:06Z",
        "2026-11-22T02:45:06",
        "2026-11-22T02:45Z",
        "2026-11-22t02:45:06z",
        "2026-11-22 02:45:06Z",
        "20261122T02:45:06",
        "2026-13-22T02:45:06Z",
        "2026-00-22T02:45:06Z",
        "2026-02-29T02:45:06Z",
        "2100-02-29T02:45:06Z",
        "2026-11-31T02:45:06Z",
        "2026-11-00T02:45:06Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T02:60:06Z",
        "2026-11-22T02:45:60Z",
        "2026-11-22T02:45:06.Z",
        "2026-11-22T02:45:06.5",
        "2026-11-22T02:45:06+0530",
        "2026-11-22T02:45:06+15:00",
        "2026-11-22T02:45:06+14:01",
        "2026-11-22T02:45:06+05:60",
        "2026-11-22T02:45:06Z ",
        " 2026-11-22T02:45:06Z",
        "12026-11-22T02:45:06Z",
        "+026-11-22T02:45:06Z",
        "2026-1-22T02:45:06Z",
        "9999-12-31T23:59:59-01:00",
        "2026-11-22T02:45:06.00000000000000000000000000000000000000000000000000Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t us = 99;
        if (datefmt_parse(str_of(bad[i]), &us) != ERR_INVALID || us != 99)
            fail_msg("accepted: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_base64_vectors),
        cmocka_unit_test(test_encode_base64_is_strict),
        cmocka_unit_test(test_encode_round_trips_and_respects_the_ceiling),
        cmocka_unit_test(test_encode_hex),
        cmocka_unit_test(test_encode_utf8_edges),
        cmocka_unit_test(test_encode_utf8_every_code_point),
        cmocka_unit_test(test_encode_datefmt_known_dates),
        cmocka_unit_test(test_encode_datefmt_agrees_with_gmtime),
        cmocka_unit_test(test_encode_datefmt_parse_zones_and_fractions),
        cmocka_unit_test(test_encode_datefmt_parse_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
