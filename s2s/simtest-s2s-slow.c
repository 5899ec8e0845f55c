/* A local user who takes nothing, beside others, all written to by one peer over one stream. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-world-int.h"

enum { LONG_SEEDS = 60, LATE_US = 16 * SEC, STORED_US = 2 * SEC };

static void put(struct host *h, const char *user, unsigned id)
{
    char text[200];
    snprintf(text, sizeof text, "<message id='%u' from='u@d1.test/r' to='%s@d0.test'/>", id, user);
    host_put(h, text);
}

static void give_back(struct host *h, size_t i)
{
    struct s2s_receipt r = h->kept[i];
    h->kept[i] = h->kept[--h->n_kept];
    h->kept_us[i] = h->kept_us[h->n_kept];
    s2s_received(h->s2s, r);
}

/* What is in nobody's custody that long is stored by the host, and so given back. */
static void store_old(struct host *h)
{
    for (size_t i = h->n_kept; i--;)
        if (sim_now_us() - h->kept_us[i] >= STORED_US)
            give_back(h, i);
}

static void go_on(struct host *h, uint64_t us)
{
    for (uint64_t end = sim_now_us() + us; sim_now_us() < end;) {
        run_for(end - sim_now_us() < SEC / 4 ? end - sim_now_us() : SEC / 4);
        store_old(h);
    }
}

static struct world *slow_begin(uint64_t seed, bool no_acks)
{
    struct world *w = world_begin(seed);
    w->h[0].slow = "slow";
    w->h[0].conf.no_acks = no_acks;
    w->h[1].conf.tune.pending_stanzas = 100;
    w->h[1].conf.tune.sender_share = 100;
    w->h[1].conf.tune.expire_message_ms = 3600000;
    world_open(w);
    return w;
}

static size_t unacked(const struct host *h)
{
    const struct s2s_outbox *b = s2s_outbox_find(h->s2s, STR("d1.test"), STR("d0.test"));
    return b ? b->n : 0;
}

/* What the peer keeps until it is acknowledged is bounded, so one stanza nobody has custody of must
 * not hold up all behind it for longer than until it is stored. */
static void test_one_slow(void **state UNUSED)
{
    for (int no_acks = 0; no_acks < 2; no_acks++) {
        struct world *w = slow_begin(1, no_acks);
        struct host *a = &w->h[0], *b = &w->h[1];
        unsigned id = 0;
        put(b, "slow", ++id);
        run_until(&a->n_in, 1, 5 * SEC);
        uint64_t at = sim_now_us();
        while (id < 500) {
            put(b, "v", ++id);
            go_on(a, SEC / 10);
            if (b->n_back)
                fail_msg("%u of them came back after %u ms", (unsigned)b->n_back,
                         (unsigned)((sim_now_us() - at) / 1000));
        }
        go_on(a, LATE_US);
        assert_int_equal(a->n_in, id);
        assert_int_equal(a->n_slow, 1);
        world_end(&w);
    }
}

/* What nobody has custody of is not acknowledged, nor what is behind it. */
static void test_slow_alone(void **state UNUSED)
{
    struct world *w = slow_begin(2, false);
    struct host *a = &w->h[0], *b = &w->h[1];
    for (unsigned id = 1; id <= 30; id++)
        put(b, id == 1 ? "slow" : "v", id);
    run_until(&a->n_in, 30, 5 * SEC);
    run_for(100 * SEC);
    assert_int_equal(unacked(b), 30);
    store_old(a);
    run_for(SEC);
    assert_int_equal(unacked(b), 0);
    assert_int_equal(a->n_in, 30);
    world_end(&w);
}

/* ---- everything at once ---- */

/* Stanzas to slow users and to others, custody that comes late or only when it is stored,
 * connections that are cut: all arrives once and in order, and nobody else waits longer than the
 * bound and the cuts. */
static void long_seed(uint64_t seed)
{
    struct world *w = slow_begin(seed, false);
    struct host *a = &w->h[0], *b = &w->h[1];
    unsigned id = 0, slow = 0;
    b->s2s->conf.tune.pending_stanzas = 600; /* ten seconds of it */
    for (int round = 0; round < 20; round++) {
        for (uint64_t i = sim_rand(40); i; i--) {
            bool is_slow = sim_rand(10) == 0;
            slow += is_slow;
            put(b, is_slow ? "slow" : "v", ++id);
        }
        go_on(a, sim_rand(2 * SEC));
        if (sim_rand(4) == 0) {
            sim_net_cut("h0", "h1", sim_rand(2));
            go_on(a, sim_rand(SEC));
            sim_net_heal("h0", "h1");
        }
        if (sim_rand(2) == 0 && a->n_kept)
            give_back(a, (size_t)sim_rand(a->n_kept));
    }
    go_on(a, LATE_US);
    if (a->n_in != id || a->n_slow != slow || b->n_back)
        fail_msg("seed %" PRIu64 ": %zu of %u, %zu back", seed, a->n_in, id, b->n_back);
    for (unsigned i = 0; i < id; i++)
        assert_int_equal(a->in[i].id, i + 1);
    assert_int_equal(unacked(b), 0);
    world_end(&w);
}

static void test_long(void **state UNUSED)
{
    EACH_SEED(LONG_SEEDS)
    long_seed(seed_now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_slow),
        cmocka_unit_test(test_slow_alone),
        cmocka_unit_test_teardown(test_long, say_repeat),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
