/* Random worlds: members publish, withdraw, die, restart and are cut off while the registry is
 * wiped and goes away, all drawn from a seed. After the faults ended and a while passed, every
 * member is asked for every user and must know the truth, from memory and afresh. What each was
 * told of the others must make sense all along. */
#include "global-registry/tests-sim-int.h"
#include "lib/loop/tests-seeds.h"

#define SEEDS 1000
#define NODES 4
#define USERS 12

static const char *const names[NODES] = {"eu1", "eu2", "us1", "ap1"};

struct chaos {
    struct tworld tw;
    struct tnode nodes[NODES];
    bool has[NODES][USERS];
    bool cut[NODES], all_cut;
    uint64_t believed[NODES][NODES]; /* incarnation each believes of each, 0 = down: replayed from
                                        the journal */
    unsigned answers, errors;
};

static void bare_of(char out[16], unsigned u)
{
    snprintf(out, 16, "u%u@w", u);
}

static void on_any(void *ctx, enum err e, const struct reg_location *l, size_t n)
{
    struct chaos *c = ctx;
    assert_true(e == ERR_OK || e == ERR_UNAVAILABLE);
    assert_true(e == ERR_OK || (n == 0 && l == NULL));
    c->answers++;
    c->errors += e != ERR_OK;
}

static void toggle(struct chaos *c, unsigned i, unsigned u)
{
    char bare[16];
    bare_of(bare, u);
    c->has[i][u] = !c->has[i][u];
    if (c->has[i][u])
        publish(&c->nodes[i], bare, "eu");
    else
        withdraw(&c->nodes[i], bare);
}

/* Read the journal and forget it: +x only of who is down, -x only of the incarnation that was up.
 */
static void check_journal(struct chaos *c, unsigned i)
{
    struct str rest = str_of(c->nodes[i].journal);
    while (rest.p && rest.n) {
        struct str word = str_cut(&rest, ' ');
        if (!word.n || (word.p[0] != '+' && word.p[0] != '-'))
            continue;
        bool up = word.p[0] == '+';
        struct str inc = word, name = str_cut(&inc, '#');
        uint64_t incarnation, *had = NULL;
        assert_true(str_to_u64(inc, UINT64_MAX, &incarnation));
        for (unsigned k = 0; k < NODES; k++)
            if (str_ends(name, str_of(names[k])))
                had = &c->believed[i][k];
        assert_non_null(had);
        if (up)
            assert_int_equal(*had, 0);
        else
            assert_int_equal(*had, incarnation);
        *had = up ? incarnation : 0;
    }
    c->nodes[i].journal[0] = '\0';
}

static void restart(struct chaos *c, unsigned i)
{
    check_journal(c, i);
    memset(c->has[i], 0, sizeof c->has[i]);
    memset(c->believed[i], 0, sizeof c->believed[i]);
    if (sim_rand(2))
        node_stop(&c->nodes[i]);
    else
        node_kill(&c->tw, &c->nodes[i]);
    c->cut[i] = false;
    reg_fake_reachable(c->tw.w, names[i], true);
    if (c->all_cut)
        reg_fake_reachable(c->tw.w, NULL, false);
    if (sim_rand(3) == 0)
        run_for(sim_rand(30000) * MS);
    node_start(&c->tw, &c->nodes[i], names[i]);
}

static void cut_some(struct chaos *c, unsigned i)
{
    if (sim_rand(3) == 0) {
        c->all_cut = !c->all_cut;
        reg_fake_reachable(c->tw.w, NULL, !c->all_cut);
        if (!c->all_cut) /* that healed everything */
            memset(c->cut, 0, sizeof c->cut);
        return;
    }
    c->cut[i] = !c->cut[i];
    reg_fake_reachable(c->tw.w, names[i], !c->cut[i]);
}

static void teach(struct chaos *c, unsigned i, unsigned u)
{
    char bare[16];
    unsigned k = (unsigned)sim_rand(NODES);
    bare_of(bare, u);
    registry_learn(c->nodes[i].r, str_of(bare), c->nodes[k].self.region, names[k],
                   c->nodes[k].self.incarnation - sim_rand(2), "eu");
}

static void step(struct chaos *c)
{
    unsigned i = (unsigned)sim_rand(NODES), u = (unsigned)sim_rand(USERS);
    uint64_t what = sim_rand(100);
    char bare[16];
    bare_of(bare, u);
    if (what < 50)
        toggle(c, i, u);
    else if (what < 84)
        registry_locate(c->nodes[i].r, NULL, str_of(bare), sim_rand(3) == 0, on_any, c);
    else if (what < 88)
        teach(c, i, u);
    else if (what < 91)
        reg_fake_flush(c->tw.w);
    else if (what < 97)
        cut_some(c, i);
    else if (what < 98)
        restart(c, i);
    else
        run_for(sim_rand(20000) * MS);
    run_for(sim_rand(sim_rand(4) ? 50 : 3000) * MS);
    check_journal(c, i);
}

static void truth(const struct chaos *c, unsigned u, char out[256])
{
    static const unsigned order[NODES] = {3, 0, 1, 2}; /* by (region, node) */
    out[0] = '\0';
    for (unsigned k = 0; k < NODES; k++) {
        size_t at = strlen(out);
        if (c->has[order[k]][u])
            snprintf(out + at, 256 - at, "%.2s/%s=eu ", names[order[k]], names[order[k]]);
    }
}

static void check_truth(struct chaos *c, uint64_t seed)
{
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < NODES; i++)
            for (unsigned u = 0; u < USERS; u++) {
                char bare[16], want[256];
                bare_of(bare, u);
                truth(c, u, want);
                struct reply a = ask_how(&c->nodes[i], bare, round == 1);
                if (a.e != ERR_OK || strcmp(a.where, want) != 0)
                    fail_msg("seed %d: %s asked for %s (%s): %s, '%s' instead of '%s'", (int)seed,
                             names[i], bare, round ? "fresh" : "from memory", err_name(a.e),
                             a.where, want);
            }
}

static void run_seed(uint64_t seed)
{
    struct chaos c;
    memset(&c, 0, sizeof c);
    world_begin(&c.tw, seed, 0, seed % 3 ? 30 : 300);
    for (unsigned i = 0; i < NODES; i++)
        node_start(&c.tw, &c.nodes[i], names[i]);
    for (unsigned n = 0; n < 250; n++)
        step(&c);
    reg_fake_reachable(c.tw.w, NULL, true);
    run_for(seed % 2 ? 45 * S
                     : 12 * S); /* back, asserted, seen: with and without the leases of the dead */
    check_truth(&c, seed);
    size_t rows = 0;
    for (unsigned i = 0; i < NODES; i++) {
        check_journal(&c, i);
        assert_int_equal(c.nodes[i].fenced, 0);
        for (unsigned k = 0; k < NODES; k++)
            assert_int_equal(c.believed[i][k], k == i ? 0 : c.nodes[k].self.incarnation);
        rows += registry_rows(c.nodes[i].r);
    }
    assert_int_equal(reg_fake_rows(c.tw.w),
                     rows); /* what was stale has been swept by those who asked */
    assert_true(c.answers > 0);
    for (unsigned i = 0; i < NODES; i++)
        node_stop(&c.nodes[i]);
    world_end(&c.tw);
}

static void test_registry_random_worlds_end_with_the_truth(void **state UNUSED)
{
    if (getenv("SEED"))
        log_set_level(LOG_DEBUG);
    EACH_SEED(SEEDS)
    run_seed(seed_now);
}

int main(void)
{
    log_set_level(LOG_ERROR + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_registry_random_worlds_end_with_the_truth, say_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
