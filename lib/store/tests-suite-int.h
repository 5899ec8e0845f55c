#ifndef LIB_STORE_TESTS_SUITE_INT_H
#define LIB_STORE_TESTS_SUITE_INT_H
/* The contract of store.h as test cases that every driver passes, on both platforms. The including
 * test says how a loop is made and how it runs until nothing is pending. Words: suite = one store
 * with one port and what the last call answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/rand.h"
#include "lib/base/vec.h"
#include "lib/store/store.h"

struct suite_row {
    char *key, *value, *with;
    size_t key_n, value_n;
    uint64_t number, at_us;
};

struct suite {
    const char *uri;
    struct loop *loop;
    struct store *store;
    struct store_port *port;
    struct op_owner owner;
    int pending;
    /* the last answer */
    enum err err;
    uint64_t rev, version, count, bytes;
    struct store_lease lease;
    bool has_lease;
    struct store_row last; /* of a scan; short names only */
    char last_owner[64], last_table[40];
    VEC(struct suite_row) rows;
};

/* Given by the including test. */
static void suite_run(struct suite *t);    /* until t->pending is 0 */
static void suite_settle(struct suite *t); /* let everything that is under way come home */
static void suite_stop(struct suite *t);   /* called when pending becomes 0 */

#define TABLE "things"
#define ALICE STR("alice@example.org")
#define BOB STR("bob@example.org")

static UNUSED void suite_open(struct suite *t, const char *uri, struct loop *l)
{
    char why[200] = "";
    memset(t, 0, sizeof *t);
    t->uri = uri;
    t->loop = l;
    op_owner_init(&t->owner);
    enum err e = store_open(uri, &t->store, why, sizeof why);
    if (e)
        print_error("%s\n", why);
    assert_int_equal(e, ERR_OK);
    t->port = store_port_open(t->store, l);
}

static void suite_forget(struct suite *t)
{
    for (size_t i = 0; i < t->rows.n; i++) {
        mem_free(t->rows.p[i].key);
        mem_free(t->rows.p[i].value);
        mem_free(t->rows.p[i].with);
    }
    t->rows.n = 0;
    t->has_lease = false;
}

static UNUSED void suite_close(struct suite *t)
{
    suite_forget(t);
    vec_fini(&t->rows);
    store_port_close(&t->port);
    store_close(&t->store);
    assert_null(t->port);
    assert_null(t->store);
}

static void answered(struct suite *t, enum err e)
{
    t->err = e;
    if (--t->pending == 0)
        suite_stop(t);
}

static enum err await(struct suite *t)
{
    int before = t->pending++;
    assert_int_equal(before, 0); /* never called back inside the call */
    suite_run(t);
    return t->err;
}

static void row_add(struct suite *t, struct suite_row r, struct str key, struct str value,
                    struct str with)
{
    r.key = str_dup(key);
    r.value = str_dup(value);
    r.with = str_dup(with);
    r.key_n = key.n;
    r.value_n = value.n;
    vec_push(&t->rows, r);
}

static UNUSED void on_kv(void *ctx, enum err e, const struct store_kv *v)
{
    struct suite *t = ctx;
    assert_true((v != NULL) == (e == ERR_OK));
    if (v) {
        t->rev = v->rev;
        row_add(t, (struct suite_row){.number = v->rev}, STR(""), v->value, STR_NONE);
    }
    answered(t, e);
}

static UNUSED void on_map(void *ctx, enum err e, const struct store_entry *entries, size_t n,
                          uint64_t version)
{
    struct suite *t = ctx;
    t->version = version;
    for (size_t i = 0; i < n; i++)
        row_add(t, (struct suite_row){0}, entries[i].key, entries[i].value, STR_NONE);
    answered(t, e);
}

static UNUSED void on_log(void *ctx, enum err e, const struct store_record *r, size_t n)
{
    struct suite *t = ctx;
    for (size_t i = 0; i < n; i++)
        row_add(t, (struct suite_row){.number = r[i].seq, .at_us = r[i].at_us}, r[i].id,
                r[i].payload, r[i].with);
    answered(t, e);
}

static UNUSED void on_owners(void *ctx, enum err e, const struct str *owners, size_t n)
{
    struct suite *t = ctx;
    for (size_t i = 0; i < n; i++)
        row_add(t, (struct suite_row){0}, owners[i], STR(""), STR_NONE);
    answered(t, e);
}

static UNUSED void on_count(void *ctx, enum err e, uint64_t count, uint64_t payload_bytes)
{
    struct suite *t = ctx;
    t->count = count;
    t->bytes = payload_bytes;
    answered(t, e);
}

static UNUSED void on_rows(void *ctx, enum err e, const struct store_row *r, size_t n)
{
    struct suite *t = ctx;
    for (size_t i = 0; i < n; i++)
        row_add(t, (struct suite_row){.number = r[i].number, .at_us = r[i].place}, r[i].key,
                r[i].value, r[i].with);
    t->last = n ? r[n - 1] : (struct store_row){0};
    t->last.value = t->last.with = STR_NONE;
    snprintf(t->last_owner, sizeof t->last_owner, STR_FMT, STR_ARG(t->last.owner));
    snprintf(t->last_table, sizeof t->last_table, STR_FMT, STR_ARG(t->last.table));
    t->last.owner = str_of(t->last_owner);
    t->last.table = str_of(t->last_table);
    if (n) /* the rows are ours, the answer is not */
        t->last.key = str_make(t->rows.p[t->rows.n - 1].key, t->rows.p[t->rows.n - 1].key_n);
    answered(t, e);
}

static UNUSED void on_done(void *ctx, enum err e)
{
    answered(ctx, e);
}

static UNUSED void on_lease(void *ctx, enum err e, const struct store_lease *current)
{
    struct suite *t = ctx;
    t->has_lease = current != NULL;
    if (current)
        t->lease = *current;
    answered(t, e);
}

/* ---- calls that wait for their answer */

/* All rows of a kind, in pages. */
static UNUSED enum err scan_all(struct suite *t, enum store_kind kind, size_t limit)
{
    size_t before;
    suite_forget(t);
    store_scan(t->port, &t->owner, kind, NULL, limit, on_rows, t);
    enum err e = await(t);
    do {
        before = t->rows.n;
        if (e || !before)
            break;
        store_scan(t->port, &t->owner, kind, &t->last, limit, on_rows, t);
        e = await(t);
    } while (t->rows.n > before);
    return e;
}

static UNUSED enum err load_rows(struct suite *t, const struct store_row *rows, size_t n)
{
    store_load(t->port, &t->owner, rows, n, on_done, t);
    return await(t);
}

static UNUSED enum err kv_get(struct suite *t, struct str owner, const char *key)
{
    suite_forget(t);
    store_kv_get(t->port, &t->owner, TABLE, owner, str_of(key), on_kv, t);
    return await(t);
}

static UNUSED enum err map_read(struct suite *t, struct str owner, struct str from, size_t limit)
{
    suite_forget(t);
    store_map_read(t->port, &t->owner, TABLE, owner, from, limit, on_map, t);
    return await(t);
}

static UNUSED enum err log_read(struct suite *t, struct str owner, struct store_log_range range)
{
    suite_forget(t);
    store_log_read(t->port, &t->owner, TABLE, owner, &range, on_log, t);
    return await(t);
}

static UNUSED enum err log_length(struct suite *t, struct str owner)
{
    store_log_count(t->port, &t->owner, TABLE, owner, on_count, t);
    return await(t);
}

static UNUSED enum err owners(struct suite *t, struct str after, size_t limit)
{
    suite_forget(t);
    store_owners(t->port, &t->owner, TABLE, after, limit, on_owners, t);
    return await(t);
}

static enum err commit(struct suite *t, struct store_txn *x)
{
    store_commit(&x, &t->owner, on_done, t);
    assert_null(x);
    return await(t);
}

static UNUSED enum err acquire(struct suite *t, struct str holder, uint64_t incarnation,
                               uint64_t ttl_ms)
{
    store_lease_acquire(t->port, &t->owner, STR("room@muc"), holder, incarnation, ttl_ms, on_lease,
                        t);
    return await(t);
}

static UNUSED enum err release(struct suite *t, struct str holder, uint64_t incarnation)
{
    store_lease_release(t->port, &t->owner, STR("room@muc"), holder, incarnation, on_done, t);
    return await(t);
}

static UNUSED enum err kv_put(struct suite *t, struct str owner, const char *key, const char *value,
                              uint64_t rev)
{
    struct store_txn *x = store_txn_new(t->port, owner);
    store_txn_kv_put(x, TABLE, str_of(key), str_of(value), rev);
    return commit(t, x);
}

static UNUSED enum err kv_del(struct suite *t, struct str owner, const char *key, uint64_t rev)
{
    struct store_txn *x = store_txn_new(t->port, owner);
    store_txn_kv_del(x, TABLE, str_of(key), rev);
    return commit(t, x);
}

static UNUSED enum err append(struct suite *t, struct str owner, const char *id, uint64_t at_us)
{
    struct store_txn *x = store_txn_new(t->port, owner);
    store_txn_log_append(x, TABLE, str_of(id), at_us, STR("peer@example.net"), STR("<message/>"));
    return commit(t, x);
}
#endif
