/* DOC: a user whose account is removed. In the queue's turn: the keys of what modules keep are read
 * page by page into one transaction, which removes the account's own rows too, so that either all
 * of it is there or nothing. Then who knew the user learns that it is gone, who asked is told, and
 * the sessions are closed; what waits in the queue finds no account any more.
 * Standards: XEP-0077 section 3.2. */
#include "lib/base/log.h"
#include "node/auth/account.h"
#include "node/cluster/anchor.h"
#include "node/route/module.h"
#include "node/session/presence.h"
#include "node/session/roster.h"
#include "node/session/session-int.h"

enum { PAGE = 500 };

struct erase {
    struct op asked; /* on the asker: when it goes, nobody is told */
    struct op op;    /* on the user, once it is this one's turn: when that goes, this ends */
    struct user *user;
    struct store_txn *txn;
    size_t module, data; /* the table that is read */
    user_done *done;     /* NULL: the asker went */
    void *ctx;
};

static void asker_gone(struct op *op)
{
    container_of(op, struct erase, asked)->done = NULL;
}

static void erase_free(struct erase *e)
{
    if (e->done)
        op_end(&e->asked);
    op_end(&e->op);
    if (e->txn)
        store_txn_drop(&e->txn);
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

/* ---- the store has it */
static void farewell(struct user *u)
{
    struct roster_item *it;
    list_each (&u->sessions, n) {
        presence_gone(u, list_entry(n, struct session, link));
    }
    for (size_t i = 0; (it = hmap_next(&u->roster->items, &i, NULL));)
        subs_end(u, &it->jid, it->state);
    roster_free(&u->roster);
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

static void erased(void *ctx, enum err why)
{
    struct erase *e = ctx;
    struct user *u = e->user;
    if (why == ERR_OK) {
        log_info(NULL, "account.removed", "user", LOG_STR(u->bare.full));
        anchor_learn(u->shard, u->bare.full, NULL);
        farewell(u);
    } else {
        log_error(NULL, "account.remove.failed", "user", LOG_STR(u->bare.full), "why",
                  err_text(why));
    }
    tell(e, why);
    if (why == ERR_OK) {
        close_sessions(u);
        turn_away(u);
    }
    erase_free(e);
    user_resume(u);
}

/* ---- what is kept */
static void read_on(struct erase *e);

static const struct module_data *table_of(const struct erase *e)
{
    size_t n;
    return &module_list(e->user->shard->node, &n)[e->module]->data[e->data];
}

static void read_page(struct erase *e, struct str from);

static void page_read(void *ctx, enum err why, const struct store_entry *entries, size_t n,
                      uint64_t version)
{
    struct erase *e = ctx;
    (void)version;
    if (why != ERR_OK) {
        erased(e, why);
        return;
    }
    for (size_t i = 0; i < n; i++)
        store_txn_map_del(e->txn, table_of(e)->table, entries[i].key);
    if (n == PAGE) {
        read_page(e, entries[n - 1].key);
        return;
    }
    e->data++;
    read_on(e);
}

static void read_page(struct erase *e, struct str from)
{
    struct user *u = e->user;
    store_map_read(u->shard->store, &u->ops, table_of(e)->table, u->bare.full, from, PAGE,
                   page_read, e);
}

/* The next table; maps must be read to know their keys. */
static void read_on(struct erase *e)
{
    struct user *u = e->user;
    size_t n;
    const struct module *const *m = module_list(u->shard->node, &n);
    for (; e->module < n; e->module++, e->data = 0) {
        for (; e->data < m[e->module]->n_data; e->data++) {
            const struct module_data *d = &m[e->module]->data[e->data];
            if (d->kind == DATA_MAP) {
                read_page(e, STR(""));
                return;
            }
            if (d->kind == DATA_KV)
                store_txn_kv_del(e->txn, d->table, str_of(d->key), STORE_REV_ANY);
            else
                store_txn_log_trim(e->txn, d->table, INT64_MAX);
        }
    }
    account_rows_del(e->txn);
    store_commit(&e->txn, &u->ops, erased, e);
}

/* A second removal that waited behind the first must not tell of success twice. */
static void account_looked(void *ctx, enum err why, const struct account_info *a)
{
    struct erase *e = ctx;
    struct user *u = e->user;
    if (why == ERR_OK && a->exists) {
        e->txn = store_txn_new(u->shard->store, u->bare.full);
        read_on(e);
        return;
    }
    tell(e, why == ERR_OK ? ERR_NOTFOUND : why);
    erase_free(e);
    user_resume(u);
}

void erase_run(struct erase *e)
{
    struct user *u = e->user;
    op_start(&e->op, &u->ops, user_gone);
    user_pause(u);
    account_lookup_here(u->shard, &u->ops, u->bare.full, false, DIGEST_SHA256, account_looked, e);
}

struct op *user_erase(struct node_shard *sh, struct op_owner *o, const struct jid *bare,
                      user_done *done, void *ctx)
{
    struct user *u = user_get(sh, bare);
    struct erase *e = mem_alloc(sizeof *e);
    *e = (struct erase){.user = u, .done = done, .ctx = ctx};
    op_start(&e->asked, o, asker_gone);
    struct task *t = mem_alloc(sizeof *t);
    t->kind = TASK_ERASE;
    t->erase = e;
    user_task(u, t);
    return &e->asked;
}
