/* How a store on PostgreSQL starts and what it sees: wrong password, wrong URI, newer schema,
 * several nodes that migrate at once, host names, several hosts of which one takes writes, a
 * standby that takes over, and the views of an administrator. */
#include "lib/store/tests-pg-rig-int.h"

enum { NODES = 4, LONG_MS = 30000 };

static struct cluster standby;

static enum err try_open(const struct store_place *at, char *why, size_t why_size)
{
    struct store *s = NULL;
    why[0] = '\0';
    enum err e = store_open_at(at, NULL, 0, &s, why, why_size);
    assert_true((s != NULL) == (e == ERR_OK));
    store_close(&s);
    return e;
}

static void clear(void)
{
    pg_sql(&server, "DROP SCHEMA IF EXISTS meridian CASCADE", NULL, 0);
}

/* ---- who may in */

static void test_password(void **state)
{
    char tcp[256], why[300];
    (void)state;
    clear();
    pg_sql(&server, "ALTER ROLE meridian PASSWORD 'right one'", NULL, 0);
    snprintf(tcp, sizeof tcp, "postgresql://meridian@127.0.0.1:%u/postgres", server.port);
    struct store_place at = {.uri = tcp, .password = "wrong one"};
    assert_int_equal(try_open(&at, why, sizeof why), ERR_AUTH);
    assert_non_null(strstr(why, "password authentication failed"));
    assert_null(strstr(why, "wrong one"));
    at.password = NULL;
    assert_int_equal(try_open(&at, why, sizeof why), ERR_AUTH);
    at.password = "right one";
    assert_int_equal(try_open(&at, why, sizeof why), ERR_OK);
    snprintf(tcp, sizeof tcp, "postgresql://meridian:right%%20one@127.0.0.1:%u/postgres",
             server.port);
    at.password = NULL;
    assert_int_equal(try_open(&at, why, sizeof why), ERR_OK);
}

static void test_wrong_uri(void **state)
{
    char why[300], tcp[128];
    (void)state;
    struct store_place at = {.uri = "postgresql://a:secret@[::1/x"};
    assert_int_equal(try_open(&at, why, sizeof why), ERR_INVALID);
    assert_null(strstr(why, "secret"));
    at.uri = "postgresql://a:secret@host/x?colour=red";
    assert_int_equal(try_open(&at, why, sizeof why), ERR_INVALID);
    assert_null(strstr(why, "secret"));
    at.uri = "postgresql://meridian@nowhere.invalid/postgres";
    assert_int_equal(try_open(&at, why, sizeof why), ERR_NOTFOUND);
    assert_non_null(strstr(why, "nowhere.invalid"));
    snprintf(tcp, sizeof tcp, "postgresql://meridian@127.0.0.1:%u/postgres", pg_free_port());
    at.uri = tcp;
    assert_int_equal(try_open(&at, why, sizeof why), ERR_UNAVAILABLE);
    assert_non_null(strstr(why, "refused"));
}

/* ---- schema */

static void test_newer_schema(void **state)
{
    char why[300];
    struct store_place at = {.uri = uri};
    (void)state;
    clear();
    assert_int_equal(try_open(&at, why, sizeof why), ERR_OK);
    pg_sql(&server, "INSERT INTO meridian.schema_version (version) VALUES (900)", NULL, 0);
    assert_int_equal(try_open(&at, why, sizeof why), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "schema version 900"));
}

static bool is_up(struct rig *g)
{
    return rig_logged(g, "store.pg.up");
}

static bool is_refused(struct rig *g)
{
    return rig_logged(g, "schema version 900");
}

/* A node that runs meets a newer schema when it connects again. */
static void test_newer_schema_later(void **state)
{
    struct store_place at = {.uri = uri};
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    rig_run_until(g, is_up);
    pg_sql(&server, "INSERT INTO meridian.schema_version (version) VALUES (900)", NULL, 0);
    pg_sql(&server,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
           "'meridian %'",
           NULL, 0);
    rig_run_until(g, is_refused);
    rig_close(g);
}

static void test_migrate_at_once(void **state)
{
    char text[32], want[32];
    (void)state;
    for (int round = 0; round < 5; round++) {
        pid_t pids[NODES];
        clear();
        for (int i = 0; i < NODES; i++)
            if ((pids[i] = fork()) == 0) {
                char why[300];
                struct store_place at = {.uri = uri};
                _exit(try_open(&at, why, sizeof why) == ERR_OK ? 0 : 1);
            }
        for (int i = 0; i < NODES; i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        pg_sql(&server, "SELECT count(*) FROM meridian.schema_version", text, sizeof text);
        snprintf(want, sizeof want, "%u", pg_steps_count);
        assert_string_equal(text, want);
    }
}

static bool is_warned(struct rig *g)
{
    return rig_logged(g, "store.pg.unsafe");
}

/* A server that does not sync is told of; one that does not sync commits is made to. */
static void test_unsafe_server(void **state)
{
    struct store_place at = {.uri = uri};
    (void)state;
    clear();
    pg_sql(&server, "ALTER SYSTEM SET fsync = off", NULL, 0);
    pg_sql(&server, "SELECT pg_reload_conf()", NULL, 0);
    char is[8] = "";
    while (strcmp(is, "off") != 0)
        pg_sql(&server, "SHOW fsync", is, sizeof is);
    struct rig *g = rig_open(&at);
    rig_run_until(g, is_warned);
    rig_close(g);
    pg_sql(&server, "ALTER SYSTEM RESET fsync", NULL, 0);
    pg_sql(&server, "SELECT pg_reload_conf()", NULL, 0);
}

/* A step that fails leaves nothing of itself, and says why. */
static void test_step_fails(void **state)
{
    char why[300], text[16];
    struct store_place at = {.uri = uri};
    (void)state;
    clear();
    pg_sql(&server, "CREATE SCHEMA meridian", NULL, 0); /* in the way of the first step */
    assert_int_equal(try_open(&at, why, sizeof why), ERR_IO);
    assert_non_null(strstr(why, "already exists"));
    pg_sql(&server, "SELECT count(*) FROM pg_tables WHERE schemaname = 'meridian'", text,
           sizeof text);
    assert_string_equal(text, "0");
}

/* ---- hosts */

static void test_host_name(void **state)
{
    char text[256];
    (void)state;
    clear();
    snprintf(text, sizeof text, "postgresql://meridian@nowhere.invalid:1,localhost:%u/postgres",
             server.port);
    struct store_place at = {.uri = text, .password = "right one"};
    pg_sql(&server, "ALTER ROLE meridian PASSWORD 'right one'", NULL, 0);
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "v", 0), ERR_OK);
    assert_true(rig_logged(g, "host=localhost"));
    rig_close(g);
}

static void standby_make(void)
{
    char data[160], from[160], conf[256], port[16];
    pg_make_dir(&standby);
    snprintf(data, sizeof data, "%s/data", standby.dir);
    str_put(from, sizeof from, server.dir);
    snprintf(port, sizeof port, "%u", server.port);
    const char *argv[] = {"pg_basebackup", "-N", "-R", "-X", "stream", "-c", "fast", "-U",
                          "meridian",      "-h", from, "-p", port,     "-D", data,   NULL};
    pg_run(&standby, "pg_basebackup", argv);
    snprintf(conf, sizeof conf, "port = %u\nunix_socket_directories = '%s'\n", standby.port,
             standby.dir);
    pg_append(&standby, "postgresql.conf", conf);
    pg_start(&standby);
}

static bool has_caught_up(struct rig *g)
{
    char at[32], ask[128], yes[8];
    (void)g;
    pg_sql(&server, "SELECT pg_current_wal_lsn()", at, sizeof at);
    snprintf(ask, sizeof ask, "SELECT pg_last_wal_replay_lsn() >= '%s'", at);
    pg_sql(&standby, ask, yes, sizeof yes);
    return yes[0] == 't';
}

/* The first host of the list is a standby: the second is taken. Then the primary dies and the
 * standby is promoted: calls wait, and go on there with what was confirmed. */
static void test_standby_takes_over(void **state)
{
    char text[512];
    (void)state;
    clear();
    standby_make();
    snprintf(text, sizeof text, "postgresql:///postgres?host=%s,%s&port=%u,%u&user=meridian",
             standby.dir, server.dir, standby.port, server.port);
    struct store_place at = {.uri = text, .timeout_ms = LONG_MS};
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "one", 0), ERR_OK);
    snprintf(text, sizeof text, "store.pg.up host=%s", server.dir);
    assert_true(rig_logged(g, text));
    rig_run_until(g, has_caught_up);
    pg_kill(&server);
    struct store_txn *x = store_txn_new(g->suite.port, ALICE);
    store_txn_kv_put(x, TABLE, STR("k"), STR("two"), 1);
    store_commit(&x, &g->suite.owner, on_done, &g->suite);
    g->suite.pending++;
    pg_sql(&standby, "SELECT pg_promote()", NULL, 0);
    suite_run(&g->suite);
    assert_int_equal(g->suite.err, ERR_OK);
    assert_int_equal(kv_get(&g->suite, ALICE, "k"), ERR_OK);
    assert_string_equal(g->suite.rows.p[0].value, "two");
    assert_int_equal(g->suite.rev, 2);
    snprintf(text, sizeof text, "store.pg.up host=%s", standby.dir);
    assert_true(rig_logged(g, text));
    rig_close(g);
    pg_remove(&standby);
    pg_start(&server);
}

/* ---- what an administrator sees */

static void test_views(void **state)
{
    static const struct {
        const char *ask, *want;
    } cases[] = {
        {"SELECT value FROM meridian.kv_text WHERE tbl = 'things' AND owner = 'alice@example.org'",
         "gr\xc3\xbc\xc3\x9f"},
        {"SELECT payload FROM meridian.log_text WHERE with_jid = 'peer@example.net' AND at = "
         "'2026-01-02 03:04:05 UTC'",
         "<message/>"},
        {"SELECT key FROM meridian.kv_text WHERE owner = 'bob@example.org'", "\\000\\377"},
        {"SELECT count(*) FROM meridian.lease_text WHERE holder = 'n1' AND expires > now()", "1"},
    };
    struct store_place at = {.uri = uri};
    char text[128];
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "gr\xc3\xbc\xc3\x9f", 0), ERR_OK);
    assert_int_equal(append(&g->suite, ALICE, "id", 1767323045000000), ERR_OK);
    assert_int_equal(acquire(&g->suite, STR("n1"), 1, 60000), ERR_OK);
    struct store_txn *x = store_txn_new(g->suite.port, BOB);
    store_txn_kv_put(x, TABLE, STR("\0\xff"), STR(""), 0);
    assert_int_equal(commit(&g->suite, x), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        pg_sql(&server, cases[i].ask, text, sizeof text);
        assert_string_equal(text, cases[i].want);
    }
    rig_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_password),        cmocka_unit_test(test_wrong_uri),
        cmocka_unit_test(test_newer_schema),    cmocka_unit_test(test_newer_schema_later),
        cmocka_unit_test(test_migrate_at_once), cmocka_unit_test(test_step_fails),
        cmocka_unit_test(test_host_name),       cmocka_unit_test(test_unsafe_server),
        cmocka_unit_test(test_views),           cmocka_unit_test(test_standby_takes_over),
    };
    return cmocka_run_group_tests(tests, make_server, remove_server);
}
