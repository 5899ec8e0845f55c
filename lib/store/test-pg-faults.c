/* PostgreSQL dies, freezes and cuts connections under a store in use: what was confirmed is there
 * once, what was not is told rightly, and no loop is held. Compare-and-set makes a transaction that
 * was done twice show itself. */
#include "lib/store/tests-pg-rig-int.h"

#include "lib/base/siphash.h"

enum { SLOTS = 24, KILLS = 5, LONG_MS = 30000, SHORT_MS = 500 };

static struct store_place place(uint64_t timeout_ms)
{
    return (struct store_place){.uri = uri, .timeout_ms = timeout_ms};
}

static void clear(void)
{
    pg_sql(&server, "DROP SCHEMA IF EXISTS meridian CASCADE", NULL, 0);
}

/* ---- load: each slot counts up by compare-and-set, a log record beside it */

struct load {
    struct rig *rig;
    struct slot {
        struct load *load;
        char owner[16];
        uint64_t confirmed;
    } slots[SLOTS];
    uint64_t confirmed, conflicts, unavailable, timeouts, others;
    unsigned running;
    bool is_ending;
};
static struct load *load;

static void slot_next(struct slot *s);

static void slot_done(void *ctx, enum err e)
{
    struct slot *s = ctx;
    struct load *l = s->load;
    uint64_t *count = e == ERR_OK            ? &l->confirmed
                      : e == ERR_CONFLICT    ? &l->conflicts
                      : e == ERR_UNAVAILABLE ? &l->unavailable
                      : e == ERR_TIMEOUT     ? &l->timeouts
                                             : &l->others;
    ++*count;
    if (e == ERR_OK)
        s->confirmed++;
    l->running--;
    if (!l->is_ending && (e == ERR_OK || e == ERR_UNAVAILABLE))
        slot_next(s);
}

static void slot_next(struct slot *s)
{
    char id[24];
    snprintf(id, sizeof id, "%" PRIu64, s->confirmed + 1);
    struct store_txn *x = store_txn_new(s->load->rig->suite.port, str_of(s->owner));
    store_txn_kv_put(x, TABLE, STR("n"), str_of(id), s->confirmed);
    store_txn_log_append(x, TABLE, str_of(id), 1, STR_NONE, STR("<message/>"));
    store_commit(&x, &s->load->rig->suite.owner, slot_done, s);
    s->load->running++;
}

static void load_start(struct rig *g)
{
    load = mem_alloc(sizeof *load);
    load->rig = g;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *s = &load->slots[i];
        s->load = load;
        snprintf(s->owner, sizeof s->owner, "slot%u", i);
        slot_next(s);
    }
}

static bool load_ended(struct rig *g)
{
    (void)g;
    return load->running == 0;
}

static uint64_t goal;

static bool load_reached(struct rig *g)
{
    (void)g;
    return load->confirmed >= goal;
}

/* What is there is what was confirmed; at most one more where the outcome was told to be unknown.
 */
static void load_check(struct rig *g, uint64_t unknown)
{
    uint64_t more = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct slot *s = &load->slots[i];
        enum err e = kv_get(&g->suite, str_of(s->owner), "n");
        uint64_t kept = e == ERR_NOTFOUND ? 0 : g->suite.rev;
        assert_true(e == ERR_OK || e == ERR_NOTFOUND);
        assert_true(kept == s->confirmed || kept == s->confirmed + 1);
        more += kept - s->confirmed;
        assert_int_equal(log_length(&g->suite, str_of(s->owner)), ERR_OK);
        assert_int_equal(g->suite.count, kept);
    }
    assert_true(more <= unknown);
    assert_int_equal(load->conflicts, 0);
    assert_int_equal(load->others, 0);
    mem_free(load);
}

/* ---- kill -9 and restart: everybody waits, nobody is told an error */

static void respawn(struct rig *g)
{
    const char *argv[] = {"postgres", "-D", "data", NULL};
    (void)g;
    if (waitpid(server.pid, NULL, WNOHANG) == server.pid)
        server.pid = pg_spawn(&server, "postgres", argv);
}

static void test_killed_under_load(void **state)
{
    struct store_place at = place(LONG_MS);
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    g->each_beat = respawn; /* as a supervisor does: it starts again whenever it has ended */
    load_start(g);
    for (int i = 0; i < KILLS; i++) {
        goal = load->confirmed + 200;
        rig_run_until(g, load_reached);
        kill(server.pid, SIGKILL);
    }
    goal = load->confirmed + 200;
    rig_run_until(g, load_reached);
    load->is_ending = true;
    rig_run_until(g, load_ended);
    assert_int_equal(load->unavailable + load->timeouts, 0);
    assert_true(rig_logged(g, "store.pg.recovered"));
    print_message("%d kills, %" PRIu64 " confirmed, longest gap of the loop %" PRIu64 " us\n",
                  KILLS, load->confirmed, g->longest_us);
    load_check(g, 0);
    g->each_beat = NULL;
    rig_close(g);
}

/* ---- away for longer than the deadline: a clear error in time, nothing lost, and back by itself
 */

static bool has_refused(struct rig *g)
{
    (void)g;
    return load->unavailable + load->timeouts >= SLOTS;
}

static void test_away(void **state)
{
    struct store_place at = place(SHORT_MS);
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    load_start(g);
    goal = 100;
    rig_run_until(g, load_reached);
    uint64_t start_us = clock_mono_us();
    pg_kill(&server);
    rig_run_until(g, has_refused);
    assert_in_range(clock_mono_us() - start_us, SHORT_MS * 1000, 4 * SHORT_MS * 1000);
    pg_start(&server);
    load->is_ending = true;
    rig_run_until(g, load_ended);
    while (kv_get(&g->suite, ALICE, "a") != ERR_NOTFOUND) { /* UNAVAILABLE until it is back */
    }
    load_check(g, load->timeouts);
    rig_close(g);
}

/* ---- connections that break during the commit */

static bool is_recovered(struct rig *g)
{
    return rig_logged(g, "store.pg.recovered");
}

static void put(struct rig *g, const char *value, uint64_t rev)
{
    struct store_txn *x = store_txn_new(g->suite.port, ALICE);
    store_txn_kv_put(x, TABLE, STR("k"), str_of(value), rev);
    store_commit(&x, &g->suite.owner, on_done, &g->suite);
    g->suite.pending++;
}

static const char *ask;

static bool server_says_yes(struct rig *g)
{
    char yes[8];
    (void)g;
    pg_sql(&server, ask, yes, sizeof yes);
    return yes[0] == 't';
}

static void value_is(struct rig *g, const char *value, uint64_t rev)
{
    assert_int_equal(kv_get(&g->suite, ALICE, "k"), ERR_OK);
    assert_string_equal(g->suite.rows.p[0].value, value);
    assert_int_equal(g->suite.rev, rev);
}

/* The transaction is committed, the answer never comes: the wait for a standby that is not there
 * ends with the server process. */
static void test_doubt_committed(void **state)
{
    struct store_place at = place(LONG_MS);
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "first", "1", 0), ERR_OK);
    pg_sql(&server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", NULL, 0);
    pg_sql(&server, "SELECT pg_reload_conf()", NULL, 0);
    put(g, "once", 0);
    ask = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'meridian %' AND "
          "wait_event = 'SyncRep'";
    rig_run_until(g, server_says_yes);
    assert_int_equal(g->suite.pending, 1);
    pg_sql(&server,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
           "'meridian %'",
           NULL, 0);
    pg_sql(&server, "ALTER SYSTEM SET synchronous_standby_names = ''", NULL, 0);
    pg_sql(&server, "SELECT pg_reload_conf()", NULL, 0);
    suite_run(&g->suite);
    assert_int_equal(g->suite.err, ERR_OK);
    assert_true(rig_logged(g, "store.pg.recovered committed=yes"));
    value_is(g, "once", 1);
    rig_close(g);
}

/* The transaction waits for a lock when its connection breaks: it is sent again, and once. */
static void test_doubt_not_committed(void **state)
{
    struct store_place at = place(LONG_MS);
    char text[128];
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    PGconn *other = pg_client(&server);
    snprintf(text, sizeof text, "SELECT pg_advisory_lock(%" PRId64 ")",
             (int64_t)hash_stable(ALICE));
    PQclear(PQexec(other, text));
    put(g, "once", 0);
    ask = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'meridian %' AND "
          "wait_event = 'advisory'";
    rig_run_until(g, server_says_yes);
    pg_sql(&server,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
           "'meridian %'",
           NULL, 0);
    rig_run_until(g, is_recovered);
    assert_true(rig_logged(g, "store.pg.recovered committed=no"));
    assert_int_equal(g->suite.pending, 1);
    PQfinish(other);
    suite_run(&g->suite);
    assert_int_equal(g->suite.err, ERR_OK);
    value_is(g, "once", 1);
    rig_close(g);
}

/* A write that others keep from the row ends by its deadline, on a connection that stays. */
static void test_statement_deadline(void **state)
{
    struct store_place at = place(SHORT_MS);
    char text[128];
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "one", 0), ERR_OK);
    PGconn *other = pg_client(&server);
    snprintf(text, sizeof text, "SELECT pg_advisory_lock(%" PRId64 ")",
             (int64_t)hash_stable(ALICE));
    PQclear(PQexec(other, text));
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "two", 1), ERR_TIMEOUT);
    assert_int_equal(kv_put(&g->suite, BOB, "k", "other", 0), ERR_OK);
    PQfinish(other);
    assert_false(rig_logged(g, "store.pg.down"));
    value_is(g, "one", 1);
    rig_close(g);
}

/* ---- frozen: the process that has our transaction stops, and goes on when it is too late */

static pid_t backend_pid(void)
{
    char text[24];
    pg_sql(&server, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'meridian %'",
           text, sizeof text);
    return (pid_t)strtol(text, NULL, 10);
}

static void test_frozen_process(void **state)
{
    struct store_place at = place(SHORT_MS);
    char gone[128], result[64];
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "one", 0), ERR_OK);
    pg_sql(&server, "SELECT id FROM meridian.session", result, sizeof result);
    pid_t pid = backend_pid();
    kill(pid, SIGSTOP);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "too late", STORE_REV_ANY), ERR_TIMEOUT);
    enum err e;
    while ((e = kv_put(&g->suite, ALICE, "k", "two", 1)) == ERR_UNAVAILABLE) {
    }
    assert_int_equal(e, ERR_OK);
    kill(pid, SIGCONT);
    snprintf(gone, sizeof gone, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %d", pid);
    ask = gone;
    rig_run_until(g, server_says_yes);
    value_is(g, "two", 2);
    /* nor could the old session begin another group */
    PGconn *pg = pg_client(&server);
    snprintf(gone, sizeof gone, "SELECT meridian.group_begin(%s, 9, '{}')", result);
    PGresult *r = PQexec(pg, gone);
    assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "MR003");
    PQclear(r);
    PQfinish(pg);
    rig_close(g);
}

static void signal_all(int number)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", server.pid, server.pid);
    FILE *f = fopen(path, "r");
    kill(server.pid, number);
    assert_non_null(f);
    if (fgets(line, sizeof line, f))
        for (char *at = line; *at && *at != '\n';)
            kill((pid_t)strtol(at, &at, 10), number), at += *at == ' ';
    fclose(f);
}

/* All of the server is silent: each call ends within twice the time, the loop goes on beating. */
static void test_frozen_server(void **state)
{
    struct store_place at = place(SHORT_MS);
    (void)state;
    clear();
    struct rig *g = rig_open(&at);
    assert_int_equal(kv_put(&g->suite, ALICE, "k", "one", 0), ERR_OK);
    signal_all(SIGSTOP);
    for (int i = 0; i < 4; i++) {
        uint64_t start_us = clock_mono_us();
        g->longest_us = 0;
        enum err e = i % 2 ? kv_get(&g->suite, ALICE, "k")
                           : kv_put(&g->suite, ALICE, "k", "maybe", STORE_REV_ANY);
        assert_true(e == ERR_UNAVAILABLE || e == ERR_TIMEOUT);
        assert_in_range(clock_mono_us() - start_us, SHORT_MS * 1000, 4 * SHORT_MS * 1000);
        assert_true(g->longest_us < SHORT_MS * 1000);
    }
    signal_all(SIGCONT);
    enum err e;
    while ((e = kv_put(&g->suite, BOB, "k", "back", STORE_REV_ANY)) != ERR_OK)
        assert_true(e == ERR_UNAVAILABLE || e == ERR_TIMEOUT);
    rig_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubt_committed),    cmocka_unit_test(test_doubt_not_committed),
        cmocka_unit_test(test_statement_deadline), cmocka_unit_test(test_frozen_process),
        cmocka_unit_test(test_frozen_server),      cmocka_unit_test(test_away),
        cmocka_unit_test(test_killed_under_load),
    };
    return cmocka_run_group_tests(tests, make_server, remove_server);
}
