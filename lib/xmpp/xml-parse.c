/* DOC: the stream parser. Role: bytes of one XML stream in, first-level elements out, within
 * limits. Its expat object, which reads them, is xml-expat.c's.
 *
 * Design: no callback of ours runs inside an expat handler. A handler that completes an event
 * suspends expat; the feed loop delivers it from outside and then goes on, so events may free,
 * reset, pause or park the parser at will. Whenever bytes must stay behind (pause, reset) or expat
 * has grown fat on hostile input (REBUILD_BYTES), the expat object is thrown away at the border
 * between two elements; the next one starts from a stream header synthesised out of the namespace
 * declarations of the real one, and continues with the bytes the old one had not used.
 *
 * Standards: RFC 6120 sections 4, 8.4 and 11; XML 1.0. */
#include "lib/xmpp/xml-expat-int.h"

enum {
    SLICE_BYTES = 4096,        /* expat keeps about four times its largest slice */
    REBUILD_BYTES = 64 * 1024, /* expat's memory past which it is rebuilt at the next border */
};

const struct xml_limits xml_limits_default = {
    .max_stanza_bytes = 256 * 1024,
    .max_depth = 64,
    .max_attrs = 64,
    .max_elements = 10000,
    .max_tag_bytes = 16 * 1024,
};

/* After a slice without error: is what stays unfinished still within the limits? */
static void check_unfinished(struct xml_parser *p)
{
    const size_t token = p->fed - xml_expat_at(p);
    if (token > p->limits->max_tag_bytes)
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, "tag too long");
    else if ((p->depth > 1 && p->fed - p->element_at > p->limits->max_stanza_bytes) ||
             (p->depth == 1 && token > p->limits->max_stanza_bytes))
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, "stanza too large");
}

/* Events never leave a trace of what they were about, as they may have freed or reset the parser.
 */
static void deliver(struct xml_parser *p)
{
    if (p->open_root) {
        struct arena *a = p->open_arena;
        const struct xml *root = p->open_root;
        p->open_arena = NULL;
        p->open_root = NULL;
        const char *known = p->content_ns ? ns_find(str_of(p->content_ns)) : "";
        const char *ns = known ? known : arena_cstr(a, str_of(p->content_ns));
        const enum stream_cond c = p->events->open ? p->events->open(p->ctx, root, ns) : STREAM_OK;
        arena_free(&a);
        if (c != STREAM_OK && !p->is_doomed)
            xml_parser_fail(p, c, "stream header refused");
    }
    if (p->element) {
        struct xml_doc *doc = p->element;
        p->element = NULL;
        p->events->element(p->ctx, doc);
    }
    if (p->is_close_due && !p->is_doomed && p->cond == STREAM_OK) {
        p->is_close_due = false;
        p->state = STATE_CLOSED;
        if (p->events->close)
            p->events->close(p->ctx);
    }
}

/* May expat go on with the bytes it holds? Else they are taken back. */
static bool must_cut(const struct xml_parser *p)
{
    return p->is_paused || p->must_drop || p->state != STATE_BODY ||
           p->mem.bytes > REBUILD_BYTES + 8 * p->header.n;
}

/* Parse one slice, or up to the event in it that changed the course; returns what is left. */
static struct str step(struct xml_parser *p, struct str todo)
{
    const size_t n = todo.n < SLICE_BYTES ? todo.n : SLICE_BYTES;
    enum xml_expat_end end = xml_expat_parse(p, str_make(todo.p, n));
    const size_t base = p->fed - n;
    while (end == XML_EXPAT_SUSPENDED && p->cond == STREAM_OK) {
        const size_t used = p->event_end - base;
        const struct str left = str_make(todo.p + used, todo.n - used);
        deliver(p);
        if (p->is_doomed || p->cond != STREAM_OK || !p->expat)
            return left;
        if (must_cut(p)) {
            xml_expat_drop(p);
            return left;
        }
        end = xml_expat_resume(p);
    }
    if (end == XML_EXPAT_DONE)
        check_unfinished(p);
    return str_make(todo.p + n, todo.n - n);
}

static struct str skip_space(struct str s)
{
    while (s.n > 0 && (*s.p == ' ' || *s.p == '\t' || *s.p == '\r' || *s.p == '\n'))
        s = str_make(s.p + 1, s.n - 1);
    return s;
}

/* A new stream may follow white space of the old one; a byte order mark is none of XML's business
 * (RFC 6120 section 11.6). Expat's own search for UTF-16 prevails over the encoding we give it. */
static struct str skip_before_root(struct xml_parser *p, struct str s)
{
    s = skip_space(s);
    const unsigned char first = s.n > 0 ? (unsigned char)*s.p : '<';
    if (first >= 0xFE)
        xml_parser_fail(p, STREAM_UNSUPPORTED_ENCODING, "not UTF-8");
    else if (first == 0xEF)
        xml_parser_fail(p, STREAM_NOT_WELL_FORMED, "byte order mark");
    return s;
}

/* Expat decides on the first two bytes; a NUL among them says UTF-16. */
static bool looks_like_utf16(const struct xml_parser *p, struct str s)
{
    const size_t n = p->fed >= 2 ? 0 : 2 - p->fed;
    return memchr(s.p, 0, s.n < n ? s.n : n) != NULL;
}

static void destroy(struct xml_parser *p);

static enum stream_cond run(struct xml_parser *p, struct str todo, const char **why)
{
    p->is_busy = true;
    while (todo.n > 0 && p->cond == STREAM_OK && !p->must_drop && !p->is_paused && !p->is_doomed) {
        if (p->state == STATE_CLOSED)
            break;
        if (p->state == STATE_START && !p->expat)
            todo = skip_before_root(p, todo);
        else if (p->state == STATE_BODY && !p->expat) /* a keep-alive need not wake the parser */
            todo = skip_space(todo);
        if (p->state == STATE_START && looks_like_utf16(p, todo))
            xml_parser_fail(p, STREAM_UNSUPPORTED_ENCODING, "UTF-16");
        if (todo.n > 0 && p->cond == STREAM_OK)
            todo = step(p, todo);
    }
    p->is_busy = false;
    if (why)
        *why = NULL;
    if (p->is_doomed) {
        destroy(p);
        return STREAM_OK;
    }
    if (p->is_paused && !p->must_drop && p->state != STATE_CLOSED && p->cond == STREAM_OK)
        buf_str(&p->rest, todo);
    p->must_drop = false;
    if (why && p->cond != STREAM_OK)
        *why = p->why;
    return p->cond;
}

enum stream_cond xml_parser_feed(struct xml_parser *p, struct str bytes, const char **why)
{
    must(!p->is_busy);
    return run(p, bytes, why);
}

void xml_parser_pause(struct xml_parser *p)
{
    p->is_paused = true;
}

enum stream_cond xml_parser_resume(struct xml_parser *p, const char **why)
{
    p->is_paused = false;
    if (why)
        *why = NULL;
    if (p->is_busy)
        return STREAM_OK;
    struct buf rest = p->rest;
    buf_init(&p->rest, rest.max);
    const enum stream_cond c = run(p, buf_view(&rest), why);
    buf_fini(&rest);
    return c;
}

struct xml_parser *xml_parser_new(const struct xml_limits *l, const struct xml_parser_events *ev,
                                  void *ctx)
{
    struct xml_parser *p = mem_alloc(sizeof *p);
    p->limits = l ? l : &xml_limits_default;
    p->events = ev;
    p->ctx = ctx;
    xml_grow_init(&p->grow);
    buf_init(&p->header, SIZE_MAX / 4);
    buf_init(&p->rest, SIZE_MAX / 4);
    return p;
}

struct xml_parser *xml_parser_new_inside(const char *default_ns, const struct xml_limits *l,
                                         const struct xml_parser_events *ev, void *ctx,
                                         size_t budget)
{
    struct xml_parser *p = xml_parser_new(l, ev, ctx);
    p->fixed_budget = budget;
    p->state = STATE_BODY;
    buf_printf(&p->header, "<stream:stream xmlns:stream='%s' xmlns:db='%s' xmlns='", NS_STREAM,
               NS_DIALBACK);
    xml_escape(&p->header, str_of(default_ns ? default_ns : ""));
    buf_str(&p->header, STR("'>"));
    return p;
}

static void forget(struct xml_parser *p)
{
    xml_expat_drop(p);
    buf_release(&p->header);
    xml_parser_set_content_ns(p, NULL);
    xml_grow_fini(&p->grow);
    arena_free(&p->open_arena);
    p->open_root = NULL;
    xml_doc_free(&p->element);
    p->is_close_due = false;
    p->state = STATE_START;
    p->cond = STREAM_OK;
}

static void destroy(struct xml_parser *p)
{
    forget(p);
    buf_fini(&p->header);
    buf_fini(&p->rest);
    mem_free(p->why);
    mem_free(p);
}

void xml_parser_free(struct xml_parser **pp)
{
    struct xml_parser *p = *pp;
    *pp = NULL;
    if (p && p->is_busy)
        p->is_doomed = true;
    else if (p)
        destroy(p);
}

void xml_parser_reset(struct xml_parser *p, bool drop_rest)
{
    forget(p);
    if (!drop_rest)
        return;
    buf_release(&p->rest);
    p->must_drop = p->is_busy;
}

void xml_parser_set_limits(struct xml_parser *p, const struct xml_limits *l)
{
    p->limits = l;
}

bool xml_parser_is_at_border(const struct xml_parser *p)
{
    return p->state == STATE_BODY && p->cond == STREAM_OK &&
           (!p->expat || (p->depth == 1 && p->fed == xml_expat_at(p)));
}

void xml_parser_park(struct xml_parser *p)
{
    if (p->is_busy || !xml_parser_is_at_border(p))
        return;
    xml_expat_drop(p);
    xml_grow_fini(&p->grow);
}

bool xml_parser_is_parked(const struct xml_parser *p)
{
    return p->state == STATE_BODY && !p->expat && p->rest.n == 0;
}

size_t xml_parser_memory(const struct xml_parser *p)
{
    return sizeof *p + p->mem.bytes + p->header.cap + p->rest.cap + xml_grow_memory(&p->grow);
}

bool xml_parser_declares(const struct xml_parser *p, const char *ns)
{
    struct buf value; /* the kept header holds nothing but declarations */
    buf_init(&value, SIZE_MAX / 4);
    buf_str(&value, STR("='"));
    xml_escape(&value, str_of(ns));
    buf_char(&value, '\'');
    const bool found =
        p->header.n > 0 && memmem(p->header.p, p->header.n, value.p, value.n) != NULL;
    buf_fini(&value);
    return found;
}
