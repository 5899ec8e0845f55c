#ifndef LIB_XMPP_XML_GROW_INT_H
#define LIB_XMPP_XML_GROW_INT_H
/* Growing the tree of one first-level element from start, text and end events, within a budget. */
#include "lib/base/vec.h"
#include "lib/xmpp/xml-parse.h"

#define XML_NAME_SEP                                                                               \
    '\n' /* between the parts of a qualified name: uri SEP local [SEP prefix], or local alone */

struct xml_grow {
    struct xml_doc *doc;     /* being grown; NULL between elements */
    VEC(struct xml *) stack; /* open elements, outermost first */
    struct buf text;         /* character data not yet in the tree */
    size_t budget;           /* bytes of arena, and of serialised namespaces */
    size_t ns_cost;          /* what writing the namespace declarations would take */
    unsigned elements;
    const char *last_ns; /* the unknown namespace copied last */
};
void xml_grow_init(struct xml_grow *g);
void xml_grow_fini(struct xml_grow *g); /* also resets: usable again */
/* All three: NULL when done, else why the element is refused (its cost passed the budget, or
 * max_elements). */
const char *xml_grow_start(struct xml_grow *g, const char *name, const char **atts,
                           unsigned max_elements);
const char *xml_grow_text(struct xml_grow *g, struct str text);
/* Close the innermost; when it was the outermost, *done is the finished document (caller owns),
 * else NULL. */
const char *xml_grow_end(struct xml_grow *g, struct xml_doc **done);
/* One element without children, for the stream header. */
struct xml *xml_grow_tag(struct arena *a, const char *name, const char **atts);
size_t xml_grow_memory(const struct xml_grow *g);
/* Split a qualified name. */
struct str xml_name_ns(const char *name); /* "" when it has none */
struct str xml_name_local(const char *name);
struct str xml_name_prefix(const char *name); /* "" when it has none */
#endif
