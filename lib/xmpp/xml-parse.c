/* DOC: the stream parser on expat. Role: bytes of one XML stream in, first-level elements out,
 * within limits.
 *
 * Design: no callback of ours runs inside an expat handler. A handler that completes an event
 * suspends expat; the feed loop delivers it from outside and then goes on, so events may free,
 * reset, pause or park the parser at will. Whenever bytes must stay behind (pause, reset) or expat
 * has grown fat on hostile input (REBUILD_BYTES), the expat object is thrown away at the border
 * between two elements; the next one starts from a stream header synthesised out of the namespace
 * declarations of the real one, and continues with the bytes the old one had not used.
 *
 * Invariants: a token (start tag, and what will be refused anyway) holds at most max_tag_bytes plus
 * one slice inside expat; text leaves expat as it comes. Offsets of expat are those of its own
 * life: `fed` counts the same way, synthesised header included.
 *
 * Standards: RFC 6120 sections 4, 8.4 and 11; XML 1.0; Namespaces in XML 1.0. */
#define XML_DTD /* before expat.h, which hides prototypes behind it */
#include <expat.h>

#include "lib/base/siphash.h"
#include "lib/xmpp/xml-grow-int.h"
#include "lib/xmpp/xml-parse-int.h"

enum {
    SLICE_BYTES = 4096,        /* expat keeps about four times its largest slice */
    REBUILD_BYTES = 64 * 1024, /* expat's memory past which it is rebuilt at the next border */
    BUDGET_FACTOR = 4,         /* arena bytes per byte of max_stanza_bytes */
    BUDGET_SLACK = 64 * 1024,
    SPARE_MAX = 64,          /* expat objects kept by a thread */
    SPARE_BYTES = 32 * 1024, /* none that holds more */
    WHY_MAX = 128,
};

const struct xml_limits xml_limits_default = {
    .max_stanza_bytes = 256 * 1024,
    .max_depth = 64,
    .max_attrs = 64,
    .max_elements = 10000,
    .max_tag_bytes = 16 * 1024,
};

enum parser_state {
    STATE_START,  /* before the root's start tag */
    STATE_BODY,   /* inside the root */
    STATE_CLOSED, /* after its end tag: whatever follows is dropped */
};

struct xml_parser {
    const struct xml_limits *limits;
    const struct xml_parser_events *events;
    void *ctx;
    enum parser_state state;

    XML_Parser expat;   /* NULL: parked or not started; made by the next feed */
    struct xml_mem mem; /* what it holds */
    size_t fed;         /* bytes it was given */
    size_t element_at;  /* offset of the open first-level element */
    unsigned depth;     /* open elements, root included */
    unsigned ns_decls;  /* declarations seen before the next start tag */
    bool is_synth;      /* the bytes being fed are the synthesised header */

    struct buf header;      /* synthesised header; while the root is read, its declarations */
    const char *content_ns; /* default namespace of the root, NULL for none */
    char *content_ns_own;   /* the same if nobody knows it */
    struct xml_grow grow;
    size_t fixed_budget; /* of one element; 0: from the limits */

    struct arena *open_arena; /* events that wait for delivery */
    struct xml *open_root;
    struct xml_doc *element;
    bool is_close_due;
    size_t event_end; /* offset behind the token that made them */

    struct buf rest; /* bytes kept while paused */
    bool is_paused, is_busy, is_doomed, must_drop;
    enum stream_cond cond; /* sticky */
    char *why;             /* NULL: nothing to say */
};

/* ---- handlers */

static void fail(struct xml_parser *p, enum stream_cond cond, const char *why)
{
    if (p->cond != STREAM_OK)
        return;
    p->cond = cond;
    const long at = p->expat ? (long)XML_GetCurrentByteIndex(p->expat) : 0;
    mem_free(p->why);
    p->why = mem_alloc(WHY_MAX);
    snprintf(p->why, WHY_MAX, "%s (at byte %ld)", why, at);
    if (p->expat)
        XML_StopParser(p->expat, XML_FALSE);
}

/* Leave expat after this handler, to deliver what is due. */
static void stop_here(struct xml_parser *p)
{
    p->event_end =
        (size_t)XML_GetCurrentByteIndex(p->expat) + (size_t)XML_GetCurrentByteCount(p->expat);
    XML_StopParser(p->expat, XML_TRUE);
}

static void content_ns(struct xml_parser *p, const char *uri)
{
    const char *known = uri ? ns_find(str_of(uri)) : NULL;
    mem_free(p->content_ns_own);
    p->content_ns_own = uri && !known ? mem_strdup(uri) : NULL;
    p->content_ns = known ? known : p->content_ns_own;
}

static void on_ns_decl(void *ctx, const char *prefix, const char *uri)
{
    struct xml_parser *p = ctx;
    p->ns_decls++;
    if (p->depth > 0 || p->is_synth || (prefix && strcmp(prefix, "xml") == 0))
        return;
    buf_str(&p->header, STR(" xmlns"));
    if (prefix) {
        buf_char(&p->header, ':');
        buf_cstr(&p->header, prefix);
    } else {
        content_ns(p, uri);
    }
    buf_str(&p->header, STR("='"));
    xml_escape(&p->header, str_of(uri ? uri : ""));
    buf_char(&p->header, '\'');
}

/* The declarations are gathered; put the tag around them. The prefix is kept because the end tag
 * will use it. */
static void finish_header(struct xml_parser *p, const char *name)
{
    struct buf whole;
    buf_init(&whole, p->header.max);
    const struct str prefix = xml_name_prefix(name);
    buf_reserve(&whole, prefix.n + p->header.n + sizeof "<:stream>"); /* it stays for long */
    buf_char(&whole, '<');
    buf_str(&whole, prefix);
    buf_cstr(&whole, prefix.n > 0 ? ":stream" : "stream");
    buf_str(&whole, buf_view(&p->header));
    buf_char(&whole, '>');
    buf_fini(&p->header);
    p->header = whole;
}

static void root_start(struct xml_parser *p, const char *name, const char **atts)
{
    const struct str ns = xml_name_ns(name), local = xml_name_local(name);
    if (ns.n == 0) {
        if (str_eqc(local, "stream"))
            fail(p, STREAM_BAD_NAMESPACE_PREFIX, "stream header without namespace");
        else
            fail(p, STREAM_BAD_FORMAT, "not a stream header");
    } else if (!str_eqc(ns, NS_STREAM)) {
        fail(p, STREAM_INVALID_NAMESPACE, "wrong stream namespace");
    } else if (!str_eqc(local, "stream")) {
        fail(p, STREAM_BAD_FORMAT, "not a stream header");
    } else {
        finish_header(p, name);
        p->open_arena = arena_new(0);
        p->open_root = xml_grow_tag(p->open_arena, name, atts);
        p->state = STATE_BODY;
        stop_here(p);
    }
}

static bool within_tag_limits(struct xml_parser *p, const char **atts)
{
    size_t n = p->ns_decls;
    p->ns_decls = 0;
    for (const char **at = atts; at[0]; at += 2)
        n++;
    if ((size_t)XML_GetCurrentByteCount(p->expat) > p->limits->max_tag_bytes)
        fail(p, STREAM_POLICY_VIOLATION, "tag too long");
    else if (n > p->limits->max_attrs)
        fail(p, STREAM_POLICY_VIOLATION, "too many attributes");
    else if (p->depth > p->limits->max_depth)
        fail(p, STREAM_POLICY_VIOLATION, "elements nested too deep");
    return p->cond == STREAM_OK;
}

static void on_start(void *ctx, const char *name, const char **atts)
{
    struct xml_parser *p = ctx;
    if (p->cond != STREAM_OK)
        return;
    if (p->is_synth) {
        p->ns_decls = 0;
        p->depth = 1;
        return;
    }
    if (!within_tag_limits(p, atts))
        return;
    if (p->depth == 0) {
        root_start(p, name, atts);
    } else {
        if (p->depth == 1) {
            p->element_at = (size_t)XML_GetCurrentByteIndex(p->expat);
            p->grow.budget = p->fixed_budget
                                 ? p->fixed_budget
                                 : BUDGET_FACTOR * p->limits->max_stanza_bytes + BUDGET_SLACK;
        }
        const char *refused = xml_grow_start(&p->grow, name, atts, p->limits->max_elements);
        if (refused)
            fail(p, STREAM_POLICY_VIOLATION, refused);
    }
    p->depth++;
}

static void on_end(void *ctx, const char *name)
{
    struct xml_parser *p = ctx;
    (void)name;
    if (p->cond != STREAM_OK)
        return;
    if (--p->depth == 0) {
        p->is_close_due = true;
        stop_here(p);
        return;
    }
    struct xml_doc *doc;
    const char *refused = xml_grow_end(&p->grow, &doc);
    if (refused) {
        fail(p, STREAM_POLICY_VIOLATION, refused);
    } else if (doc) {
        p->element = doc;
        stop_here(p);
        doc->bytes = p->event_end - p->element_at;
        if (doc->bytes > p->limits->max_stanza_bytes)
            fail(p, STREAM_POLICY_VIOLATION, "stanza too large");
    }
}

static void on_text(void *ctx, const char *s, int n)
{
    struct xml_parser *p = ctx;
    if (p->cond != STREAM_OK)
        return;
    const struct str text = str_make(s, (size_t)n);
    if (p->depth == 1) { /* keep-alives and separators: RFC 6120 sections 4.6.1, 11.7 */
        if (str_trim(text).n > 0)
            fail(p, STREAM_BAD_FORMAT, "text between elements");
        return;
    }
    const char *refused = xml_grow_text(&p->grow, text);
    if (refused)
        fail(p, STREAM_POLICY_VIOLATION, refused);
}

/* Expat accepts version 1.1 and lets our encoding override the declared one, so both are looked at
 * here. */
static void on_xml_decl(void *ctx, const char *version, const char *encoding, int standalone)
{
    (void)standalone; /* ignored: RFC 6120 section 11.5 */
    if (version && strcmp(version, "1.0") != 0)
        fail(ctx, STREAM_BAD_FORMAT, "XML version is not 1.0");
    else if (encoding && !str_ieq(str_of(encoding), STR("UTF-8")))
        fail(ctx, STREAM_UNSUPPORTED_ENCODING, "encoding is not UTF-8");
}

static void on_comment(void *ctx, const char *text)
{
    (void)text;
    fail(ctx, STREAM_RESTRICTED_XML, "comment");
}

static void on_pi(void *ctx, const char *target, const char *data)
{
    (void)target;
    (void)data;
    fail(ctx, STREAM_RESTRICTED_XML, "processing instruction");
}

static void on_doctype(void *ctx, const char *name, const char *sysid, const char *pubid,
                       int internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal;
    fail(ctx, STREAM_RESTRICTED_XML, "document type declaration");
}

/* ---- the life of the expat object */

static void expat_drop(struct xml_parser *p)
{
    if (p->expat) {
        xml_mem_use(&p->mem);
        XML_ParserFree(p->expat);
        xml_mem_end(&p->mem);
        p->expat = NULL;
    }
    p->fed = 0;
    p->depth = 0;
    p->ns_decls = 0;
}

static unsigned long salt(void)
{
    return (unsigned long)siphash(siphash_secret(), "expat", 5) | 1; /* 0 would mean none */
}

static void expat_make(struct xml_parser *p)
{
    static const XML_Memory_Handling_Suite suite = {xml_mem_alloc, xml_mem_realloc, xml_mem_free};
    static const char sep[] = {XML_NAME_SEP, 0};
    xml_mem_use(&p->mem);
    p->expat = XML_ParserCreate_MM("UTF-8", &suite, sep);
    must(p->expat);
    XML_SetUserData(p->expat, p);
    (void)XML_SetHashSalt(p->expat, salt()); /* else expat asks the system for one each time */
    XML_SetReturnNSTriplet(p->expat, 1);
    /* Deferral would hold complete stanzas back until more bytes come. Its purpose, cheap large
     * tokens, is max_tag_bytes'. */
    XML_SetReparseDeferralEnabled(p->expat, XML_FALSE);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetStartNamespaceDeclHandler(p->expat, on_ns_decl);
    XML_SetXmlDeclHandler(p->expat, on_xml_decl);
    XML_SetCommentHandler(p->expat, on_comment);
    XML_SetProcessingInstructionHandler(p->expat, on_pi);
    XML_SetStartDoctypeDeclHandler(p->expat, on_doctype);
    if (p->state != STATE_BODY)
        return;
    p->is_synth = true;
    must(XML_Parse(p->expat, p->header.p, (int)p->header.n, XML_FALSE) == XML_STATUS_OK &&
         p->depth == 1);
    p->is_synth = false;
    p->fed = p->header.n;
}

static void expat_error(struct xml_parser *p)
{
    const enum XML_Error e = XML_GetErrorCode(p->expat);
    enum stream_cond c = STREAM_NOT_WELL_FORMED;
    if (e == XML_ERROR_UNDEFINED_ENTITY)
        c = STREAM_RESTRICTED_XML;
    else if (e == XML_ERROR_UNKNOWN_ENCODING || e == XML_ERROR_INCORRECT_ENCODING)
        c = STREAM_UNSUPPORTED_ENCODING;
    else if (e == XML_ERROR_NO_MEMORY || e == XML_ERROR_AMPLIFICATION_LIMIT_BREACH)
        c = STREAM_RESOURCE_CONSTRAINT;
    fail(p, c, XML_ErrorString(e));
}

/* After a slice without error: is what stays unfinished still within the limits? */
static void check_unfinished(struct xml_parser *p)
{
    const size_t token = p->fed - (size_t)XML_GetCurrentByteIndex(p->expat);
    if (token > p->limits->max_tag_bytes)
        fail(p, STREAM_POLICY_VIOLATION, "tag too long");
    else if ((p->depth > 1 && p->fed - p->element_at > p->limits->max_stanza_bytes) ||
             (p->depth == 1 && token > p->limits->max_stanza_bytes))
        fail(p, STREAM_POLICY_VIOLATION, "stanza too large");
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
            fail(p, c, "stream header refused");
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
    if (!p->expat)
        expat_make(p);
    const size_t base = p->fed;
    p->fed += n;
    xml_mem_use(&p->mem);
    enum XML_Status s = XML_Parse(p->expat, todo.p, (int)n, XML_FALSE);
    while (s == XML_STATUS_SUSPENDED && p->cond == STREAM_OK) {
        const size_t used = p->event_end - base;
        const struct str left = str_make(todo.p + used, todo.n - used);
        deliver(p);
        if (p->is_doomed || p->cond != STREAM_OK || !p->expat)
            return left;
        if (must_cut(p)) {
            expat_drop(p);
            return left;
        }
        xml_mem_use(&p->mem);
        s = XML_ResumeParser(p->expat);
    }
    if (p->cond == STREAM_OK && s == XML_STATUS_ERROR)
        expat_error(p);
    else if (p->cond == STREAM_OK)
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
        fail(p, STREAM_UNSUPPORTED_ENCODING, "not UTF-8");
    else if (first == 0xEF)
        fail(p, STREAM_NOT_WELL_FORMED, "byte order mark");
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
            fail(p, STREAM_UNSUPPORTED_ENCODING, "UTF-16");
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
    expat_drop(p);
    buf_release(&p->header);
    content_ns(p, NULL);
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
           (!p->expat || (p->depth == 1 && p->fed == (size_t)XML_GetCurrentByteIndex(p->expat)));
}

void xml_parser_park(struct xml_parser *p)
{
    if (p->is_busy || !xml_parser_is_at_border(p))
        return;
    expat_drop(p);
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
