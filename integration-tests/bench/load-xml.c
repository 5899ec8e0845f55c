/* The scanner. It looks for tags with memchr and counts depth; names of end tags are compared for
 * whole stanzas only. A tag that is not complete is read again from its < when more has come; tags
 * are short, texts are not read twice. CDATA is passed over, comments and processing instructions
 * are errors in a stream. Source: RFC 6120 sections 4.2, 4.4, 11.1. */
#include <string.h>

#include "integration-tests/bench/load-xml.h"

static const char *find(const char *p, const char *end, char c)
{
    return p < end ? memchr(p, c, (size_t)(end - p)) : NULL;
}

/* The > that ends the tag at p; quoted ones do not. NULL: not here yet. */
static const char *tag_end(const char *p, const char *end)
{
    for (; p && p < end; p++) {
        if (*p == '>')
            return p;
        if (*p == '\'' || *p == '"') {
            p = find(p + 1, end, *p);
            if (!p)
                return NULL;
        }
    }
    return NULL;
}

static bool is_name_end(char c)
{
    return c == ' ' || c == '>' || c == '/' || c == '\n' || c == '\t' || c == '\r' || c == '=';
}

static struct load_span name_at(const char *p, const char *end)
{
    const char *from = p;
    while (p < end && !is_name_end(*p))
        p++;
    return (struct load_span){from, (size_t)(p - from)};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool starts(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - p) >= n && memcmp(p, text, n) == 0;
}

enum step { STEP_ON, STEP_MORE, STEP_DONE, STEP_DECLARED, STEP_BAD };

/* <! : CDATA, or an error. */
static enum step bang(struct load_xml *x, const char *data, const char *p, const char *end)
{
    static const char cdata[] = "<![CDATA[";
    size_t have = (size_t)(end - p);
    if (have < sizeof cdata - 1)
        return memcmp(p, cdata, have) == 0 ? STEP_MORE : STEP_BAD;
    if (x->depth < 2 || !starts(p, end, cdata))
        return STEP_BAD;
    const char *close = memmem(p, have, "]]>", 3);
    if (!close)
        return STEP_MORE;
    x->at = (size_t)(close + 3 - data);
    return STEP_ON;
}

/* <? : the declaration in front of the header. */
static enum step question(struct load_xml *x, const char *data, const char *p, const char *end)
{
    const char *close = memmem(p, (size_t)(end - p), "?>", 2);
    if (x->is_open || x->is_declared)
        return STEP_BAD;
    if (!close)
        return STEP_MORE;
    x->is_declared = true;
    x->at = (size_t)(close + 2 - data);
    return STEP_DECLARED;
}

static enum step end_tag(struct load_xml *x, const char *p, const char *close)
{
    struct load_item *i = &x->item;
    if (x->depth == 0)
        return STEP_BAD;
    if (--x->depth > 1)
        return STEP_ON;
    struct load_span name = name_at(p + 2, close + 1);
    if (x->depth == 0) {
        i->name = name;
        i->head = (struct load_span){p, (size_t)(close + 1 - p)};
        i->children = 0;
        return STEP_DONE;
    }
    return name.len == i->name.len && memcmp(name.p, i->name.p, name.len) == 0 ? STEP_DONE
                                                                               : STEP_BAD;
}

static enum step start_tag(struct load_xml *x, const char *data, const char *p, const char *close)
{
    struct load_item *i = &x->item;
    bool is_empty = close[-1] == '/';
    if (x->depth <= 1) {
        i->name = name_at(p + 1, close + 1);
        i->head = (struct load_span){p, (size_t)(close + 1 - p)};
        i->children = 0;
        if (i->name.len == 0)
            return STEP_BAD;
    } else if (x->depth == 2) {
        if (i->children < LOAD_XML_CHILDREN)
            i->child_at[i->children] = (size_t)(p - data);
        i->children++;
    }
    if (x->depth == 0) {
        x->depth = 1;
        return is_empty ? STEP_BAD : STEP_DONE;
    }
    if (is_empty)
        return x->depth == 1 ? STEP_DONE : STEP_ON;
    x->depth++;
    return STEP_ON;
}

/* One tag at p. */
static enum step tag(struct load_xml *x, const char *data, const char *p, const char *end)
{
    if (p + 1 == end)
        return STEP_MORE;
    if (p[1] == '!')
        return bang(x, data, p, end);
    if (p[1] == '?')
        return question(x, data, p, end);
    const char *close = tag_end(p + 1, end);
    if (!close)
        return STEP_MORE;
    x->at = (size_t)(close + 1 - data);
    return p[1] == '/' ? end_tag(x, p, close) : start_tag(x, data, p, close);
}

/* The kind of the item that ends here, and its bytes. The bytes may have moved since its start tag
 * was read, so the spans into it are set anew. */
static enum load_xml_kind complete(struct load_xml *x, const char *data, size_t *used,
                                   const struct load_item **item)
{
    struct load_item *i = &x->item;
    i->all = (struct load_span){data, x->at};
    *item = i;
    *used = x->at;
    x->at = 0;
    if (!x->is_open) {
        x->is_open = true;
        return LOAD_XML_HEADER;
    }
    return x->depth == 0 ? LOAD_XML_CLOSE : LOAD_XML_STANZA;
}

/* The item's start tag is at the front of data, wherever that is by now. */
static void rebase(struct load_xml *x, const char *data)
{
    struct load_item *i = &x->item;
    if (x->depth >= 2) {
        i->name.p = data + 1;
        i->head.p = data;
    }
}

/* White space in front of an item. */
static size_t skip_space(const struct load_xml *x, const char *data, const char *end)
{
    const char *p = data;
    while (x->at == 0 && p < end && is_space(*p))
        p++;
    return (size_t)(p - data);
}

/* The next tag, from x->at on. Only inside of a stanza may text stand before it. */
static enum step scan(struct load_xml *x, const char *data, const char *end)
{
    const char *p = find(data + x->at, end, '<');
    bool has_text = data + x->at < end && p != data + x->at;
    if (has_text && x->depth < 2)
        return STEP_BAD;
    x->at = (size_t)((p ? p : end) - data);
    return p ? tag(x, data, p, end) : STEP_MORE;
}

enum load_xml_kind load_xml_next(struct load_xml *x, const char *data, size_t len, size_t *used,
                                 const struct load_item **item)
{
    const char *end = data + len;
    enum step s = STEP_ON;
    *used = skip_space(x, data, end);
    rebase(x, data + *used);
    while (s == STEP_ON) {
        s = scan(x, data + *used, end);
        if (s == STEP_DECLARED) {
            *used += x->at;
            x->at = 0;
            *used += skip_space(x, data + *used, end);
            s = STEP_ON;
        }
    }
    if (s == STEP_BAD)
        return LOAD_XML_BAD;
    if (s == STEP_MORE)
        return LOAD_XML_MORE;
    size_t length;
    enum load_xml_kind kind = complete(x, data + *used, &length, item);
    *used += length;
    return kind;
}

bool load_xml_attr(struct load_span head, const char *name, struct load_span *value)
{
    const char *end = head.p + head.len, *p = head.p + 1 + name_at(head.p + 1, end).len;
    for (;;) {
        while (p < end && is_space(*p))
            p++;
        struct load_span key = name_at(p, end);
        p = find(key.p + key.len, end, '=');
        if (key.len == 0 || !p)
            return false;
        for (p++; p < end && is_space(*p); p++)
            ;
        const char *close = p < end && (*p == '\'' || *p == '"') ? find(p + 1, end, *p) : NULL;
        if (!close)
            return false;
        if (load_span_is(key, name)) {
            *value = (struct load_span){p + 1, (size_t)(close - p - 1)};
            return true;
        }
        p = close + 1;
    }
}

bool load_xml_child(const struct load_item *item, const char *name, struct load_span *child)
{
    unsigned known = item->children < LOAD_XML_CHILDREN ? item->children : LOAD_XML_CHILDREN;
    const char *end = item->all.p + item->all.len;
    for (unsigned i = 0; i < known; i++) {
        const char *p = item->all.p + item->child_at[i];
        if (!load_span_is(name_at(p + 1, end), name))
            continue;
        const char *next = i + 1 < known ? item->all.p + item->child_at[i + 1] : end;
        *child = (struct load_span){p, (size_t)(next - p)};
        return true;
    }
    return false;
}

bool load_xml_find(struct load_span *rest, const char *name, struct load_span *head)
{
    const char *end = rest->p + rest->len;
    for (const char *p = find(rest->p, end, '<'); p; p = find(p + 1, end, '<')) {
        const char *close = tag_end(p, end);
        if (!close || !load_span_is(name_at(p + 1, end), name))
            continue;
        *head = (struct load_span){p, (size_t)(close + 1 - p)};
        *rest = (struct load_span){close + 1, (size_t)(end - close - 1)};
        return true;
    }
    return false;
}

struct load_span load_xml_text(struct load_span element)
{
    const char *end = element.p + element.len, *p = tag_end(element.p, end);
    if (!p || p[-1] == '/')
        return (struct load_span){end, 0};
    const char *stop = find(p + 1, end, '<');
    return (struct load_span){p + 1, (size_t)((stop ? stop : end) - p - 1)};
}

bool load_span_is(struct load_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

bool load_span_has(struct load_span s, const char *text)
{
    return memmem(s.p, s.len, text, strlen(text)) != NULL;
}
