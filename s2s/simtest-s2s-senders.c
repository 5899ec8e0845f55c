/* Several local accounts in one outbox: what each may have in it, whose turn it is, a flooder
 * beside a quiet one. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-outbox-int.h"

enum { LONG_SEEDS = 60, FLOOD_MAX = 500, QUIET_FIRST = 600 };

static void put(struct host *h, const char *user, unsigned id, size_t size)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "<message id='%u' from='%s@%s/r' to='v@d1.test'><body>%0*d</body></message>", id,
               user, h->domain, (int)size, 0);
    buf_char(&b, '\0');
    host_put(h, b.p);
    buf_fini(&b);
}

static bool is_in(const struct got *got, size_t n, unsigned id)
{
    for (size_t i = 0; i < n; i++)
        if (got[i].id == id)
            return true;
    return false;
}

/* The numbers of one account arrive in order, the first time they do. */
static void check_order(const struct host *h, unsigned first, unsigned last)
{
    unsigned high = 0;
    bool seen[GOT_MAX] = {0};
    for (size_t i = 0; i < h->n_in; i++) {
        unsigned id = h->in[i].id;
        if (id < first || id > last || seen[id])
            continue;
        assert_true(id > high);
        high = id;
        seen[id] = true;
    }
}

/* ---- budgets ---- */

static void check_back(const struct host *h, size_t at, unsigned id, const char *text)
{
    assert_int_equal(h->back[at].id, id);
    assert_int_equal(h->back[at].cond, STANZA_RESOURCE_CONSTRAINT);
    if (!strstr(h->back[at].text, text))
        fail_msg("%s", h->back[at].text);
}

/* The last that fits and the first that does not; others have room until the whole is full. */
static void test_share_in_memory(void **state UNUSED)
{
    for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
        struct world *w = world_begin(1);
        struct host *a = &w->h[0], *b = &w->h[1];
        a->conf.tune.pending_stanzas = by_bytes ? 1000 : 20;
        a->conf.tune.sender_share = by_bytes ? 50 : 40;
        world_open(w);
        listener_close(&b->listener);
        put(a, "flood", 101, 700);
        const struct s2s_outbox *box = s2s_outbox_find(a->s2s, STR("d0.test"), STR("d1.test"));
        a->s2s->conf.tune.pending_bytes = by_bytes ? 20 * box->bytes : 1 << 20;
        unsigned each = by_bytes ? 10 : 8;
        for (unsigned id = 102; id <= 101 + each; id++)
            put(a, "flood", id, 700);
        run_until(&a->n_back, 1, SEC);
        check_back(a, 0, 101 + each, "this account has as much waiting");
        assert_int_equal(a->s2s->stats.bounced[S2S_CAUSE_LIMIT_SENDER], 1);
        for (unsigned id = 201; id < 201 + each; id++)
            put(a, "quiet", id, 700);
        for (unsigned id = 301; id < 306; id++)
            put(a, "third", id, 700);
        run_for(SEC / 10);
        assert_int_equal(a->n_back, by_bytes ? 6 : 2);
        check_back(a, 1, by_bytes ? 301 : 305, "too much waits for this domain");
        host_listen(b);
        run_until(&b->n_in, 20, 5 * SEC);
        run_for(SEC);              /* acknowledged */
        put(a, "flood", 400, 700); /* what was delivered counts no more */
        run_until(&b->n_in, 21, 5 * SEC);
        world_end(&w);
    }
}

/* The share of what is in the store; who has nothing there goes on in memory. */
static void test_share_in_store(void **state UNUSED)
{
    struct world *w = world_begin(2);
    struct host *a = &w->h[0], *b = &w->h[1];
    store_begin(w);
    a->conf.tune.pending_stanzas = 20;
    a->conf.tune.stored_bytes = 100000;
    world_open(w);
    listener_close(&b->listener);
    for (unsigned id = 1; id <= 100; id++) {
        put(a, "flood", id, 700);
        run_for(5000);
    }
    run_for(SEC);
    assert_in_range(a->n_back, 40, 80);
    for (size_t i = 0; i < a->n_back; i++)
        check_back(a, i, 100 - (unsigned)a->n_back + 1 + (unsigned)i, "this account");
    size_t refused = a->n_back;
    for (unsigned id = QUIET_FIRST; id < QUIET_FIRST + 5; id++)
        put(a, "quiet", id, 700);
    run_for(SEC);
    assert_int_equal(a->n_back, refused);
    assert_true(a->taken[QUIET_FIRST + 4]);
    host_listen(b);
    run_until(&b->n_in, 105 - refused, 20 * SEC);
    run_for(10 * SEC);
    assert_int_equal(b->n_in, 105 - refused);
    size_t at = 0;
    while (b->in[at].id != QUIET_FIRST + 4)
        at++;
    assert_in_range(at, 5, 20); /* not behind what the flooder has in the store */
    kill_and_restart(a);
    run_for(20 * SEC);
    assert_int_equal(b->n_in, 105 - refused); /* nothing is left there */
    end(&w);
}

/* ---- turns ---- */

/* Behind what is written when it comes, a stanza waits for a quantum and one stanza of each. */
static void test_turn(void **state UNUSED)
{
    enum { SIZE = 4000, FLOOD = 300, FLOODERS = 3 };
    struct world *w = world_begin(3);
    struct host *a = &w->h[0], *b = &w->h[1];
    char user[20];
    a->conf.tune.pending_bytes = 16 << 20;
    world_open(w);
    put(a, "quiet", 900, 10);
    run_until(&b->n_in, 1, 10 * SEC);
    for (unsigned id = 1; id <= FLOOD; id++) {
        snprintf(user, sizeof user, "flood%u", id % FLOODERS);
        put(a, user, id, SIZE);
    }
    struct s2s_outbox *box = s2s_outbox_find(a->s2s, STR("d0.test"), STR("d1.test"));
    size_t written = (size_t)box->stanzas;
    for (const struct list *n = box->flying.next; n != &box->flying; n = n->next)
        written++;
    assert_true(written < FLOOD / 2);
    put(a, "quiet", 901, 10);
    run_until(&b->n_in, FLOOD + 2, 30 * SEC);
    size_t at = 0;
    while (b->in[at].id != 901)
        at++;
    assert_in_range(at, written, written + FLOODERS * (1 + S2S_SENDER_QUANTUM / SIZE));
    for (unsigned i = 0; i < FLOODERS; i++) { /* each in order */
        unsigned high = 0;
        for (size_t k = 0; k < b->n_in; k++) {
            if (b->in[k].id % FLOODERS != i || b->in[k].id > FLOOD)
                continue;
            assert_true(b->in[k].id > high);
            high = b->in[k].id;
        }
    }
    world_end(&w);
}

/* ---- everything at once ---- */

static void check_quiet(const struct host *a, const struct host *b, unsigned last, bool is_whole)
{
    for (unsigned id = QUIET_FIRST; id <= last; id++) {
        bool is_back = is_in(a->back, a->n_back, id);
        if (!is_in(b->in, b->n_in, id) && !is_back && a->taken[id])
            fail_msg("%u of the quiet one is lost", id);
        if (is_back && is_whole)
            fail_msg("%u of the quiet one came back", id);
    }
}

/* A flooder past its budget beside a quiet one, over kills, refused connections and a store that
 * fails: nothing that was taken is lost, the order of each holds, the quiet one has room. What a
 * former life stored is nobody's until it is read: then the whole may be full. */
static void long_seed(uint64_t seed, bool no_acks)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    unsigned flood = 0, quiet = QUIET_FIRST - 1;
    store_begin(w);
    a->conf.tune.pending_stanzas = 30;
    a->conf.tune.stored_bytes = 200000;
    a->conf.tune.sender_share = 30 + (unsigned)sim_rand(30);
    a->conf.no_acks = b->conf.no_acks = no_acks;
    b->answers_pings = true;
    world_open(w);
    if (no_acks) {
        put(a, "quiet", ++quiet, 10);
        run_for(10 * SEC);
    }
    const struct s2s *life = a->s2s;
    for (int round = 0; round < 30; round++) {
        for (uint64_t i = sim_rand(25); i && flood < FLOOD_MAX; i--)
            put(a, "flood", ++flood, 100 + sim_rand(1000));
        for (uint64_t i = sim_rand(3); i; i--)
            put(a, "quiet", ++quiet, 100 + sim_rand(300));
        run_for(sim_rand(sim_rand(2) ? 1000 : 2 * SEC));
        disturb(w);
    }
    store_fail_nth(store, 0);
    if (!b->listener)
        host_listen(b);
    put(a, "quiet", ++quiet, 10);
    run_for(120 * SEC);
    check_order(b, 1, FLOOD_MAX);
    check_order(b, QUIET_FIRST, quiet);
    check_quiet(a, b, quiet, life == a->s2s);
    for (unsigned id = 1; id <= flood; id++)
        if (a->taken[id] && !is_in(b->in, b->n_in, id) && !is_in(a->back, a->n_back, id))
            fail_msg("%u of the flooder is lost", id);
    assert_true(is_in(b->in, b->n_in, quiet) || is_in(a->back, a->n_back, quiet));
    end(&w);
}

static void run_long(bool no_acks)
{
    EACH_SEED(LONG_SEEDS)
    long_seed(seed_now, no_acks);
}

static void test_long_acks(void **state UNUSED)
{
    run_long(false);
}

static void test_long_pings(void **state UNUSED)
{
    run_long(true);
}

/* One stanza always, however small the share is. */
static void test_share_of_one(void **state UNUSED)
{
    struct world *w = world_begin(5);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.sender_share = 1;
    a->conf.tune.pending_stanzas = 10;
    world_open(w);
    put(a, "u", 1, 200000);
    run_until(&b->n_in, 1, 10 * SEC);
    run_for(5 * SEC);
    put(a, "u", 2, 200000);
    run_until(&b->n_in, 2, 10 * SEC);
    assert_int_equal(a->n_back, 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share_of_one),
        cmocka_unit_test(test_share_in_memory),
        cmocka_unit_test(test_share_in_store),
        cmocka_unit_test(test_turn),
        cmocka_unit_test_teardown(test_long_acks, say_repeat),
        cmocka_unit_test_teardown(test_long_pings, say_repeat),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
