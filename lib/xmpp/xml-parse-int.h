#ifndef LIB_XMPP_XML_PARSE_INT_H
#define LIB_XMPP_XML_PARSE_INT_H
/* What the parser's files share: its allocator, and a parser that starts inside a stream. */
#include "lib/xmpp/xml-parse.h"

/* Allocator with accounting. It gets no context, so the counter it works on is named before each
 * call into expat; blocks are freed under the counter they were taken under. Per thread. */
void xml_mem_account(size_t *bytes);
void *xml_mem_alloc(size_t size); /* NULL when there is no memory */
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
