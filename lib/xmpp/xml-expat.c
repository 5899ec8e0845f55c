/* DOC: the expat object of a stream parser. Role: what a stream may contain, token by token, and
 * the object's life; xml-parse.c says when.
 *
 * Design: no callback of the user's runs inside an expat handler. A handler that completes an event
 * suspends expat; xml-parse.c delivers it from outside. A new object inside a stream starts from a
 * header synthesised out of the namespace declarations of the real one.
 *
 * Invariants: a token (start tag, and what will be refused anyway) holds at most max_tag_bytes plus
 * one slice inside expat; text leaves expat as it comes. Offsets of expat are those of its own
 * life: `fed` counts the same way, synthesised header included.
 *
 * Standards: RFC 6120 sections 4 and 11; XML 1.0; Namespaces in XML 1.0. */
#define XML_DTD /* before expat.h, which hides prototypes behind it */
#include <expat.h>

#include "lib/xmpp/xml-expat-int.h"

enum {
    BUDGET_FACTOR = 4, /* arena bytes per byte of max_stanza_bytes */
    BUDGET_SLACK = 64 * 1024,
    WHY_MAX = 128,
};

/* ---- handlers */

void xml_parser_fail(struct xml_parser *p, enum stream_cond cond, const char *why)
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

void xml_parser_set_content_ns(struct xml_parser *p, const char *uri)
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
        xml_parser_set_content_ns(p, uri);
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
            xml_parser_fail(p, STREAM_BAD_NAMESPACE_PREFIX, "stream header without namespace");
        else
            xml_parser_fail(p, STREAM_BAD_FORMAT, "not a stream header");
    } else if (!str_eqc(ns, NS_STREAM)) {
        xml_parser_fail(p, STREAM_INVALID_NAMESPACE, "wrong stream namespace");
    } else if (!str_eqc(local, "stream")) {
        xml_parser_fail(p, STREAM_BAD_FORMAT, "not a stream header");
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
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, "tag too long");
    else if (n > p->limits->max_attrs)
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, "too many attributes");
    else if (p->depth > p->limits->max_depth)
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, "elements nested too deep");
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
            xml_parser_fail(p, STREAM_POLICY_VIOLATION, refused);
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
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, refused);
    } else if (doc) {
        p->element = doc;
        stop_here(p);
        doc->bytes = p->event_end - p->element_at;
        if (doc->bytes > p->limits->max_stanza_bytes)
            xml_parser_fail(p, STREAM_POLICY_VIOLATION, "stanza too large");
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
            xml_parser_fail(p, STREAM_BAD_FORMAT, "text between elements");
        return;
    }
    const char *refused = xml_grow_text(&p->grow, text);
    if (refused)
        xml_parser_fail(p, STREAM_POLICY_VIOLATION, refused);
}

/* Expat accepts version 1.1 and lets our encoding override the declared one, so both are looked at
 * here. */
static void on_xml_decl(void *ctx, const char *version, const char *encoding, int standalone)
{
    (void)standalone; /* ignored: RFC 6120 section 11.5 */
    if (version && strcmp(version, "1.0") != 0)
        xml_parser_fail(ctx, STREAM_BAD_FORMAT, "XML version is not 1.0");
    else if (encoding && !str_ieq(str_of(encoding), STR("UTF-8")))
        xml_parser_fail(ctx, STREAM_UNSUPPORTED_ENCODING, "encoding is not UTF-8");
}

static void on_comment(void *ctx, const char *text)
{
    (void)text;
    xml_parser_fail(ctx, STREAM_RESTRICTED_XML, "comment");
}

static void on_pi(void *ctx, const char *target, const char *data)
{
    (void)target;
    (void)data;
    xml_parser_fail(ctx, STREAM_RESTRICTED_XML, "processing instruction");
}

static void on_doctype(void *ctx, const char *name, const char *sysid, const char *pubid,
                       int internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal;
    xml_parser_fail(ctx, STREAM_RESTRICTED_XML, "document type declaration");
}

/* ---- the life of the expat object */

void xml_expat_drop(struct xml_parser *p)
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

static void expat_make(struct xml_parser *p)
{
    static const XML_Memory_Handling_Suite suite = {xml_mem_alloc, xml_mem_realloc, xml_mem_free};
    static const char sep[] = {XML_NAME_SEP, 0};
    xml_mem_use(&p->mem);
    p->expat = XML_ParserCreate_MM("UTF-8", &suite, sep);
    must(p->expat);
    XML_SetUserData(p->expat, p);
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
    xml_parser_fail(p, c, XML_ErrorString(e));
}

static enum xml_expat_end ended(struct xml_parser *p, enum XML_Status s)
{
    if (s == XML_STATUS_SUSPENDED)
        return XML_EXPAT_SUSPENDED;
    if (p->cond == STREAM_OK && s == XML_STATUS_ERROR)
        expat_error(p);
    return p->cond == STREAM_OK ? XML_EXPAT_DONE : XML_EXPAT_FAILED;
}

enum xml_expat_end xml_expat_parse(struct xml_parser *p, struct str bytes)
{
    if (!p->expat)
        expat_make(p);
    p->fed += bytes.n;
    xml_mem_use(&p->mem);
    return ended(p, XML_Parse(p->expat, bytes.p, (int)bytes.n, XML_FALSE));
}

enum xml_expat_end xml_expat_resume(struct xml_parser *p)
{
    xml_mem_use(&p->mem);
    return ended(p, XML_ResumeParser(p->expat));
}

size_t xml_expat_at(const struct xml_parser *p)
{
    return (size_t)XML_GetCurrentByteIndex(p->expat);
}
