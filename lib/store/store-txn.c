/* store-txn: fills a transaction. Everything is copied into the transaction's arena, which later
 * wanders to the writer with the request. What is too large is remembered and told by the commit,
 * so that callers check in one place. */
#include "lib/store/store-int.h"

bool store_table_valid(const char *table)
{
    size_t n = strlen(table);
    return n > 0 && n <= STORE_TABLE_MAX && strspn(table, "abcdefghijklmnopqrstuvwxyz_") == n;
}

bool store_copy(struct arena *a, struct str s, size_t max, struct str *out)
{
    if (s.n > max)
        return false;
    *out = STR_NONE;
    if (!s.p)
        return true;
    char *p = arena_try_alloc(a, s.n + 1);
    if (!p)
        return false;
    memcpy(p, s.p, s.n);
    *out = str_make(p, s.n);
    return true;
}

struct store_txn *store_txn_new(struct store_port *p, struct str owner)
{
    struct store_txn *t = mem_alloc(sizeof *t);
    t->port = p;
    t->arena = arena_new(STORE_REQ_BYTES_MAX);
    t->tail = &t->first;
    if (!store_copy(t->arena, owner, STORE_KEY_MAX, &t->owner))
        t->err = ERR_LIMIT;
    return t;
}

void store_txn_drop(struct store_txn **pt)
{
    struct store_txn *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    arena_free(&t->arena);
    mem_free(t);
}

/* NULL when the transaction is already spoilt. */
static struct store_change *txn_add(struct store_txn *t, enum store_change_kind kind,
                                    const char *table, struct str key)
{
    must(store_table_valid(table));
    struct store_change *c = t->err ? NULL : arena_try_alloc(t->arena, sizeof *c);
    struct str name;
    if (!c || !store_copy(t->arena, str_of(table), STORE_TABLE_MAX, &name) ||
        !store_copy(t->arena, key.p ? key : STR(""), STORE_KEY_MAX, &c->key)) {
        t->err = ERR_LIMIT;
        return NULL;
    }
    c->kind = kind;
    c->table = name.p;
    *t->tail = c;
    t->tail = &c->next;
    return c;
}

static void change_value(struct store_txn *t, struct store_change *c, struct str value)
{
    if (!store_copy(t->arena, value.p ? value : STR(""), STORE_VALUE_MAX, &c->value))
        t->err = ERR_LIMIT;
}

void store_txn_kv_put(struct store_txn *t, const char *table, struct str key, struct str value,
                      uint64_t expect_rev)
{
    struct store_change *c = txn_add(t, CHANGE_KV_PUT, table, key);
    if (!c)
        return;
    c->number = expect_rev;
    change_value(t, c, value);
}

void store_txn_kv_del(struct store_txn *t, const char *table, struct str key, uint64_t expect_rev)
{
    struct store_change *c = txn_add(t, CHANGE_KV_DEL, table, key);
    if (c)
        c->number = expect_rev;
}

void store_txn_map_put(struct store_txn *t, const char *table, struct str key, struct str value)
{
    struct store_change *c = txn_add(t, CHANGE_MAP_PUT, table, key);
    if (c)
        change_value(t, c, value);
}

void store_txn_map_del(struct store_txn *t, const char *table, struct str key)
{
    txn_add(t, CHANGE_MAP_DEL, table, key);
}

void store_txn_log_append(struct store_txn *t, const char *table, struct str id, uint64_t at_us,
                          struct str with, struct str payload)
{
    struct store_change *c = txn_add(t, CHANGE_LOG_APPEND, table, id);
    if (!c)
        return;
    c->number = at_us;
    change_value(t, c, payload);
    if (!store_copy(t->arena, with, STORE_KEY_MAX, &c->with))
        t->err = ERR_LIMIT;
}

void store_txn_log_trim(struct store_txn *t, const char *table, uint64_t upto_seq)
{
    struct store_change *c = txn_add(t, CHANGE_LOG_TRIM, table, STR_NONE);
    if (c)
        c->number = upto_seq;
}
