/* DOC: what modules keep of an account leaves the store, table after table, each in transactions of
 * its own: tables may be in different places. What has to stay until contacts were told goes last.
 * May be repeated from the start. */
#include "node/route/module.h"
#include "node/session/erase-int.h"

enum { PAGE = 500 };

static void go_on(struct erase_data *d);

static const struct module_data *table_of(const struct erase_data *d)
{
    size_t n;
    const struct module *const *m = module_list(d->user->shard->node, &n);
    return &m[d->module]->data[d->table];
}

static void deleted(void *ctx, enum err e)
{
    struct erase_data *d = ctx;
    if (e != ERR_OK) {
        d->done(d->ctx, e);
        return;
    }
    if (!d->has_more)
        d->table++;
    go_on(d);
}

static void commit(struct erase_data *d, struct store_txn *t)
{
    store_commit(&t, &d->user->ops, deleted, d);
}

static void page_read(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                      uint64_t version)
{
    struct erase_data *d = ctx;
    struct user *u = d->user;
    (void)version;
    d->has_more = n == PAGE;
    if (e != ERR_OK || n == 0) {
        deleted(d, e);
        return;
    }
    struct store_txn *t = store_txn_new(u->shard->store, u->bare.full);
    for (size_t i = 0; i < n; i++)
        store_txn_map_del(t, table_of(d)->table, entries[i].key);
    commit(d, t);
}

/* Maps must be read to know their keys. */
static void delete_table(struct erase_data *d)
{
    struct user *u = d->user;
    const struct module_data *what = table_of(d);
    if (what->kind == DATA_MAP || what->kind == DATA_MAP_LAST) {
        store_map_read(u->shard->store, &u->ops, what->table, u->bare.full, STR(""), PAGE,
                       page_read, d);
        return;
    }
    struct store_txn *t = store_txn_new(u->shard->store, u->bare.full);
    if (what->kind == DATA_KV)
        store_txn_kv_del(t, what->table, str_of(what->key), STORE_REV_ANY);
    else
        store_txn_log_trim(t, what->table, INT64_MAX);
    commit(d, t);
}

static void go_on(struct erase_data *d)
{
    size_t n;
    const struct module *const *m = module_list(d->user->shard->node, &n);
    for (; d->module < n; d->module++, d->table = 0) {
        for (; d->table < m[d->module]->n_data; d->table++) {
            if ((m[d->module]->data[d->table].kind == DATA_MAP_LAST) == d->is_last) {
                d->has_more = false;
                delete_table(d);
                return;
            }
        }
    }
    d->done(d->ctx, ERR_OK);
}

void erase_data(struct erase_data *d, struct user *u, bool is_last, store_done_cb *done, void *ctx)
{
    *d = (struct erase_data){.user = u, .is_last = is_last, .done = done, .ctx = ctx};
    go_on(d);
}
