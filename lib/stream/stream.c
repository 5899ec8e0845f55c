/* DOC: what is written and read at the edges of a stream: headers, stream errors, default limits.
 * A header is checked as a whole, so that a bad one is still answered with a good one (RFC 6120
 * section 4.9.1.2). Standards: RFC 6120 sections 4.2, 4.7, 4.8, 4.9. */
#include "lib/stream/stream-int.h"

const struct stream_limits stream_limits_default = {
    .before_auth = {.max_stanza_bytes = 10000,
                    .max_depth = 16,
                    .max_attrs = 32,
                    .max_elements = 500,
                    .max_tag_bytes = 8192},
    .after_auth = {.max_stanza_bytes = 256 << 10,
                   .max_depth = 64,
                   .max_attrs = 64,
                   .max_elements = 10000,
                   .max_tag_bytes = 16 << 10},
    .auth_timeout_ms = 60000,
    .close_timeout_ms = 3000,
    .auth_bytes = 65536,
    .auth_failures = 3,
};

static void attribute(struct buf *out, const char *name, struct str value)
{
    if (!value.p)
        return;
    buf_char(out, ' ');
    buf_cstr(out, name);
    buf_str(out, STR("='"));
    xml_escape(out, value);
    buf_char(out, '\'');
}

void stream_header_write(struct buf *out, const char *content_ns, const struct stream_header_out *h)
{
    buf_str(out, STR("<?xml version='1.0'?><stream:stream"));
    attribute(out, "xmlns", str_of(content_ns));
    attribute(out, "xmlns:stream", str_of(NS_STREAM));
    if (h->dialback)
        attribute(out, "xmlns:db", str_of(NS_DIALBACK));
    attribute(out, "from", h->from);
    attribute(out, "to", h->to);
    attribute(out, "id", h->id);
    if (h->has_version)
        attribute(out, "version", STR("1.0"));
    buf_cstr(out, " xml:lang='en'>");
}

void stream_error_write(struct buf *out, enum stream_cond c, const char *text_or_null,
                        const char *app_or_null)
{
    bool has_text = text_or_null && *text_or_null;
    buf_printf(out, "<stream:error><%s xmlns='%s'", stream_cond_name(c), NS_STREAM_ERRORS);
    if (c == STREAM_SEE_OTHER_HOST && has_text) {
        buf_char(out, '>');
        xml_escape(out, str_of(text_or_null));
        buf_printf(out, "</%s>", stream_cond_name(c));
        has_text = false;
    } else {
        buf_cstr(out, "/>");
    }
    if (has_text) {
        buf_printf(out, "<text xmlns='%s' xml:lang='en'>", NS_STREAM_ERRORS);
        xml_escape(out, str_of(text_or_null));
        buf_cstr(out, "</text>");
    }
    if (app_or_null)
        buf_cstr(out, app_or_null);
    buf_cstr(out, "</stream:error>");
}

/* RFC 6120 section 4.7.5: major.minor, compared as numbers; absent means 0.9. */
static bool version_is_supported(struct str version)
{
    struct str rest = version;
    struct str major = str_cut(&rest, '.');
    uint64_t number;
    return str_to_u64(major, 1000000, &number) && number >= 1 && rest.p &&
           str_to_u64(rest, 1000000, &number);
}

/* Copy a field to *at and go on behind it. */
static struct str keep(char **at, struct str field)
{
    if (!field.p)
        return STR_NONE;
    char *p = memcpy(*at, field.p, field.n);
    *at += field.n + 1;
    return str_make(p, field.n);
}

/* The fields of the header stay as long as the stream: in one piece of memory, with NULs. */
static void keep_fields(struct stream_base *b, const struct xml *root)
{
    struct stream_header *h = &b->header;
    const struct str from = xml_get(root, "from"), to = xml_get(root, "to"),
                     id = xml_get(root, "id"), version = xml_get(root, "version"),
                     lang = xml_get_ns(root, NS_XML, "lang");
    mem_free(b->header_text);
    b->header_text = mem_alloc(from.n + to.n + id.n + version.n + lang.n + 5);
    char *at = b->header_text;
    h->from = keep(&at, from);
    h->to = keep(&at, to);
    h->id = keep(&at, id);
    h->version = keep(&at, version);
    h->lang = keep(&at, lang);
}

enum stream_cond stream_header_read(struct stream_base *b, const struct xml *root,
                                    const char *content_ns, const char **why)
{
    struct stream_header *h = &b->header;
    keep_fields(b, root);
    h->content_ns = b->content_ns;
    h->dialback = xml_parser_declares(b->parser, NS_DIALBACK);
    *why = NULL;
    if (!str_eqc(str_of(root->ns), NS_STREAM))
        return *why = "unknown stream namespace", STREAM_INVALID_NAMESPACE;
    if (!xml_is(root, NS_STREAM, "stream"))
        return *why = "the root is not a stream", STREAM_BAD_FORMAT;
    if (!content_ns || !str_eqc(str_of(content_ns), b->content_ns))
        return *why = "wrong content namespace", STREAM_INVALID_NAMESPACE;
    if (b->content_ns != NS_COMPONENT && !version_is_supported(h->version)) /* XEP-0114 has none */
        return *why = "version 1.0 is needed", STREAM_UNSUPPORTED_VERSION;
    return STREAM_OK;
}
