/* DOC: requests of the private port: what is taken, what is refused with which status, in any
 * pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/net/http-get.h"

#define H "Host: a\r\n"
static const struct {
    const char *bytes;
    unsigned status;
    const char *path;
} rows[] = {
    {"GET /metrics HTTP/1.1\r\n" H "\r\n", 200, "/metrics"},
    {"HEAD / HTTP/1.1\r\n" H "Accept: */*\r\nX-Empty:\r\n\r\n", 200, "/"},
    {"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200, "/metrics"},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\nmore", 200, "/"},
    {"GET /metrics HTTP/1.1\r\n" H, 0, NULL},
    {"", 0, NULL},
    {"GET / HTTP/1.1\r\n\r\n", 400, NULL},               /* no Host */
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400, NULL},        /* two */
    {"GET / HTTP/1.1\n" H "\n\r\n\r\n", 400, NULL},      /* bare LF */
    {"GET / HTTP/1.1\r\n" H " x: y\r\n\r\n", 400, NULL}, /* folded */
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" H "a\x01: b\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" H "a: b\x01\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" H "a: b\rc\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" H "nonsense\r\n\r\n", 400, NULL},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", 400, NULL},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400, NULL},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400, NULL},
    {"GET metrics HTTP/1.1\r\n" H "\r\n", 400, NULL},
    {"GET http://a/metrics HTTP/1.1\r\n" H "\r\n", 400, NULL},
    {"GET /a b HTTP/1.1\r\n" H "\r\n", 400, NULL},
    {"GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", 400, NULL},
    {"HEAD /\r\n\n\r\r\n\r\n", 400, NULL},
    {"a\rb\r\n\r\n", 400, NULL}, /* no line ends */
    {"GET /\r\n\r\n", 400, NULL},
    {"\r\n\r\n", 400, NULL},
    {"POST /metrics HTTP/1.1\r\n" H "\r\n", 405, NULL},
    {"get /metrics HTTP/1.1\r\n" H "\r\n", 405, NULL},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505, NULL},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505, NULL},
    {"GET / FTP/1.1\r\n" H "\r\n", 400, NULL},
};

static void test_http_get_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_get got = {0};
        unsigned status = http_get_parse(str_of(rows[i].bytes), &got);
        if (status != rows[i].status)
            fail_msg("%u instead of %u: %s", status, rows[i].status, rows[i].bytes);
        if (rows[i].path)
            assert_true(str_eqc(got.path, rows[i].path));
        for (size_t n = 0; status == 200 && n < strlen(rows[i].bytes); n++) {
            unsigned part = http_get_parse(str_make(rows[i].bytes, n), &got);
            assert_true(part == 0 || part == 200);
        }
    }
}

static void test_http_get_limits(void **state)
{
    static char text[2 * HTTP_GET_MAX];
    struct http_get got;
    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(http_get_parse(str_make(text, HTTP_GET_MAX - 1), &got), 0);
    assert_int_equal(http_get_parse(str_make(text, HTTP_GET_MAX), &got), 414);
    memcpy(text, "GET / HTTP/1.1\r\n", 16);
    assert_int_equal(http_get_parse(str_make(text, sizeof text), &got), 431);
    struct buf b;
    buf_init(&b, HTTP_GET_MAX);
    buf_cstr(&b, "GET / HTTP/1.1\r\n" H);
    for (int i = 1; i < HTTP_GET_HEADERS_MAX; i++)
        buf_cstr(&b, "a: b\r\n");
    size_t n = b.n;
    buf_cstr(&b, "\r\n");
    assert_int_equal(http_get_parse(buf_view(&b), &got), 200);
    b.n = n;
    buf_cstr(&b, "a: b\r\n\r\n");
    assert_int_equal(http_get_parse(buf_view(&b), &got), 431);
    buf_fini(&b);
}

static void test_http_answer(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    http_answer(&b, 405, "text/plain", STR("no\n"), false);
    buf_char(&b, 0);
    assert_non_null(strstr(b.p, "HTTP/1.1 405 Method Not Allowed\r\n"));
    assert_non_null(strstr(b.p, "Content-Length: 3\r\n"));
    assert_non_null(strstr(b.p, "Allow: GET, HEAD\r\n"));
    assert_non_null(strstr(b.p, "\r\n\r\nno\n"));
    buf_clear(&b);
    http_answer(&b, 200, "text/plain", STR("ok\n"), true);
    assert_true(str_ends(buf_view(&b), STR("\r\n\r\n")));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_http_get_cases),
                                       cmocka_unit_test(test_http_get_limits),
                                       cmocka_unit_test(test_http_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
