#ifndef LIB_XMPP_XML_WRITE_INT_H
#define LIB_XMPP_XML_WRITE_INT_H
/* Pieces of the serialiser that the stanza writer shares. */
#include "lib/xmpp/xml.h"

/* One attribute with a leading space, value escaped; STR_NONE writes nothing. */
void xml_write_attr(struct buf *out, const char *name, struct str value);
/* An attribute of a tree. Prefixed ones other than xml: declare their prefix a<n> beside them; n
 * counts up. */
void xml_write_tree_attr(struct buf *out, const struct xml_attr *at, unsigned *n);
/* The children of a stanza element that is written in content_ns: child elements in either content
 * namespace, and theirs, are written in content_ns. Below an element of another namespace
 * jabber:server becomes content_ns and jabber:client stays (XEP-0297 section 3.1: a forwarded
 * stanza keeps its namespace). */
void xml_write_payload(struct buf *out, const struct xml *el, const char *content_ns);
#endif
