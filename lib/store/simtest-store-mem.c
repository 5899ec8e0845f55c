/* The store suite on the simulated platform: every case for mem, and several
 * nodes of a region over one store object. */
#include "lib/store/tests-cases-int.h"

#include "lib/loop/sim-loop.h"

enum { SEEDS = 20, MINUTE_US = 60 * 1000 * 1000 };

static bool is_answered(void *ctx)
{
    return ((struct suite *)ctx)->pending == 0;
}

static void suite_run(struct suite *t)
{
    assert_true(sim_run(MINUTE_US, is_answered, t));
}

static void suite_stop(struct suite *t)
{
    (void)t;
}

static void suite_settle(struct suite *t)
{
    (void)t;
    sim_run(MINUTE_US, NULL, NULL);
}

static void on_seeds(void (*fn)(struct suite *t))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct suite t;
        sim_begin(seed);
        struct loop *l = loop_new("eu1/0", 0);
        suite_open(&t, "mem:", l);
        fn(&t);
        suite_close(&t);
        loop_free(&l);
        sim_end();
    }
}

#define SEEDED(name)                                                                               \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_seeds(case_##name);                                                                     \
    }
SUITE_CASES(SEEDED)

static bool one_fault(uint64_t seed, unsigned n)
{
    sim_begin(seed);
    struct loop *l = loop_new("eu1/0", 0);
    bool passed = fault_once("mem:", l, n);
    loop_free(&l);
    sim_end();
    return passed;
}

static void test_faults(void **state)
{
    unsigned n = 1;
    (void)state;
    while (!one_fault(n, n))
        n++;
    assert_int_equal(n, 12);
}

/* ---- a region: three nodes, one store; nodes die while their requests are
 * under way */

enum { NODES = 3 };

struct region_node {
    struct suite suite;
    unsigned confirmed, lost;
};

static void node_wrote(void *ctx, enum err e);

static void node_write(struct region_node *n)
{
    struct store_txn *x = store_txn_new(n->suite.port, BOB);
    char id[32];
    snprintf(id, sizeof id, "%s-%u-%u", loop_name(n->suite.loop), n->lost, n->confirmed);
    store_txn_log_append(x, TABLE, str_of(id), 1, STR_NONE, STR("<message/>"));
    store_commit(&x, &n->suite.owner, node_wrote, n);
}

static void node_wrote(void *ctx, enum err e)
{
    struct region_node *n = ctx;
    assert_int_equal(e, ERR_OK);
    n->confirmed++;
    node_write(n);
}

/* The node's loop and port go at once, as when the process is killed; a new one
 * starts. */
static void node_restart(struct region_node *n, const char *name)
{
    store_port_close(&n->suite.port);
    loop_free(&n->suite.loop);
    n->suite.loop = loop_new(name, 0);
    n->suite.port = store_port_open(n->suite.store, n->suite.loop);
    n->lost++;
    node_write(n);
}

static void region_run(uint64_t seed)
{
    static const char *const names[NODES] = {"eu1/0", "eu2/0", "eu3/0"};
    struct region_node nodes[NODES];
    unsigned confirmed = 0, lost = 0;
    sim_begin(seed);
    memset(nodes, 0, sizeof nodes);
    suite_open(&nodes[0].suite, "mem:", loop_new(names[0], 0));
    for (int i = 1; i < NODES; i++) {
        struct suite *t = &nodes[i].suite;
        t->store = nodes[0].suite.store;
        t->loop = loop_new(names[i], 0);
        op_owner_init(&t->owner);
        t->port = store_port_open(t->store, t->loop);
    }
    for (int i = 0; i < NODES; i++)
        node_write(&nodes[i]);
    for (int round = 0; round < 30; round++) {
        uint64_t who = sim_rand(NODES);
        sim_run(sim_rand(20000), NULL, NULL);
        node_restart(&nodes[who], names[who]);
    }
    for (int i = 0; i < NODES; i++) {
        op_owner_cancel_all(&nodes[i].suite.owner);
        confirmed += nodes[i].confirmed;
        lost += nodes[i].lost + 1; /* the last one was cancelled too */
    }
    assert_true(confirmed > 0);
    assert_int_equal(log_length(&nodes[1].suite, BOB), ERR_OK);
    assert_in_range(nodes[1].suite.count, confirmed, confirmed + lost);
    for (int i = NODES - 1; i >= 0; i--) {
        store_port_close(&nodes[i].suite.port);
        loop_free(&nodes[i].suite.loop);
    }
    store_close(&nodes[0].suite.store);
    sim_end();
}

static void test_region(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        region_run(seed);
}

int main(void)
{
#define UNIT(name) cmocka_unit_test(test_##name),
    const struct CMUnitTest tests[] = {
        SUITE_CASES(UNIT) cmocka_unit_test(test_faults),
        cmocka_unit_test(test_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
