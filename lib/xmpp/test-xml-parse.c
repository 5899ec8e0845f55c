/* DOC: the stream parser: events, refusals, pause, reset, free,
 * park, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/xmpp/test-xml-rig.h"

static const char conversation[] =
    " \n<?xml version='1.0'?>" HEADER
    "<message id='1'><body>a &lt;&#x42;<![CDATA[>]]>\r\nc</body></message>\n"
    "<q:x q:y='1'/> <presence/><iq xmlns=''><query "
    "xmlns='jabber:iq:roster'/></iq></stream:stream>junk<";

static const char conversation_log[] =
    "open example.com jabber:client\n<message id='1'><body>a &lt;B&gt;\nc</body></message>\n"
    "<x xmlns='urn:q' xmlns:a0='urn:q' a0:y='1'/>\n<presence/>\n"
    "<iq xmlns=''><query xmlns='jabber:iq:roster'/></iq>\nclose\n";

static void test_xml_parse_events_do_not_depend_on_the_cut(void **state)
{
    (void)state;
    const struct str all = STR(conversation);
    for (size_t piece = 1; piece <= all.n; piece++) {
        struct rig r;
        rig_init(&r, NULL);
        for (size_t at = 0; at < all.n; at += piece) {
            const size_t n = all.n - at < piece ? all.n - at : piece;
            assert_int_equal(feed(&r, str_make(all.p + at, n)), STREAM_OK);
            if (piece % 2)
                xml_parser_park(r.parser);
        }
        expect_log(&r, conversation_log);
        rig_fini(&r);
    }
}

static void test_xml_parse_refuses_with_the_right_condition(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum stream_cond cond;
    } cases[] = {
        {"<?xml version='1.1'?>" HEADER, STREAM_BAD_FORMAT},
        {"<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER, STREAM_UNSUPPORTED_ENCODING},
        {"<?xml version='1.0' encoding='UTF-16'?>" HEADER, STREAM_UNSUPPORTED_ENCODING},
        {"\xFF\xFE<", STREAM_UNSUPPORTED_ENCODING},
        {"\xFE\xFF", STREAM_UNSUPPORTED_ENCODING},
        {"\xEF\xBB\xBF" HEADER, STREAM_NOT_WELL_FORMED},
        {"<!DOCTYPE x [<!ENTITY a 'b'>]>" HEADER, STREAM_RESTRICTED_XML},
        {"<!-- x -->" HEADER, STREAM_RESTRICTED_XML},
        {"<?php x ?>" HEADER, STREAM_RESTRICTED_XML},
        {HEADER "<a><!-- x --></a>", STREAM_RESTRICTED_XML},
        {HEADER "<?php x ?>", STREAM_RESTRICTED_XML},
        {HEADER "<a>&nbsp;</a>", STREAM_RESTRICTED_XML},
        {HEADER "<a b='&nbsp;'/>", STREAM_RESTRICTED_XML},
        {HEADER "<!DOCTYPE x>", STREAM_NOT_WELL_FORMED},
        {"<stream xmlns='jabber:client'>", STREAM_INVALID_NAMESPACE},
        {"<stream:stream xmlns:stream='http://wrong.example/'>", STREAM_INVALID_NAMESPACE},
        {"<stream>", STREAM_BAD_NAMESPACE_PREFIX},
        {"<html>", STREAM_BAD_FORMAT},
        {"<s:features xmlns:s='http://etherx.jabber.org/streams'>", STREAM_BAD_FORMAT},
        {"GET / HTTP/1.1\r\n", STREAM_NOT_WELL_FORMED},
        {"\x16\x03\x01", STREAM_NOT_WELL_FORMED},
        {HEADER "text", STREAM_BAD_FORMAT},
        {HEADER "<a/>&#x41;", STREAM_BAD_FORMAT},
        {HEADER "<a></b>", STREAM_NOT_WELL_FORMED},
        {HEADER "<a x='1' x='2'/>", STREAM_NOT_WELL_FORMED},
        {HEADER "<foo:a/>", STREAM_NOT_WELL_FORMED},
        {HEADER "<a>\xC3\x28</a>", STREAM_NOT_WELL_FORMED},
        {HEADER "<a>\xED\xA0\x80</a>", STREAM_NOT_WELL_FORMED},
        {HEADER "<a>&#0;</a>", STREAM_NOT_WELL_FORMED},
        {HEADER "<a xmlns:n='a&#10;b'/>", STREAM_NOT_WELL_FORMED},
        {HEADER "<stream:stream xmlns:stream=''/>", STREAM_NOT_WELL_FORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        rig_init(&r, NULL);
        const enum stream_cond c = feedc(&r, cases[i].text);
        if (c != cases[i].cond)
            fail_msg("%s: %s", cases[i].text, stream_cond_name(c));
        assert_non_null(r.why);
        assert_int_equal(feedc(&r, "<more/>"), cases[i].cond);
        rig_fini(&r);
    }
}

static void test_xml_parse_refuses_utf16_without_mark(void **state)
{
    (void)state;
    static const char header[] = "<s:stream xmlns:s='http://etherx.jabber.org/streams'>";
    for (size_t big = 0; big < 2; big++) {
        char wide[2 * sizeof header] = {0};
        for (size_t i = 0; i < sizeof header - 1; i++)
            wide[2 * i + big] = header[i];
        for (size_t piece = 1; piece < sizeof wide; piece++) {
            struct rig r;
            rig_init(&r, NULL);
            enum stream_cond c = STREAM_OK;
            for (size_t at = 0; at + piece <= sizeof wide && c == STREAM_OK; at += piece)
                c = feed(&r, str_make(wide + at, piece));
            assert_int_equal(c, STREAM_UNSUPPORTED_ENCODING);
            expect_log(&r, "");
            rig_fini(&r);
        }
    }
}

static void test_xml_parse_accepts_other_prefixes_for_the_stream(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, NULL);
    assert_int_equal(
        feedc(&r, "<?xml version='1.0' standalone='no'?><f:stream to='x' xmlns='urn:unknown' "
                  "xmlns:f='http://etherx.jabber.org/streams'>"),
        STREAM_OK);
    xml_parser_park(r.parser);
    assert_int_equal(feedc(&r, "<f:features/><a/></f:stream>"), STREAM_OK);
    expect_log(&r, "open x urn:unknown\n<stream:features/>\n<a xmlns='urn:unknown'/>\nclose\n");
    rig_fini(&r);
}

static void test_xml_parse_empty_root_opens_closes_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, NULL);
    assert_int_equal(
        feedc(&r, "<stream:stream to='x' xmlns:stream='http://etherx.jabber.org/streams'/>z"),
        STREAM_OK);
    expect_log(&r, "open x \nclose\n");
    rig_fini(&r);
}

static void test_xml_parse_refusal_of_the_header_is_returned(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, NULL);
    r.refuse = STREAM_HOST_UNKNOWN;
    assert_int_equal(feedc(&r, HEADER "<a/>"), STREAM_HOST_UNKNOWN);
    expect_log(&r, "open example.com jabber:client\n");
    rig_fini(&r);
}

static void test_xml_parse_large_text_is_one_node(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    struct buf b = filled("<a>", 'x', 200000, "&amp;\n\ny</a>");
    assert_int_equal(feed(&r, buf_view(&b)), STREAM_OK);
    assert_int_equal(r.bytes, b.n);
    struct xml_doc *d;
    assert_int_equal(xml_parse_one(buf_view(&b), NS_CLIENT, NULL, &d), ERR_OK);
    assert_ptr_equal(d->root->first, d->root->last);
    assert_int_equal(d->root->first->text.n, 200000 + 4);
    assert_memory_equal(d->root->first->text.p + 199999, "x&\n\ny", 6);
    xml_doc_free(&d);
    buf_fini(&b);
    rig_fini(&r);
}

static void test_xml_parse_park_only_between_elements(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    const size_t before = xml_parser_memory(r.parser);
    assert_int_equal(feedc(&r, "<a"), STREAM_OK);
    xml_parser_park(r.parser);
    assert_true(xml_parser_memory(r.parser) >= before);
    assert_int_equal(feedc(&r, "><b>"), STREAM_OK);
    xml_parser_park(r.parser);
    assert_int_equal(feedc(&r, "</b></a> "), STREAM_OK);
    xml_parser_park(r.parser);
    assert_true(xml_parser_memory(r.parser) < before / 2);
    assert_int_equal(feedc(&r, "<c/></stream:stream>"), STREAM_OK);
    expect_log(&r, "<a><b/></a>\n<c/>\nclose\n");
    rig_fini(&r);
}

/* Keep-alives (RFC 6120 section 4.6.1) leave it parked; anything else does not. */
static void test_xml_parse_white_space_does_not_unpark(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    assert_false(xml_parser_is_parked(r.parser));
    xml_parser_park(r.parser);
    assert_true(xml_parser_is_parked(r.parser));
    assert_int_equal(feedc(&r, " "), STREAM_OK);
    assert_int_equal(feedc(&r, "\r\n\t "), STREAM_OK);
    assert_true(xml_parser_is_parked(r.parser));
    assert_int_equal(feedc(&r, "  <a> x</a> "), STREAM_OK);
    assert_false(xml_parser_is_parked(r.parser));
    expect_log(&r, "<a> x</a>\n");
    xml_parser_park(r.parser);
    assert_int_equal(feedc(&r, " x"), STREAM_BAD_FORMAT);
    rig_fini(&r);
}

static void test_xml_parse_pause_stops_after_this_element(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    r.once = ACT_PAUSE;
    assert_int_equal(feedc(&r, "<a/><b/><c"), STREAM_OK);
    expect_log(&r, "<a/>\n");
    assert_int_equal(feedc(&r, "/><d/>"), STREAM_OK);
    expect_log(&r, "");
    r.once = ACT_PAUSE;
    assert_int_equal(xml_parser_resume(r.parser, &r.why), STREAM_OK);
    expect_log(&r, "<b/>\n");
    assert_int_equal(xml_parser_resume(r.parser, &r.why), STREAM_OK);
    expect_log(&r, "<c/>\n<d/>\n");
    r.once = ACT_PAUSE_RESUME;
    assert_int_equal(feedc(&r, "<e/><f/>"), STREAM_OK);
    expect_log(&r, "<e/>\n<f/>\n");
    r.once = ACT_PAUSE;
    assert_int_equal(feedc(&r, "<g/>"), STREAM_OK);
    assert_int_equal(xml_parser_resume(r.parser, &r.why), STREAM_OK);
    assert_int_equal(feedc(&r, "<h/><!--"), STREAM_OK);
    expect_log(&r, "<g/>\n<h/>\n");
    rig_fini(&r);
}

static void test_xml_parse_error_behind_a_pause_comes_with_resume(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    r.once = ACT_PAUSE;
    assert_int_equal(feedc(&r, "<a/></x>"), STREAM_OK);
    assert_int_equal(xml_parser_resume(r.parser, &r.why), STREAM_NOT_WELL_FORMED);
    assert_non_null(r.why);
    rig_fini(&r);
}

static void test_xml_parse_reset_drops_what_was_injected(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    r.once = ACT_RESET_DROP;
    assert_int_equal(feedc(&r, "<starttls/><injected/>" HEADER "<injected/>"), STREAM_OK);
    expect_log(&r, "<starttls/>\n");
    assert_int_equal(feedc(&r, "<?xml version='1.0'?>" HEADER "<b/>"), STREAM_OK);
    expect_log(&r, "open example.com jabber:client\n<b/>\n");
    rig_fini(&r);
}

static void test_xml_parse_reset_drops_paused_bytes(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    r.once = ACT_PAUSE;
    assert_int_equal(feedc(&r, "<starttls/><injected/>"), STREAM_OK);
    xml_parser_reset(r.parser, true);
    assert_int_equal(xml_parser_resume(r.parser, NULL), STREAM_OK);
    expect_log(&r, "<starttls/>\n");
    assert_int_equal(feedc(&r, HEADER), STREAM_OK);
    expect_log(&r, "open example.com jabber:client\n");
    rig_fini(&r);
}

static void test_xml_parse_reset_goes_on_with_a_new_stream(void **state)
{
    (void)state;
    struct rig r;
    open_stream(&r, NULL);
    r.once = ACT_RESET_KEEP;
    assert_int_equal(
        feedc(&r, "<auth/>\n<?xml version='1.0'?><stream:stream to='two' xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams'><b/>"),
        STREAM_OK);
    expect_log(&r, "<auth/>\nopen two jabber:client\n<b/>\n");
    assert_int_equal(feedc(&r, "<q:c/>"), STREAM_NOT_WELL_FORMED); /* q: was the old stream's */
    xml_parser_reset(r.parser, false);
    assert_int_equal(feedc(&r, HEADER "<q:c/>"), STREAM_OK);
    rig_fini(&r);
}

static void test_xml_parse_may_be_freed_inside_events(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, NULL);
    r.on_open = ACT_FREE;
    assert_int_equal(feedc(&r, HEADER "<a/>"), STREAM_OK);
    expect_log(&r, "open example.com jabber:client\n");
    rig_fini(&r);
    rig_init(&r, NULL);
    r.on_open = ACT_FREE;
    r.refuse = STREAM_CONFLICT;
    assert_int_equal(feedc(&r, HEADER "<a/>"), STREAM_OK);
    rig_fini(&r);
    open_stream(&r, NULL);
    r.once = ACT_FREE;
    assert_int_equal(feedc(&r, "<a/><b/>"), STREAM_OK);
    expect_log(&r, "<a/>\n");
    rig_fini(&r);
    open_stream(&r, NULL);
    r.once = ACT_PAUSE;
    assert_int_equal(feedc(&r, "<a/><b/>"), STREAM_OK);
    r.once = ACT_FREE;
    struct xml_parser *p = r.parser;
    assert_int_equal(xml_parser_resume(p, NULL), STREAM_OK);
    expect_log(&r, "<a/>\n<b/>\n");
    rig_fini(&r);
}

static void test_xml_parse_one_takes_exactly_one(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "x",
                                      "<a>",
                                      "<a/><b/>",
                                      "<a/>x",
                                      "<a/><",
                                      "<a/></stream:stream>",
                                      "</stream:stream>",
                                      "<a:b/>"};
    struct xml_doc *d = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(xml_parse_one(str_of(bad[i]), NS_CLIENT, NULL, &d), ERR_INVALID);
    assert_null(d);
    assert_int_equal(xml_parse_one(STR(" <a/> "), NULL, NULL, &d), ERR_OK);
    assert_string_equal(d->root->ns, "");
    xml_doc_free(&d);
    assert_int_equal(xml_parse_one(STR("<db:result/>"), NS_SERVER, NULL, &d), ERR_OK);
    assert_true(xml_is(d->root, NS_DIALBACK, "result"));
    assert_ptr_equal(d->root->ns, NS_DIALBACK);
    xml_doc_free(&d);
    const struct xml_limits l = {.max_stanza_bytes = 5,
                                 .max_depth = 5,
                                 .max_attrs = 5,
                                 .max_elements = 5,
                                 .max_tag_bytes = 5};
    assert_int_equal(xml_parse_one(STR("<abc/>"), NULL, &l, &d), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_parse_events_do_not_depend_on_the_cut),
        cmocka_unit_test(test_xml_parse_refuses_with_the_right_condition),
        cmocka_unit_test(test_xml_parse_refuses_utf16_without_mark),
        cmocka_unit_test(test_xml_parse_accepts_other_prefixes_for_the_stream),
        cmocka_unit_test(test_xml_parse_empty_root_opens_closes_once),
        cmocka_unit_test(test_xml_parse_refusal_of_the_header_is_returned),
        cmocka_unit_test(test_xml_parse_large_text_is_one_node),
        cmocka_unit_test(test_xml_parse_park_only_between_elements),
        cmocka_unit_test(test_xml_parse_white_space_does_not_unpark),
        cmocka_unit_test(test_xml_parse_pause_stops_after_this_element),
        cmocka_unit_test(test_xml_parse_error_behind_a_pause_comes_with_resume),
        cmocka_unit_test(test_xml_parse_reset_drops_what_was_injected),
        cmocka_unit_test(test_xml_parse_reset_drops_paused_bytes),
        cmocka_unit_test(test_xml_parse_reset_goes_on_with_a_new_stream),
        cmocka_unit_test(test_xml_parse_may_be_freed_inside_events),
        cmocka_unit_test(test_xml_parse_one_takes_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
