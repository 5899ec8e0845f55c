/* DOC: order over the end of a session. What it was sent and has not taken comes back, from a
 * connection here or from its front, and goes to other resources or into the store; a message that
 * arrives meanwhile must not get there first. So from the first sign of the end on new messages to
 * the user are held, until the connection has given back all: a connection here says so, a front is
 * sent ENDED behind the last stanza for the session and sends it back behind the last that returns,
 * and when the front died, shard 0 has returned by then what waited on the link. The hold ends
 * LEAVE_MS after it began in any case, whoever else leaves meanwhile; then order is not sure. What
 * was with other sessions, or came to none, is not touched: a device that comes late gets what only
 * an older one had when that gives it back. */
#include "lib/base/log.h"
#include "node/cluster/anchor.h"
#include "node/cluster/world.h"
#include "node/session/session-int.h"

enum { LEAVE_MS = 10000 };

struct leaver {
    struct list link;
    struct user *user; /* held */
    char conn_id[SESSION_CONN_MAX];
};
struct leave {
    struct timer late;
    struct list leavers; /* at least one */
    struct list held;    /* struct task, oldest first */
};

bool leave_holds(const struct user *u, const struct route *r)
{
    return u->leave && r->stanza->kind == STANZA_MESSAGE && r->source != ROUTE_RETURNED;
}

void leave_hold(struct user *u, struct task *t)
{
    if (t->is_passed) /* its turn had come: nothing held is older */
        list_unshift(&u->leave->held, &t->link);
    else
        list_push(&u->leave->held, &t->link);
}

static void hold_queue(struct user *u)
{
    list_each (&u->queue, n) {
        struct task *t = list_entry(n, struct task, link);
        if (t->kind != TASK_TO || !leave_holds(u, &t->route))
            continue;
        list_del(n);
        list_push(&u->leave->held, n);
    }
}

/* ---- the end of the hold */
static void leaver_end(struct leaver *l)
{
    struct user *u = l->user;
    struct leave *v = u->leave;
    list_del(&l->link);
    mem_free(l);
    if (list_empty(&v->leavers)) {
        u->leave = NULL;
        timer_stop(&v->late);
        list_splice(&u->queue, &v->held);
        mem_free(v);
    }
    user_release(&u);
}

static void leave_late(void *ctx)
{
    struct user *u = ctx;
    const struct leaver *l = list_entry(list_first(&u->leave->leavers), struct leaver, link);
    log_info(NULL, "user.leave.late", "user", LOG_STR(u->bare.full), "conn", l->conn_id);
    leave_forget(u);
}

static struct leaver *leaver_find(const struct user *u, const char *conn_id)
{
    list_each (&u->leave->leavers, n) {
        struct leaver *l = list_entry(n, struct leaver, link);
        if (strcmp(l->conn_id, conn_id) == 0)
            return l;
    }
    return NULL;
}

void leave_forget(struct user *u)
{
    user_hold(u);
    while (u->leave)
        leaver_end(list_entry(list_first(&u->leave->leavers), struct leaver, link));
    user_release(&u);
}

void leave_free(struct user *u)
{
    struct leave *v = u->leave;
    struct list *n;
    if (!v)
        return;
    timer_stop(&v->late);
    while ((n = list_shift(&v->leavers)))
        mem_free(list_entry(n, struct leaver, link));
    while ((n = list_shift(&v->held)))
        task_free(list_entry(n, struct task, link));
    mem_free(v);
    u->leave = NULL;
}

/* ---- all came back */
struct word { /* that a connection has given back */
    struct node *node;
    struct jid user; /* heap */
    char conn_id[SESSION_CONN_MAX];
};

static void word_free(void *ctx)
{
    struct word *w = ctx;
    jid_fini(&w->user);
    mem_free(w);
}

static struct word *word_new(struct node *n, const struct jid *user, const char *conn_id)
{
    struct word *w = mem_alloc(sizeof *w);
    w->node = n;
    jid_dup_heap(user, &w->user);
    str_put(w->conn_id, sizeof w->conn_id, conn_id);
    return w;
}

static void word_known(void *ctx, const struct anchor *a)
{
    struct word *w = ctx;
    (void)a;
    struct user *u = user_find(node_shard_of(w->node, w->user.bare), w->user.bare);
    struct leaver *l = u && u->leave ? leaver_find(u, w->conn_id) : NULL;
    if (l)
        leaver_end(l);
    word_free(w);
}

/* What came back takes the way over the router: while the anchor is asked for, it waits there. */
void user_gave_back(struct node_shard *sh, const struct jid *user, const char *conn_id)
{
    struct anchor a;
    struct user *u = user_find(sh, user->bare);
    struct leaver *l = u && u->leave ? leaver_find(u, conn_id) : NULL;
    if (l && (list_empty(&u->leave->held) || anchor_now(sh, user->bare, &a)))
        leaver_end(l);
    else if (l)
        anchor_ask(sh, &sh->ops, user->bare, word_known, word_free,
                   word_new(sh->node, user, conn_id));
}

static void word_back(struct node_shard *sh, void *ctx)
{
    struct word *w = ctx;
    user_gave_back(sh, &w->user, w->conn_id);
    word_free(w);
}

static void word_at_hub(struct node_shard *sh, void *ctx)
{
    struct word *w = ctx;
    (void)sh;
    node_post(node_shard_of(w->node, w->user.bare), word_back, word_free, w);
}

/* ---- the beginning */
static void ask_front(const struct session *ss)
{
    struct stanza_build b;
    stanza_build(&b, STANZA_PRESENCE, PRES_UNAVAILABLE, NULL, &ss->full, STR_NONE);
    struct region_route r = {.purpose = REGION_ENDED};
    route_trace_new(r.trace);
    str_put(r.resource, sizeof r.resource, ss->conn_id);
    world_send(ss->user->shard, ss->peer, stanza_finish(&b), NULL, &r);
}

void leave_begin(struct session *ss, bool is_front_dead)
{
    struct user *u = ss->user;
    struct node *n = u->shard->node;
    if (ss->is_leaving)
        return;
    ss->is_leaving = true;
    if (!u->leave) {
        u->leave = mem_alloc(sizeof *u->leave);
        list_init(&u->leave->leavers);
        list_init(&u->leave->held);
        timer_init(&u->leave->late, u->shard->loop, leave_late, u);
        timer_start(&u->leave->late, LEAVE_MS);
        hold_queue(u);
    }
    struct leaver *l = mem_alloc(sizeof *l);
    l->user = u;
    str_put(l->conn_id, sizeof l->conn_id, ss->conn_id);
    list_push(&u->leave->leavers, &l->link);
    user_hold(u);
    if (is_front_dead)
        node_post(&n->shard[0], word_at_hub, word_free, word_new(n, &ss->full, ss->conn_id));
    else if (ss->where == SESSION_REMOTE)
        ask_front(ss);
}
