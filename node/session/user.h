#ifndef NODE_SESSION_USER_H
#define NODE_SESSION_USER_H
/* A user at its anchor: all resources, wherever their connections are, the roster, the queue. Lives
 * on the home shard of the bare JID. Made on demand, freed when nobody has a use for it. Words:
 * session = one bound resource; connection = the c2s stream that serves it, here or on another node
 * of the world. */
#include "lib/store/store.h"
#include "lib/xmpp/stanza.h"
#include "node/node.h"
#include "node/route/route.h"

struct roster;
struct user {
    struct node_shard *shard;
    struct jid bare;      /* heap */
    struct list sessions; /* struct session, oldest first */
    size_t n_sessions;
    struct roster *roster; /* NULL until loaded (roster.h) */
    struct list queue;     /* struct task (user-queue.c): done one after the other, so order holds
                              across waits */
    unsigned pauses;       /* > 0: the queue waits (storage, parked hook) */
    unsigned holds;        /* requests and runs that need the object */
    bool running;          /* inside the queue's turn */
    struct leave *leave; /* sessions that ended and have yet to give back (user-leave.c), or NULL */
    struct op_owner ops; /* cancelled when the user is freed */
    max_align_t slots[]; /* module slots */
};
#define SESSION_CONN_MAX 32 /* bytes of a connection id, with its end */
enum session_where { SESSION_HERE, SESSION_REMOTE };
struct session {
    struct list link;
    struct user *user;
    struct jid full; /* heap */
    handle h;
    char conn_id[SESSION_CONN_MAX]; /* which connection: unique in the world, tells a new one from
                         the one it replaced */
    enum session_where where;
    handle c2s; /* SESSION_HERE */
    char *peer; /* SESSION_REMOTE: "region/node"; heap */
    uint64_t peer_incarnation;
    struct stanza *presence; /* last available presence, NULL before it and after unavailable */
    uint64_t carbons_us;     /* wall: since when it wants copies (XEP-0280); 0: it does not */
    int8_t priority;
    bool interested;    /* asked for the roster */
    bool has_blocklist; /* asked for the blocklist: gets its pushes */
    bool is_leaving;    /* its connection gives back what it had: nothing more is delivered to it */
    struct list directed; /* struct directed (presence.h): who got directed presence */
};
/* All on the home shard of bare. */
struct user *user_find(struct node_shard *sh, struct str bare);
struct user *user_get(struct node_shard *sh, const struct jid *bare); /* found or made */
void user_hold(struct user *u);
void user_release(struct user **pu); /* freed (later) when no session, no hold, no queue */
/* The queue waits until resumed as often as paused: for work that must be finished before the next
 * stanza. */
void user_pause(struct user *u);
void user_resume(struct user *u);
void user_run(struct user *u); /* do what waits, until paused or empty */

/* Somebody's queue is not empty, or waits for something. */
bool users_busy(struct node_shard *sh);
void users_free(struct node_shard *sh); /* all of a shard, at once: nothing is broadcast */

/* The account is removed, at its anchor, in the queue's order: nobody can log in any more, presence
 * ends, what modules keep of it leaves the store, subscriptions end, then done, then its sessions
 * are closed. Who stops to wait does not stop it. ERR_OK also when the store failed after the
 * account was gone: the rest is for user_erase_on. ERR_NOTFOUND, ERR_IO. */
typedef void user_done(void *ctx, enum err e);
struct op *user_erase(struct node_shard *sh, struct op_owner *o, const struct jid *bare,
                      user_done *done, void *ctx);
/* Go on with a removal that was interrupted; what was only announced is forgotten. */
void user_erase_on(struct node_shard *sh, const struct jid *bare);

/* A connection binds a resource: newest wins, an older session with this full JID is closed with
 * conflict. ERR_LIMIT: too many resources. where/c2s/peer as in struct session. Idempotent for the
 * same conn_id (re-attach). Connection ids sort by the time of the bind: ERR_CONFLICT when a
 * younger connection holds this full JID (a region that was away refreshes a session that has
 * moved). */
enum err user_attach(struct node_shard *sh, const struct jid *full, const char *conn_id,
                     enum session_where where, handle c2s, const char *peer,
                     uint64_t peer_incarnation) MUST_USE;
/* session-wants.c. What a session wants beside what is addressed to it; bits. */
enum session_wish {
    WISH_CARBONS = 1,   /* copies (XEP-0280) */
    WISH_ROSTER = 2,    /* pushes of the roster: it asked for it */
    WISH_BLOCKLIST = 4, /* pushes of the blocklist */
};
unsigned session_wants(const struct session *ss);
/* Changed by its client: the front of the connection is told. */
void session_want(struct session *ss, enum session_wish w, bool on);
/* The front says that the connection's session wants these, too; all that it wants. */
unsigned user_wants(struct node_shard *sh, const struct jid *full, const char *conn_id,
                    unsigned wants);
/* As elements of what fronts and anchors tell each other. */
void session_wants_add(struct arena *a, struct xml *el, unsigned wants);
unsigned session_wants_read(const struct stanza *s);
bool user_has_session(struct node_shard *sh, const struct jid *full, const char *conn_id);
/* The connection is gone: unavailable is broadcast. */
void user_detach(struct node_shard *sh, const struct jid *full, const char *conn_id);
/* Close the sessions of an account, or one, whose connections are on other nodes, with
 * policy-violation; how many. */
size_t user_kick_remote(struct node_shard *sh, const struct jid *whose);
/* Member died: all sessions whose connections were there are gone. On each shard. */
void user_peer_dead(struct node_shard *sh, const char *peer, uint64_t incarnation);
/* A stanza the client of this connection sent (from is stamped with the full JID by the front).
 * Unknown connection ids attach implicitly when remote. Takes the references. */
void user_from_session(struct node_shard *sh, const struct jid *full, const char *conn_id,
                       const char *peer, uint64_t peer_incarnation, struct stanza *s,
                       struct custody *c, const char *trace);
/* The same, of a session of a former life of this node, which had acknowledged it. */
void user_from_former(struct node_shard *sh, struct stanza *s, struct custody *c,
                      const char *trace);
/* A stanza to this user arrived at its anchor. Takes the route's references (not the struct itself:
 * copy it to keep it). */
void user_to(struct node_shard *sh, struct route *r);
/* This connection has begun to give back; the word that it is gone may come later. */
void user_leaving(struct node_shard *sh, const struct jid *user, const char *conn_id);
/* user-leave.c. This connection has given back all that it had: new messages need not wait any
 * longer. Unknown ones are ignored. */
void user_gave_back(struct node_shard *sh, const struct jid *user, const char *conn_id);
/* A copy that was on its way to a remote session came back: deliver again by the rules (at most
 * ROUTE_HOPS_MAX). */
void user_returned(struct node_shard *sh, struct stanza *s, struct custody *c, unsigned hops);
/* Write to one session's connection, wherever it is. Takes s and c. covered: another session got a
 * copy for sure, so this one is not delivered elsewhere when it comes back. */
void session_write(struct session *ss, struct stanza *s, struct custody *c, bool covered,
                   unsigned hops);
/* Does this session get the message by the table of RFC 6121 section 8.5, as things are now? */
bool deliver_takes(struct user *u, const struct stanza *s, const struct session *ss);
struct session *user_session(struct user *u, struct str resource);
struct session *session_by_handle(struct node_shard *sh, handle h);
#endif
