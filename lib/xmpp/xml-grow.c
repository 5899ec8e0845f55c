/* DOC: from parser events to a tree. Role: build the arena document of one first-level element.
 * Invariants: adjacent character data is one text node; a namespace equal to the parent's or the
 * last one shares its string. The budget covers two ways to turn few bytes into many: small
 * elements (an empty one is 4 bytes on the wire and some 90 in memory), and prefixes bound to long
 * namespaces, which we write out as an xmlns attribute on every element. */
#include "lib/xmpp/xml-grow-int.h"

enum { TEXT_KEEP = 4096, NS_DECL_COST = 10 };

static const char over_budget[] = "element costs too much memory";

struct str xml_name_ns(const char *name)
{
    const char *sep = strchr(name, XML_NAME_SEP);
    return sep ? str_make(name, (size_t)(sep - name)) : STR("");
}

struct str xml_name_local(const char *name)
{
    const char *sep = strchr(name, XML_NAME_SEP);
    const char *local = sep ? sep + 1 : name;
    return str_make(local, (size_t)(strchrnul(local, XML_NAME_SEP) - local));
}

struct str xml_name_prefix(const char *name)
{
    const char *sep = strchr(name, XML_NAME_SEP);
    const char *second = sep ? strchr(sep + 1, XML_NAME_SEP) : NULL;
    return second ? str_of(second + 1) : STR("");
}

void xml_grow_init(struct xml_grow *g)
{
    *g = (struct xml_grow){0};
    buf_init(&g->text, SIZE_MAX / 4);
}

void xml_grow_fini(struct xml_grow *g)
{
    xml_doc_free(&g->doc);
    vec_fini(&g->stack);
    buf_fini(&g->text);
    xml_grow_init(g);
}

size_t xml_grow_memory(const struct xml_grow *g)
{
    const size_t tree = g->doc ? arena_used(g->doc->arena) : 0;
    return tree + g->text.cap + g->stack.cap * sizeof *g->stack.p;
}

static const char *take_ns(struct arena *a, struct str uri, const char *near, const char *last)
{
    const char *known = ns_find(uri);
    if (known)
        return known;
    if (near && str_eqc(uri, near))
        return near;
    return last && str_eqc(uri, last) ? last : arena_cstr(a, uri);
}

static struct xml *tag_new(struct arena *a, const char *name, const char *parent_ns,
                           const char *last_ns)
{
    struct xml *el = arena_alloc(a, sizeof *el);
    el->ns = take_ns(a, xml_name_ns(name), parent_ns, last_ns);
    el->name = arena_cstr(a, xml_name_local(name));
    return el;
}

/* Expat refuses duplicates, so attributes are appended unseen. Returns the cost of their
 * namespaces. */
static size_t add_attrs(struct arena *a, struct xml *el, const char **atts)
{
    size_t cost = 0;
    struct xml_attr **link = &el->attrs;
    for (; atts[0]; atts += 2) {
        const struct str ns = xml_name_ns(atts[0]), name = xml_name_local(atts[0]),
                         value = str_of(atts[1]);
        struct xml_attr *at = arena_alloc(a, sizeof *at + name.n + 1 + value.n + 1);
        at->ns = ns.n > 0 ? take_ns(a, ns, el->ns, NULL) : NULL;
        at->name = memcpy(at + 1, name.p, name.n);
        at->value = str_make(memcpy((char *)(at + 1) + name.n + 1, value.p, value.n), value.n);
        if (at->ns && at->ns != NS_XML)
            cost += ns.n + NS_DECL_COST;
        *link = at;
        link = &at->next;
    }
    return cost;
}

struct xml *xml_grow_tag(struct arena *a, const char *name, const char **atts)
{
    struct xml *el = tag_new(a, name, NULL, NULL);
    add_attrs(a, el, atts);
    return el;
}

static bool is_over(const struct xml_grow *g)
{
    return arena_used(g->doc->arena) > g->budget || g->ns_cost > g->budget;
}

static struct xml_node *append(struct arena *a, struct xml *parent)
{
    struct xml_node *n = arena_alloc(a, sizeof *n);
    if (parent->last)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
    return n;
}

/* Move the gathered text into the tree. False when it does not fit. */
static bool flush_text(struct xml_grow *g)
{
    struct arena *a = g->doc->arena;
    if (g->text.n == 0)
        return true;
    if (arena_used(a) + g->text.n > g->budget)
        return false;
    append(a, g->stack.p[g->stack.n - 1])->text = arena_dup(a, buf_view(&g->text));
    buf_clear(&g->text);
    return true;
}

static void begin(struct xml_grow *g)
{
    struct arena *a =
        arena_new(0); /* the budget is ours to watch: later users must not be killed by it */
    g->doc = arena_alloc(a, sizeof *g->doc);
    g->doc->arena = a;
    g->elements = 0;
    g->ns_cost = 0;
    g->last_ns = NULL;
}

const char *xml_grow_start(struct xml_grow *g, const char *name, const char **atts,
                           unsigned max_elements)
{
    if (!g->doc)
        begin(g);
    if (++g->elements > max_elements)
        return "too many elements";
    if (!flush_text(g))
        return over_budget;
    struct arena *a = g->doc->arena;
    struct xml *parent = g->stack.n > 0 ? g->stack.p[g->stack.n - 1] : NULL;
    struct xml *el = tag_new(a, name, parent ? parent->ns : NULL, g->last_ns);
    g->last_ns = el->ns;
    g->ns_cost += add_attrs(a, el, atts);
    if (parent) {
        append(a, parent)->el = el;
        g->ns_cost += el->ns == parent->ns ? 0 : strlen(el->ns) + NS_DECL_COST;
    } else {
        g->doc->root = el;
    }
    vec_push(&g->stack, el);
    return is_over(g) ? over_budget : NULL;
}

const char *xml_grow_text(struct xml_grow *g, struct str text)
{
    buf_str(&g->text, text);
    return g->text.n > g->budget ? over_budget : NULL;
}

const char *xml_grow_end(struct xml_grow *g, struct xml_doc **done)
{
    *done = NULL;
    if (!flush_text(g))
        return over_budget;
    if (--g->stack.n > 0)
        return NULL;
    *done = g->doc;
    g->doc = NULL;
    if (g->text.cap > TEXT_KEEP)
        buf_release(&g->text);
    return NULL;
}
