/* DOC: a user whose account is removed, in the queue's turn, over tables that may be in several
 * places. The account is announced as one to be removed, then begun with in one transaction: from
 * then on there is none for anybody. Then its sessions' presence is withdrawn, what modules keep is
 * removed, contacts learn that the subscriptions ended; when all have that in custody (stored, or
 * at another node or server), the roster is removed, and the name is free again. Then who asked is
 * told, and the sessions are closed; what waits in the queue finds no account any more. When the
 * store fails before the account is gone, it is whole; afterwards the rest is done later
 * (mod/removals.c), from what the store has: each step may be repeated, contacts may be told twice.
 * Standards: XEP-0077 section 3.2. */
#include "lib/base/log.h"
#include "node/auth/account-removal.h"
#include "node/cluster/anchor.h"
#include "node/route/module.h"
#include "node/session/erase-int.h"
#include "node/session/presence.h"
#include "node/session/roster.h"

enum { FAREWELL_MS = 10000 }; /* then the rest is done later, and contacts are told once more */

struct farewell { /* custody of what contacts are told */
    struct custody custody;
    struct node_shard *shard;
    handle erase;
};
struct erase {
    struct op asked; /* on the asker: when it goes, nobody is told */
    struct op op;    /* on the user, once it is this one's turn: when that goes, this ends */
    struct user *user;
    struct account_removal removal;
    struct erase_data data;
    handle h; /* while contacts are told */
    struct timer late;
    bool is_begun;   /* the store says that there is no account */
    bool goes_on;    /* with what was interrupted */
    user_done *done; /* NULL: nobody asks any more */
    void *ctx;
};

static void asker_gone(struct op *op)
{
    container_of(op, struct erase, asked)->done = NULL;
}

static void farewell_end(struct erase *e)
{
    if (!e->h)
        return;
    handle_free(e->user->shard->handles, e->h);
    e->h = 0;
    timer_stop(&e->late);
}

static void erase_free(struct erase *e)
{
    farewell_end(e);
    if (e->done)
        op_end(&e->asked);
    op_end(&e->op);
    mem_free(e);
}

static void user_gone(struct op *op)
{
    erase_free(container_of(op, struct erase, op));
}

static void tell(struct erase *e, enum err why)
{
    user_done *done = e->done;
    if (!done)
        return;
    e->done = NULL;
    op_end(&e->asked);
    done(e->ctx, why);
}

void erase_refuse(struct erase *e, enum err why)
{
    if (why != ERR_OK)
        tell(e, why);
    erase_free(e);
}

/* ---- who knew the user */
static void vanish(struct user *u)
{
    anchor_learn(u->shard, u->bare.full, NULL);
    list_each (&u->sessions, n) {
        presence_gone(u, list_entry(n, struct session, link));
    }
    module_user_erased(u);
}

static void close_sessions(struct user *u)
{
    struct list *n;
    while ((n = list_first(&u->sessions))) {
        struct session *ss = list_entry(n, struct session, link);
        session_close(ss, STREAM_NOT_AUTHORIZED);
        u->n_sessions--;
        session_free(&ss);
    }
}

/* What was behind it in the queue: others learn that there is no such account, the user's own
 * sessions are gone. */
static void turn_away(struct user *u)
{
    struct list *n;
    while ((n = list_shift(&u->queue))) {
        struct task *t = list_entry(n, struct task, link);
        struct route *r = &t->route;
        if (t->kind == TASK_ERASE) {
            erase_refuse(t->erase, ERR_NOTFOUND);
            t->erase = NULL;
        } else if (t->kind == TASK_TO) {
            route_start(u->shard, r->stanza, r->custody, r->source, r->hops, r->trace);
            r->stanza = NULL;
            r->custody = NULL;
        }
        task_free(t);
    }
}

/* ---- the end */
/* Before anybody can have made a new account of the name and be online with it. */
static void part(struct erase *e)
{
    struct user *u = e->user;
    e->is_begun = false;
    tell(e, ERR_OK);
    anchor_learn(u->shard, u->bare.full, NULL); /* who asked meanwhile may have put it there */
    roster_free(&u->roster);
    close_sessions(u);
    leave_forget(u);
    turn_away(u);
}

static void ended(struct erase *e, enum err why)
{
    struct user *u = e->user;
    tell(e, why);
    erase_free(e);
    user_resume(u);
}

static void log_waits(struct erase *e, enum err why)
{
    log_warn(NULL, "account.remove.waits", "user", LOG_STR(e->user->bare.full), "why",
             err_text(why));
}

static void failed(struct erase *e, enum err why)
{
    if (e->is_begun) {
        log_waits(e, why);
        part(e);
    } else {
        log_error(NULL, "account.remove.failed", "user", LOG_STR(e->user->bare.full), "why",
                  err_text(why));
    }
    ended(e, why);
}

/* ---- step after step */
static void forgotten(void *ctx, enum err why)
{
    struct erase *e = ctx;
    if (why != ERR_OK)
        log_waits(e, why);
    ended(e, ERR_OK);
}

static void forget(struct erase *e)
{
    struct user *u = e->user;
    account_removal_forget(u->shard, &u->ops, u->bare.full, forgotten, e);
}

static void name_freed(void *ctx, enum err why)
{
    struct erase *e = ctx;
    if (why != ERR_OK) {
        failed(e, why);
        return;
    }
    log_info(NULL, "account.removed", "user", LOG_STR(e->user->bare.full));
    part(e);
    forget(e);
}

static void last_deleted(void *ctx, enum err why)
{
    struct erase *e = ctx;
    struct user *u = e->user;
    if (why != ERR_OK)
        failed(e, why);
    else
        account_removal_end(u->shard, &u->ops, u->bare.full, &e->removal, name_freed, e);
}

/* ---- contacts */
static void all_told(struct node_shard *sh, void *ctx)
{
    struct farewell *f = ctx;
    struct erase *e = handle_get(sh->handles, f->erase);
    mem_free(f);
    if (!e)
        return;
    farewell_end(e);
    erase_data(&e->data, e->user, true, last_deleted, e);
}

static void farewell_release(struct custody *c)
{
    struct farewell *f = container_of(c, struct farewell, custody);
    node_post(f->shard, all_told, mem_free, f);
}

static void farewell_late(void *ctx)
{
    struct erase *e = ctx;
    farewell_end(e);
    if (e->goes_on) /* a contact's region that is away does not keep the name for ever */
        erase_data(&e->data, e->user, true, last_deleted, e);
    else
        failed(e, ERR_TIMEOUT);
}

static void farewell(struct erase *e)
{
    struct user *u = e->user;
    struct farewell *f = mem_alloc(sizeof *f);
    struct custody *c = &f->custody;
    struct roster_item *it;
    e->h = handle_new(u->shard->handles, e);
    timer_init(&e->late, u->shard->loop, farewell_late, e);
    timer_start(&e->late, FAREWELL_MS);
    refs_init(&c->refs);
    c->release = farewell_release;
    f->shard = u->shard;
    f->erase = e->h;
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));)
        subs_end(u, &it->jid, it->state, c);
    custody_unref(&c);
}

static void data_deleted(void *ctx, enum err why)
{
    struct erase *e = ctx;
    if (why != ERR_OK)
        failed(e, why);
    else
        farewell(e);
}

static void delete_all(struct erase *e)
{
    e->is_begun = true;
    vanish(e->user);
    erase_data(&e->data, e->user, false, data_deleted, e);
}

static void begun(void *ctx, enum err why)
{
    struct erase *e = ctx;
    if (why != ERR_OK) {
        failed(e, why);
        return;
    }
    e->removal.rev++;
    delete_all(e);
}

static void announced(void *ctx, enum err why)
{
    struct erase *e = ctx;
    struct user *u = e->user;
    if (why != ERR_OK)
        failed(e, why);
    else
        account_removal_begin(u->shard, &u->ops, u->bare.full, &e->removal, begun, e);
}

/* A second removal that waited behind the first must not tell of success twice. */
static void looked(void *ctx, enum err why, const struct account_removal *r)
{
    struct erase *e = ctx;
    struct user *u = e->user;
    e->removal = *r;
    if (why != ERR_OK)
        failed(e, why);
    else if (r->state == ACCOUNT_REMOVING)
        delete_all(e);
    else if (e->goes_on)
        forget(e);
    else if (r->state == ACCOUNT_THERE)
        account_removal_announce(u->shard, &u->ops, u->bare.full, announced, e);
    else
        ended(e, ERR_NOTFOUND);
}

void erase_run(struct erase *e)
{
    struct user *u = e->user;
    op_start(&e->op, &u->ops, user_gone);
    user_pause(u);
    account_removal_look(u->shard, &u->ops, u->bare.full, looked, e);
}

static void queue(struct erase *e)
{
    struct task *t = mem_alloc(sizeof *t);
    t->kind = TASK_ERASE;
    t->erase = e;
    user_task(e->user, t);
}

void user_erase_on(struct node_shard *sh, const struct jid *bare)
{
    struct erase *e = mem_alloc(sizeof *e);
    *e = (struct erase){.user = user_get(sh, bare), .goes_on = true};
    queue(e);
}

struct op *user_erase(struct node_shard *sh, struct op_owner *o, const struct jid *bare,
                      user_done *done, void *ctx)
{
    struct user *u = user_get(sh, bare);
    struct erase *e = mem_alloc(sizeof *e);
    *e = (struct erase){.user = u, .done = done, .ctx = ctx};
    op_start(&e->asked, o, asker_gone);
    queue(e);
    return &e->asked;
}
