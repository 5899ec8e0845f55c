#ifndef LIB_XMPP_STANZA_H
#define LIB_XMPP_STANZA_H
/* A stanza: kind, type, addresses, id + payload. Immutable, refcounted (may cross shards), one
 * arena. A change makes a new start tag over the same payload (law 5). */
#include "lib/base/refs.h"
#include "lib/xmpp/jid.h"
#include "lib/xmpp/stanza-error.h"
#include "lib/xmpp/xml.h"

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };
enum stanza_type {
    /* message */ MSG_NORMAL,
    MSG_CHAT,
    MSG_GROUPCHAT,
    MSG_HEADLINE,
    MSG_ERROR,
    /* presence */ PRES_AVAILABLE,
    PRES_UNAVAILABLE,
    PRES_SUBSCRIBE,
    PRES_SUBSCRIBED,
    PRES_UNSUBSCRIBE,
    PRES_UNSUBSCRIBED,
    PRES_PROBE,
    PRES_ERROR,
    /* iq */ IQ_GET,
    IQ_SET,
    IQ_RESULT,
    IQ_ERROR,
};
struct stanza {
    struct refs refs;
    enum stanza_kind kind;
    enum stanza_type type;
    struct jid from, to; /* may be unset */
    struct str id, lang;
    const struct xml
        *el; /* always in NS_CLIENT, whatever stream it came from; the payload is el's children;
                addresses of the start tag are from/to above, not el's attributes */
    size_t bytes; /* size on the wire as received or estimated */
    struct arena *arena;
    struct stanza *base; /* whose payload this shares, or NULL */
};
/* Make a stanza of a received first-level element; takes the doc (also on error). On failure *out
 * is NULL and the result says what: STANZA_BAD_REQUEST / STANZA_JID_MALFORMED -> answer an error to
 * the sender (reply gets a ready error stanza without from/to checks, or NULL when it must not be
 * answered); *unknown = true when it is no stanza at all (unsupported-stanza-type). Checks of RFC
 * 6120 section 8: kind, type, iq id and single child. */
enum stanza_cond stanza_from_doc(struct xml_doc **doc, struct stanza **out, struct stanza **reply,
                                 bool *unknown);
struct stanza *stanza_ref(struct stanza *s);
void stanza_unref(struct stanza **ps); /* accepts NULL */
/* Say who sent a stanza that nobody else has a reference to yet. */
void stanza_set_from(struct stanza *s, const struct jid *from);
/* Same payload, other addresses. NULL pointers keep, an unset jid removes. */
struct stanza *stanza_readdress(struct stanza *s, const struct jid *from, const struct jid *to);
/* The same stanza in memory of just its size, for what is kept long. */
struct stanza *stanza_pack(const struct stanza *s);
/* Same start tag, payload replaced: a new stanza in a new arena whose children are copied from el
 * (addresses from s). */
struct stanza *stanza_with_payload(struct stanza *s, const struct xml *el);

/* Other children: el has the start tag and the children of s, to be added to or cut from; what
 * stays is shared with s. */
struct stanza_edit {
    struct arena *arena;
    struct xml *el;
    struct stanza *of; /* borrowed until stanza_edited */
};
void stanza_edit(struct stanza_edit *e, struct stanza *s);
struct stanza *stanza_edited(struct stanza_edit *e); /* empties e */
/* Out of el, the child at n; only of an el under edit. */
void stanza_edit_cut(struct stanza_edit *e, const struct xml *child);

/* Builder: make arena + element, fill, finish. */
struct stanza_build {
    struct arena *arena;
    struct xml *el; /* add children here (ns NS_CLIENT) */
    struct jid from, to;
};
void stanza_build(struct stanza_build *b, enum stanza_kind k, enum stanza_type t,
                  const struct jid *from, const struct jid *to, struct str id);
struct stanza *stanza_finish(struct stanza_build *b); /* empties b */
/* Add <error/> with its condition and, unless NULL, its text. */
void stanza_error_add(struct stanza_build *b, enum stanza_cond c, const char *text_or_null);
/* Replies; from/to swapped. stanza_error_reply returns NULL for stanzas that must not be answered
 * (errors, results). */
struct stanza *stanza_error_reply(struct stanza *s, enum stanza_cond c, const char *text_or_null);
void stanza_result_build(struct stanza_build *b,
                         const struct stanza *iq);     /* empty result, ready to fill */
struct stanza *stanza_result(const struct stanza *iq); /* empty result */

/* Serialise for a stream with this content namespace (NS_CLIENT or NS_SERVER; stanza elements and
 * children in the other one are written as if in content_ns; below an element of another namespace,
 * as in XEP-0297, jabber:client stays). Writes the tree anew each time. Should fan-out ever make
 * that the bottleneck, the door is a stanza_freeze() that its maker calls before sharing: a lazy
 * cache would be an unsynchronised write to an object several shards read. */
void stanza_write(struct buf *out, const struct stanza *s, const char *content_ns);
/* Text form for storage (jabber:client scope) and back. */
enum err stanza_parse(struct str text, struct stanza **out) MUST_USE;
const char *stanza_kind_name(enum stanza_kind k);
const char *stanza_type_name(enum stanza_type t); /* NULL for the default type (no attribute) */
const struct xml *stanza_payload(const struct stanza *s); /* first child element */
const struct xml *stanza_child(const struct stanza *s, const char *ns, const char *name);
bool stanza_is_error(const struct stanza *s);
static inline bool stanza_iq_request(const struct stanza *s)
{
    return s->type == IQ_GET || s->type == IQ_SET;
}
#endif
