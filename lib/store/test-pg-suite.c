/* The store suite on a real PostgreSQL: every case, the fault loop, four shards at once, kill -9 of
 * a client during commits, what an administrator sees, schema versions, nodes that migrate at once.
 */
#include "lib/store/tests-threads-int.h"

#include "lib/store/tests-pg-int.h"

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

static void suite_settle(struct suite *t)
{
    if (t->port)
        kv_get(t, STR("nobody"), "nothing");
}

/* Rows go, the schema stays; with a server process that still works for a killed client, wait. */
static void suite_clear(void)
{
    pg_sql(&server,
           "DO $$ BEGIN IF to_regclass('meridian.kv') IS NOT NULL THEN TRUNCATE meridian.kv, "
           "meridian.map, meridian.map_version, meridian.log, meridian.lease, meridian.session; "
           "END IF; END $$",
           NULL, 0);
}

static void on_pg(void (*fn)(struct suite *t))
{
    struct suite t;
    struct loop *l = loop_new("test/0", 0);
    suite_clear();
    suite_open(&t, uri, l);
    fn(&t);
    suite_close(&t);
    loop_free(&l);
}

#define CASE(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_pg(case_##name);                                                                        \
    }
SUITE_CASES(CASE)

static bool one_fault(unsigned n)
{
    struct loop *l = loop_new("test/0", 0);
    suite_clear();
    bool passed = fault_once(uri, l, n);
    loop_free(&l);
    return passed;
}

static void test_faults(void **state)
{
    unsigned n = 1;
    (void)state;
    while (!one_fault(n))
        n++;
    assert_int_equal(n, 12); /* the scenario has eleven calls */
}

static void test_four_shards(void **state)
{
    (void)state;
    suite_clear();
    four_on(uri);
}

static void test_kill_during_commits(void **state)
{
    (void)state;
    kill_during_commits();
}

int main(void)
{
#define UNIT(name) cmocka_unit_test(test_##name),
    const struct CMUnitTest tests[] = {
        SUITE_CASES(UNIT) cmocka_unit_test(test_faults),
        cmocka_unit_test(test_four_shards),
        cmocka_unit_test(test_kill_during_commits),
    };
    return cmocka_run_group_tests(tests, make_server, remove_server);
}
