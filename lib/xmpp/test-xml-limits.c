/* DOC: the stream parser's limits, at their edge and past it, and its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/xmpp/test-xml-rig.h"

/* Feed b whole and byte by byte; both must end in cond. */
static void expect_both(const struct xml_limits *l, const struct buf *b, enum stream_cond cond,
                        int line)
{
    for (size_t piece = 1; piece <= b->n; piece += b->n > 1 ? b->n - 1 : 1) {
        struct rig r;
        open_stream(&r, l);
        enum stream_cond c = STREAM_OK;
        for (size_t at = 0; at < b->n && c == STREAM_OK; at += piece)
            c = feed(&r, str_make(b->p + at, b->n - at < piece ? b->n - at : piece));
        if (c != cond)
            fail_msg("line %d, pieces of %zu: %s", line, piece, c ? r.why : "accepted");
        rig_fini(&r);
    }
}

static void limit_case(const struct xml_limits *l, struct buf b, enum stream_cond cond, int line)
{
    expect_both(l, &b, cond, line);
    buf_fini(&b);
}
#define LIMIT_CASE(l, b, cond) limit_case(l, b, cond, __LINE__)

static void test_xml_parse_stanza_limit_is_exact(void **state)
{
    (void)state;
    struct xml_limits l = xml_limits_default;
    l.max_stanza_bytes = 10000;
    LIMIT_CASE(&l, filled("<a>", 'x', 10000 - 7, "</a>"), STREAM_OK);
    LIMIT_CASE(&l, filled("<a>", 'x', 10000 - 6, "</a>"), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("<a>", 'x', 10000 - 3, ""), STREAM_OK);
    LIMIT_CASE(&l, filled("<a>", 'x', 10000 - 2, ""), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("<a><![CDATA[", 'x', 10000 - 19, "]]></a>"), STREAM_OK);
    LIMIT_CASE(&l, filled("<a><![CDATA[", 'x', 10000 - 18, "]]></a>"), STREAM_POLICY_VIOLATION);
    l.max_stanza_bytes = 100;
    LIMIT_CASE(&l, filled("<a b='", 'x', 100 - 9, "'/>"), STREAM_OK);
    LIMIT_CASE(&l, filled("<a b='", 'x', 100 - 8, "'/>"), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("<a b='", 'x', 100 - 5, ""), STREAM_POLICY_VIOLATION);
}

static void test_xml_parse_counts_each_stanza_alone(void **state)
{
    (void)state;
    struct xml_limits l = xml_limits_default;
    struct rig r;
    l.max_stanza_bytes = 20;
    open_stream(&r, &l);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(feedc(&r, "  \n <a>0123456789012</a>\n<b/>\r\n"), STREAM_OK);
        assert_int_equal(r.bytes, 4);
    }
    buf_clear(&r.log);
    struct buf space = filled("", ' ', 1 << 20, "");
    const size_t before = xml_parser_memory(r.parser);
    assert_int_equal(feed(&r, buf_view(&space)), STREAM_OK);
    assert_true(xml_parser_memory(r.parser) <= before + 64 * 1024);
    buf_fini(&space);
    assert_int_equal(feedc(&r, "<a>01234567890123</a>"), STREAM_POLICY_VIOLATION);
    rig_fini(&r);
}

static void test_xml_parse_tag_limit_is_exact(void **state)
{
    (void)state;
    struct xml_limits l = xml_limits_default;
    l.max_tag_bytes = 5000;
    LIMIT_CASE(&l, filled("<a b='", 'x', 5000 - 9, "'/>"), STREAM_OK);
    LIMIT_CASE(&l, filled("<a b='", 'x', 5000 - 8, "'/>"), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("<a b='", 'x', 5000 - 6, ""), STREAM_OK);
    LIMIT_CASE(&l, filled("<a b='", 'x', 5000 - 5, ""), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("<a><", 'x', 5000 - 1, ""), STREAM_OK);
    LIMIT_CASE(&l, filled("<a><", 'x', 5000, ""), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("<a><!--", 'x', 6000, ""), STREAM_POLICY_VIOLATION);
}

static void test_xml_parse_header_is_bound_by_the_tag_limit(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct rig r;
        struct buf b = filled(
            "<s:stream xmlns:s='http://etherx.jabber.org/streams' to='", 'x',
            xml_limits_default.max_tag_bytes -
                sizeof "<s:stream xmlns:s='http://etherx.jabber.org/streams' to=''>" + 1 + extra,
            "'>");
        rig_init(&r, NULL);
        assert_int_equal(feed(&r, buf_view(&b)), extra ? STREAM_POLICY_VIOLATION : STREAM_OK);
        rig_fini(&r);
        buf_fini(&b);
    }
}

static struct buf repeated(const char *head, const char *piece, size_t n, const char *tail)
{
    struct buf b;
    buf_init(&b, 1 << 26);
    buf_cstr(&b, head);
    for (size_t i = 0; i < n; i++)
        buf_cstr(&b, piece);
    buf_cstr(&b, tail);
    return b;
}

static void test_xml_parse_depth_attrs_elements_are_exact(void **state)
{
    (void)state;
    const struct xml_limits l = {.max_stanza_bytes = 4000,
                                 .max_depth = 8,
                                 .max_attrs = 5,
                                 .max_elements = 50,
                                 .max_tag_bytes = 1000};
    LIMIT_CASE(&l, filled("", ' ', 1, "<a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a>"),
               STREAM_OK);
    LIMIT_CASE(&l, filled("", ' ', 1, "<a><a><a><a><a><a><a><a><a/>"), STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, filled("", ' ', 1, "<a b='' c='' d='' e='' xmlns:f='g'/>"), STREAM_OK);
    LIMIT_CASE(&l, filled("", ' ', 1, "<a b='' c='' d='' e='' xmlns:f='g' h=''/>"),
               STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l,
               filled("", ' ', 1,
                      "<a xmlns='' xmlns:c='c' xmlns:d='d' xmlns:e='e' xmlns:f='f' xmlns:h='h'/>"),
               STREAM_POLICY_VIOLATION);
    LIMIT_CASE(&l, repeated("<a>", "<b/>", 49, "</a>"), STREAM_OK);
    LIMIT_CASE(&l, repeated("<a>", "<b/>", 50, "</a>"), STREAM_POLICY_VIOLATION);
}

/* A kilobyte of namespace behind a one-letter prefix: cheap to send, dear to hold and to write out.
 */
static void test_xml_parse_amplification_by_prefixes_is_refused(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    struct buf b = filled("<a xmlns:x='", 'x', 4000, "' xmlns:y='y'>");
    for (int i = 0; i < 4000; i++)
        buf_cstr(&b, "<x:a/><y:a/>");
    assert_int_equal(feed(&r, buf_view(&b)), STREAM_POLICY_VIOLATION);
    assert_non_null(strstr(r.why, "memory"));
    rig_fini(&r);
    buf_fini(&b);
}

static void test_xml_parse_memory_returns_after_hostile_input(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    assert_int_equal(feedc(&r, "<a/>"), STREAM_OK);
    const size_t calm = xml_parser_memory(r.parser);
    assert_true(calm < 32 * 1024);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_cstr(&b, "<a>");
    for (int i = 0; i < 9000; i++)
        buf_printf(&b, "<name%dxxxx/>", i);
    assert_int_equal(feed(&r, buf_view(&b)), STREAM_OK);
    const size_t fat = xml_parser_memory(r.parser);
    assert_true(fat > 1 << 20);
    assert_true(fat < 4 << 20);
    assert_int_equal(feedc(&r, "</a><q:b/>"),
                     STREAM_OK); /* rebuilt between the two; q: still bound */
    assert_true(xml_parser_memory(r.parser) <= calm + 8 * 1024);
    xml_parser_park(r.parser);
    assert_true(xml_parser_memory(r.parser) < 2048);
    buf_clear(&r.log);
    assert_int_equal(feedc(&r, "<c/>"), STREAM_OK);
    expect_log(&r, "<c/>\n");
    assert_int_equal(feed(&r, buf_view(&b)), STREAM_OK);
    xml_parser_reset(r.parser, true);
    assert_true(xml_parser_memory(r.parser) < 2048);
    buf_fini(&b);
    rig_fini(&r);
}

static void test_xml_parse_limits_change_in_mid_stream(void **state)
{
    (void)state;
    struct rig r;
    struct xml_limits l = xml_limits_default;
    l.max_stanza_bytes = 50;
    open_stream(&r, &l);
    struct buf b = filled("<a>", 'x', 1000, "</a>");
    xml_parser_set_limits(r.parser, &xml_limits_default);
    assert_int_equal(feed(&r, buf_view(&b)), STREAM_OK);
    xml_parser_set_limits(r.parser, &l);
    assert_int_equal(feed(&r, buf_view(&b)), STREAM_POLICY_VIOLATION);
    buf_fini(&b);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_parse_stanza_limit_is_exact),
        cmocka_unit_test(test_xml_parse_counts_each_stanza_alone),
        cmocka_unit_test(test_xml_parse_tag_limit_is_exact),
        cmocka_unit_test(test_xml_parse_header_is_bound_by_the_tag_limit),
        cmocka_unit_test(test_xml_parse_depth_attrs_elements_are_exact),
        cmocka_unit_test(test_xml_parse_amplification_by_prefixes_is_refused),
        cmocka_unit_test(test_xml_parse_memory_returns_after_hostile_input),
        cmocka_unit_test(test_xml_parse_limits_change_in_mid_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
