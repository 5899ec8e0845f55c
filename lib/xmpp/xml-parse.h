#ifndef LIB_XMPP_XML_PARSE_H
#define LIB_XMPP_XML_PARSE_H
/* Push parser of one XML stream (RFC 6120 section 4 and 11) with limits; the only user of expat.
 * Events are first-level: the stream's root start tag, complete children, the root's end. Comments,
 * processing instructions, DTDs, entity declarations, wrong encodings and XML versions are refused
 * with the stream error of RFC 6120 section 4.9.3. */
#include "lib/xmpp/stream-error.h"
#include "lib/xmpp/xml.h"

struct xml_limits {
    size_t max_stanza_bytes; /* on the wire, one first-level element; its tree may take 4 times that
                                and 64 KiB */
    unsigned max_depth;      /* below the root */
    unsigned max_attrs;      /* per element, namespace declarations included */
    unsigned max_elements;   /* per first-level element */
    size_t max_tag_bytes;    /* one start tag (also the header); bounds what expat holds */
};
extern const struct xml_limits xml_limits_default; /* 256 KiB, 64, 64, 10,000, 16 KiB */

struct xml_parser_events {
    /* The root start tag with its attributes; content_ns is its default namespace. Borrowed. Return
     * STREAM_OK to go on. */
    enum stream_cond (*open)(void *ctx, const struct xml *root, const char *content_ns);
    /* A complete first-level element; the callee owns it. May call xml_parser_pause. */
    void (*element)(void *ctx, struct xml_doc *doc);
    void (*close)(void *ctx); /* the root's end tag */
};
struct xml_parser;
/* Limits are borrowed: they outlive the parser. */
struct xml_parser *xml_parser_new(const struct xml_limits *l, const struct xml_parser_events *ev,
                                  void *ctx);
void xml_parser_free(struct xml_parser **pp); /* also inside an event: takes effect after it */
/* Feed bytes (sliced to 4 KiB inside). STREAM_OK or the error to send; why (static or parser-owned)
 * says what and where. After an error feed nothing more (the error is repeated). White space
 * between first-level elements and before a header is dropped and counted nowhere; bytes behind the
 * root's end are dropped. Never call it inside an event. */
enum stream_cond xml_parser_feed(struct xml_parser *p, struct str bytes, const char **why);
void xml_parser_set_limits(struct xml_parser *p, const struct xml_limits *l);
/* Start over for a new stream on the same connection (after TLS or SASL): nothing of the old one
 * survives. May be called inside an event: the rest of the bytes being fed is dropped if drop_rest
 * (STARTTLS), else parsed as the new stream. */
void xml_parser_reset(struct xml_parser *p, bool drop_rest);
/* Pause inside element(): the rest of the bytes is kept (bounded by what was fed) until resume is
 * called, which delivers on. */
void xml_parser_pause(struct xml_parser *p);
enum stream_cond xml_parser_resume(struct xml_parser *p, const char **why);
/* Free expat's memory while idle at depth one with nothing pending; rebuilt by the next feed. No
 * effect otherwise. */
void xml_parser_park(struct xml_parser *p);
bool xml_parser_is_parked(const struct xml_parser *p); /* nothing to free, nor to wait for */
size_t xml_parser_memory(const struct xml_parser *p);  /* bytes held now, expat included */
/* Does the root declare this namespace (xmlns:db='...' says that dialback is spoken)? From open()
 * to the next reset. */
bool xml_parser_declares(const struct xml_parser *p, const char *ns);

/* Parse one complete element from text (stored stanzas, tests). default_ns is the scope it was
 * written in. */
enum err xml_parse_one(struct str text, const char *default_ns, const struct xml_limits *l,
                       struct xml_doc **out) MUST_USE;
#endif
