#ifndef NODE_SESSION_PRESENCE_H
#define NODE_SESSION_PRESENCE_H
/* Presence of a user's sessions (RFC 6121 section 4) and subscriptions (section 3), at the anchor,
 * roster loaded. All take the route's references and run inside the user's queue. */
#include "node/session/user.h"

struct directed { /* somebody who got directed presence from a session */
    struct list link;
    struct jid jid; /* heap */
};
#define DIRECTED_MAX 200
void directed_clear(struct session *ss);

/* From our session, without to: available or unavailable broadcast. */
void presence_broadcast(struct user *u, struct session *ss, struct route *r);
/* From our session to somebody: directed presence, subscriptions. */
void presence_out(struct user *u, struct session *ss, struct route *r);
/* From somebody to our user. */
void presence_in(struct user *u, struct route *r);
/* A session that is out of the list: withdraw what it showed (also without a roster). */
void presence_gone(struct user *u, struct session *departed);
/* Somebody thinks it is available. */
bool presence_is_shown(struct session *ss);

/* presence-subs.c: subscribe, subscribed, unsubscribe, unsubscribed by lib/xmpp/subs-table. */
void subs_out(struct user *u, struct route *r);
void subs_in(struct user *u, struct route *r);
/* Pending requests, shown to a session at its first presence. */
void subs_show_pending(struct user *u, struct session *ss);
/* Nothing binds user and contact any more (RFC 6121 section 2.5.2): the contact is told what that
 * ends; before = the bits there were. */
void subs_end(struct user *u, const struct jid *contact, uint8_t before);
/* Our sessions' presence to a contact, as they are, or unavailable. False: none is available. */
bool presence_show(struct user *u, const struct jid *to, bool unavailable);
#endif
