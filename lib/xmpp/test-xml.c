/* DOC: namespaces, the element tree, the serialiser, and the error tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/xmpp/stanza-error.h"
#include "lib/xmpp/stream-error.h"
#include "lib/xmpp/xml-parse.h"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void expect_text(const struct xml *el, const char *ns, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    xml_write(&b, el, ns);
    buf_char(&b, '\0');
    assert_string_equal(b.p, want);
    buf_fini(&b);
}

static void test_xml_known_namespaces_are_interned(void **state)
{
    (void)state;
    char copy[64];
#define CHECK(id, uri)                                                                             \
    memcpy(copy, uri, sizeof uri);                                                                 \
    assert_ptr_equal(ns_find(str_of(copy)), NS_##id);
    NS_TABLE(CHECK)
#undef CHECK
    assert_null(ns_find(STR("jabber:clienu")));
    assert_null(ns_find(STR("")));
    memcpy(copy, "urn:xmpp:ping", sizeof "urn:xmpp:ping");
    assert_ptr_equal(xml_new(arena, copy, "x")->ns, NS_PING);
}

static void test_xml_attributes_replace_and_keep_order(void **state)
{
    (void)state;
    struct xml *el = xml_new(arena, NS_CLIENT, "a");
    xml_set(arena, el, "x", STR("1"));
    xml_set(arena, el, "y", STR("2"));
    xml_set_ns(arena, el, NS_XML, "lang", STR("en"));
    xml_set_ns(arena, el, "urn:p", "x", STR("3"));
    xml_set(arena, el, "x", STR(""));
    xml_set(arena, el, "none", STR_NONE);
    expect_text(el, NS_CLIENT, "<a x='' y='2' xml:lang='en' xmlns:a0='urn:p' a0:x='3'/>");
    assert_int_equal(xml_get(el, "x").n, 0);
    assert_non_null(xml_get(el, "x").p);
    assert_null(xml_get(el, "lang").p);
    assert_null(xml_get(NULL, "x").p);
    assert_true(str_eqc(xml_get_ns(el, "urn:p", "x"), "3"));
}

static void test_xml_children_are_found(void **state)
{
    (void)state;
    struct xml *el = xml_new(arena, NS_CLIENT, "a");
    xml_add_text(arena, el, STR("one"));
    xml_add(arena, el, NS_PING, "p");
    xml_add_text(arena, el, STR(""));
    xml_add_text(arena, el, STR("two"));
    struct xml *q = xml_add(arena, el, "urn:q", "p");
    assert_ptr_equal(xml_child(el, "urn:q", "p"), q);
    assert_ptr_equal(xml_child(el, "urn:q", NULL), q);
    assert_ptr_equal(xml_child(el, NULL, "p"), xml_first(el));
    assert_null(xml_child(el, NULL, "z"));
    assert_null(xml_child(NULL, NULL, NULL));
    assert_true(xml_is(xml_first(el), NS_PING, "p"));
    assert_false(xml_is(NULL, NS_PING, "p"));
    assert_true(str_eqc(xml_text(arena, el), "onetwo"));
    assert_true(str_eqc(xml_text(arena, q), ""));
    size_t n = 0;
    xml_each(el, c) n += strlen(c->el->name);
    assert_int_equal(n, 2);
    expect_text(xml_without(arena, el, NS_PING, "p"), NS_CLIENT, "<a>onetwo<p xmlns='urn:q'/></a>");
    expect_text(el, NS_CLIENT, "<a>one<p xmlns='urn:xmpp:ping'/>two<p xmlns='urn:q'/></a>");
}

static void test_xml_copy_outlives_its_source(void **state)
{
    (void)state;
    struct xml_doc *d;
    assert_int_equal(
        xml_parse_one(STR("<a xmlns='urn:u' q:k='v' xmlns:q='urn:q'>x<b/>y</a>"), NULL, NULL, &d),
        ERR_OK);
    const struct xml *c = xml_copy(arena, d->root);
    xml_doc_free(&d);
    xml_doc_free(&d);
    expect_text(c, NULL, "<a xmlns='urn:u' xmlns:a0='urn:q' a0:k='v'>x<b/>y</a>");
}

static void test_xml_write_prefixes_first_level_only(void **state)
{
    (void)state;
    struct xml *f = xml_new(arena, NS_STREAM, "features");
    xml_add(arena, f, NS_TLS, "starttls");
    xml_add(arena, xml_add(arena, f, NS_CLIENT, "c"), NS_DIALBACK, "result");
    expect_text(f, NS_CLIENT,
                "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                "<c><result xmlns='jabber:server:dialback'/></c></stream:features>");
    expect_text(f, NULL,
                "<features xmlns='http://etherx.jabber.org/streams'>"
                "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><c xmlns='jabber:client'>"
                "<result xmlns='jabber:server:dialback'/></c></features>");
    expect_text(xml_new(arena, NS_DIALBACK, "verify"), NS_SERVER, "<db:verify/>");
    /* the header of a stream to a client does not declare db: */
    expect_text(xml_new(arena, NS_DIALBACK, "verify"), NS_CLIENT,
                "<verify xmlns='jabber:server:dialback'/>");
    bool empty;
    struct buf b;
    buf_init(&b, 1000);
    xml_write_open(&b, f, NS_CLIENT, &empty);
    assert_false(empty);
    xml_write_open(&b, xml_new(arena, "", "x"), NS_CLIENT, &empty);
    assert_true(empty);
    assert_true(str_eqc(buf_view(&b), "<stream:features><x xmlns=''/>"));
    buf_fini(&b);
}

/* Byte by byte, as attributes need it; C0 controls are kept out of the input. */
static void escape_slowly(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        static const char special[] = "<&>'\"";
        static const char *const names[] = {"&lt;", "&amp;", "&gt;", "&apos;", "&quot;"};
        const char *found = strchr(special, s.p[i]);
        if (found)
            buf_cstr(out, names[found - special]);
        else
            buf_char(out, s.p[i]);
    }
}

/* Markup at every place of a text, near and far from others, beside its neighbours in the code. */
static void test_xml_write_escapes_everywhere(void **state)
{
    static const char pool[] = "<&>'\"%(#;=?! a~\x7f\xc3\xa9";
    unsigned x = 1;
    (void)state;
    for (int round = 0; round < 5000; round++) {
        char text[64];
        struct buf fast, slow;
        const size_t n = (size_t)round % sizeof text;
        for (size_t i = 0; i < n; i++) {
            x = x * 1103515245 + 12345;
            text[i] = (x >> 16) % 4 ? 'a' : pool[(x >> 20) % (sizeof pool - 1)];
        }
        buf_init(&fast, SIZE_MAX);
        buf_init(&slow, SIZE_MAX);
        xml_escape(&fast, str_make(text, n));
        escape_slowly(&slow, str_make(text, n));
        assert_true(str_eq(buf_view(&fast), buf_view(&slow)));
        buf_fini(&fast);
        buf_fini(&slow);
    }
}

static void test_xml_write_escapes(void **state)
{
    (void)state;
    struct xml *el = xml_new(arena, "urn:'<", "a");
    xml_set(arena, el, "k", STR("<>&\"'\t\r\n\x02\x7F\u00FC"));
    xml_add_text(arena, el, STR("]]><>&\"'\t\r\n\x02\u00FC"));
    expect_text(
        el, NULL,
        "<a xmlns='urn:&apos;&lt;' k='&lt;&gt;&amp;&quot;&apos;&#9;&#13;&#10;\uFFFD\x7F\u00FC'>"
        "]]&gt;&lt;&gt;&amp;\"'\t&#13;\n\uFFFD\u00FC</a>");
    struct buf b;
    buf_init(&b, 100);
    xml_escape(&b, STR("a<'\n"));
    assert_true(str_eqc(buf_view(&b), "a&lt;&apos;&#10;"));
    buf_fini(&b);
}

static void test_xml_write_overflow_shows(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    xml_write(&b, xml_new(arena, NS_CLIENT, "message"), NS_CLIENT);
    assert_false(buf_ok(&b));
    buf_fini(&b);
}

static void test_xml_stream_conditions_have_names(void **state)
{
    (void)state;
    for (int c = STREAM_OK + 1; c <= STREAM_UNSUPPORTED_VERSION; c++)
        assert_int_equal(stream_cond_find(str_of(stream_cond_name((enum stream_cond)c))), c);
    assert_string_equal(stream_cond_name(STREAM_OK), "ok");
    assert_int_equal(stream_cond_find(STR("ok")), STREAM_UNDEFINED_CONDITION);
    assert_int_equal(stream_cond_find(STR("xml-not-well-formed")), STREAM_NOT_WELL_FORMED);
    for (int c = STANZA_OK + 1; c <= STANZA_UNEXPECTED_REQUEST; c++)
        assert_int_equal(stanza_cond_find(str_of(stanza_cond_name((enum stanza_cond)c))), c);
    assert_int_equal(stanza_cond_find(STR("nonsense")), STANZA_UNDEFINED_CONDITION);
    assert_string_equal(stanza_cond_type(STANZA_FORBIDDEN), "auth");
}

static void test_xml_stream_error_is_read(void **state)
{
    (void)state;
    struct xml_doc *d;
    struct str text;
    assert_int_equal(
        xml_parse_one(
            STR("<stream:error><x xmlns='urn:x'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"
                "bye</text><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"),
            NS_CLIENT, NULL, &d),
        ERR_OK);
    assert_int_equal(stream_error_read(d->root, &text), STREAM_CONFLICT);
    assert_true(str_eqc(text, "bye"));
    xml_doc_free(&d);
    assert_int_equal(stream_error_read(xml_new(arena, NS_STREAM, "error"), &text),
                     STREAM_UNDEFINED_CONDITION);
    assert_null(text.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_known_namespaces_are_interned),
        cmocka_unit_test(test_xml_attributes_replace_and_keep_order),
        cmocka_unit_test(test_xml_children_are_found),
        cmocka_unit_test(test_xml_copy_outlives_its_source),
        cmocka_unit_test(test_xml_write_prefixes_first_level_only),
        cmocka_unit_test(test_xml_write_escapes),
        cmocka_unit_test(test_xml_write_escapes_everywhere),
        cmocka_unit_test(test_xml_write_overflow_shows),
        cmocka_unit_test(test_xml_stream_conditions_have_names),
        cmocka_unit_test(test_xml_stream_error_is_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
