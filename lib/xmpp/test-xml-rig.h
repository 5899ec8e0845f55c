#ifndef LIB_XMPP_TEST_XML_RIG_H
#define LIB_XMPP_TEST_XML_RIG_H
/* What the tests of the stream parser share: a parser whose events are logged as text, and can be
 * made to act on it. */
#include "lib/xmpp/xml-parse.h"

#define HEADER                                                                                     \
    "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' xmlns:q='urn:q' "         \
    "xmlns:stream='http://etherx.jabber.org/streams'>"

/* What an event handler of the test shall do to the parser. */
enum act {
    ACT_NOTHING,
    ACT_PAUSE,
    ACT_FREE,
    ACT_RESET_KEEP,
    ACT_RESET_DROP,
    ACT_PAUSE_RESUME,
};

struct rig {
    struct xml_parser *parser;
    struct buf log;         /* one line an event */
    enum act on_open, once; /* once: at the next element */
    enum stream_cond refuse;
    size_t bytes; /* of the last element */
    const char *why;
};

static inline void act(struct rig *r, enum act a)
{
    switch (a) {
    case ACT_NOTHING:
        break;
    case ACT_PAUSE:
        xml_parser_pause(r->parser);
        break;
    case ACT_FREE:
        xml_parser_free(&r->parser);
        break;
    case ACT_RESET_KEEP:
        xml_parser_reset(r->parser, false);
        break;
    case ACT_RESET_DROP:
        xml_parser_reset(r->parser, true);
        break;
    case ACT_PAUSE_RESUME:
        xml_parser_pause(r->parser);
        assert_int_equal(xml_parser_resume(r->parser, NULL), STREAM_OK);
        break;
    }
}

static inline enum stream_cond on_open(void *ctx, const struct xml *root, const char *content_ns)
{
    struct rig *r = ctx;
    assert_true(xml_is(root, NS_STREAM, "stream"));
    buf_printf(&r->log, "open %s %s\n", xml_get(root, "to").p, content_ns);
    act(r, r->on_open);
    return r->refuse;
}

static inline void on_element(void *ctx, struct xml_doc *doc)
{
    struct rig *r = ctx;
    r->bytes = doc->bytes;
    xml_write(&r->log, doc->root, NS_CLIENT);
    buf_char(&r->log, '\n');
    xml_doc_free(&doc);
    const enum act a = r->once;
    r->once = ACT_NOTHING;
    act(r, a);
}

static inline void on_close(void *ctx)
{
    buf_str(&((struct rig *)ctx)->log, STR("close\n"));
}

static const struct xml_parser_events events = {on_open, on_element, on_close};

static inline void rig_init(struct rig *r, const struct xml_limits *l)
{
    *r = (struct rig){0};
    buf_init(&r->log, 1 << 24);
    r->parser = xml_parser_new(l, &events, r);
}

static inline void rig_fini(struct rig *r)
{
    xml_parser_free(&r->parser);
    assert_null(r->parser);
    buf_fini(&r->log);
}

static inline enum stream_cond feed(struct rig *r, struct str s)
{
    return xml_parser_feed(r->parser, s, &r->why);
}

static inline enum stream_cond feedc(struct rig *r, const char *s)
{
    return feed(r, str_of(s));
}

/* The log since the last look. */
static inline void expect_log(struct rig *r, const char *want)
{
    buf_char(&r->log, '\0');
    assert_string_equal(r->log.p, want);
    buf_clear(&r->log);
}

static inline void open_stream(struct rig *r, const struct xml_limits *l)
{
    rig_init(r, l);
    assert_int_equal(feedc(r, "<?xml version='1.0' encoding='utf-8'?>\n" HEADER), STREAM_OK);
    expect_log(r, "open example.com jabber:client\n");
}

static inline struct buf filled(const char *head, char c, size_t n, const char *tail)
{
    struct buf b;
    buf_init(&b, 1 << 26);
    buf_cstr(&b, head);
    memset(buf_reserve(&b, n), c, n);
    buf_commit(&b, n);
    buf_cstr(&b, tail);
    return b;
}
#endif
