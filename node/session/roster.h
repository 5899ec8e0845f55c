#ifndef NODE_SESSION_ROSTER_H
#define NODE_SESSION_ROSTER_H
/* A user's roster: items with subscription state, in memory while the user object lives, every
 * change written to the store (table "roster", one map entry an item). RFC 6121 section 2. Words:
 * state = the bits of lib/xmpp/subs-table.h; an item may exist only to remember a pending request:
 * then it is not visible. */
#include "lib/xmpp/subs-table.h"
#include "node/session/user.h"

struct roster_item {
    struct jid jid; /* bare, heap */
    char *name;     /* NULL for none */
    char **groups;
    size_t n_groups;
    uint8_t state;
    bool visible;           /* the user has it in the roster */
    struct stanza *pending; /* the contact's unanswered subscribe, shown at each login */
};
struct roster {
    struct hmap items; /* bare JID -> struct roster_item */
    uint64_t version;
    bool loaded;
};
#define ROSTER_GROUPS_MAX 32
#define ROSTER_TEXT_MAX 1024    /* bytes of a name or a group */
#define ROSTER_REQUESTS_MAX 100 /* items that only remember a stranger's request */
#define ROSTER_REQUEST_BYTES                                                                       \
    4096 /* of a pending request kept whole; a larger one loses its payload */

typedef void roster_done(void *ctx, enum err e);
bool roster_is_loaded(const struct user *u);
void roster_load(struct user *u, roster_done *done,
                 void *ctx); /* never inside the call; not at all when the user goes */
void roster_free(struct roster **pr);
/* This entity may see the user's presence: it is the user, or has a subscription. */
bool roster_shows_to(const struct user *u, const struct jid *who);
struct roster_item *roster_find(const struct user *u, struct str bare);
/* Found or made (state 0, not visible); NULL when the account has roster_max items. */
struct roster_item *roster_get(struct user *u, const struct jid *bare);
/* The same for a stranger's request: such items have room of their own, so that strangers cannot
 * fill the roster. NULL when there are ROSTER_REQUESTS_MAX. */
struct roster_item *roster_get_request(struct user *u, const struct jid *bare);
void roster_item_set_pending(struct roster_item *it, struct stanza *request); /* references it */
void roster_item_free(struct roster_item *it);
void roster_item_set_groups(struct roster_item *it, char **groups_take, size_t n);
/* Write the item (or its absence: an item with state 0, not visible and without pending is removed)
 * to the store; the queue of the user is paused until done. done may be NULL. */
void roster_save(struct user *u, struct roster_item *it, roster_done *done, void *ctx);
/* <item/> as clients see it. */
void roster_item_xml(struct arena *a, struct xml *query, const struct roster_item *it,
                     bool removed);
/* What a client may show to learn only of what changed (section 2.6): the store's version, which
 * grows, and a digest of what clients see, so that a roster that began anew is never taken for an
 * old one. In a. */
struct str roster_ver(struct arena *a, const struct user *u);
/* Tell all interested sessions (RFC 6121 section 2.1.6). */
void roster_push(struct user *u, const struct roster_item *it, bool removed);
#endif
