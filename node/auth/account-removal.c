/* DOC: rows of accounts that are being removed, so that a removal whose tables are in several
 * places is finished whatever happens on the way. Table "removals" names the account before
 * anything else is done and until nothing is left; "created" of the account then says "removing"
 * instead of a time. From that moment on there is no account to look up, nobody can log in, a new
 * password finds nothing, and a new account of this name finds the name taken, until "created"
 * goes, behind all data. Each step may be repeated. Standards: XEP-0077 section 3.2. */
#include "node/auth/account-removal.h"
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "node/auth/auth-int.h"

#define TABLE "removals"
#define KEY "removal"
#define REMOVING "removing"

bool account_is_removing(const struct store_kv *created)
{
    return str_eqc(created->value, REMOVING);
}

/* ---- looking */
struct look {
    struct op op;
    struct op_owner ops;
    account_removal_cb *cb;
    void *ctx;
};

static void look_cancel(struct op *op)
{
    struct look *l = container_of(op, struct look, op);
    op_owner_cancel_all(&l->ops);
    mem_free(l);
}

static void looked(void *ctx, enum err e, const struct store_kv *v)
{
    struct look *l = ctx;
    struct account_removal r = {ACCOUNT_ABSENT, 0};
    account_removal_cb *cb = l->cb;
    void *cb_ctx = l->ctx;
    if (e == ERR_OK)
        r = (struct account_removal){account_is_removing(v) ? ACCOUNT_REMOVING : ACCOUNT_THERE,
                                     v->rev};
    op_end(&l->op);
    mem_free(l);
    cb(cb_ctx, e == ERR_NOTFOUND ? ERR_OK : e, &r);
}

void account_removal_look(struct node_shard *sh, struct op_owner *o, struct str bare,
                          account_removal_cb *cb, void *ctx)
{
    struct look *l = mem_alloc(sizeof *l);
    *l = (struct look){.cb = cb, .ctx = ctx};
    op_owner_init(&l->ops);
    op_start(&l->op, o, look_cancel);
    store_kv_get(sh->store, &l->ops, ACCOUNT_TABLE, bare, STR("created"), looked, l);
}

/* ---- writing */
void account_removal_announce(struct node_shard *sh, struct op_owner *o, struct str bare,
                              store_done_cb *cb, void *ctx)
{
    char now[DATEFMT_LEN + 1];
    struct store_txn *t = store_txn_new(sh->store, bare);
    store_txn_kv_put(t, TABLE, STR(KEY), str_of(datefmt_utc(now, clock_wall_us())), STORE_REV_ANY);
    store_commit(&t, o, cb, ctx);
}

void account_removal_begin(struct node_shard *sh, struct op_owner *o, struct str bare,
                           const struct account_removal *r, store_done_cb *cb, void *ctx)
{
    struct store_txn *t = store_txn_new(sh->store, bare);
    store_txn_kv_put(t, ACCOUNT_TABLE, STR("created"), STR(REMOVING), r->rev);
    account_secrets_del(t);
    store_commit(&t, o, cb, ctx);
}

void account_removal_end(struct node_shard *sh, struct op_owner *o, struct str bare,
                         const struct account_removal *r, store_done_cb *cb, void *ctx)
{
    struct store_txn *t = store_txn_new(sh->store, bare);
    store_txn_kv_del(t, ACCOUNT_TABLE, STR("created"), r->rev);
    store_commit(&t, o, cb, ctx);
}

void account_removal_forget(struct node_shard *sh, struct op_owner *o, struct str bare,
                            store_done_cb *cb, void *ctx)
{
    struct store_txn *t = store_txn_new(sh->store, bare);
    store_txn_kv_del(t, TABLE, STR(KEY), STORE_REV_ANY);
    store_commit(&t, o, cb, ctx);
}

void account_removals(struct node_shard *sh, struct op_owner *o, struct str after, size_t limit,
                      store_owners_cb *cb, void *ctx)
{
    store_owners(sh->store, o, TABLE, after, limit, cb, ctx);
}
