#ifndef LIB_XMPP_SUBS_TABLE_H
#define LIB_XMPP_SUBS_TABLE_H
/* Roster subscription states and transitions as a table (RFC 6121 section 3 and appendix A). Pure.
 */
#include "lib/base/base.h"
/* Bits: what the roster item says. */
enum { SUBS_TO = 1, SUBS_FROM = 2, SUBS_PENDING_OUT = 4, SUBS_PENDING_IN = 8, SUBS_APPROVED = 16 };
enum subs_event { SUBS_SUBSCRIBE, SUBS_SUBSCRIBED, SUBS_UNSUBSCRIBE, SUBS_UNSUBSCRIBED };
enum subs_direction { SUBS_OUTBOUND, SUBS_INBOUND };
struct subs_result {
    uint8_t state;   /* after */
    bool route;      /* outbound: send it on to the contact */
    bool deliver;    /* inbound: show it to the user's resources */
    bool push;       /* roster push (subscription or ask changed) */
    bool auto_reply; /* inbound subscribe when already approved: answer subscribed for the user */
    bool auto_unsubscribed; /* inbound unsubscribe that changed the state: answer unsubscribed for
                               the user */
    bool send_presence;     /* contact gained (from): send our resources' presence */
    bool send_unavailable;  /* contact lost (from) */
    bool exists; /* an item is needed to keep state (also pending-in without a roster item) */
};
/* APPROVED stays until the user sends "unsubscribed". Bits that contradict a standing subscription
 * (TO with PENDING_OUT, FROM with PENDING_IN) are dropped. */
struct subs_result subs_apply(uint8_t state, enum subs_direction d, enum subs_event e);
const char *subs_subscription(uint8_t state); /* "none","to","from","both" */
#endif
