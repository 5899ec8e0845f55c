#ifndef LIB_XMPP_XML_PARSE_INT_H
#define LIB_XMPP_XML_PARSE_INT_H
/* What the parser's files share: its allocator, and a parser that starts inside a stream. */
#include "lib/xmpp/xml-parse.h"

/* What one expat object holds: bytes handed out, from its slot as far as that reaches. A zeroed
 * struct holds nothing. */
struct xml_mem {
    size_t bytes;
    char *slot; /* NULL: none yet, or none to be had */
    size_t used;
};
/* The allocator gets no context, so the struct it works on is named before each call into expat.
 * Per thread. */
void xml_mem_use(struct xml_mem *m);
void xml_mem_end(struct xml_mem *m); /* the expat object is freed: the slot goes back */
void *xml_mem_alloc(size_t size);    /* not zeroed; NULL when there is no memory */
void *xml_mem_realloc(void *p, size_t size);
void xml_mem_free(void *p);

/* As if a stream header with this default namespace (NULL: none), stream: and db: had been read.
 * budget: bytes an element may cost, in place of what follows from the limits. */
struct xml_parser *xml_parser_new_inside(const char *default_ns, const struct xml_limits *l,
                                         const struct xml_parser_events *ev, void *ctx,
                                         size_t budget);
/* Between two elements, with no byte of the next one inside expat, and no error. */
bool xml_parser_is_at_border(const struct xml_parser *p);
#endif
