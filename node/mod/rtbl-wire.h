#ifndef NODE_MOD_RTBL_WIRE_H
#define NODE_MOD_RTBL_WIRE_H
/* What a subscriber says to a pubsub service and hears from it (XEP-0060), pages by XEP-0059. Pure:
 * who may say it is asked elsewhere. */
#include "lib/xmpp/stanza.h"

/* ---- requests: the payload of an IQ */
void rtbl_wire_subscribe(struct stanza_build *b, struct str node, struct str me);
void rtbl_wire_unsubscribe(struct stanza_build *b, struct str node, struct str me);
void rtbl_wire_subscriptions(struct stanza_build *b, struct str node);
/* max: items a page; after: STR_NONE for the first page. */
void rtbl_wire_items(struct stanza_build *b, struct str node, unsigned max, struct str after);

/* ---- answers, IQ results */
enum rtbl_subscription {
    RTBL_SUB_NONE,
    RTBL_SUB_PENDING, /* somebody has to approve it, or configure it */
    RTBL_SUB_YES,
    RTBL_SUB_MALFORMED,
};
enum rtbl_subscription rtbl_wire_subscribed(const struct stanza *s, struct str node, struct str me);
typedef void rtbl_id_cb(void *ctx, struct str id);
struct rtbl_page {
    const struct xml *last; /* its text: where this page ends; NULL: the service does not page */
    uint64_t count;         /* of all items, as the service says; 0: it does not say */
    size_t n;               /* items of this page */
};
/* Each item's id. False: this is no answer to rtbl_wire_items, nothing was called. */
bool rtbl_wire_page(const struct stanza *s, struct str node, struct rtbl_page *out, rtbl_id_cb *cb,
                    void *ctx);
/* "condition (text)" of an IQ error. */
char *rtbl_wire_error(const struct stanza *s, char *out, size_t size);
enum stanza_cond rtbl_wire_condition(const struct stanza *s);

/* ---- events, messages */
enum rtbl_event { RTBL_PUBLISH, RTBL_RETRACT, RTBL_PURGE, RTBL_DELETE, RTBL_UNSUBSCRIBED };
enum { RTBL_EVENTS = RTBL_UNSUBSCRIBED + 1 };
typedef void rtbl_event_cb(void *ctx, enum rtbl_event e, struct str id);
/* Each change that an event notification tells of this node, in its order. False: none. */
bool rtbl_wire_event(const struct stanza *s, struct str node, struct str me, rtbl_event_cb *cb,
                     void *ctx);
#endif
