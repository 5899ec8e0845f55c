#ifndef LIB_XMPP_XML_H
#define LIB_XMPP_XML_H
/* Element tree in an arena. Immutable once it left its maker (law 5). Names and values are
 * NUL-terminated arena strings. */
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/xmpp/ns.h"

struct xml_attr {
    struct xml_attr *next;
    const char *ns; /* NULL for an attribute without prefix; NS_XML for xml:lang */
    const char *name;
    struct str value;
};
struct xml_node { /* child: element or text */
    struct xml_node *next;
    struct xml *el; /* NULL: text */
    struct str text;
};
struct xml {
    const char *ns; /* interned (ns.h) when known; never NULL */
    const char *name;
    struct xml_attr *attrs;
    struct xml_node *first, *last;
};
/* A complete first-level element with the arena it lives in, as this struct does. Who takes the
 * arena leaves NULL. */
struct xml_doc {
    struct arena *arena;
    struct xml *root;
    size_t bytes; /* its size on the wire */
};
void xml_doc_free(struct xml_doc **pd);

/* Building; ns must be interned or outlive the arena; strings are copied. */
struct xml *xml_new(struct arena *a, const char *ns, const char *name);
void xml_set(struct arena *a, struct xml *el, const char *name,
             struct str value); /* STR_NONE: no effect; replaces */
void xml_set_ns(struct arena *a, struct xml *el, const char *ns, const char *name,
                struct str value);
struct xml *xml_add(struct arena *a, struct xml *parent, const char *ns,
                    const char *name); /* new child, returned */
void xml_add_el(struct arena *a, struct xml *parent,
                struct xml *child); /* child lives in a or longer */
void xml_add_text(struct arena *a, struct xml *parent, struct str text);
struct xml *xml_copy(struct arena *a, const struct xml *el);
/* Shallow copy of the start tag and the child list without children named (ns, name). */
struct xml *xml_without(struct arena *a, const struct xml *el, const char *ns, const char *name);

/* Reading */
bool xml_is(const struct xml *el, const char *ns,
            const char *name); /* ns by pointer when interned, else by bytes; el may be NULL */
struct str xml_get(const struct xml *el, const char *name); /* STR_NONE when absent */
struct str xml_get_ns(const struct xml *el, const char *ns, const char *name);
const struct xml *xml_child(const struct xml *el, const char *ns,
                            const char *name);     /* first; ns or name NULL = any */
const struct xml *xml_first(const struct xml *el); /* first child element */
struct str
xml_text(struct arena *a,
         const struct xml *el); /* direct text, joined (borrowed if one piece); "" when none */
/* Each child element: xml_each (el, n) use(n->el); */
#define xml_each(parent, c)                                                                        \
    for (const struct xml_node *c = (parent)->first; c; c = c->next)                               \
        if (!c->el) {                                                                              \
        } else

/* xml-write: serialise. default_ns is what xmlns="" scope the text will be put into (jabber:client,
 * jabber:server, NULL for none): elements in it get no xmlns attribute. Names in the stream
 * namespace are written with the prefix stream:, dialback with db: where default_ns is
 * jabber:server (declared in our stream headers) when they are el itself and default_ns is set;
 * nested or standalone they declare theirs. Escapes < > & and CR, in attributes also ' " TAB LF;
 * other C0 controls (not XML) become U+FFFD. The rest must be valid UTF-8. */
void xml_write(struct buf *out, const struct xml *el, const char *default_ns);
void xml_write_open(struct buf *out, const struct xml *el, const char *default_ns,
                    bool *empty);               /* start tag only */
void xml_escape(struct buf *out, struct str s); /* as in attributes; right for text too */
#endif
