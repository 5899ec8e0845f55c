/* DOC: stanzas: validity by kind, error replies, addresses, namespaces, sharing, building. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/xmpp/delay.h"
#include "lib/xmpp/stanza.h"
#include "lib/xmpp/xml-parse.h"

/* Text of a stanza in a content namespace, in a static buffer. */
static const char *text_in(const struct stanza *s, const char *ns)
{
    static char text[4096];
    struct buf b;
    buf_init(&b, sizeof text - 1);
    stanza_write(&b, s, ns);
    assert_true(buf_ok(&b));
    memcpy(text, b.p, b.n);
    text[b.n] = '\0';
    buf_fini(&b);
    return text;
}

static const char *text_of(const struct stanza *s)
{
    return text_in(s, NS_CLIENT);
}

static struct stanza *parse(const char *text)
{
    struct stanza *s;
    assert_int_equal(stanza_parse(str_of(text), &s), ERR_OK);
    return s;
}

static struct xml_doc *doc_of(const char *text, const char *ns)
{
    struct xml_doc *d;
    assert_int_equal(xml_parse_one(str_of(text), ns, NULL, &d), ERR_OK);
    return d;
}

static void test_stanza_types_are_read_and_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum stanza_kind kind;
        enum stanza_type type;
    } cases[] = {
        {"<message/>", STANZA_MESSAGE, MSG_NORMAL},
        {"<message type='chat'/>", STANZA_MESSAGE, MSG_CHAT},
        {"<message type='groupchat'/>", STANZA_MESSAGE, MSG_GROUPCHAT},
        {"<message type='headline'/>", STANZA_MESSAGE, MSG_HEADLINE},
        {"<message type='error'/>", STANZA_MESSAGE, MSG_ERROR},
        {"<presence/>", STANZA_PRESENCE, PRES_AVAILABLE},
        {"<presence type='unavailable'/>", STANZA_PRESENCE, PRES_UNAVAILABLE},
        {"<presence type='subscribe'/>", STANZA_PRESENCE, PRES_SUBSCRIBE},
        {"<presence type='subscribed'/>", STANZA_PRESENCE, PRES_SUBSCRIBED},
        {"<presence type='unsubscribe'/>", STANZA_PRESENCE, PRES_UNSUBSCRIBE},
        {"<presence type='unsubscribed'/>", STANZA_PRESENCE, PRES_UNSUBSCRIBED},
        {"<presence type='probe'/>", STANZA_PRESENCE, PRES_PROBE},
        {"<presence type='error'/>", STANZA_PRESENCE, PRES_ERROR},
        {"<iq id='1' type='get'><q xmlns='q'/></iq>", STANZA_IQ, IQ_GET},
        {"<iq id='1' type='set'><q xmlns='q'/></iq>", STANZA_IQ, IQ_SET},
        {"<iq id='1' type='result'/>", STANZA_IQ, IQ_RESULT},
        {"<iq id='1' type='error'/>", STANZA_IQ, IQ_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stanza *s = parse(cases[i].text);
        assert_int_equal(s->kind, cases[i].kind);
        assert_int_equal(s->type, cases[i].type);
        assert_string_equal(text_of(s), cases[i].text);
        assert_int_equal(s->bytes, strlen(cases[i].text));
        assert_int_equal(stanza_is_error(s), strstr(cases[i].text, "error") != NULL);
        stanza_unref(&s);
        assert_null(s);
    }
    struct stanza *s = parse("<message type='strange' to='a@b'/>");
    assert_int_equal(s->type, MSG_NORMAL);
    stanza_unref(&s);
}

static void test_stanza_bad_ones_get_their_reply(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum stanza_cond cond;
        const char *reply; /* up to the error's text; NULL: none */
    } cases[] = {
        {"<iq type='get' to='b'><q xmlns='q'/></iq>", STANZA_BAD_REQUEST,
         "<iq from='b' id='' type='error'><error type='modify'><bad-request"},
        {"<iq id='1' to='b' from='a@c/r'><q xmlns='q'/></iq>", STANZA_BAD_REQUEST,
         "<iq to='a@c/r' from='b' id='1' type='error'><error type='modify'><bad-request"},
        {"<iq id='1' type='get'/>", STANZA_BAD_REQUEST,
         "<iq id='1' type='error'><error type='modify'><bad-request"},
        {"<iq id='1' type='set'><a/><b/></iq>", STANZA_BAD_REQUEST, "<iq id='1' type='error'>"},
        {"<iq id='1' type='strange'><a/></iq>", STANZA_BAD_REQUEST, "<iq id='1' type='error'>"},
        {"<iq id='1' type='result'><a/><b/></iq>", STANZA_BAD_REQUEST, NULL},
        {"<iq type='result'/>", STANZA_BAD_REQUEST, NULL},
        {"<iq id='1' type='error' to='@'/>", STANZA_JID_MALFORMED, NULL},
        {"<presence type='strange' id='p'/>", STANZA_BAD_REQUEST,
         "<presence id='p' type='error'><error type='modify'><bad-request"},
        {"<presence type='error' to='@'/>", STANZA_JID_MALFORMED, NULL},
        {"<message to='a b@c' from='x@y/z' id='7'/>", STANZA_JID_MALFORMED,
         "<message to='x@y/z' id='7' type='error'><error type='modify'><jid-malformed"},
        {"<message to='a@c' from='@y'/>", STANZA_JID_MALFORMED,
         "<message from='a@c' type='error'><error type='modify'><jid-malformed"},
        {"<message to=''/>", STANZA_JID_MALFORMED, "<message type='error'>"},
        {"<message type='error' to='@'/>", STANZA_JID_MALFORMED, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stanza *s, *reply;
        bool unknown;
        struct xml_doc *d = doc_of(cases[i].text, NS_CLIENT);
        assert_int_equal(stanza_from_doc(&d, &s, &reply, &unknown), cases[i].cond);
        assert_null(d);
        assert_null(s);
        assert_false(unknown);
        assert_int_equal(reply != NULL, cases[i].reply != NULL);
        if (reply && strncmp(text_of(reply), cases[i].reply, strlen(cases[i].reply)) != 0)
            fail_msg("%s answered by %s", cases[i].text, text_of(reply));
        stanza_unref(&reply);
        assert_int_equal(stanza_parse(str_of(cases[i].text), &s), ERR_INVALID);
    }
}

static void test_stanza_other_elements_are_unknown(void **state)
{
    (void)state;
    static const char *const bad[] = {"<foo/>", "<message xmlns='urn:x'/>", "<iq xmlns=''/>",
                                      "<stream:features/>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct stanza *s, *reply;
        bool unknown = false;
        struct xml_doc *d = doc_of(bad[i], NS_CLIENT);
        assert_int_equal(stanza_from_doc(&d, &s, &reply, &unknown), STANZA_BAD_REQUEST);
        assert_true(unknown);
        assert_null(s);
        assert_null(reply);
    }
}

static void test_stanza_content_namespace_is_translated(void **state)
{
    (void)state;
    static const char text[] =
        "<message to='a@b' from='c@d' xml:lang='en'><body>x<i/></body><f xmlns='urn:f'>"
        "<message xmlns='jabber:client'><body/></message><message "
        "xmlns='jabber:server'><b/></message></f></message>";
    struct stanza *s, *reply;
    bool unknown;
    struct xml_doc *d = doc_of(text, NS_SERVER);
    assert_int_equal(stanza_from_doc(&d, &s, &reply, &unknown), STANZA_OK);
    assert_ptr_equal(s->el->ns, NS_CLIENT);
    assert_non_null(stanza_child(s, NS_CLIENT, "body"));
    assert_true(str_eqc(s->lang, "en"));
    assert_string_equal(
        text_in(s, NS_SERVER),
        "<message to='a@b' from='c@d' xml:lang='en'><body>x<i/></body><f xmlns='urn:f'>"
        "<message xmlns='jabber:client'><body/></message>"
        "<message xmlns='jabber:server'><b/></message></f></message>");
    assert_string_equal(
        text_of(s), "<message to='a@b' from='c@d' xml:lang='en'><body>x<i/></body><f xmlns='urn:f'>"
                    "<message xmlns='jabber:client'><body/></message>"
                    "<message xmlns='jabber:client'><b/></message></f></message>");
    stanza_unref(&s);
}

static void test_stanza_readdress_shares_the_payload(void **state)
{
    (void)state;
    struct stanza *s =
        parse("<message to='a@b' from='c@d/r' type='chat' id='1'><body>x</body></message>");
    struct jid none = {0}, to;
    struct arena *a = arena_new(0);
    assert_int_equal(jid_parse(a, STR("x@y/z"), &to, NULL), ERR_OK);
    struct stanza *t = stanza_readdress(s, NULL, &to);
    arena_free(&a);
    struct stanza *u = stanza_readdress(t, &none, NULL);
    struct stanza *v = stanza_ref(u);
    assert_ptr_equal(u->base, s);
    assert_ptr_equal(t->el, s->el);
    stanza_unref(&s);
    assert_string_equal(
        text_of(t), "<message to='x@y/z' from='c@d/r' type='chat' id='1'><body>x</body></message>");
    stanza_unref(&t);
    stanza_unref(&v);
    assert_string_equal(text_of(u),
                        "<message to='x@y/z' type='chat' id='1'><body>x</body></message>");
    stanza_unref(&u);
    stanza_unref(&u);
}

/* What is kept for long stands alone, equal, in memory of its size. */
static void test_stanza_pack(void **state)
{
    static const char text[] =
        "<presence from='a@b/c' id='7'><show>away</show><x xmlns='urn:unknown' "
        "y='1'><z/></x></presence>";
    (void)state;
    struct stanza *s = parse(text), *p = stanza_pack(s);
    assert_null(p->base);
    assert_int_equal(p->kind, STANZA_PRESENCE);
    assert_int_equal(p->bytes, s->bytes);
    stanza_unref(&s);
    assert_string_equal(text_of(p), text);
    stanza_unref(&p);
}

static void test_stanza_set_from(void **state)
{
    struct arena *a = arena_new(0);
    struct jid from;
    (void)state;
    struct stanza *s = parse("<message from='forged@b/c' to='x@y'><body>1</body></message>");
    assert_int_equal(jid_parse(a, STR("me@b/c"), &from, NULL), ERR_OK);
    stanza_set_from(s, &from);
    arena_free(&a);
    assert_string_equal(text_of(s), "<message to='x@y' from='me@b/c'><body>1</body></message>");
    stanza_unref(&s);
}

/* What stays is shared, also by those made of the edited one after it is gone. */
static void test_stanza_edit(void **state)
{
    (void)state;
    struct stanza *s =
        parse("<message to='a@b' from='c@d' id='1'><x/><body>x</body><y/></message>");
    struct stanza_edit e;
    stanza_edit(&e, s);
    stanza_edit_cut(&e, xml_child(e.el, NS_CLIENT, "x"));
    stanza_edit_cut(&e, xml_child(e.el, NS_CLIENT, "y"));
    xml_add(e.arena, e.el, NS_CLIENT, "z");
    struct stanza *t = stanza_edited(&e);
    assert_ptr_equal(stanza_child(t, NS_CLIENT, "body"), stanza_child(s, NS_CLIENT, "body"));
    assert_string_equal(text_of(s), "<message to='a@b' from='c@d' id='1'><x/><body>x</body><y/>"
                                    "</message>");
    struct stanza *u = stanza_readdress(t, NULL, &s->from);
    assert_ptr_equal(u->base, t);
    stanza_edit(&e, u);
    stanza_edit_cut(&e, xml_child(e.el, NS_CLIENT, "body"));
    stanza_edit_cut(&e, xml_child(e.el, NS_CLIENT, "z"));
    xml_add(e.arena, e.el, NS_CLIENT, "last");
    struct stanza *v = stanza_edited(&e);
    stanza_unref(&s);
    stanza_unref(&t);
    assert_string_equal(text_of(u), "<message to='c@d' from='c@d' id='1'><body>x</body><z/>"
                                    "</message>");
    stanza_unref(&u);
    assert_string_equal(text_of(v), "<message to='c@d' from='c@d' id='1'><last/></message>");
    stanza_unref(&v);
}

static void test_delay_stamp(void **state)
{
    (void)state;
    uint64_t at = 0;
    struct stanza *s = parse("<message><delay xmlns='urn:xmpp:delay' from='other' stamp='x'/>"
                             "<body>x</body></message>");
    struct stanza *t = delay_stamp(s, STR("im.test"), UINT64_C(1700000000123456));
    struct stanza *u = delay_stamp(t, STR("im.test"), UINT64_C(1800000000000000));
    assert_ptr_equal(u, t); /* the first counts */
    assert_false(delay_get(s, STR("im.test"), &at));
    assert_true(delay_get(t, STR("im.test"), &at));
    assert_true(at == UINT64_C(1700000000123456));
    stanza_unref(&s);
    stanza_unref(&t);
    stanza_unref(&u);
    s = parse("<iq type='get' id='1'><x/></iq>");
    t = delay_stamp(s, STR("im.test"), at);
    assert_ptr_equal(s, t);
    stanza_unref(&s);
    stanza_unref(&t);
}

static void test_stanza_with_payload_stands_alone(void **state)
{
    (void)state;
    struct stanza *s =
        parse("<message to='a@b' type='strange' id='1' xml:lang='de' x:y='z' xmlns:x='urn:x'>"
              "<body>x</body></message>");
    struct arena *a = arena_new(0);
    struct xml *el = xml_without(a, s->el, NS_CLIENT, "body");
    xml_set(a, xml_add(a, el, "urn:new", "new"), "k", STR("v"));
    xml_add_text(a, el, STR("<"));
    struct stanza *t = stanza_with_payload(s, el);
    arena_free(&a);
    stanza_unref(&s);
    assert_null(t->base);
    assert_string_equal(text_of(t),
                        "<message to='a@b' id='1' xml:lang='de' xmlns:a0='urn:x' a0:y='z'>"
                        "<new xmlns='urn:new' k='v'/>&lt;</message>");
    stanza_unref(&t);
}

static void test_stanza_replies(void **state)
{
    (void)state;
    struct stanza *s =
        parse("<iq to='a@b' from='c@d/r' type='get' id='i&amp;1'><q xmlns='q'/></iq>");
    assert_true(stanza_iq_request(s));
    assert_string_equal(stanza_payload(s)->name, "q");
    struct stanza *e = stanza_error_reply(s, STANZA_ITEM_NOT_FOUND, "no <such>");
    struct stanza *ok = stanza_result(s);
    stanza_unref(&s);
    assert_string_equal(
        text_of(e),
        "<iq to='c@d/r' from='a@b' id='i&amp;1' type='error'><error type='cancel'>"
        "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no &lt;such&gt;</text></error></iq>");
    assert_true(e->bytes > 150 && e->bytes < 300);
    assert_string_equal(text_of(ok), "<iq to='c@d/r' from='a@b' id='i&amp;1' type='result'/>");
    assert_null(stanza_error_reply(e, STANZA_CONFLICT, NULL));
    assert_null(stanza_error_reply(ok, STANZA_CONFLICT, NULL));
    stanza_unref(&e);
    stanza_unref(&ok);
}

static void test_stanza_built_text_reads_back(void **state)
{
    (void)state;
    struct stanza_build b;
    stanza_build(&b, STANZA_MESSAGE, MSG_CHAT, NULL, NULL, STR_NONE);
    xml_add_text(b.arena, xml_add(b.arena, b.el, NS_CLIENT, "body"), STR("a\rb\n\x01\"'"));
    delay_add(b.arena, b.el, STR("d"), 1000000, STR("Offline"));
    struct stanza *s = stanza_finish(&b), *t;
    assert_null(b.arena);
    assert_string_equal(
        text_of(s), "<message type='chat'><body>a&#13;b\n\uFFFD\"'</body>"
                    "<delay xmlns='urn:xmpp:delay' from='d' stamp='1970-01-01T00:00:01.000000Z'>"
                    "Offline</delay></message>");
    t = parse(text_of(s));
    assert_true(str_eqc(stanza_child(t, NS_CLIENT, "body")->first->text, "a\rb\n\uFFFD\"'"));
    stanza_unref(&s);
    stanza_unref(&t);
}

/* A stanza at the edge of the stream's limits grows when it is written; it must still be readable
 * from storage. */
static void test_stanza_parse_has_no_limits_of_its_own(void **state)
{
    (void)state;
    struct buf b, c;
    buf_init(&b, 1 << 24);
    buf_init(&c, 1 << 24);
    buf_cstr(&b, "<message to='a@b'><body k='");
    for (int i = 0; i < 16000; i++)
        buf_char(&b, '"');
    buf_cstr(&b, "'><![CDATA[");
    for (int i = 0; i < 200000; i++)
        buf_char(&b, '<');
    buf_cstr(&b, "]]></body></message>");
    struct xml_doc *d;
    struct stanza *s, *t, *reply;
    bool unknown;
    assert_int_equal(xml_parse_one(buf_view(&b), NS_CLIENT, NULL, &d), ERR_OK);
    assert_int_equal(stanza_from_doc(&d, &s, &reply, &unknown), STANZA_OK);
    stanza_write(&c, s, NS_CLIENT);
    assert_true(c.n > 800000);
    assert_int_equal(stanza_parse(buf_view(&c), &t), ERR_OK);
    assert_int_equal(stanza_payload(t)->first->text.n, 200000);
    stanza_unref(&s);
    stanza_unref(&t);
    buf_fini(&b);
    buf_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stanza_types_are_read_and_named),
        cmocka_unit_test(test_stanza_bad_ones_get_their_reply),
        cmocka_unit_test(test_stanza_other_elements_are_unknown),
        cmocka_unit_test(test_stanza_content_namespace_is_translated),
        cmocka_unit_test(test_stanza_readdress_shares_the_payload),
        cmocka_unit_test(test_stanza_pack),
        cmocka_unit_test(test_stanza_set_from),
        cmocka_unit_test(test_stanza_edit),
        cmocka_unit_test(test_delay_stamp),
        cmocka_unit_test(test_stanza_with_payload_stands_alone),
        cmocka_unit_test(test_stanza_replies),
        cmocka_unit_test(test_stanza_built_text_reads_back),
        cmocka_unit_test(test_stanza_parse_has_no_limits_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
