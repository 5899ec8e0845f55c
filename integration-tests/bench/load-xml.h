#ifndef BENCH_LOAD_XML_H
#define BENCH_LOAD_XML_H
/* Cuts an XML stream into stanzas, without building trees: where each begins and ends, where its
 * children begin. Words: item = a stream header, a whole element below it, or the closing tag;
 * span = a part of the caller's bytes, valid as long as those. */
#include <stdbool.h>
#include <stddef.h>

enum { LOAD_XML_CHILDREN = 32 };

struct load_span {
    const char *p;
    size_t len;
};

enum load_xml_kind {
    LOAD_XML_MORE,   /* no whole item yet */
    LOAD_XML_HEADER, /* <stream:stream ...> */
    LOAD_XML_STANZA, /* an element below it */
    LOAD_XML_CLOSE,  /* </stream:stream> */
    LOAD_XML_BAD     /* not XML, or not a stream */
};

struct load_item {
    struct load_span all;  /* from < to > */
    struct load_span name; /* as written, with its prefix */
    struct load_span head; /* the start tag */
    unsigned children;     /* direct ones; the first LOAD_XML_CHILDREN are known */
    size_t child_at[LOAD_XML_CHILDREN];
};

/* Between calls: how far the item at hand has been read. Zeroed = a new stream. */
struct load_xml {
    size_t at;
    unsigned depth;   /* open elements at `at`, the stream's own included */
    bool is_open;     /* the header was seen */
    bool is_declared; /* the XML declaration was passed */
    struct load_item item;
};

/* Read on. data[0..len): all bytes not consumed yet, the same ones at each call until some are.
 * Sets *used to the bytes consumed (white space between stanzas, and the item if there is one) and
 * *item to it. */
enum load_xml_kind load_xml_next(struct load_xml *x, const char *data, size_t len, size_t *used,
                                 const struct load_item **item);

/* An attribute of a start tag; the value as written. False if it has none. */
bool load_xml_attr(struct load_span head, const char *name, struct load_span *value);
/* The first direct child with this name (as written), up to its end tag at least. */
bool load_xml_child(const struct load_item *item, const char *name, struct load_span *child);
/* The next start tag with this name anywhere in *rest, which then begins behind it. For what lies
 * deeper than a direct child. */
bool load_xml_find(struct load_span *rest, const char *name, struct load_span *head);
/* The text right behind an element's start tag, up to the next tag. */
struct load_span load_xml_text(struct load_span element);

bool load_span_is(struct load_span s, const char *text);
bool load_span_has(struct load_span s, const char *text);
#endif
