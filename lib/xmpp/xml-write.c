/* DOC: the serialiser. Role: turn element trees into bytes of a stream. Design: no prefixes but
 * stream: and, between servers, db:, which our stream headers declare and which are used for
 * first-level elements only (a nested one could land on a stream whose header lacks db:); every
 * other change of namespace is an xmlns attribute. Hostile values cannot leave their place: all
 * markup is escaped, and C0 controls, which XML 1.0 forbids even escaped, become U+FFFD. Text keeps
 * its quotes. Standards: XML 1.0, Namespaces in XML 1.0, RFC 6120 section 4.8. */
#include "lib/xmpp/xml-write-int.h"

/* What must not stand as it is: everywhere, or in attributes only. */
enum { ESC_TEXT = 1, ESC_ATTR = 2, ESC_ALWAYS = ESC_TEXT | ESC_ATTR };
static const unsigned char escapes[256] = {
    ESC_ALWAYS,       ESC_ALWAYS,        ESC_ALWAYS,         ESC_ALWAYS,         ESC_ALWAYS,
    ESC_ALWAYS,       ESC_ALWAYS,        ESC_ALWAYS,         ESC_ALWAYS,         ESC_ATTR,
    ESC_ATTR,         ESC_ALWAYS,        ESC_ALWAYS,         ESC_ALWAYS,         ESC_ALWAYS,
    ESC_ALWAYS,       ESC_ALWAYS,        ESC_ALWAYS,         ESC_ALWAYS,         ESC_ALWAYS,
    ESC_ALWAYS,       ESC_ALWAYS,        ESC_ALWAYS,         ESC_ALWAYS,         ESC_ALWAYS,
    ESC_ALWAYS,       ESC_ALWAYS,        ESC_ALWAYS,         ESC_ALWAYS,         ESC_ALWAYS,
    ESC_ALWAYS,       ESC_ALWAYS,        ['<'] = ESC_ALWAYS, ['>'] = ESC_ALWAYS, ['&'] = ESC_ALWAYS,
    ['"'] = ESC_ATTR, ['\''] = ESC_ATTR,
};

static const char *escape_of(unsigned char c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return "\xEF\xBF\xBD";
    }
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not 0 when a byte of the word is zero: it borrows from its high bit. */
static uint64_t has_zero(uint64_t w)
{
    return (w - EACH(1)) & ~w & EACH(0x80);
}

/* Eight bytes that are surely plain. A pair of characters that differ in one bit is one test: ' and
 * &, < and >. */
static inline bool is_plain_word(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return !(((w - EACH(0x20)) & ~w & EACH(0x80)) | has_zero(w ^ EACH('"')) |
             has_zero((w | EACH(1)) ^ EACH('\'')) | has_zero((w | EACH(2)) ^ EACH('>')));
}

/* The same of 16: one operation of the processor for each test. */
static inline bool is_plain_block(const char *p)
{
    typedef uint8_t block __attribute__((vector_size(16)));
    block v;
    memcpy(&v, p, sizeof v);
    const block found = (block)(v == (v & 0x1f)) | (block)(v == '"') | (block)((v | 1) == '\'') |
                        (block)((v | 2) == '>');
    uint64_t half[2];
    memcpy(half, &found, sizeof half);
    return !(half[0] | half[1]);
}

/* How many bytes of s from there are surely plain, in whole words; the last word may begin before
 * what is left. */
static size_t plain_words(struct str s, size_t from)
{
    size_t i = from;
    while (s.n - i >= 2 * sizeof(uint64_t) && is_plain_block(s.p + i))
        i += 2 * sizeof(uint64_t);
    while (s.n - i >= sizeof(uint64_t) && is_plain_word(s.p + i))
        i += sizeof(uint64_t);
    const bool is_end = s.n >= sizeof(uint64_t) && s.n - i < sizeof(uint64_t);
    return is_end && is_plain_word(s.p + s.n - sizeof(uint64_t)) ? s.n - from : i - from;
}

static void escape(struct buf *out, struct str s, bool attr)
{
    const unsigned char where = attr ? ESC_ATTR : ESC_TEXT;
    size_t start = 0, i = 0;
    while (i < s.n) {
        i += plain_words(s, i);
        for (const size_t end = s.n - i < 8 ? s.n : i + 8; i < end; i++) {
            if (!(escapes[(unsigned char)s.p[i]] & where))
                continue;
            buf_add(out, s.p + start, i - start);
            buf_cstr(out, escape_of((unsigned char)s.p[i]));
            start = i + 1;
        }
    }
    if (s.n > start)
        buf_add(out, s.p + start, s.n - start);
}

void xml_escape(struct buf *out, struct str s)
{
    escape(out, s, true);
}

void xml_write_attr(struct buf *out, const char *name, struct str value)
{
    if (!value.p)
        return;
    buf_char(out, ' ');
    buf_cstr(out, name);
    buf_str(out, STR("='"));
    escape(out, value, true);
    buf_char(out, '\'');
}

void xml_write_tree_attr(struct buf *out, const struct xml_attr *at, unsigned *n)
{
    if (!at->ns) {
        xml_write_attr(out, at->name, at->value);
        return;
    }
    if (strcmp(at->ns, NS_XML) == 0) {
        buf_str(out, STR(" xml:"));
    } else {
        buf_printf(out, " xmlns:a%u='", *n);
        escape(out, str_of(at->ns), true);
        buf_printf(out, "' a%u:", *n);
        ++*n;
    }
    buf_cstr(out, at->name);
    buf_str(out, STR("='"));
    escape(out, at->value, true);
    buf_char(out, '\'');
}

/* What is in force where an element is written. */
struct scope {
    const char *ns; /* the default namespace, "" for none */
    const char
        *content; /* the content namespace stanza parts are written in, NULL: write as they are */
    bool in_content;  /* all ancestors are in the content namespace */
    bool first_level; /* stream: and db: may be used */
};

static const char *effective_ns(const struct xml *el, const struct scope *s)
{
    if (!s->content || (el->ns != NS_CLIENT && el->ns != NS_SERVER))
        return el->ns;
    return s->in_content || el->ns == NS_SERVER ? s->content : el->ns;
}

static const char *prefix_of(const char *ns, const struct scope *s)
{
    if (!s->first_level || s->ns[0] == '\0')
        return "";
    if (ns == NS_DIALBACK)
        return strcmp(s->ns, NS_SERVER) == 0 ? "db:" : "";
    return ns == NS_STREAM ? "stream:" : "";
}

/* Write the start tag without its end; return the prefix, and in *inner the scope of the children.
 */
static const char *write_tag(struct buf *out, const struct xml *el, const struct scope *s,
                             struct scope *inner)
{
    const char *ns = effective_ns(el, s);
    const char *prefix = prefix_of(ns, s);
    *inner = *s;
    inner->first_level = false;
    inner->in_content = s->content && s->in_content && ns == s->content;
    buf_char(out, '<');
    buf_cstr(out, prefix);
    buf_cstr(out, el->name);
    if (prefix[0] == '\0' && ns != s->ns && strcmp(ns, s->ns) != 0) {
        xml_write_attr(out, "xmlns", str_of(ns));
        inner->ns = ns;
    }
    unsigned n = 0;
    for (const struct xml_attr *at = el->attrs; at; at = at->next)
        xml_write_tree_attr(out, at, &n);
    return prefix;
}

static void write_children(struct buf *out, const struct xml *el, const struct scope *s);

static void write_el(struct buf *out, const struct xml *el, const struct scope *s)
{
    struct scope inner;
    const char *prefix = write_tag(out, el, s, &inner);
    if (!el->first) {
        buf_str(out, STR("/>"));
        return;
    }
    buf_char(out, '>');
    write_children(out, el, &inner);
    buf_str(out, STR("</"));
    buf_cstr(out, prefix);
    buf_cstr(out, el->name);
    buf_char(out, '>');
}

static void write_children(struct buf *out, const struct xml *el, const struct scope *s)
{
    for (const struct xml_node *n = el->first; n; n = n->next) {
        if (n->el)
            write_el(out, n->el, s);
        else
            escape(out, n->text, false);
    }
}

static struct scope first_level(const char *default_ns)
{
    return (struct scope){.ns = default_ns ? default_ns : "", .first_level = true};
}

void xml_write(struct buf *out, const struct xml *el, const char *default_ns)
{
    const struct scope s = first_level(default_ns);
    write_el(out, el, &s);
}

void xml_write_open(struct buf *out, const struct xml *el, const char *default_ns, bool *empty)
{
    const struct scope s = first_level(default_ns);
    struct scope inner;
    write_tag(out, el, &s, &inner);
    *empty = el->first == NULL;
    buf_cstr(out, *empty ? "/>" : ">");
}

void xml_write_payload(struct buf *out, const struct xml *el, const char *content_ns)
{
    const struct scope s = {.ns = content_ns, .content = content_ns, .in_content = true};
    write_children(out, el, &s);
}
