/* The store suite on the real platform: every case for mem and for sqlite in a temporary directory;
 * then what needs threads and processes: four shards at once, kill -9 during commits, reopening,
 * schema versions. */
#include "lib/store/tests-threads-int.h"

#include <sys/stat.h>

#include "lib/store/sqlite-int.h"

static char dir[] = "/tmp/meridian-store-XXXXXX";

static void suite_run(struct suite *t)
{
    if (t->pending)
        loop_run(t->loop);
    assert_int_equal(t->pending, 0);
}

static void suite_stop(struct suite *t)
{
    loop_stop(t->loop);
}

/* Whatever is under way is ahead of this read, which goes to the writer or finds nothing
 * unconfirmed. */
static void suite_settle(struct suite *t)
{
    if (t->port)
        kv_get(t, STR("nobody"), "nothing");
}

static const char *path_of(const char *u)
{
    return u + strlen("sqlite:");
}

static void suite_clear(void)
{
    char name[sizeof uri + 8];
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(name, sizeof name, "%s%s", path_of(uri), tails[i]);
        unlink(name);
    }
}

static void on_both(void (*fn)(struct suite *t))
{
    const char *uris[] = {"mem:", uri};
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        struct suite t;
        struct loop *l = loop_new("test/0", 0);
        suite_clear();
        suite_open(&t, uris[i], l);
        fn(&t);
        suite_close(&t);
        loop_free(&l);
    }
}

#define BOTH(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_both(case_##name);                                                                      \
    }
SUITE_CASES(BOTH)

static bool one_fault(const char *u, unsigned n)
{
    struct loop *l = loop_new("test/0", 0);
    suite_clear();
    bool passed = fault_once(u, l, n);
    loop_free(&l);
    return passed;
}

static void test_faults(void **state)
{
    const char *uris[] = {"mem:", uri};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        unsigned n = 1;
        while (!one_fault(uris[i], n))
            n++;
        assert_int_equal(n, 12); /* the scenario has eleven calls */
    }
}

static void test_four_shards(void **state)
{
    (void)state;
    suite_clear();
    four_on("mem:");
    four_on(uri);
}

static void test_kill_during_commits(void **state)
{
    (void)state;
    kill_during_commits();
}

/* ---- tables in several places */

static void sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of(uri), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_routes(void **state)
{
    static const char *const tables[] = {"others", "more", NULL}, *const wrong[] = {"N0", NULL};
    const struct store_place main_place = {.uri = "mem:"}, other = {.uri = uri};
    const struct store_route routes[] = {{tables, other}, {tables, other}, {wrong, other}};
    struct suite t = {.uri = uri};
    char why[200];
    (void)state;
    suite_clear();
    assert_int_equal(store_open_at(&main_place, routes, 2, &t.store, why, sizeof why), ERR_INVALID);
    assert_non_null(strstr(why, "\"others\" is routed twice"));
    assert_int_equal(store_open_at(&main_place, routes + 2, 1, &t.store, why, sizeof why),
                     ERR_INVALID);
    assert_int_equal(store_open_at(&main_place, routes, 1, &t.store, why, sizeof why), ERR_OK);
    t.loop = loop_new("test/0", 0);
    op_owner_init(&t.owner);
    t.port = store_port_open(t.store, t.loop);
    assert_int_equal(kv_put(&t, ALICE, "k", "in memory", 0), ERR_OK);
    struct store_txn *x = store_txn_new(t.port, ALICE);
    store_txn_kv_put(x, "others", STR("k"), STR("in the file"), 0);
    store_txn_map_put(x, "more", STR("k"), STR("too"));
    assert_int_equal(commit(&t, x), ERR_OK);
    x = store_txn_new(t.port, ALICE); /* not one transaction */
    store_txn_kv_put(x, "others", STR("k"), STR("no"), STORE_REV_ANY);
    store_txn_kv_put(x, TABLE, STR("k"), STR("no"), STORE_REV_ANY);
    assert_int_equal(commit(&t, x), ERR_INVALID);
    assert_int_equal(kv_get(&t, ALICE, "k"), ERR_OK);
    assert_string_equal(t.rows.p[0].value, "in memory");
    suite_close(&t);
    loop_free(&t.loop);
    sql("SELECT 1 / (count(*) = 1) FROM kv WHERE value = 'in the file'");
    sql("SELECT 1 / (count(*) = 1) FROM map WHERE tbl = 'more'");
    sql("SELECT 1 / (count(*) = 0) FROM kv WHERE tbl = 'things'");
}

/* ---- the file */

static void test_reopen(void **state)
{
    struct suite t;
    struct stat st;
    struct loop *l = loop_new("test/0", 0);
    (void)state;
    suite_clear();
    suite_open(&t, uri, l);
    assert_int_equal(kv_put(&t, ALICE, "a", "kept", 0), ERR_OK);
    suite_close(&t);
    assert_int_equal(stat(path_of(uri), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    suite_open(&t, uri, l);
    assert_int_equal(kv_get(&t, ALICE, "a"), ERR_OK);
    assert_string_equal(t.rows.p[0].value, "kept");
    suite_close(&t);
    sql("SELECT 1 / (count(*) = 1) FROM kv WHERE owner = 'alice@example.org' AND value = 'kept'");
    loop_free(&l);
}

static void expect_pragma(struct sqlite_db *d, const char *text, const char *want)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(d->db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), want);
    sqlite3_finalize(st);
}

/* What durability against power loss rests on; a test cannot cut the power. */
static void test_durable_settings(void **state)
{
    struct sqlite_db *d;
    char why[200];
    (void)state;
    suite_clear();
    assert_int_equal(sqlite_db_open(path_of(uri), true, &d, why, sizeof why), ERR_OK);
    expect_pragma(d, "PRAGMA journal_mode", "wal");
    expect_pragma(d, "PRAGMA synchronous", "2");
    sqlite_db_close(&d);
}

static void test_refuses(void **state)
{
    char why[200] = "";
    struct store *s = NULL;
    (void)state;
    suite_clear();
    sql("PRAGMA user_version = 900");
    assert_int_equal(store_open(uri, &s, why, sizeof why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "schema version 900"));
    suite_clear();
    FILE *f = fopen(path_of(uri), "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    assert_int_equal(store_open(uri, &s, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "not a database"));
    assert_int_equal(store_open("sqlite:/nonexistent/x.db", &s, why, sizeof why), ERR_NOTFOUND);
    assert_non_null(strstr(why, "/nonexistent/x.db"));
    assert_int_equal(store_open("sqlite::memory:", &s, why, sizeof why), ERR_INVALID);
    assert_null(s);
    suite_clear();
}

int main(void)
{
#define UNIT(name) cmocka_unit_test(test_##name),
    const struct CMUnitTest tests[] = {
        SUITE_CASES(UNIT) cmocka_unit_test(test_faults),
        cmocka_unit_test(test_four_shards),
        cmocka_unit_test(test_kill_during_commits),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_durable_settings),
        cmocka_unit_test(test_refuses),
    };
    if (!mkdtemp(dir))
        return 1;
    snprintf(uri, sizeof uri, "sqlite:%s/store.db", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    suite_clear();
    rmdir(dir);
    return failed;
}
