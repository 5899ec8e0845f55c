#ifndef LIB_XMPP_NS_H
#define LIB_XMPP_NS_H
/* Interned namespaces: one table, compare by pointer. Every struct xml.ns that equals a known
 * namespace IS that pointer; unknown namespaces are arena strings. To add one: one line here. */
#include "lib/base/base.h"

#define NS_TABLE(X)                                                                                \
    X(CLIENT, "jabber:client")                                                                     \
    X(SERVER, "jabber:server")                                                                     \
    X(STREAM, "http://etherx.jabber.org/streams")                                                  \
    X(STREAM_ERRORS, "urn:ietf:params:xml:ns:xmpp-streams")                                        \
    X(STANZA_ERRORS, "urn:ietf:params:xml:ns:xmpp-stanzas")                                        \
    X(TLS, "urn:ietf:params:xml:ns:xmpp-tls")                                                      \
    X(SASL, "urn:ietf:params:xml:ns:xmpp-sasl")                                                    \
    X(SASL2, "urn:xmpp:sasl:2")                                                                    \
    X(BIND2, "urn:xmpp:bind:0")                                                                    \
    X(FAST, "urn:xmpp:fast:0")                                                                     \
    X(SASL_CB, "urn:xmpp:sasl-cb:0")                                                               \
    X(BIND, "urn:ietf:params:xml:ns:xmpp-bind")                                                    \
    X(SESSION, "urn:ietf:params:xml:ns:xmpp-session")                                              \
    X(ROSTER, "jabber:iq:roster")                                                                  \
    X(DIALBACK, "jabber:server:dialback")                                                          \
    X(DIALBACK_FEATURE, "urn:xmpp:features:dialback")                                              \
    X(BIDI, "urn:xmpp:bidi")                                                                       \
    X(BIDI_FEATURE, "urn:xmpp:features:bidi")                                                      \
    X(LIMITS, "urn:xmpp:stream-limits:0")                                                          \
    X(PIPELINING, "urn:xmpp:features:pipelining")                                                  \
    X(DIALBACK_ERRORS, "urn:xmpp:features:dialback:errors")                                        \
    X(SUBS_PREAPPROVAL, "urn:xmpp:features:pre-approval")                                          \
    X(ROSTERVER, "urn:xmpp:features:rosterver")                                                    \
    X(DISCO_INFO, "http://jabber.org/protocol/disco#info")                                         \
    X(DISCO_ITEMS, "http://jabber.org/protocol/disco#items")                                       \
    X(PING, "urn:xmpp:ping")                                                                       \
    X(SM, "urn:xmpp:sm:3")                                                                         \
    X(CSI, "urn:xmpp:csi:0")                                                                       \
    X(CARBONS, "urn:xmpp:carbons:2")                                                               \
    X(FORWARD, "urn:xmpp:forward:0")                                                               \
    X(SID, "urn:xmpp:sid:0")                                                                       \
    X(HINTS, "urn:xmpp:hints")                                                                     \
    X(CHATSTATES, "http://jabber.org/protocol/chatstates")                                         \
    X(RECEIPTS, "urn:xmpp:receipts")                                                               \
    X(MARKERS, "urn:xmpp:chat-markers:0")                                                          \
    X(MUC_USER, "http://jabber.org/protocol/muc#user")                                             \
    X(CONFERENCE, "jabber:x:conference")                                                           \
    X(DELAY, "urn:xmpp:delay")                                                                     \
    X(VERSION, "jabber:iq:version")                                                                \
    X(TIME, "urn:xmpp:time")                                                                       \
    X(LAST, "jabber:iq:last")                                                                      \
    X(PRIVATE, "jabber:iq:private")                                                                \
    X(VCARD_TEMP, "vcard-temp")                                                                    \
    X(DATA_FORMS, "jabber:x:data")                                                                 \
    X(CAPS, "http://jabber.org/protocol/caps")                                                     \
    X(BLOCKING, "urn:xmpp:blocking")                                                               \
    X(BLOCKING_ERRORS, "urn:xmpp:blocking:errors")                                                 \
    X(REGISTER, "jabber:iq:register")                                                              \
    X(REGISTER_FEATURE, "http://jabber.org/features/iq-register")                                  \
    X(COMPONENT, "jabber:component:accept")                                                        \
    X(OFFLINE, "msgoffline")                                                                       \
    X(PUBSUB, "http://jabber.org/protocol/pubsub")                                                 \
    X(PUBSUB_EVENT, "http://jabber.org/protocol/pubsub#event")                                     \
    X(RSM, "http://jabber.org/protocol/rsm")                                                       \
    X(XML, "http://www.w3.org/XML/1998/namespace")                                                 \
    X(MERIDIAN_ROUTE, "urn:meridian:route:0")                                                      \
    X(MERIDIAN_SM, "urn:meridian:sm:0")                                                            \
    X(MERIDIAN_ACCOUNT, "urn:meridian:account:0")

#define NS_DECL(id, uri) extern const char NS_##id[];
NS_TABLE(NS_DECL)
#undef NS_DECL

/* The interned pointer for a known namespace, NULL for an unknown one. */
const char *ns_find(struct str uri);
#endif
