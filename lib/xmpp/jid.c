/* DOC: JIDs. Role: split, check and put into normal form; compare normal forms. Design: nearly all
 * addresses are ASCII, for which the PRECIS profiles come down to one table scan and lower-casing;
 * a part with other bytes goes through jid-prep.c. A JID is one string, `local@domain/resource`,
 * and slices of it. Standards: RFC 7622 (XMPP addresses), RFC 8265 profiles, RFC 3986 IPv6
 * literals. Most addresses are in normal form when they come: one scan shows it. */
#include "lib/xmpp/jid.h"

#include <arpa/inet.h>

#include "lib/xmpp/jid-prep-int.h"

struct parts {
    struct str local, domain, resource;
};

/* Cut by the order of RFC 7622 section 3.2: the first '/' ends the bare JID, then the first '@'
 * ends the localpart. */
static struct parts split(struct str text)
{
    struct parts p = {STR_NONE, text, STR_NONE};
    const ptrdiff_t slash = str_find(text, '/');
    if (slash >= 0) {
        p.domain.n = (size_t)slash;
        p.resource = str_make(text.p + slash + 1, text.n - (size_t)slash - 1);
    }
    const ptrdiff_t at = str_find(p.domain, '@');
    if (at >= 0) {
        p.local = str_make(p.domain.p, (size_t)at);
        p.domain = str_make(p.domain.p + at + 1, p.domain.n - (size_t)at - 1);
    }
    return p;
}

static bool is_ascii(struct str s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.n; i++)
        all |= (unsigned char)s.p[i];
    return all < 0x80;
}

static enum err refuse(const char **why, const char *text)
{
    *why = text;
    return ERR_INVALID;
}

static enum err check_size(struct str s, size_t max, const char **why)
{
    if (s.n == 0)
        return refuse(why, "empty part");
    if (s.n <= max)
        return ERR_OK;
    *why = "part too long";
    return ERR_LIMIT;
}

static enum err ascii_local(struct str s, const char **why)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == 0x7F || jid_local_excludes(c))
            return refuse(why, "character not allowed in localpart");
    }
    return ERR_OK;
}

static enum err ascii_resource(struct str s, const char **why)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] == 0x7F)
            return refuse(why, "character not allowed in resourcepart");
    }
    return ERR_OK;
}

static enum err ipv6_literal(struct arena *a, struct str in, struct str *out, const char **why)
{
    char text[INET6_ADDRSTRLEN + 1] = {0};
    struct in6_addr addr;
    if (in.n < 4 || in.n - 2 >= sizeof text || in.p[in.n - 1] != ']')
        return refuse(why, "bad IPv6 address");
    memcpy(text, in.p + 1, in.n - 2);
    if (memchr(text, 0, in.n - 2) || inet_pton(AF_INET6, text, &addr) != 1)
        return refuse(why, "bad IPv6 address");
    inet_ntop(AF_INET6, &addr, text, sizeof text);
    *out = arena_printf(a, "[%s]", text);
    return ERR_OK;
}

static enum err prepare_domain(struct arena *a, struct str *s, const char **why)
{
    if (s->n > 1 && s->p[s->n - 1] == '.')
        s->n--;
    enum err e = check_size(*s, JID_INPUT_MAX, why);
    if (e == ERR_OK && s->p[0] == '[')
        e = ipv6_literal(a, *s, s, why);
    else if (e == ERR_OK && (!is_ascii(*s) || jid_domain_has_a_label(*s)))
        e = jid_prep_domain(a, *s, s, why);
    else if (e == ERR_OK && !jid_domain_is_ldh(*s))
        e = refuse(why, "not a domain name");
    return e == ERR_OK ? check_size(*s, JID_PART_MAX, why) : e;
}

static enum err prepare_local(struct arena *a, struct str *s, const char **why)
{
    if (!s->p)
        return ERR_OK;
    enum err e = check_size(*s, JID_INPUT_MAX, why);
    if (e == ERR_OK)
        e = is_ascii(*s) ? ascii_local(*s, why) : jid_prep_local(a, *s, s, why);
    return e == ERR_OK ? check_size(*s, JID_PART_MAX, why) : e;
}

static enum err prepare_resource(struct arena *a, struct str *s, const char **why)
{
    if (!s->p)
        return ERR_OK;
    enum err e = check_size(*s, JID_INPUT_MAX, why);
    if (e == ERR_OK)
        e = is_ascii(*s) ? ascii_resource(*s, why) : jid_prep_resource(a, *s, s, why);
    return e == ERR_OK ? check_size(*s, JID_PART_MAX, why) : e;
}

/* ---- addresses in normal form already: ASCII lower case, a domain of letters, digits and single
 * hyphens and dots between them */
enum { PLAIN_LOCAL = 1, PLAIN_DOMAIN = 2, PLAIN_RESOURCE = 4 };
enum { PLAIN_DOMAIN_MAX = 63, PLAIN_PART_MAX = 255 };

static inline unsigned plain_class(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return PLAIN_LOCAL | PLAIN_DOMAIN | PLAIN_RESOURCE;
    if (c == '-' || c == '.' || c == '_')
        return PLAIN_LOCAL | PLAIN_RESOURCE;
    return c >= ' ' && c < 0x7F ? PLAIN_RESOURCE : 0;
}

static size_t plain_span(struct str s, size_t from, unsigned class)
{
    while (from < s.n && plain_class((unsigned char)s.p[from]) & class)
        from++;
    return from;
}

static bool plain_domain(struct str s)
{
    size_t i = 0;
    for (;;) {
        const size_t part = i;
        i = plain_span(s, i, PLAIN_DOMAIN);
        if (i == part)
            return false;
        if (i == s.n)
            return i <= PLAIN_DOMAIN_MAX;
        if (s.p[i] != '.' && s.p[i] != '-')
            return false;
        i++;
    }
}

static bool plain_part(struct str s, unsigned class)
{
    return !s.p || (s.n > 0 && s.n <= PLAIN_PART_MAX && plain_span(s, 0, class) == s.n);
}

static bool is_plain(const struct parts *p)
{
    return plain_part(p->local, PLAIN_LOCAL) && plain_domain(p->domain) &&
           plain_part(p->resource, PLAIN_RESOURCE);
}

/* Slices of the same text elsewhere. */
static struct str moved(struct str s, const char *from, char *to)
{
    return s.p ? str_make(to + (s.p - from), s.n) : STR_NONE;
}

/* The parts and `full` lie in one text that begins where `full` does: copy it to p. */
static void copy_into(char *p, const struct jid *j, struct jid *out)
{
    const char *from = j->full.p;
    memcpy(p, from, j->full.n);
    p[j->full.n] = '\0';
    *out = (struct jid){.full = str_make(p, j->full.n),
                        .bare = moved(j->bare, from, p),
                        .local = moved(j->local, from, p),
                        .domain = moved(j->domain, from, p),
                        .resource = moved(j->resource, from, p)};
}

static struct str put(char **at, struct str s, bool lower)
{
    char *p = *at;
    for (size_t i = 0; i < s.n; i++)
        p[i] = lower && s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
    *at = p + s.n;
    return str_make(p, s.n);
}

/* Lay prepared parts out in `p`, which has room for them. Upper case is left over from the ASCII
 * path only. */
static void lay_out(char *p, const struct parts *in, struct jid *out)
{
    char *at = p;
    *out = (struct jid){0};
    if (in->local.p) {
        out->local = put(&at, in->local, true);
        *at++ = '@';
    }
    out->domain = put(&at, in->domain, true);
    out->bare = str_make(p, (size_t)(at - p));
    if (in->resource.p) {
        *at++ = '/';
        out->resource = put(&at, in->resource, false);
    }
    *at = '\0';
    out->full = str_make(p, (size_t)(at - p));
}

static size_t room_for(const struct parts *p)
{
    return p->local.n + p->domain.n + p->resource.n + 3;
}

static enum err prepare(struct arena *a, struct parts *p, struct jid *out, const char **why)
{
    const char *ignored;
    if (!why)
        why = &ignored;
    enum err e = prepare_domain(a, &p->domain, why);
    if (e == ERR_OK)
        e = prepare_local(a, &p->local, why);
    if (e == ERR_OK)
        e = prepare_resource(a, &p->resource, why);
    if (e == ERR_OK)
        lay_out(arena_alloc(a, room_for(p)), p, out);
    return e;
}

enum err jid_parse(struct arena *a, struct str text, struct jid *out, const char **why)
{
    struct parts p = split(text);
    if (!is_plain(&p))
        return prepare(a, &p, out, why);
    const size_t bare = p.resource.p ? text.n - p.resource.n - 1 : text.n;
    const struct jid here = {text, str_make(text.p, bare), p.local, p.domain, p.resource};
    copy_into(arena_alloc(a, text.n + 1), &here, out);
    return ERR_OK;
}

enum err jid_make(struct arena *a, struct str local, struct str domain, struct str resource,
                  struct jid *out)
{
    struct parts p = {local, domain, resource};
    return prepare(a, &p, out, NULL);
}

bool jid_eq(const struct jid *a, const struct jid *b)
{
    return str_eq(a->full, b->full);
}

bool jid_bare_eq(const struct jid *a, const struct jid *b)
{
    return str_eq(a->bare, b->bare);
}

struct jid jid_to_bare(const struct jid *j)
{
    struct jid b = *j;
    b.full = j->bare;
    b.resource = STR_NONE;
    return b;
}

struct jid jid_to_domain(const struct jid *j)
{
    return (struct jid){.full = j->domain, .bare = j->domain, .domain = j->domain};
}

static size_t size_of(const struct jid *j)
{
    return j->full.n + 1;
}

struct jid jid_dup(struct arena *a, const struct jid *j)
{
    struct jid d = {0};
    if (jid_is_set(j))
        copy_into(arena_alloc(a, size_of(j)), j, &d);
    return d;
}

void jid_dup_heap(const struct jid *j, struct jid *out)
{
    struct jid d = {0};
    if (jid_is_set(j))
        copy_into(mem_alloc(size_of(j)), j, &d);
    *out = d;
}

void jid_fini(struct jid *j)
{
    mem_free((char *)(uintptr_t)j->full.p);
    *j = (struct jid){0};
}
