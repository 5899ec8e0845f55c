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
/* A probe from somebody to our user. */
void presence_answer(struct user *u, struct route *r);
/* Somebody showed that he is gone: who got directed presence of ours there, needs no withdrawal. */
void presence_left(struct user *u, const struct jid *who);
/* The session sent directed presence there: to this address, or the bare one. */
bool presence_is_directed(const struct session *ss, const struct jid *to);
/* A session that is out of the list: withdraw what it showed (also without a roster). */
void presence_gone(struct user *u, struct session *departed);
/* Nothing forbids that the user's presence goes there (hook user_contact). */
bool presence_may_reach(struct user *u, const struct jid *to);
/* The sessions' directed presence to these addresses is withdrawn and forgotten. */
void presence_withdraw(struct user *u, bool (*is_meant)(void *ctx, const struct jid *to),
                       void *ctx);
/* Our sessions are told what the contact shows: asked anew. */
void presence_probe(struct user *u, const struct jid *to);
/* Somebody thinks it is available. */
bool presence_is_shown(struct session *ss);

/* presence-subs.c: subscribe, subscribed, unsubscribe, unsubscribed by lib/xmpp/subs-table. */
void subs_out(struct user *u, struct route *r);
void subs_in(struct user *u, struct route *r);
/* Pending requests, shown to a session at its first presence. */
void subs_show_pending(struct user *u, struct session *ss);
/* Nothing binds user and contact any more (RFC 6121 section 2.5.2): the contact is told what that
 * ends; before = the bits there were; c: borrowed, what is said holds it until the contact has it.
 */
void subs_end(struct user *u, const struct jid *contact, uint8_t before, struct custody *c);
/* Our sessions' presence to a contact, as they are, or unavailable. False: none is available. */
bool presence_show(struct user *u, const struct jid *to, bool unavailable);
#endif
