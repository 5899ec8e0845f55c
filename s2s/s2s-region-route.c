/* DOC: the two elements of region links. Strict: a member is a peer of ours with our release or the
 * next; what we do not know is refused, so that nothing is understood half. route: purpose, hops,
 * trace, origin, incarnation, seq, resource, home, covered. hello: id, to, incarnation. */
#include "s2s/s2s-region-int.h"

static const char *const purposes[] = {
    [REGION_USER] = "user",     [REGION_FROM] = "from",   [REGION_SESSION] = "session",
    [REGION_UP] = "up",         [REGION_UP_OK] = "up-ok", [REGION_DOWN] = "down",
    [REGION_GONE] = "gone",     [REGION_ENDED] = "ended", [REGION_ASK] = "ask",
    [REGION_ANSWER] = "answer",
};
enum { HOPS_MAX = 255 };

static bool read_text(struct str v, char *out, size_t size)
{
    if (v.n >= size || memchr(v.p, '\0', v.n))
        return false;
    memcpy(out, v.p, v.n);
    out[v.n] = '\0';
    return true;
}

static bool read_purpose(struct str v, struct region_route *r)
{
    for (size_t i = 0; i < ARRAY_LEN(purposes); i++)
        if (str_eqc(v, purposes[i]))
            return r->purpose = (enum region_purpose)i, true;
    return false;
}

static bool read_trace(struct str v, struct region_route *r)
{
    for (size_t i = 0; i < v.n; i++)
        if (!strchr("0123456789abcdef", v.p[i]) || !v.p[i])
            return false;
    return v.n == 32 && read_text(v, r->trace, sizeof r->trace);
}

static bool read_attr(const struct xml_attr *at, struct region_route *r)
{
    uint64_t n = 0;
    if (strcmp(at->name, "purpose") == 0)
        return read_purpose(at->value, r);
    if (strcmp(at->name, "hops") == 0) {
        bool ok = str_to_u64(at->value, HOPS_MAX, &n);
        r->hops = (unsigned)n;
        return ok;
    }
    if (strcmp(at->name, "trace") == 0)
        return read_trace(at->value, r);
    if (strcmp(at->name, "origin") == 0)
        return read_text(at->value, r->origin, sizeof r->origin);
    if (strcmp(at->name, "incarnation") == 0)
        return str_to_u64(at->value, UINT64_MAX, &r->incarnation);
    if (strcmp(at->name, "seq") == 0)
        return str_to_u64(at->value, UINT64_MAX, &r->seq);
    if (strcmp(at->name, "resource") == 0)
        return read_text(at->value, r->resource, sizeof r->resource);
    if (strcmp(at->name, "home") == 0)
        return read_text(at->value, r->home, sizeof r->home);
    if (strcmp(at->name, "covered") == 0)
        return r->covered = true, str_eqc(at->value, "1");
    return false;
}

enum err region_route_read(const struct xml *el, struct region_route *out)
{
    struct region_route r;
    memset(&r, 0, sizeof r);
    if (el->first || !xml_get(el, "purpose").p)
        return ERR_INVALID;
    for (const struct xml_attr *at = el->attrs; at; at = at->next)
        if (at->ns || !read_attr(at, &r))
            return ERR_INVALID;
    if (!r.origin[0] || !r.seq || !r.incarnation)
        return ERR_INVALID;
    *out = r;
    return ERR_OK;
}

enum err region_route_find(const struct xml *el, struct region_route *out)
{
    const struct xml *found = NULL;
    xml_each(el, c)
    {
        if (!xml_is(c->el, NS_MERIDIAN_ROUTE, "route"))
            continue;
        if (found)
            return ERR_INVALID;
        found = c->el;
    }
    return found ? region_route_read(found, out) : ERR_INVALID;
}

static void set_number(struct arena *a, struct xml *el, const char *name, uint64_t n)
{
    xml_set(a, el, name, arena_printf(a, "%" PRIu64, n));
}

static void set_text(struct arena *a, struct xml *el, const char *name, const char *text)
{
    xml_set(a, el, name, text[0] ? str_of(text) : STR_NONE);
}

static void fill(struct arena *a, struct xml *el, const struct region_route *r)
{
    xml_set(a, el, "purpose", str_of(purposes[r->purpose]));
    set_number(a, el, "hops", r->hops < HOPS_MAX ? r->hops : HOPS_MAX);
    if (strlen(r->trace) == 32)
        set_text(a, el, "trace", r->trace);
    set_text(a, el, "origin", r->origin);
    set_number(a, el, "incarnation", r->incarnation);
    set_number(a, el, "seq", r->seq);
    set_text(a, el, "resource", r->resource);
    set_text(a, el, "home", r->home);
    if (r->covered)
        xml_set(a, el, "covered", STR("1"));
}

struct stanza *region_route_put(struct stanza *s, const struct region_route *route)
{
    struct arena *a = arena_new(0);
    struct xml *el = xml_without(a, s->el, NS_MERIDIAN_ROUTE, "route");
    fill(a, xml_add(a, el, NS_MERIDIAN_ROUTE, "route"), route);
    struct stanza *wire = stanza_with_payload(s, el);
    arena_free(&a);
    return wire;
}

enum err region_hello_read(const struct xml *el, struct region_hello *out)
{
    struct region_hello h;
    memset(&h, 0, sizeof h);
    struct str id = xml_get(el, "id"), to = xml_get(el, "to");
    if (!xml_is(el, NS_MERIDIAN_ROUTE, "hello") || el->first || !id.n || !to.n ||
        !read_text(id, h.id, sizeof h.id) || !read_text(to, h.to, sizeof h.to) ||
        !str_to_u64(xml_get(el, "incarnation"), UINT64_MAX, &h.incarnation) || !h.incarnation)
        return ERR_INVALID;
    *out = h;
    return ERR_OK;
}

struct xml *region_hello_build(struct arena *a, const struct region_hello *h)
{
    struct xml *el = xml_new(a, NS_MERIDIAN_ROUTE, "hello");
    xml_set(a, el, "id", str_of(h->id));
    xml_set(a, el, "to", str_of(h->to));
    set_number(a, el, "incarnation", h->incarnation);
    return el;
}
