/* DOC: headers of the PROXY protocol: what is taken, what is refused and from which byte on, in any
 * pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/net/proxy-header.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4_BODY "\xc0\x00\x02\x07\xc0\x00\x02\x01\xd4\x31\x14\x66"
#define V6_A "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define V6_B "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"
#define TLV "\x04\x00\x03xyz" /* PP2_TYPE_NOOP */
#define ROW(text, verdict, bytes, peer, local)                                                     \
    {                                                                                              \
        text, sizeof text - 1, verdict, bytes, peer, local                                         \
    }

static const struct {
    const char *p;
    size_t n;
    enum proxy_verdict verdict;
    size_t bytes;             /* of the header */
    const char *peer, *local; /* NULL: not known */
} rows[] = {
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 54321 5222\r\n<s", PROXY_OK, 43, "192.0.2.7:54321",
        "192.0.2.1:5222"),
    ROW("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", PROXY_OK, 44, "[2001:db8::7]:1",
        "[2001:db8::1]:65535"),
    ROW("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 2\r\n", PROXY_OK, 50, "192.0.2.7:1",
        "192.0.2.1:2"),
    ROW("PROXY UNKNOWN\r\n", PROXY_OK, 15, NULL, NULL),
    ROW("PROXY UNKNOWN ffff::1 x 0 0\r\n", PROXY_OK, 29, NULL, NULL),
    ROW(SIG "\x21\x11\0\x0c" V4_BODY "<", PROXY_OK, 28, "192.0.2.7:54321", "192.0.2.1:5222"),
    ROW(SIG "\x21\x11\0\x12" V4_BODY TLV "<", PROXY_OK, 34, "192.0.2.7:54321", "192.0.2.1:5222"),
    ROW(SIG "\x21\x21\0\x24" V6_A V6_B "\0\x01\0\x02", PROXY_OK, 52, "[2001:db8::7]:1",
        "[2001:db8::1]:2"),
    ROW(SIG "\x21\x21\0\x24" V6_MAPPED V6_B "\0\x01\0\x02", PROXY_OK, 52, "192.0.2.7:1",
        "[2001:db8::1]:2"),
    ROW(SIG "\x20\0\0\0", PROXY_OK, 16, NULL, NULL), /* LOCAL */
    ROW(SIG "\x20\x11\0\x0c" V4_BODY, PROXY_OK, 28, NULL,
        NULL), /* LOCAL with what does not count */
    ROW(SIG "\x20\xff\0\x03xyz", PROXY_OK, 19, NULL, NULL),
    ROW(SIG "\x21\0\0\x03xyz", PROXY_OK, 19, NULL, NULL),   /* UNSPEC */
    ROW(SIG "\x21\x31\0\x03xyz", PROXY_OK, 19, NULL, NULL), /* UNIX */
    ROW("", PROXY_MORE, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 54321 5222\r", PROXY_MORE, 0, NULL, NULL),
    ROW(SIG "\x21\x11\0\x0c"
            "\xc0",
        PROXY_MORE, 0, NULL, NULL),
    ROW("<?xml version='1.0'?>", PROXY_BAD, 0, NULL, NULL),
    ROW("\x16\x03\x01", PROXY_BAD, 0, NULL, NULL), /* TLS */
    ROW("proxy ", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 54321 5222\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY \n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY \r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7  192.0.2.1 1 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 192.0.2.7 192.0.2.1 -1 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW("PROXY TCP4 a.example 192.0.2.1 1 2\r\n", PROXY_BAD, 0, NULL, NULL),
    ROW(SIG "\x11", PROXY_BAD, 0, NULL, NULL),                   /* another version */
    ROW(SIG "\x22", PROXY_BAD, 0, NULL, NULL),                   /* another command */
    ROW(SIG "\x21\x12\0\x0c" V4_BODY, PROXY_BAD, 0, NULL, NULL), /* UDP */
    ROW(SIG "\x21\x41\0\0", PROXY_BAD, 0, NULL, NULL),           /* no such family */
    ROW(SIG "\x21\x11\0\x0b" V4_BODY, PROXY_BAD, 0, NULL, NULL), /* cut short */
    ROW(SIG "\x21\x21\0\x23" V6_A V6_B "\0\x01\0", PROXY_BAD, 0, NULL, NULL),
};

static void check_addr(const struct addr *a, const char *expected)
{
    char text[ADDR_TEXT_MAX];
    assert_string_equal(addr_format(text, a), expected);
}

static void test_proxy_header_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_header h;
        const char *why;
        enum proxy_verdict v = proxy_header_parse(str_make(rows[i].p, rows[i].n), &h, &why);
        if (v != rows[i].verdict)
            fail_msg("row %zu: %d instead of %d: %s", i, v, rows[i].verdict, why);
        assert_int_equal(v == PROXY_BAD, *why != 0);
        assert_int_equal(h.is_known, rows[i].peer != NULL);
        if (v == PROXY_OK)
            assert_int_equal(h.bytes, rows[i].bytes);
        if (h.is_known) {
            check_addr(&h.peer, rows[i].peer);
            check_addr(&h.local, rows[i].local);
        }
    }
}

/* Each beginning of a good header asks for more, of a bad one sooner or later says so. */
static void test_proxy_header_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t n = 0; n < rows[i].n; n++) {
            struct proxy_header h;
            const char *why;
            enum proxy_verdict v = proxy_header_parse(str_make(rows[i].p, n), &h, &why);
            if (rows[i].verdict == PROXY_BAD)
                assert_true(v != PROXY_OK);
            else
                assert_int_equal(v, rows[i].bytes && n >= rows[i].bytes ? PROXY_OK : PROXY_MORE);
        }
    }
}

static void test_proxy_header_limits(void **state)
{
    static char text[PROXY_HEADER_MAX + 16];
    struct proxy_header h;
    const char *why;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "PROXY UNKNOWN ", 14);
    memcpy(text + 105, "\r\n", 2); /* 107 bytes */
    assert_int_equal(proxy_header_parse(str_make(text, sizeof text), &h, &why), PROXY_OK);
    text[105] = 'x';
    memcpy(text + 106, "\r\n", 2);
    assert_int_equal(proxy_header_parse(str_make(text, 106), &h, &why), PROXY_MORE);
    assert_int_equal(proxy_header_parse(str_make(text, 107), &h, &why), PROXY_BAD);

    const size_t body = PROXY_HEADER_MAX - 16;
    memcpy(text, SIG "\x21\x11", 14);
    text[14] = (char)(body >> 8);
    text[15] = (char)(body & 0xff);
    assert_int_equal(proxy_header_parse(str_make(text, 16), &h, &why), PROXY_MORE);
    assert_int_equal(proxy_header_parse(str_make(text, sizeof text), &h, &why), PROXY_OK);
    assert_int_equal(h.bytes, PROXY_HEADER_MAX);
    text[15]++;
    assert_int_equal(proxy_header_parse(str_make(text, 16), &h, &why), PROXY_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_proxy_header_rows),
                                       cmocka_unit_test(test_proxy_header_pieces),
                                       cmocka_unit_test(test_proxy_header_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
