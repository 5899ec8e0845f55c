#ifndef LIB_XMPP_XML_EXPAT_INT_H
#define LIB_XMPP_XML_EXPAT_INT_H
/* The parser, for xml-parse.c (its course) and xml-expat.c (its expat object). */
#include "lib/xmpp/xml-grow-int.h"
#include "lib/xmpp/xml-parse-int.h"

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

    struct XML_ParserStruct *expat; /* NULL: parked or not started; made by the next feed */
    struct xml_mem mem;             /* what it holds */
    size_t fed;                     /* bytes it was given */
    size_t element_at;              /* offset of the open first-level element */
    unsigned depth;                 /* open elements, root included */
    unsigned ns_decls;              /* declarations seen before the next start tag */
    bool is_synth;                  /* the bytes being fed are the synthesised header */

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

/* ---- xml-expat.c */
enum xml_expat_end {
    XML_EXPAT_DONE,      /* all of the bytes were taken */
    XML_EXPAT_SUSPENDED, /* an event is due; event_end says what of the bytes was used */
    XML_EXPAT_FAILED,    /* cond says why */
};
/* Makes the object when there is none. */
enum xml_expat_end xml_expat_parse(struct xml_parser *p, struct str bytes);
enum xml_expat_end xml_expat_resume(struct xml_parser *p);
void xml_expat_drop(struct xml_parser *p);
size_t xml_expat_at(const struct xml_parser *p); /* offset of the token it has not finished */
/* The first one stays. why: constant. */
void xml_parser_fail(struct xml_parser *p, enum stream_cond cond, const char *why);
void xml_parser_set_content_ns(struct xml_parser *p, const char *uri_or_null);
#endif
