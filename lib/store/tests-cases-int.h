#ifndef LIB_STORE_TESTS_CASES_INT_H
#define LIB_STORE_TESTS_CASES_INT_H
/* The contract of store.h as test cases that every driver passes, on both platforms. */
#include "lib/store/tests-order-int.h"

/* ---- kv */

static void case_kv(struct suite *t)
{
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_NOTFOUND);
    assert_int_equal(kv_put(t, ALICE, "a", "one", 0), ERR_OK);
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "one");
    assert_int_equal(t->rev, 1);
    assert_int_equal(kv_put(t, ALICE, "a", "two", STORE_REV_ANY), ERR_OK);
    assert_int_equal(kv_put(t, ALICE, "a", "three", 2), ERR_OK);
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "three");
    assert_int_equal(t->rev, 3);
    assert_int_equal(kv_get(t, BOB, "a"), ERR_NOTFOUND);
    assert_int_equal(kv_get(t, ALICE, "b"), ERR_NOTFOUND);
    assert_int_equal(kv_del(t, ALICE, "a", 3), ERR_OK);
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_NOTFOUND);
    assert_int_equal(kv_del(t, ALICE, "a", STORE_REV_ANY), ERR_OK);
    assert_int_equal(kv_put(t, ALICE, "a", "", 0), ERR_OK);
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_OK);
    assert_int_equal(t->rows.p[0].value_n, 0);
    assert_int_equal(t->rev, 1);
}

static void case_kv_conflicts(struct suite *t)
{
    static const struct {
        uint64_t expect;
        enum err put, del;
    } cases[] = {{0, ERR_CONFLICT, ERR_CONFLICT},
                 {1, ERR_CONFLICT, ERR_CONFLICT},
                 {3, ERR_CONFLICT, ERR_CONFLICT}};
    assert_int_equal(kv_put(t, ALICE, "a", "x", 1), ERR_CONFLICT);
    assert_int_equal(kv_del(t, ALICE, "a", 1), ERR_CONFLICT);
    assert_int_equal(kv_del(t, ALICE, "a", 0), ERR_OK);
    assert_int_equal(kv_put(t, ALICE, "a", "one", 0), ERR_OK);
    assert_int_equal(kv_put(t, ALICE, "a", "two", 1), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(kv_put(t, ALICE, "a", "no", cases[i].expect), cases[i].put);
        assert_int_equal(kv_del(t, ALICE, "a", cases[i].expect), cases[i].del);
    }
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "two");
    assert_int_equal(t->rev, 2);
}

/* Within one transaction later changes see earlier ones. */
static void case_txn_sequence(struct suite *t)
{
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("a"), STR("one"), 0);
    store_txn_kv_put(x, TABLE, STR("a"), STR("two"), 1);
    store_txn_kv_del(x, TABLE, STR("b"), 0);
    store_txn_log_append(x, TABLE, STR("id1"), 5, STR_NONE, STR("p1"));
    store_txn_log_append(x, TABLE, STR("id2"), 6, STR(""), STR("p2"));
    assert_int_equal(commit(t, x), ERR_OK);
    assert_int_equal(kv_get(t, ALICE, "a"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "two");
    assert_int_equal(t->rev, 2);
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 10}), ERR_OK);
    assert_int_equal(t->rows.n, 2);
    assert_null(t->rows.p[0].with);
    assert_string_equal(t->rows.p[1].with, "");
    x = store_txn_new(t->port, ALICE);
    assert_int_equal(commit(t, x), ERR_OK); /* empty */
    x = store_txn_new(t->port, ALICE);
    store_txn_drop(&x);
    assert_null(x);
}

/* ---- atomicity */

static struct store_txn *mixed_txn(struct suite *t)
{
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("k"), STR("new"), STORE_REV_ANY);
    store_txn_map_put(x, TABLE, STR("m1"), STR("new"));
    store_txn_map_del(x, TABLE, STR("m0"));
    store_txn_log_append(x, TABLE, STR("id-new"), 9, STR_NONE, STR("new"));
    store_txn_log_trim(x, TABLE, UINT64_MAX);
    return x;
}

static void expect_before_mixed(struct suite *t)
{
    assert_int_equal(kv_get(t, ALICE, "k"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "old");
    assert_int_equal(t->rev, 1);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_string_equal(t->rows.p[0].key, "m0");
    assert_int_equal(t->version, 1);
    assert_int_equal(log_length(t, ALICE), ERR_OK);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->bytes, 3);
}

static void case_atomic(struct suite *t)
{
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("k"), STR("old"), 0);
    store_txn_map_put(x, TABLE, STR("m0"), STR("old"));
    store_txn_log_append(x, TABLE, STR("id-old"), 1, STR_NONE, STR("old"));
    assert_int_equal(commit(t, x), ERR_OK);

    x = mixed_txn(t);
    store_txn_kv_put(x, TABLE, STR("k"), STR("x"), 7);
    assert_int_equal(commit(t, x), ERR_CONFLICT);
    expect_before_mixed(t);
    x = mixed_txn(t); /* trims id-old, so only its own id is there twice */
    store_txn_log_append(x, TABLE, STR("other"), 2, STR_NONE, STR("x"));
    store_txn_log_append(x, TABLE, STR("other"), 2, STR_NONE, STR("x"));
    assert_int_equal(commit(t, x), ERR_EXISTS);
    expect_before_mixed(t);
    store_fail_nth(t->store, 1);
    assert_int_equal(commit(t, mixed_txn(t)), ERR_IO);
    expect_before_mixed(t);

    assert_int_equal(commit(t, mixed_txn(t)), ERR_OK);
    assert_int_equal(kv_get(t, ALICE, "k"), ERR_OK);
    assert_string_equal(t->rows.p[0].value, "new");
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_string_equal(t->rows.p[0].key, "m1");
    assert_int_equal(t->version, 2); /* once a transaction */
    assert_int_equal(log_length(t, ALICE), ERR_OK);
    assert_int_equal(t->count, 0);
}

/* ---- map */

static void case_map(struct suite *t)
{
    static const char *const keys[] = {"b", "a", "ab", "c", "aa"};
    static const char *const sorted[] = {"a", "aa", "ab", "b", "c"};
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 0);
    assert_int_equal(t->version, 0);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct store_txn *x = store_txn_new(t->port, ALICE);
        store_txn_map_put(x, TABLE, str_of(keys[i]), str_of(keys[i]));
        assert_int_equal(commit(t, x), ERR_OK);
    }
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 5);
    assert_int_equal(t->version, 5);
    for (size_t i = 0; i < t->rows.n; i++)
        assert_string_equal(t->rows.p[i].key, sorted[i]);
    assert_int_equal(map_read(t, ALICE, STR("aa"), 2), ERR_OK);
    assert_int_equal(t->rows.n, 2);
    assert_string_equal(t->rows.p[0].key, "aa");
    assert_string_equal(t->rows.p[1].key, "ab");
    assert_int_equal(map_read(t, ALICE, STR("d"), 2), ERR_OK);
    assert_int_equal(t->rows.n, 0);
    assert_int_equal(t->version, 5);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 0), ERR_OK);
    assert_int_equal(t->rows.n, 0);
    assert_int_equal(map_read(t, BOB, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->version, 0);
}

static void case_map_version(struct suite *t)
{
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_map_del(x, TABLE, STR("absent"));
    store_txn_kv_put(x, TABLE, STR("k"), STR("v"), 0);
    assert_int_equal(commit(t, x), ERR_OK);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->version, 0);
    x = store_txn_new(t->port, ALICE);
    store_txn_map_put(x, TABLE, STR("a"), STR("1"));
    store_txn_map_put(x, "others", STR("a"), STR("1"));
    store_txn_map_put(x, TABLE, STR("b"), STR("1"));
    assert_int_equal(commit(t, x), ERR_OK);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->version, 1);
    x = store_txn_new(t->port, ALICE);
    store_txn_map_del(x, TABLE, STR("a"));
    store_txn_map_del(x, TABLE, STR("b"));
    assert_int_equal(commit(t, x), ERR_OK);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 0);
    assert_int_equal(t->version, 2); /* stays when all keys are gone */
}

/* ---- log */

static void case_log_ids(struct suite *t)
{
    assert_int_equal(append(t, ALICE, "id1", 10), ERR_OK);
    assert_int_equal(append(t, ALICE, "id1", 11), ERR_EXISTS);
    assert_int_equal(append(t, BOB, "id1", 12), ERR_OK);
    assert_int_equal(append(t, ALICE, "id2", 13), ERR_OK);
    assert_int_equal(log_length(t, ALICE), ERR_OK);
    assert_int_equal(t->count, 2);
    assert_int_equal(t->bytes, 2 * strlen("<message/>"));
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 10}), ERR_OK);
    assert_int_equal(t->rows.n, 2);
    assert_string_equal(t->rows.p[0].key, "id1");
    assert_int_equal(t->rows.p[0].at_us, 10);
    assert_string_equal(t->rows.p[0].value, "<message/>");
    assert_string_equal(t->rows.p[0].with, "peer@example.net");
    assert_string_equal(t->rows.p[1].key, "id2");
    assert_int_equal(log_length(t, STR("nobody")), ERR_OK);
    assert_int_equal(t->count, 0);
}

/* Page through all of it, checking order and completeness; returns the records seen. */
static size_t page_through(struct suite *t, bool newest_first, size_t limit)
{
    struct store_log_range g = {.newest_first = newest_first, .limit = limit};
    size_t seen = 0;
    for (;;) {
        assert_int_equal(log_read(t, ALICE, g), ERR_OK);
        for (size_t i = 0; i < t->rows.n; i++) {
            char id[16];
            snprintf(id, sizeof id, "id%zu", newest_first ? 19 - seen : seen);
            assert_string_equal(t->rows.p[i].key, id);
            seen++;
        }
        if (t->rows.n < limit)
            return seen;
        uint64_t last = t->rows.p[t->rows.n - 1].number;
        *(newest_first ? &g.before : &g.after) = last;
    }
}

static void case_log_paging(struct suite *t)
{
    uint64_t seqs[20];
    for (unsigned i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%u", i);
        assert_int_equal(append(t, ALICE, id, i), ERR_OK);
        assert_int_equal(append(t, BOB, id, i), ERR_OK);
    }
    assert_int_equal(page_through(t, false, 7), 20);
    assert_int_equal(page_through(t, true, 7), 20);
    assert_int_equal(page_through(t, false, 1), 20);
    assert_int_equal(page_through(t, true, 1000), 20);
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 20}), ERR_OK);
    for (size_t i = 0; i < 20; i++)
        seqs[i] = t->rows.p[i].number;
    for (int down = 0; down < 2; down++) {
        struct store_log_range g = {seqs[4], seqs[8], down != 0, 10};
        assert_int_equal(log_read(t, ALICE, g), ERR_OK);
        assert_int_equal(t->rows.n, 3);
        assert_int_equal(t->rows.p[down ? 2 : 0].number, seqs[5]);
        assert_int_equal(t->rows.p[down ? 0 : 2].number, seqs[7]);
    }
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.after = UINT64_MAX, .limit = 5}),
                     ERR_OK);
    assert_int_equal(t->rows.n, 0);
}

static void case_log_trim(struct suite *t)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(append(t, ALICE, i == 0 ? "a" : i == 1 ? "b" : "c", 1), ERR_OK);
    assert_int_equal(append(t, BOB, "a", 1), ERR_OK);
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 5}), ERR_OK);
    uint64_t second = t->rows.p[1].number, last = t->rows.p[2].number;
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_log_trim(x, TABLE, second);
    assert_int_equal(commit(t, x), ERR_OK);
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 5}), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_string_equal(t->rows.p[0].key, "c");
    x = store_txn_new(t->port, ALICE);
    store_txn_log_trim(x, TABLE, UINT64_MAX);
    assert_int_equal(commit(t, x), ERR_OK);
    assert_int_equal(append(t, ALICE, "a", 2),
                     ERR_OK); /* its id is free again, its number is not */
    assert_int_equal(log_read(t, ALICE, (struct store_log_range){.limit = 5}), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_true(t->rows.p[0].number > last);
    assert_int_equal(log_length(t, BOB), ERR_OK);
    assert_int_equal(t->count, 1);
}

/* ---- lease */

static void case_lease(struct suite *t)
{
    uint64_t before = clock_wall_us();
    assert_int_equal(acquire(t, STR("n1"), 5, 60000), ERR_OK);
    assert_true(t->has_lease);
    assert_string_equal(t->lease.holder, "n1");
    assert_true(t->lease.expires_wall_us >= before + 60000000);
    assert_int_equal(acquire(t, STR("n1"), 5, 90000), ERR_OK); /* renewed */
    assert_true(t->lease.expires_wall_us >= before + 90000000);
    assert_int_equal(acquire(t, STR("n2"), 9, 60000), ERR_CONFLICT);
    assert_string_equal(t->lease.holder, "n1");
    assert_int_equal(t->lease.incarnation, 5);
    assert_int_equal(acquire(t, STR("n1"), 4, 60000),
                     ERR_CONFLICT); /* an older incarnation of the same node */
    assert_int_equal(t->lease.incarnation, 5);
    assert_int_equal(acquire(t, STR("n1"), 6, 60000), ERR_OK); /* a newer one takes it over */
    assert_int_equal(release(t, STR("n1"), 5), ERR_CONFLICT);
    assert_int_equal(release(t, STR("n2"), 6), ERR_CONFLICT);
    assert_int_equal(release(t, STR("n1"), 6), ERR_OK);
    assert_int_equal(release(t, STR("n1"), 6), ERR_OK);
    assert_int_equal(acquire(t, STR("n2"), 1, 0), ERR_OK); /* over at once */
    assert_int_equal(acquire(t, STR("n3"), 1, 60000), ERR_OK);
    assert_string_equal(t->lease.holder, "n3");
    assert_int_equal(acquire(t, STR("n3"), UINT64_MAX, 60000), ERR_OK);
    assert_true(t->lease.incarnation == UINT64_MAX);
    char longest[65];
    memset(longest, 'h', sizeof longest);
    assert_int_equal(acquire(t, str_make(longest, 64), 1, 1), ERR_LIMIT);
    assert_false(t->has_lease);
}

/* ---- any byte, limits, owners */

static void case_any_byte(struct suite *t)
{
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct str s = str_make(all, sizeof all);
    struct store_txn *x = store_txn_new(t->port, s);
    store_txn_kv_put(x, TABLE, s, s, 0);
    store_txn_map_put(x, TABLE, STR("\0"), s);
    store_txn_map_put(x, TABLE, STR("\0\0"), STR("\0"));
    store_txn_map_put(x, TABLE, STR("\xff"), STR("\0x"));
    store_txn_map_put(x, TABLE, STR(""), STR("e"));
    store_txn_log_append(x, TABLE, s, 1, s, s);
    assert_int_equal(commit(t, x), ERR_OK);
    suite_forget(t);
    store_kv_get(t->port, &t->owner, TABLE, s, s, on_kv, t);
    assert_int_equal(await(t), ERR_OK);
    assert_int_equal(t->rows.p[0].value_n, 256);
    assert_memory_equal(t->rows.p[0].value, all, 256);
    assert_int_equal(map_read(t, s, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 4);
    assert_int_equal(t->rows.p[0].key_n, 0);
    assert_int_equal(t->rows.p[1].key_n, 1);
    assert_int_equal(t->rows.p[2].key_n, 2);
    assert_int_equal(t->rows.p[2].value_n, 1);
    assert_memory_equal(t->rows.p[3].key, "\xff", 1);
    assert_memory_equal(t->rows.p[3].value, "\0x", 2);
    assert_int_equal(map_read(t, s, STR("\0\0"), 10), ERR_OK);
    assert_int_equal(t->rows.n, 2);
    assert_int_equal(log_read(t, s, (struct store_log_range){.limit = 10}), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_memory_equal(t->rows.p[0].key, all, 256);
    assert_memory_equal(t->rows.p[0].value, all, 256);
    assert_int_equal(log_length(t, s), ERR_OK);
    assert_int_equal(t->bytes, 256);
}

static void case_limits(struct suite *t)
{
    char *big = mem_alloc(STORE_VALUE_MAX + 1);
    memset(big, 'x', STORE_VALUE_MAX + 1);
    struct store_txn *x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, str_make(big, STORE_KEY_MAX), str_make(big, STORE_VALUE_MAX), 0);
    assert_int_equal(commit(t, x), ERR_OK);
    suite_forget(t);
    store_kv_get(t->port, &t->owner, TABLE, ALICE, str_make(big, STORE_KEY_MAX), on_kv, t);
    assert_int_equal(await(t), ERR_OK);
    assert_int_equal(t->rows.p[0].value_n, STORE_VALUE_MAX);
    x = store_txn_new(t->port, ALICE);
    store_txn_kv_put(x, TABLE, STR("ok"), STR("ok"), 0);
    store_txn_kv_put(x, TABLE, STR("big"), str_make(big, STORE_VALUE_MAX + 1), 0);
    assert_int_equal(commit(t, x), ERR_LIMIT);
    assert_int_equal(kv_get(t, ALICE, "ok"), ERR_NOTFOUND);
    x = store_txn_new(t->port, str_make(big, STORE_KEY_MAX + 1));
    store_txn_kv_put(x, TABLE, STR("ok"), STR("ok"), 0);
    assert_int_equal(commit(t, x), ERR_LIMIT);
    x = store_txn_new(t->port, ALICE); /* a transaction is bounded as a whole */
    for (int i = 0; i < 65; i++)
        store_txn_map_put(x, TABLE, STR("k"), str_make(big, STORE_VALUE_MAX));
    assert_int_equal(commit(t, x), ERR_LIMIT);
    suite_forget(t);
    store_kv_get(t->port, &t->owner, TABLE, ALICE, str_make(big, STORE_KEY_MAX + 1), on_kv, t);
    assert_int_equal(await(t), ERR_LIMIT);
    mem_free(big);
    char why[100];
    struct store *s = NULL;
    assert_int_equal(store_open("cloud:9", &s, why, sizeof why), ERR_INVALID);
    assert_non_null(strstr(why, "cloud:9"));
    assert_null(s);
}

/* Names of the greatest length that no compression makes short, in their order. */
static void case_long_keys(struct suite *t)
{
    char key[STORE_KEY_MAX], owner[STORE_KEY_MAX];
    rand_bytes(owner, sizeof owner);
    rand_bytes(key, sizeof key);
    struct str o = str_make(owner, sizeof owner), k = str_make(key, sizeof key);
    for (int i = 9; i >= 0; i--) { /* alike in all but the last byte */
        key[sizeof key - 1] = (char)('0' + i);
        struct store_txn *x = store_txn_new(t->port, o);
        store_txn_map_put(x, TABLE, k, STR("v"));
        store_txn_kv_put(x, TABLE, k, STR("v"), 0);
        store_txn_log_append(x, TABLE, k, 1, k, STR("v"));
        assert_int_equal(commit(t, x), ERR_OK);
    }
    key[sizeof key - 1] = '4';
    assert_int_equal(map_read(t, o, k, 10), ERR_OK);
    assert_int_equal(t->rows.n, 6);
    for (size_t i = 0; i < t->rows.n; i++)
        assert_int_equal(t->rows.p[i].key[sizeof key - 1], '4' + (int)i);
    suite_forget(t);
    store_kv_get(t->port, &t->owner, TABLE, o, k, on_kv, t);
    assert_int_equal(await(t), ERR_OK);
    assert_int_equal(log_length(t, o), ERR_OK);
    assert_int_equal(t->count, 10);
    assert_int_equal(owners(t, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_memory_equal(t->rows.p[0].key, owner, sizeof owner);
}

static void case_owners(struct suite *t)
{
    static const char *const names[] = {"c@x", "a@x", "b@x"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(kv_put(t, str_of(names[i]), "k1", "v", 0), ERR_OK);
        assert_int_equal(kv_put(t, str_of(names[i]), "k2", "v", 0), ERR_OK);
    }
    assert_int_equal(append(t, STR("a@log-only"), "id", 1), ERR_OK);
    assert_int_equal(owners(t, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->rows.n, 3);
    assert_string_equal(t->rows.p[0].key, "a@x");
    assert_string_equal(t->rows.p[2].key, "c@x");
    assert_int_equal(owners(t, STR("a@x"), 1), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_string_equal(t->rows.p[0].key, "b@x");
    assert_int_equal(kv_del(t, STR("b@x"), "k1", STORE_REV_ANY), ERR_OK);
    assert_int_equal(kv_del(t, STR("b@x"), "k2", STORE_REV_ANY), ERR_OK);
    assert_int_equal(owners(t, STR("a@x"), 10), ERR_OK);
    assert_int_equal(t->rows.n, 1);
    assert_string_equal(t->rows.p[0].key, "c@x");
}

/* ---- rows as they are */

static void case_rows(struct suite *t)
{
    const struct store_row rows[] = {
        {STORE_KV, STR(TABLE), ALICE, STR("k"), STR("v\0x"), STR_NONE, 7, 0},
        {STORE_KV, STR(TABLE), BOB, STR(""), STR(""), STR_NONE, 1, 0},
        {STORE_KV, STR("others"), ALICE, STR("k"), STR("o"), STR_NONE, 2, 0},
        {STORE_MAP, STR(TABLE), ALICE, STR("a"), STR("1"), STR_NONE, 0, 0},
        {STORE_MAP, STR(TABLE), ALICE, STR("b"), STR("2"), STR_NONE, 0, 0},
        {STORE_MAP_VERSION, STR(TABLE), ALICE, STR(""), STR_NONE, STR_NONE, 9, 0},
        {STORE_LOG, STR(TABLE), BOB, STR("id2"), STR("p2"), STR("w"), 22, 5000},
        {STORE_LOG, STR(TABLE), ALICE, STR("id1"), STR("p1"), STR_NONE, 11, 4000},
    };
    static const size_t counts[STORE_KINDS] = {3, 2, 1, 2};
    assert_int_equal(load_rows(t, rows, ARRAY_LEN(rows)), ERR_OK);
    for (int kind = 0; kind < STORE_KINDS; kind++)
        for (size_t limit = 1; limit < 5; limit++) {
            assert_int_equal(scan_all(t, (enum store_kind)kind, limit), ERR_OK);
            assert_int_equal(t->rows.n, counts[kind]);
        }
    assert_int_equal(kv_get(t, ALICE, "k"), ERR_OK);
    assert_int_equal(t->rev, 7);
    assert_int_equal(t->rows.p[0].value_n, 3);
    assert_int_equal(map_read(t, ALICE, STR_NONE, 10), ERR_OK);
    assert_int_equal(t->version, 9);
    assert_int_equal(log_read(t, BOB, (struct store_log_range){.limit = 10}), ERR_OK);
    assert_int_equal(t->rows.p[0].number, 5000);
    assert_int_equal(t->rows.p[0].at_us, 22);
    assert_string_equal(t->rows.p[0].with, "w");
    assert_int_equal(append(t, BOB, "id3", 33), ERR_OK); /* behind what was loaded */
    assert_int_equal(log_read(t, BOB, (struct store_log_range){.limit = 10}), ERR_OK);
    assert_int_equal(t->rows.n, 2);
    assert_true(t->rows.p[1].number > 5000);
    struct store_row more[] = {rows[0], rows[6]}; /* all or none */
    more[0].key = STR("new");
    assert_int_equal(load_rows(t, more, 2), ERR_EXISTS);
    assert_int_equal(kv_get(t, ALICE, "new"), ERR_NOTFOUND);
    more[1] = rows[5];
    assert_int_equal(load_rows(t, more, 2), ERR_EXISTS);
    store_fail_nth(t->store, 1);
    assert_int_equal(load_rows(t, more, 1), ERR_IO);
    assert_int_equal(scan_all(t, STORE_KV, 1000), ERR_OK);
    assert_int_equal(t->rows.n, 3);
}

#define SUITE_CASES(X)                                                                             \
    X(kv)                                                                                          \
    X(kv_conflicts)                                                                                \
    X(txn_sequence)                                                                                \
    X(atomic)                                                                                      \
    X(map)                                                                                         \
    X(map_version)                                                                                 \
    X(log_ids)                                                                                     \
    X(log_paging)                                                                                  \
    X(log_trim)                                                                                    \
    X(lease)                                                                                       \
    X(any_byte)                                                                                    \
    X(limits)                                                                                      \
    X(long_keys)                                                                                   \
    X(owners)                                                                                      \
    X(rows)                                                                                        \
    X(read_own_writes)                                                                             \
    X(conflict_beside_others)                                                                      \
    X(cancel)
#endif
