/* What waits for a domain: over restarts and kills, past the bounds of memory, until it expires. */
#include "lib/loop/tests-seeds.h"
#include "s2s/tests-outbox-int.h"
#include "s2s/tests-raw-int.h"

enum { LONG_SEEDS = 60 };

static void first_in_order(const struct host *h)
{
    unsigned high = 0;
    bool seen[GOT_MAX] = {0};
    for (size_t i = 0; i < h->n_in; i++) {
        unsigned id = h->in[i].id;
        if (!seen[id])
            assert_true(id > high);
        high = seen[id] ? high : id;
        seen[id] = true;
    }
}

/* ---- restarts ---- */

static void test_kill_keeps_what_was_taken(void **state UNUSED)
{
    struct world *w = world_begin(1);
    struct host *a = &w->h[0], *b = &w->h[1];
    store_begin(w);
    world_open(w);
    listener_close(&b->listener);
    for (int i = 0; i < 50; i++)
        host_send(a, "d1.test", 100);
    run_until(&a->n_taken, 50, SEC);
    kill_and_restart(a);
    for (int i = 0; i < 10; i++)
        host_send(a, "d1.test", 100);
    run_for(SEC);
    kill_and_restart(a);
    host_listen(b);
    run_until(&b->n_in, 60, 10 * SEC);
    assert_int_equal(a->n_back, 0);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(b->in[i].id, i + 1);
    run_for(60 * SEC);
    kill_and_restart(a); /* nothing is left of it */
    run_for(60 * SEC);
    assert_int_equal(b->n_in, 60);
    end(&w);
}

static void set_true(void *ctx)
{
    *(bool *)ctx = true;
}
static bool is_true(void *ctx)
{
    return *(bool *)ctx;
}

static void stop_stores(unsigned is_late)
{
    struct world *w = world_begin(2);
    struct host *a = &w->h[0], *b = &w->h[1];
    bool stopped = false;
    store_begin(w);
    world_open(w);
    listener_close(&b->listener);
    for (int i = 0; i < 20; i++)
        host_send(a, "d1.test", 100);
    host_put(a,
             "<iq id='100' type='get' from='u@d0.test/r' to='d1.test'><ping xmlns='urn:xmpp:ping'/>"
             "</iq>");
    run_for(is_late * 20 * SEC / 7);
    s2s_stop(a->s2s, set_true, &stopped);
    assert_true(sim_run(SEC / 2, is_true, &stopped));
    assert_int_equal(a->n_back, 1);
    assert_int_equal(a->back[0].id, 100);
    kill_and_restart(a);
    host_listen(b);
    run_until(&b->n_in, 20, 10 * SEC);
    first_in_order(b);
    end(&w);
}

static void test_orderly_stop_stores(void **state UNUSED)
{
    for (unsigned is_late = 0; is_late < 10; is_late++)
        stop_stores(is_late);
}

/* A stream breaks while nothing waits; what comes before the domain may be tried again goes then.
 */
static void test_comes_during_backoff(void **state UNUSED)
{
    struct world *w = world_begin(14);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.no_acks = true;
    world_open(w);
    host_send(a, "d1.test", 100);
    run_until(&b->n_in, 1, 5 * SEC);
    run_for(SEC);
    kill_and_restart(b);
    for (int ms = 0; !s2s_domain_find(a->s2s, STR("d1.test"))->next_try_us; ms++) {
        assert_true(ms < 5000);
        run_for(1000);
    }
    host_send(a, "d1.test", 100);
    run_until(&b->n_in, 2, 3 * SEC);
    world_end(&w);
}

/* ---- bounds ---- */

/* More than fits into memory: the rest is in the store only, order holds, requests find no room. */
static void test_tail(void **state UNUSED)
{
    struct world *w = world_begin(3);
    struct host *a = &w->h[0], *b = &w->h[1];
    store_begin(w);
    a->conf.tune.pending_stanzas = 20;
    world_open(w);
    listener_close(&b->listener);
    for (int i = 0; i < 300; i++)
        host_send(a, "d1.test", 100);
    host_put(a,
             "<iq id='999' type='get' from='u@d0.test/r' to='d1.test'><ping xmlns='urn:xmpp:ping'/>"
             "</iq>");
    run_until(&a->n_back, 1, SEC);
    assert_int_equal(a->back[0].cond, STANZA_RESOURCE_CONSTRAINT);
    run_until(&a->n_taken, 300, 5 * SEC);
    kill_and_restart(a);
    host_listen(b);
    run_until(&b->n_in, 150, 10 * SEC);
    for (int i = 0; i < 20; i++)
        host_send(a, "d1.test", 100);
    run_until(&b->n_in, 320, 10 * SEC);
    first_in_order(b);
    end(&w);
}

/* One more than fits, and how the tail ends. */
static void test_tail_ends(void **state UNUSED)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct world *w = world_begin(seed);
        struct host *a = &w->h[0], *b = &w->h[1];
        store_begin(w);
        a->conf.tune.pending_stanzas = 20;
        a->conf.no_acks = seed % 2;
        world_open(w);
        listener_close(&b->listener);
        for (unsigned i = 0; i < 20 + seed / 2; i++)
            host_send(a, "d1.test", 100);
        run_for(sim_rand(100000));
        host_listen(b);
        run_until(&b->n_in, 20 + seed / 2, 5 * SEC);
        for (unsigned i = 0; i < 200;
             i++) { /* one by one, as a client does that waits for answers */
            size_t want = b->n_in + 1;
            uint64_t at = sim_now_us();
            host_send(a, "d1.test", 100);
            run_until(&b->n_in, want, SEC);
            assert_true(i < 5 || sim_now_us() - at < SEC / 10);
        }
        first_in_order(b);
        end(&w);
    }
}

static void test_stored_bytes(void **state UNUSED)
{
    struct world *w = world_begin(4);
    struct host *a = &w->h[0], *b = &w->h[1];
    store_begin(w);
    a->conf.tune.pending_stanzas = 5;
    a->conf.tune.stored_bytes = 20000;
    world_open(w);
    listener_close(&b->listener);
    for (int i = 0; i < 40; i++) {
        host_send(a, "d1.test", 1000);
        run_for(10000);
    }
    assert_in_range(a->n_back, 15, 35);
    for (size_t i = 0; i < a->n_back; i++)
        assert_int_equal(a->back[i].cond, STANZA_RESOURCE_CONSTRAINT);
    host_listen(b);
    run_until(&b->n_in, 40 - a->n_back, 10 * SEC);
    first_in_order(b);
    end(&w);
}

/* ---- kinds ---- */

static void test_presence_is_coalesced(void **state UNUSED)
{
    struct world *w = world_begin(5);
    struct host *a = &w->h[0], *b = &w->h[1];
    char text[200];
    world_open(w);
    listener_close(&b->listener);
    for (int i = 1; i <= 30; i++) {
        snprintf(text, sizeof text, "<presence id='%d' from='u@d0.test/%s' to='v@d1.test'%s/>", i,
                 i % 2 ? "a" : "b", i > 28 ? " type='unavailable'" : "");
        host_put(a, text);
    }
    host_put(a, "<presence id='31' type='subscribe' from='u@d0.test' to='v@d1.test'/>");
    host_put(a, "<presence id='32' type='subscribe' from='u@d0.test' to='v@d1.test'/>");
    host_listen(b);
    run_until(&b->n_in, 4, 5 * SEC);
    run_for(5 * SEC);
    assert_int_equal(b->n_in, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(b->in[i].id, 29 + i);
    end(&w);
}

/* Once it is known that the domain is away for longer than a request waits, it is answered at once.
 */
static void test_requests_fail_fast(void **state UNUSED)
{
    struct world *w = world_begin(6);
    struct host *a = &w->h[0];
    struct raw raw;
    a->conf.tune.expire_message_ms = DAY_MS;
    raw_begin(&raw, w, 1, RAW_ALL);
    raw.answer = "<db:result from='d1.test' to='d0.test' type='invalid'/>";
    host_open(a);
    host_listen(a);
    host_send(a, "d1.test", 10);
    run_for(400 * SEC);
    uint64_t at = sim_now_us();
    host_put(a,
             "<iq id='7' type='get' from='u@d0.test/r' to='d1.test'><ping xmlns='urn:xmpp:ping'/>"
             "</iq>");
    run_until(&a->n_back, 1, 31 * SEC);
    assert_int_equal(a->back[0].id, 7);
    assert_in_range(a->back[0].at_us - at, 0, 31 * SEC);
    assert_non_null(strstr(a->back[0].text, "dialback key is invalid"));
    raw_finish(&raw);
    end(&w);
}

static void test_notice_then_error(void **state UNUSED)
{
    struct world *w = world_begin(7);
    struct host *a = &w->h[0], *b = &w->h[1];
    a->conf.tune.notice_ms = 300000;
    a->conf.tune.expire_message_ms = 3600000;
    world_open(w);
    listener_close(&b->listener);
    for (int i = 0; i < 5; i++)
        host_send(a, "d1.test", 10);
    run_until(&a->n_notices, 1, 302 * SEC);
    assert_int_equal(a->noticed, 1);
    assert_non_null(strstr(a->notice, "d1.test"));
    assert_non_null(strstr(a->notice, "refused"));
    assert_non_null(strstr(a->notice, "55 more minutes"));
    run_until(&a->n_back, 5, 3400 * SEC);
    assert_int_equal(a->n_notices, 1); /* one sender, one outage */
    assert_int_equal(a->back[0].cond, STANZA_REMOTE_SERVER_TIMEOUT);
    assert_non_null(strstr(a->back[0].text, "refused"));
    end(&w);
}

/* ---- the store fails ---- */

static void test_store_fails(void **state UNUSED)
{
    for (unsigned nth = 1; nth <= 12; nth++) {
        struct world *w = world_begin(nth);
        struct host *a = &w->h[0], *b = &w->h[1];
        store_begin(w);
        a->conf.tune.pending_stanzas = 10;
        world_open(w);
        listener_close(&b->listener);
        store_fail_nth(store, nth);
        for (int i = 0; i < 40; i++) {
            host_send(a, "d1.test", 100);
            run_for(i % 8 ? 0 : 100000);
        }
        run_until(&a->n_taken, 40, 10 * SEC);
        kill_and_restart(a);
        host_listen(b);
        run_until(&b->n_in, 40, 20 * SEC);
        first_in_order(b);
        assert_int_equal(b->n_in, 40);
        assert_int_equal(a->n_back, 0);
        end(&w);
    }
}

/* ---- everything at once ---- */

/* Kills of both sides, refused connections, a store that fails: what was taken arrives, and what
 * arrives first keeps order. Peers acknowledge by XEP-0198, or by answers to pings. */
static void long_seed(uint64_t seed, bool no_acks)
{
    struct world *w = world_begin(seed);
    struct host *a = &w->h[0], *b = &w->h[1];
    store_begin(w);
    a->conf.tune.pending_stanzas = 30;
    a->conf.no_acks = b->conf.no_acks = no_acks;
    b->answers_pings = true;
    world_open(w);
    if (no_acks) {
        host_send(a, "d1.test", 10);
        run_for(10 * SEC);
    }
    unsigned sent = 0;
    for (int round = 0; round < 30; round++) {
        for (uint64_t i = 0, n = sim_rand(20); i < n; i++)
            sent = host_send(a, "d1.test", 100 + sim_rand(1000));
        run_for(sim_rand(sim_rand(2) ? 1000 : 2 * SEC));
        disturb(w);
    }
    store_fail_nth(store, 0);
    if (!b->listener)
        host_listen(b);
    unsigned last = host_send(a, "d1.test", 10);
    bool seen[GOT_MAX] = {0};
    run_for(120 * SEC);
    for (size_t i = 0; i < b->n_in; i++)
        seen[b->in[i].id] = true;
    for (size_t i = 0; i < a->n_back; i++)
        seen[a->back[i].id] = true;
    first_in_order(b);
    assert_true(seen[last]);
    unsigned lost = 0;
    for (unsigned id = 1; id <= sent; id++)
        lost += a->taken[id] && !seen[id];
    assert_int_equal(lost, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_during_backoff),
        cmocka_unit_test(test_kill_keeps_what_was_taken),
        cmocka_unit_test(test_orderly_stop_stores),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_tail_ends),
        cmocka_unit_test(test_stored_bytes),
        cmocka_unit_test(test_presence_is_coalesced),
        cmocka_unit_test(test_requests_fail_fast),
        cmocka_unit_test(test_notice_then_error),
        cmocka_unit_test(test_store_fails),
        cmocka_unit_test_teardown(test_long_acks, say_repeat),
        cmocka_unit_test_teardown(test_long_pings, say_repeat),
    };
    return cmocka_run_group_tests(tests, certs_begin, certs_end);
}
