/* Test of the scanner: the same items however the bytes are cut, and what is no stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration-tests/bench/load-xml.h"

static const char stream[] =
    "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client' id=\"a>b\" from='d'>"
    "<stream:features><mechanisms xmlns='s'><mechanism>PLAIN</mechanism></mechanisms>"
    "</stream:features> \n"
    "<message from='u1@d/r' to='u0@d/r' id='x>y' type=\"chat\"><x a='/>'/><body>one &lt; two</body>"
    "<y><z/></y></message> <r xmlns='urn:xmpp:sm:3'/><iq type='result' id='7'><query>"
    "<![CDATA[</iq><]]></query></iq></stream:stream>";

/* What the items of the stream are, one line each. */
static const char expected[] = "1 stream:stream 0\n2 stream:features 1\n2 message 3\n2 r 0\n"
                               "2 iq 1\n3 stream:stream 0\n";

/* Feed in pieces of `piece` bytes as a connection does: the bytes move in memory, what is not used
 * stays in front. */
static void collect(const char *text, size_t piece, char *out, size_t max)
{
    struct load_xml x = {0};
    size_t total = strlen(text), have = 0, at = 0, n = 0;
    char *buf = NULL;
    out[0] = 0;
    while (at < total) {
        size_t take = total - at < piece ? total - at : piece, done = 0;
        char *moved = malloc(have + take);
        assert_non_null(moved);
        if (have)
            memcpy(moved, buf, have);
        memcpy(moved + have, text + at, take);
        free(buf);
        buf = moved;
        have += take;
        at += take;
        for (;;) {
            const struct load_item *item = NULL;
            size_t used;
            enum load_xml_kind kind = load_xml_next(&x, buf + done, have - done, &used, &item);
            done += used;
            if (kind == LOAD_XML_MORE)
                break;
            n += (size_t)snprintf(out + n, max - n, "%d", (int)kind);
            if (kind == LOAD_XML_BAD) {
                free(buf);
                return;
            }
            n += (size_t)snprintf(out + n, max - n, " %.*s %u\n", (int)item->name.len, item->name.p,
                                  item->children);
        }
        memmove(buf, buf + done, have - done);
        have -= done;
    }
    free(buf);
    assert_int_equal(have, 0);
}

static void test_load_xml_pieces(void **state)
{
    (void)state;
    char out[1000];
    for (size_t piece = 1; piece <= sizeof stream; piece++) {
        collect(stream, piece, out, sizeof out);
        assert_string_equal(out, expected);
    }
}

static void test_load_xml_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "text",
        "<stream:stream/>",
        "</stream:stream>",
        "<!-- x -->",
        "<a>text<b/></a>",
        "<a><message></massage>",
        "<a><b><!-- x --></b>",
        "<a><?php ?>",
        "<?xml?><?xml?>",
        "<a><![CDATA[x]]>",
        "<a>< b/>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char out[1000];
        for (size_t piece = 1; piece < 40; piece++) {
            collect(bad[i], piece, out, sizeof out);
            if (out[strlen(out) - 1] != '0' + LOAD_XML_BAD)
                fail_msg("'%s' in pieces of %zu was taken", bad[i], piece);
        }
    }
}

static void first_message(struct load_xml *x, const struct load_item **item)
{
    size_t at = 0, used;
    do {
        assert_int_not_equal(load_xml_next(x, stream + at, sizeof stream - 1 - at, &used, item),
                             LOAD_XML_MORE);
        at += used;
    } while (!load_span_is((*item)->name, "message"));
}

static void test_load_xml_parts(void **state)
{
    (void)state;
    struct load_xml x = {0};
    const struct load_item *item = NULL;
    struct load_span s;
    first_message(&x, &item);
    assert_true(load_xml_attr(item->head, "id", &s) && load_span_is(s, "x>y"));
    assert_true(load_xml_attr(item->head, "type", &s) && load_span_is(s, "chat"));
    assert_false(load_xml_attr(item->head, "d", &s));
    assert_false(load_xml_attr(item->head, "lang", &s));
    assert_true(load_xml_child(item, "body", &s));
    assert_true(load_span_is(load_xml_text(s), "one &lt; two"));
    assert_true(load_xml_child(item, "x", &s));
    assert_int_equal(load_xml_text(s).len, 0);
    assert_true(load_xml_child(item, "y", &s) && load_span_has(s, "<z/>"));
    assert_false(load_xml_child(item, "z", &s));
    struct load_span rest = item->all;
    assert_true(load_xml_find(&rest, "z", &s) && load_span_is(s, "<z/>"));
    assert_false(load_xml_find(&rest, "z", &s));
    assert_true(load_xml_find(&rest, "y", &s) == false && load_span_has(rest, "</y>"));
}

static void test_load_xml_many_children(void **state)
{
    (void)state;
    struct load_xml x = {0};
    const struct load_item *item = NULL;
    char text[600] = "<s><m>";
    size_t at = 6, used;
    for (unsigned i = 0; i < LOAD_XML_CHILDREN + 8; i++, at += 4)
        memcpy(text + at, "<c/>", 4);
    memcpy(text + at, "<body/></m>", 12);
    assert_int_equal(load_xml_next(&x, text, strlen(text), &used, &item), LOAD_XML_HEADER);
    assert_int_equal(load_xml_next(&x, text + 3, strlen(text) - 3, &used, &item), LOAD_XML_STANZA);
    assert_int_equal(item->children, LOAD_XML_CHILDREN + 9);
    struct load_span s;
    assert_true(load_xml_child(item, "c", &s));
    assert_false(load_xml_child(item, "body", &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_xml_pieces),
        cmocka_unit_test(test_load_xml_bad),
        cmocka_unit_test(test_load_xml_parts),
        cmocka_unit_test(test_load_xml_many_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
