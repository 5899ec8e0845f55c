/* All data of 20,000 accounts from SQLite to PostgreSQL and back: both files are the same row by
 * row at the end, revisions, versions and sequence numbers included. */
#include "lib/store/tests-pg-rig-int.h"

#include "lib/store/sqlite-int.h"

enum { ACCOUNTS = 20000, BATCH = 500 };

static char first[160], second[160];
static unsigned calls;

static void sqlite_run_text(const char *path, const char *text)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(db);
}

static struct store_txn *account(struct store_port *p, unsigned i)
{
    char name[40], text[300];
    snprintf(name, sizeof name, "user%u@example.org", i);
    struct store_txn *t = store_txn_new(p, str_of(name));
    static const char *const keys[] = {"scram-sha-1", "scram-sha-256", "scram-sha-512", "created"};
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        snprintf(text, sizeof text, "%s of %s", keys[k], name);
        store_txn_kv_put(t, "accounts", str_of(keys[k]), str_of(text), 0);
    }
    for (unsigned k = 0; k < i % 4; k++) {
        snprintf(text, sizeof text, "user%u@example.org", i + k + 1);
        store_txn_map_put(t, "roster", str_of(text), STR("<item subscription='both'/>"));
    }
    for (unsigned k = 0; k < i % 3; k++) {
        snprintf(text, sizeof text, "trace-%u-%u", i, k);
        store_txn_log_append(t, "offline", str_of(text), 1000000 + i, str_of(name),
                             k ? STR("<message/>") : STR("\0\xff binary"));
    }
    return t;
}

static void make_accounts(const char *path)
{
    char text[200];
    struct suite t = {0};
    snprintf(text, sizeof text, "sqlite:%s", path);
    struct loop *l = loop_new("test/0", 0);
    suite_open(&t, text, l);
    for (unsigned i = 0; i < ACCOUNTS; i += BATCH) {
        for (unsigned k = i; k < i + BATCH; k++) {
            struct store_txn *x = account(t.port, k);
            store_commit(&x, &t.owner, on_done, &t);
            t.pending++;
        }
        suite_run(&t);
        assert_int_equal(t.err, ERR_OK);
    }
    struct store_txn *x = store_txn_new(t.port, STR("user7@example.org")); /* numbers with gaps */
    store_txn_kv_put(x, "accounts", STR("created"), STR("again"), 1);
    store_txn_map_del(x, "roster", STR("user8@example.org"));
    assert_int_equal(commit(&t, x), ERR_OK);
    suite_close(&t);
    loop_free(&l);
}

static void on_page(void *ctx, const struct store_copied *c)
{
    struct store_copied *last = ctx;
    for (int i = 0; i < STORE_KINDS; i++)
        assert_true(c->rows[i] >= last->rows[i]);
    *last = *c;
    calls++;
}

static void copy(const char *from, const char *to)
{
    char why[300] = "";
    struct store_copied last = {.bytes = 0};
    struct store_place a = {.uri = from}, b = {.uri = to};
    uint64_t start_us = clock_mono_us();
    calls = 0;
    if (store_copy_all(&a, &b, on_page, &last, why, sizeof why) != ERR_OK)
        fail_msg("%s", why);
    assert_int_equal(last.rows[STORE_KV], 4 * ACCOUNTS);
    assert_int_equal(last.rows[STORE_MAP], ACCOUNTS / 4 * 6 - 1);
    assert_int_equal(last.rows[STORE_MAP_VERSION], ACCOUNTS / 4 * 3);
    assert_int_equal(last.rows[STORE_LOG], (ACCOUNTS - 1) / 3 * 3 + 1); /* 0, 1, 2, 0, 1, ... */
    assert_true(calls > 100);
    print_message("%" PRIu64 " ms, %u pages, %" PRIu64 " KiB\n",
                  (clock_mono_us() - start_us) / 1000, calls, last.bytes / 1024);
}

static void test_copy_both_ways(void **state)
{
    char a[200], b[200], why[300];
    (void)state;
    log_set_level(LOG_WARN);
    snprintf(first, sizeof first, "%s/first.db", server.dir);
    snprintf(second, sizeof second, "%s/second.db", server.dir);
    snprintf(a, sizeof a, "sqlite:%s", first);
    snprintf(b, sizeof b, "sqlite:%s", second);
    make_accounts(first);
    copy(a, uri);
    copy(uri, b);
    char all[2048];
    static const char *const tables[] = {"kv", "map", "map_version", "log"};
    size_t n = (size_t)snprintf(
        all, sizeof all, "ATTACH '%s' AS o; CREATE TEMP TABLE same (n CHECK (n = 0));", first);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        n +=
            (size_t)snprintf(all + n, sizeof all - n,
                             "INSERT INTO same SELECT count(*) FROM (SELECT * FROM main.%s EXCEPT "
                             "SELECT * FROM o.%s); INSERT INTO same SELECT count(*) FROM (SELECT * "
                             "FROM o.%s EXCEPT SELECT * FROM main.%s);",
                             tables[i], tables[i], tables[i], tables[i]);
    sqlite_run_text(second, all);
    /* nothing to copy, as behind a mistyped name */
    struct store_place nothing = {.uri = "mem:"}, aside = {.uri = "mem:"};
    assert_int_equal(store_copy_all(&nothing, &aside, NULL, NULL, why, sizeof why), ERR_NOTFOUND);
    assert_non_null(strstr(why, "no data"));
    /* a target that has something is left alone */
    struct store_place from = {.uri = a}, to = {.uri = uri};
    assert_int_equal(store_copy_all(&from, &to, NULL, NULL, why, sizeof why), ERR_EXISTS);
    assert_non_null(strstr(why, "data already"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copy_both_ways)};
    return cmocka_run_group_tests(tests, make_server, remove_server);
}
