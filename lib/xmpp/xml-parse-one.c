/* DOC: one element from text: stored stanzas, frames between nodes, tests. The stream parser,
 * started inside a stream. */
#include "lib/xmpp/xml-parse-int.h"

enum { BUDGET_FACTOR = 32, BUDGET_SLACK = 64 * 1024 };

struct one {
    struct xml_doc *doc;
    bool is_bad; /* a second element, or the end of the scope around them */
};

static void on_element(void *ctx, struct xml_doc *doc)
{
    struct one *o = ctx;
    o->is_bad |= o->doc != NULL;
    xml_doc_free(&o->doc);
    o->doc = doc;
}

static void on_close(void *ctx)
{
    ((struct one *)ctx)->is_bad = true;
}

enum err xml_parse_one(struct str text, const char *default_ns, const struct xml_limits *l,
                       struct xml_doc **out)
{
    static const struct xml_parser_events events = {.element = on_element, .close = on_close};
    struct one o = {0};
    /* The text bounds the cost; what a stream with other limits accepted must not fail here. */
    const size_t budget = BUDGET_FACTOR * text.n + BUDGET_SLACK;
    struct xml_parser *p = xml_parser_new_inside(default_ns, l, &events, &o, budget);
    const enum stream_cond c = xml_parser_feed(p, text, NULL);
    const bool is_whole = o.doc && !o.is_bad && xml_parser_is_at_border(p);
    xml_parser_free(&p);
    if (c == STREAM_OK && is_whole) {
        *out = o.doc;
        return ERR_OK;
    }
    xml_doc_free(&o.doc);
    return c == STREAM_POLICY_VIOLATION || c == STREAM_RESOURCE_CONSTRAINT ? ERR_LIMIT
                                                                           : ERR_INVALID;
}
