/* DOC: the stream parser against arbitrary bytes. Checked beyond memory safety: the events do not
 * depend on how the bytes are cut, nor on parking and pausing; what was parsed survives writing and
 * parsing; memory stays within the limits. */
#include "lib/xmpp/stanza.h"
#include "lib/xmpp/xml-parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOG_MAX = 16 << 20, MEMORY_MAX = 1 << 20 };

static const struct xml_limits limits = {.max_stanza_bytes = 8192,
                                         .max_depth = 12,
                                         .max_attrs = 12,
                                         .max_elements = 200,
                                         .max_tag_bytes = 1024};

struct trace {
    struct xml_parser *parser;
    struct buf log;
    bool does_pause;
};

static enum stream_cond on_open(void *ctx, const struct xml *root, const char *content_ns)
{
    struct trace *t = ctx;
    buf_printf(&t->log, "open %s ", content_ns);
    xml_write(&t->log, root, NULL);
    return STREAM_OK;
}

/* A tree that came from a stream is written, read and written again to the same text. */
static void check_round_trip(const struct xml *el, size_t bytes)
{
    struct buf one, two;
    struct xml_doc *again;
    buf_init(&one, LOG_MAX);
    buf_init(&two, LOG_MAX);
    xml_write(&one, el, NS_CLIENT);
    must(one.n <= 6 * (4 * limits.max_stanza_bytes + 65536) + bytes * 6);
    const struct xml_limits l = {SIZE_MAX / 2, 100, 1000, 100000, SIZE_MAX / 2};
    must(xml_parse_one(buf_view(&one), NS_CLIENT, &l, &again) == ERR_OK);
    xml_write(&two, again->root, NS_CLIENT);
    must(str_eq(buf_view(&one), buf_view(&two)));
    xml_doc_free(&again);
    buf_fini(&one);
    buf_fini(&two);
}

static void check_stanza(struct xml_doc **doc)
{
    struct stanza *s, *reply, *again;
    bool unknown;
    struct buf text;
    if (stanza_from_doc(doc, &s, &reply, &unknown) == STANZA_OK) {
        buf_init(&text, LOG_MAX);
        stanza_write(&text, s, NS_CLIENT);
        must(stanza_parse(buf_view(&text), &again) == ERR_OK);
        must(again->kind == s->kind && again->type == s->type && jid_eq(&again->to, &s->to));
        stanza_unref(&again);
        buf_fini(&text);
    }
    stanza_unref(&reply);
    stanza_unref(&s);
}

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct trace *t = ctx;
    must(doc->bytes <= limits.max_stanza_bytes);
    buf_printf(&t->log, "el %zu ", doc->bytes);
    xml_write(&t->log, doc->root, NS_CLIENT);
    if (t->does_pause) {
        xml_parser_pause(t->parser);
        xml_doc_free(&doc);
        return;
    }
    check_round_trip(doc->root, doc->bytes);
    check_stanza(&doc);
}

static void on_close(void *ctx)
{
    buf_str(&((struct trace *)ctx)->log, STR("close"));
}

/* Feed in pieces of `piece` bytes; park and pause between them when does_pause. */
static enum stream_cond run(struct trace *t, const uint8_t *data, size_t size, size_t piece)
{
    static const struct xml_parser_events events = {on_open, on_element, on_close};
    enum stream_cond c = STREAM_OK;
    t->parser = xml_parser_new(&limits, &events, t);
    buf_init(&t->log, LOG_MAX);
    for (size_t at = 0; at < size && c == STREAM_OK; at += piece) {
        const size_t n = size - at < piece ? size - at : piece;
        c = xml_parser_feed(t->parser, str_make((const char *)data + at, n), NULL);
        must(xml_parser_memory(t->parser) <= MEMORY_MAX);
        for (size_t i = 0; t->does_pause && c == STREAM_OK && i <= n; i++)
            c = xml_parser_resume(t->parser, NULL);
        if (t->does_pause && c == STREAM_OK)
            xml_parser_park(t->parser);
    }
    xml_parser_free(&t->parser);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole = {0}, cut = {.does_pause = true};
    if (size < 1)
        return 0;
    const enum stream_cond a = run(&whole, data + 1, size - 1, size);
    const enum stream_cond b = run(&cut, data + 1, size - 1, 1 + data[0] % 67);
    must((a == STREAM_OK) == (b == STREAM_OK));
    must(str_eq(buf_view(&whole.log), buf_view(&cut.log)));
    buf_fini(&whole.log);
    buf_fini(&cut.log);
    return 0;
}
