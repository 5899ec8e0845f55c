/* DOC: the element tree. Role: build and read elements that live in an arena. Invariants: names and
 * values are NUL-terminated copies in that arena; a namespace that ns.h knows is always the
 * interned pointer; document order of attributes and children is kept. Nothing here is undone: a
 * tree dies with its arena. */
#include "lib/xmpp/xml.h"

void xml_doc_free(struct xml_doc **pd)
{
    struct xml_doc *d = *pd;
    *pd = NULL;
    if (!d)
        return;
    struct arena *a = d->arena; /* d lives in it */
    arena_free(&a);
}

static const char *intern(const char *ns)
{
    const char *known = ns_find(str_of(ns));
    return known ? known : ns;
}

/* Nearly all comparisons end at the first character. */
static inline bool is_name(const char *a, const char *b)
{
    return a[0] == b[0] && strcmp(a, b) == 0;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

struct xml *xml_new(struct arena *a, const char *ns, const char *name)
{
    struct xml *el = arena_alloc(a, sizeof *el);
    el->ns = intern(ns);
    el->name = arena_cstr(a, str_of(name));
    return el;
}

void xml_set_ns(struct arena *a, struct xml *el, const char *ns, const char *name, struct str value)
{
    if (!value.p)
        return;
    struct xml_attr **link = &el->attrs;
    for (; *link; link = &(*link)->next) {
        if (same((*link)->ns, ns) && is_name((*link)->name, name)) {
            (*link)->value = arena_dup(a, value);
            return;
        }
    }
    struct xml_attr *at = arena_alloc(a, sizeof *at);
    at->ns = ns ? intern(ns) : NULL;
    at->name = arena_cstr(a, str_of(name));
    at->value = arena_dup(a, value);
    *link = at;
}

void xml_set(struct arena *a, struct xml *el, const char *name, struct str value)
{
    xml_set_ns(a, el, NULL, name, value);
}

static struct xml_node *add_node(struct arena *a, struct xml *parent)
{
    struct xml_node *n = arena_alloc(a, sizeof *n);
    if (parent->last)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
    return n;
}

struct xml *xml_add(struct arena *a, struct xml *parent, const char *ns, const char *name)
{
    struct xml *el = xml_new(a, ns, name);
    add_node(a, parent)->el = el;
    return el;
}

void xml_add_el(struct arena *a, struct xml *parent, struct xml *child)
{
    add_node(a, parent)->el = child;
}

void xml_add_text(struct arena *a, struct xml *parent, struct str text)
{
    if (text.n > 0)
        add_node(a, parent)->text = arena_dup(a, text);
}

static struct xml *copy_tag(struct arena *a, const struct xml *el)
{
    const char *known = ns_find(str_of(el->ns));
    struct xml *c = xml_new(a, known ? known : arena_cstr(a, str_of(el->ns)), el->name);
    for (const struct xml_attr *at = el->attrs; at; at = at->next) {
        const char *ns = at->ns;
        if (ns && !ns_find(str_of(ns)))
            ns = arena_cstr(a, str_of(ns));
        xml_set_ns(a, c, ns, at->name, at->value);
    }
    return c;
}

struct xml *xml_copy(struct arena *a, const struct xml *el)
{
    struct xml *c = copy_tag(a, el);
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->el)
            xml_add_el(a, c, xml_copy(a, n->el));
        else
            xml_add_text(a, c, n->text);
    }
    return c;
}

struct xml *xml_without(struct arena *a, const struct xml *el, const char *ns, const char *name)
{
    struct xml *c = copy_tag(a, el);
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->el && xml_is(n->el, ns, name))
            continue;
        struct xml_node *m = add_node(a, c);
        m->el = n->el;
        m->text = n->text;
    }
    return c;
}

bool xml_is(const struct xml *el, const char *ns, const char *name)
{
    return el && is_name(el->name, name) && same(el->ns, ns);
}

struct str xml_get_ns(const struct xml *el, const char *ns, const char *name)
{
    for (const struct xml_attr *at = el ? el->attrs : NULL; at; at = at->next) {
        if (same(at->ns, ns) && is_name(at->name, name))
            return at->value;
    }
    return STR_NONE;
}

struct str xml_get(const struct xml *el, const char *name)
{
    return xml_get_ns(el, NULL, name);
}

const struct xml *xml_child(const struct xml *el, const char *ns, const char *name)
{
    for (const struct xml_node *n = el ? el->first : NULL; n; n = n->next) {
        if (!n->el || (name && !is_name(n->el->name, name)) || (ns && !same(n->el->ns, ns)))
            continue;
        return n->el;
    }
    return NULL;
}

const struct xml *xml_first(const struct xml *el)
{
    return xml_child(el, NULL, NULL);
}

static size_t text_size(const struct xml *el, size_t *pieces, struct str *one)
{
    size_t total = 0;
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->el)
            continue;
        ++*pieces;
        total += n->text.n;
        *one = n->text;
    }
    return total;
}

struct str xml_text(struct arena *a, const struct xml *el)
{
    size_t pieces = 0;
    struct str one = STR("");
    const size_t total = el ? text_size(el, &pieces, &one) : 0;
    if (pieces <= 1)
        return one;
    char *p = arena_alloc(a, total + 1);
    size_t at = 0;
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->el)
            continue;
        memcpy(p + at, n->text.p, n->text.n);
        at += n->text.n;
    }
    return str_make(p, total);
}
