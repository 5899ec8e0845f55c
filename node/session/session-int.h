#ifndef NODE_SESSION_SESSION_INT_H
#define NODE_SESSION_SESSION_INT_H
/* Shared inside node/session: the user's queue and what its tasks call. */
#include "lib/xmpp/stream-error.h"
#include "node/route/hooks.h"
#include "node/session/user.h"

/* One thing to be done for a user, in order. */
enum task_kind {
    TASK_FROM,  /* route->stanza came from our session */
    TASK_TO,    /* route->stanza is addressed to the user */
    TASK_GONE,  /* the session is closed: withdraw its presence */
    TASK_ERASE, /* the account is removed */
};
struct task {
    struct list link;
    enum task_kind kind;
    struct route route;
    handle session;           /* TASK_FROM; 0 for TASK_TO */
    bool is_passed;           /* TASK_TO: the hooks have seen it */
    struct session *departed; /* TASK_GONE: already out of the user's list */
    struct erase *erase;      /* TASK_ERASE (user-erase.c) */
};
void user_task(struct user *u, struct task *t); /* takes it */
void task_free(struct task *t);
/* What a hook run left of the route: gone on with, or ended as the verdict says. pass takes the
 * references. */
void task_verdict(struct user *u, const struct hook_run *run, struct route *r, enum verdict v,
                  void (*pass)(struct user *u, struct route *r, handle session), handle session);
/* Something changed that may let the queue go on or the user be freed. */
void user_kick(struct user *u);
void session_free(struct session **pss);
/* Its connection is closed, wherever it is: conflict, or not-authorized. */
void session_close(struct session *ss, enum stream_cond why);

/* user-leave.c: the session ends: new messages wait until its connection has given back what it had
 * (once; user_gave_back). */
void leave_begin(struct session *ss, bool is_front_dead);
bool leave_holds(const struct user *u, const struct route *r);
void leave_hold(struct user *u, struct task *t); /* takes it */
void leave_forget(struct user *u);               /* do not wait any longer */
void leave_free(struct user *u);
/* user-erase.c: it is the turn of this task; or it never will be (e is told, unless it is ERR_OK:
 * the user goes). */
void erase_run(struct erase *e);
void erase_refuse(struct erase *e, enum err why);

/* deliver.c: a stanza to the user, by the rules of RFC 6121 section 8. Takes the route's
 * references. */
void deliver(struct user *u, struct route *r);
/* outbound.c: a stanza of a session after the user_send hooks. Takes the route's references. The
 * session may have left: its handle is stale then, and still tells that it was the user's own. */
void outbound(struct user *u, handle session, struct route *r);
#endif
