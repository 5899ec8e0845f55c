#ifndef LIB_STORE_TESTS_ORDER_INT_H
#define LIB_STORE_TESTS_ORDER_INT_H
/* Of the contract of store.h: in which order things happen, what is cancelled, and what is left
 * when calls fail. */
#include "lib/store/tests-suite-int.h"

/* ---- order and cancellation */

static void on_never(void *ctx, enum err e)
{
    (void)e;
    *(bool *)ctx = true;
}

/* Reads asked behind unconfirmed transactions of the same port see them, in whatever amount. */
static void case_read_own_writes(struct suite *t)
{
    suite_forget(t);
    for (unsigned i = 1; i <= 1500; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        struct store_txn *x = store_txn_new(t->port, ALICE);
        store_txn_kv_put(x, TABLE, STR("n"), str_of(value), i - 1);
        store_commit(&x, &t->owner, on_done, t);
        t->pending++;
        if (i % 100 == 0) {
            store_kv_get(t->port, &t->owner, TABLE, ALICE, STR("n"), on_kv, t);
            t->pending++;
        }
    }
    suite_run(t);
    assert_int_equal(t->err, ERR_OK);
    assert_int_equal(t->rows.n, 15);
    for (size_t i = 0; i < t->rows.n; i++)
        assert_true(t->rows.p[i].number >= (i + 1) * 100);
    assert_int_equal(kv_get(t, ALICE, "n"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "1500");
}

/* A transaction that fails beside others takes nothing from them, nor from the reads behind them.
 */
static void case_conflict_beside_others(struct suite *t)
{
    suite_forget(t);
    for (unsigned i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        struct store_txn *good = store_txn_new(t->port, ALICE), *bad = store_txn_new(t->port, BOB);
        store_txn_kv_put(good, TABLE, str_of(key), STR("there"), 0);
        store_txn_kv_put(bad, TABLE, str_of(key), STR("not there"), i % 3 ? 7 : 0);
        store_commit(&good, &t->owner, on_done, t);
        store_commit(&bad, &t->owner, on_done, t);
        store_kv_get(t->port, &t->owner, TABLE, ALICE, str_of(key), on_kv, t);
        t->pending += 3;
    }
    suite_run(t);
    assert_int_equal(t->rows.n, 30);
    assert_int_equal(kv_get(t, BOB, "k0"), ERR_OK);
    assert_int_equal(kv_get(t, BOB, "k1"), ERR_NOTFOUND);
    assert_int_equal(owners(t, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 2);
}

static void case_cancel(struct suite *t)
{
    bool called = false;
    struct op_owner mine;
    op_owner_init(&mine);
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("a"), STR("1"), 0);
    op_cancel(store_commit(&x, &mine, on_never, &called));
    assert_true(op_owner_idle(&mine));
    x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("b"), STR("1"), 0);
    store_commit(&x, &mine, on_never, &called);
    op_owner_cancel_all(&mine);
    assert_true(op_owner_idle(&mine));
    assert_int_equal(kv_put(t, ALICE, "c", "1", 0), ERR_OK); /* behind both */
    suite_settle(t);
    assert_false(called);
    x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("d"), STR("1"), 0);
    store_commit(&x, &mine, on_never, &called);
    store_port_close(&t->port);
    assert_true(op_owner_idle(&mine));
    suite_settle(t);
    t->port = store_port_open(t->store, t->loop);
    assert_int_equal(kv_put(t, ALICE, "e", "1", 0), ERR_OK);
    assert_false(called);
    x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("f"), STR("1"), 0);
    store_commit(&x, NULL, on_never, &called); /* left under way for suite_close */
    assert_false(called);
}

/* ---- faults: whatever call fails, the counters in kv, map and log agree */

static enum err fault_step(struct suite *t, unsigned i)
{
    char number[16];
    snprintf(number, sizeof number, "%u", i);
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("n"), str_of(number), i - 1);
    store_txn_map_put(x, TABLE, str_of(number), str_of(number));
    store_txn_log_append(x, TABLE, str_of(number), i, STR_NONE, str_of(number));
    return commit(t, x);
}

/* What is visible must be the state after exactly i steps. */
static void expect_steps(struct suite *t, unsigned i)
{
    assert_int_equal(kv_get(t, ALICE, "n"), i ? ERR_OK : ERR_NOTFOUND);
    if (i)
        assert_int_equal(t->rev, i);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 100), ERR_OK);
    assert_int_equal(t->rows.n, i);
    assert_int_equal(t->version, i);
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 100}), ERR_OK);
    assert_int_equal(t->rows.n, i);
}

/* Returns false when some call failed, having checked that nothing of it is visible. */
static bool fault_scenario(struct suite *t, unsigned *steps)
{
    enum err e = ERR_OK;
    *steps = 0;
    while (*steps < 3) {
        if ((e = kv_get(t, ALICE, "n")) == ERR_IO || (e = fault_step(t, *steps + 1)))
            break;
        ++*steps;
    }
    if (!e)
        e = acquire(t, STR("n1"), 1, 60000);
    if (!e)
        e = map_read(t, ALICE, STR_NONE, 10);
    if (!e)
        e = log_length(t, ALICE);
    if (!e)
        e = owners(t, STR_NONE, 10);
    if (!e)
        e = release(t, STR("n1"), 1);
    if (e)
        assert_int_equal(e, ERR_IO);
    return e == ERR_OK;
}

static void fault_clean(struct suite *t)
{
    enum err e = acquire(t, STR("n2"), 1, 0); /* held by n1 only where its release failed */
    assert_true(e == ERR_OK || (e == ERR_CONFLICT && strcmp(t->lease.holder, "n1") == 0));
    assert_int_equal(release(t, e ? STR("n1") : STR("n2"), 1), ERR_OK);
}
/* One run of the scenario in which the n-th call fails; false: one did fail. */
static bool fault_once(const char *uri_of_it, struct loop *l, unsigned n)
{
    struct suite t;
    unsigned steps;
    suite_open(&t, uri_of_it, l);
    store_fail_nth(t.store, n);
    bool passed = fault_scenario(&t, &steps);
    store_fail_nth(t.store, 0);
    expect_steps(&t, steps);
    fault_clean(&t);
    suite_close(&t);
    return passed;
}
#endif
