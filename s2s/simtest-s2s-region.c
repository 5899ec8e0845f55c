/* Links between members over a network that is cut again and again, by seed: with resets, as black
 * holes, with receivers that restart. Custody is taken late and out of order. What was acknowledged
 * had custody, nothing comes twice to one process, order is kept, every token ends once. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-region-int.h"

enum { CUT_SEEDS = 200, RESTART_SEEDS = 100 };

/* ---- faults ---- */

static void heal(struct world *w)
{
    sim_net_heal("a", "b");
    w->is_cut = false;
}

static void restart(struct world *w, struct member *m)
{
    bool dead_first = sim_rand(2);
    /* What it sent is gone with it: its tokens are dropped. */
    member_stop(m);
    m->left = 0;
    m->conf.self_incarnation++;
    member_start(m);
    if (dead_first)
        s2s_region_dead(m->other->r, ids[m->i], m->conf.self_incarnation - 1, false);
    if (sim_rand(3))
        tell_peer(m->other); /* else the link itself notices */
    w->may_return = true;
}

static bool all_ended(void *ctx)
{
    struct world *w = ctx;
    for (size_t i = 0; i < 2; i++)
        if (w->m[i].left || w->m[i].n_ended < w->m[i].n_sent)
            return false;
    return true;
}

/* Fault after fault, until the given moment. */
struct chain {
    struct world *w;
    uint64_t until_us;
};
static void chain_next(void *ctx)
{
    struct chain *c = ctx;
    struct world *w = c->w;
    if (sim_now_us() >= c->until_us) {
        heal(w);
        return;
    }
    if (w->is_cut)
        heal(w);
    else if (w->restarts && sim_rand(4) == 0)
        restart(w, &w->m[1]);
    else {
        sim_net_cut("a", "b", sim_rand(2));
        w->is_cut = true;
    }
    sim_after(sim_rand(w->is_cut ? 15 * SEC : 2 * SEC), chain_next, NULL, c);
}

static void run_seed(uint64_t seed, bool restarts)
{
    struct world *w = world_new(seed);
    struct chain c = {.w = w, .until_us = sim_now_us() + 40 * SEC};
    w->restarts = restarts;
    for (size_t i = 0; i < 2; i++) {
        w->m[i].left = 150;
        tell_peer(&w->m[i]);
        timer_start(&w->m[i].work, 1);
    }
    sim_after(sim_rand(SEC), chain_next, NULL, &c);
    sim_run(60 * SEC, NULL, NULL);
    if (!sim_run(60 * SEC, all_ended, w))
        fail_msg("seed %" PRIu64 ": a %u of %u, b %u of %u", seed, w->m[0].n_ended, w->m[0].n_sent,
                 w->m[1].n_ended, w->m[1].n_sent);
    for (unsigned k = 0; k < w->m[0].n_sent; k++)
        assert_true(restarts ? w->m[0].sent[k].how != 'd' : w->m[0].sent[k].how == 'a');
    if (!restarts) {
        assert_int_equal(w->m[0].delivered, w->m[1].n_sent);
        assert_int_equal(w->m[1].delivered, w->m[0].n_sent);
        assert_true(w->m[0].ups >= 1);
    }
    world_free(&w);
}

static void test_region_cuts(void **state UNUSED)
{
    EACH_SEED(CUT_SEEDS)
    run_seed(seed_now, false);
}

static void test_region_restarts(void **state UNUSED)
{
    EACH_SEED(RESTART_SEEDS)
    run_seed(seed_now, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_region_cuts, say_repeat),
        cmocka_unit_test_teardown(test_region_restarts, say_repeat),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
