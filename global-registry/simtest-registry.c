/* The registry on the simulated platform, one behaviour a test. */
#include "global-registry/tests-sim-int.h"

static void test_registry_publish_locate_withdraw(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 1, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    publish(&eu, "ann@world.test", "us");
    publish(&eu, "ann@world.test", "us");
    assert_int_equal(registry_rows(eu.r), 1);
    assert_at(&eu, "ann@world.test", "eu/eu1=us "); /* self, before it is confirmed */
    run_for(S);
    assert_at(&us, "ann@world.test", "eu/eu1=us ");
    publish(&us, "ann@world.test", "us");
    run_for(S);
    assert_at(&us, "ann@world.test", "eu/eu1=us us/us1=us ");
    assert_at(&eu, "ann@world.test", "eu/eu1=us us/us1=us ");
    withdraw(&eu, "ann@world.test");
    withdraw(&eu, "ann@world.test");
    assert_int_equal(registry_rows(eu.r), 0);
    run_for(S);
    assert_at(&us, "ann@world.test", "us/us1=us ");
    withdraw(&us, "ann@world.test");
    run_for(S);
    assert_at(&us, "ann@world.test", "");
    assert_at(&eu, "ann@world.test", "");
    assert_int_equal(reg_fake_rows(tw.w), 0);
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

static void test_registry_republish_changes_home(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 2, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    publish(&eu, "a@w", "eu");
    withdraw(&eu, "a@w");
    publish(&eu, "a@w", "eu");
    run_for(S);
    assert_at(&us, "a@w", "eu/eu1=eu ");
    publish(&eu, "a@w", "us");
    run_for(S);
    assert_at(&us, "a@w", "eu/eu1=us ");
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

static void test_registry_answers_from_memory_until_moved(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 3, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    run_for(2 * S);
    assert_at(&us, "a@w", "");
    uint64_t before = reg_fake_requests(tw.w);
    assert_at(&us, "a@w", ""); /* a negative entry */
    assert_int_equal(reg_fake_requests(tw.w), before);
    publish(&eu, "a@w", "eu");
    run_for(100 * MS);
    assert_at(&us, "a@w", "eu/eu1=eu ");
    before = reg_fake_requests(tw.w);
    for (int i = 0; i < 50; i++)
        assert_at(&us, "a@w", "eu/eu1=eu ");
    assert_int_equal(reg_fake_requests(tw.w), before);
    struct reply fresh = ask_how(&us, "a@w", true);
    assert_string_equal(fresh.where, "eu/eu1=eu ");
    assert_int_equal(reg_fake_requests(tw.w), before + 1);
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

static void test_registry_entries_expire(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us;
    world_begin(&tw, 4, 0, 0);
    tw.cache_ms = 10000;
    node_start_wait(&tw, &us, "us1");
    run_for(5100 * MS); /* 0.1 s after a beat */
    assert_at(&us, "a@w", "");
    uint64_t before = reg_fake_requests(tw.w);
    run_for(900 * MS);
    assert_at(&us, "a@w", "");
    assert_int_equal(reg_fake_requests(tw.w), before);
    run_for(200 * MS); /* a negative entry lives a tenth */
    assert_at(&us, "a@w", "");
    assert_int_equal(reg_fake_requests(tw.w), before + 1);
    node_stop(&us);
    world_end(&tw);
}

/* A session dies in eu, its refresh is still on the way when eu's link breaks, the user reconnects
 * in us, then the refresh arrives: the race of a registry that sets whatever is there. Returns
 * where us and eu are told the user is. */
static void late_refresh(bool naive, uint64_t seed, struct reply *at_eu, struct reply *at_third)
{
    struct tworld tw;
    struct tnode eu, us, ap;
    world_begin(&tw, seed, 1, 20);
    reg_fake_naive(tw.w, naive);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    node_start_wait(&tw, &ap, "ap1");
    run_for(6 * S);
    reg_fake_delay_next(tw.w, "eu1", 8000);
    publish(&eu, "ann@w", "eu");
    run_for(50 * MS);
    reg_fake_reachable(tw.w, "eu1", false);
    run_for(50 * MS);
    reg_fake_reachable(tw.w, "eu1", true);
    withdraw(&eu, "ann@w");
    publish(&us, "ann@w", "eu");
    run_for(5 * S);
    assert_true(registry_connected(eu.r));
    run_for(60 * S);
    *at_third = ask_how(&ap, "ann@w", true);
    *at_eu = ask_how(&eu, "ann@w", true);
    node_stop(&eu);
    node_stop(&us);
    node_stop(&ap);
    world_end(&tw);
}

static void test_registry_late_refresh_is_refused(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct reply eu, ap;
        late_refresh(false, seed, &eu, &ap);
        assert_string_equal(eu.where, "us/us1=eu ");
        assert_string_equal(ap.where, "us/us1=eu ");
    }
}

/* The same without comparing: the stanza goes to eu, where nobody is. */
static void test_registry_naive_set_would_misroute(void **state UNUSED)
{
    unsigned wrong = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct reply eu, ap;
        late_refresh(true, seed, &eu, &ap);
        wrong += strcmp(ap.where, "eu/eu1=eu ") == 0;
    }
    assert_int_equal(wrong, 100);
}

static void test_registry_flush_is_noticed_at_read_and_rebuilt(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    char bare[32];
    world_begin(&tw, 5, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    for (int i = 0; i < 3000; i++) {
        snprintf(bare, sizeof bare, "u%d@w", i);
        publish(i % 2 ? &eu : &us, bare, "eu");
    }
    run_for(10 * S);
    assert_int_equal(reg_fake_rows(tw.w), 3000);
    reg_fake_flush(tw.w);
    struct reply a = ask(&us, "u1@w"); /* never asked before: read from the wiped registry */
    assert_true(a.e == ERR_UNAVAILABLE || !strcmp(a.where, "eu/eu1=eu ")); /* but never "nobody" */
    run_for(6 * S);
    assert_int_equal(reg_fake_rows(tw.w), 3000);
    for (int i = 0; i < 3000; i += 97) {
        snprintf(bare, sizeof bare, "u%d@w", i);
        assert_at(&us, bare, i % 2 ? "eu/eu1=eu " : "us/us1=eu ");
    }
    assert_null(strchr(eu.journal, '-'));
    assert_null(strchr(us.journal, '-'));
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

static void test_registry_out_of_reach(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 6, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    publish(&eu, "known@w", "eu");
    run_for(10 * S);
    assert_at(&us, "known@w", "eu/eu1=eu ");
    assert_at(&us, "nobody@w", "");
    reg_fake_reachable(tw.w, NULL, false);
    run_for(120 * S);
    assert_false(registry_connected(us.r));
    publish(&eu, "later@w", "eu");
    publish(&us, "own@w", "us");
    withdraw(&eu, "known@w");
    assert_at(&us, "known@w", "eu/eu1=eu "); /* what is known goes on being believed */
    assert_at(&us, "own@w", "us/us1=us ");
    assert_int_equal(ask(&us, "later@w").e, ERR_UNAVAILABLE);
    assert_int_equal(ask(&us, "nobody@w").e, ERR_UNAVAILABLE); /* was for sure, is not any more */
    registry_learn(us.r, STR("later@w"), "eu", "eu1", eu.self.incarnation, "eu");
    assert_at(&us, "later@w", "eu/eu1=eu ");
    registry_learn(us.r, STR("other@w"), "eu", "eu1", eu.self.incarnation - 1, "eu");
    assert_int_equal(ask(&us, "other@w").e, ERR_UNAVAILABLE); /* taught by a dead incarnation */
    reg_fake_reachable(tw.w, NULL, true);
    run_for(10 * S);
    assert_at(&us, "known@w", "");
    assert_at(&us, "later@w", "eu/eu1=eu ");
    assert_at(&eu, "own@w", "us/us1=us ");
    assert_string_equal(eu.journal,
                        "connected +us/us1#102 lost connected "); /* the first one back */
    assert_string_equal(us.journal, "connected +eu/eu1#101 lost connected "); /* has no proof */
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

/* A redis-server that lost everything and was away for a while. */
static void test_registry_killed_and_restarted_empty_under_load(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    char bare[32];
    world_begin(&tw, 7, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    for (int i = 0; i < 600; i++) {
        snprintf(bare, sizeof bare, "u%d@w", i);
        publish(&eu, bare, "eu");
        if (i >= 100 && i % 3 == 0) {
            snprintf(bare, sizeof bare, "u%d@w", i - 100);
            withdraw(&eu, bare);
        }
        if (i == 200)
            reg_fake_reachable(tw.w, NULL, false);
        if (i == 400) {
            reg_fake_flush(tw.w);
            reg_fake_reachable(tw.w, NULL, true);
        }
        run_for(10 * MS);
    }
    run_for(12 * S);
    assert_int_equal(reg_fake_rows(tw.w), registry_rows(eu.r));
    for (int i = 0; i < 600; i += 7) {
        bool gone = i < 500 && i % 3 == 2; /* i + 100 divides by 3 */
        snprintf(bare, sizeof bare, "u%d@w", i);
        assert_at(&us, bare, gone ? "" : "eu/eu1=eu ");
    }
    assert_null(strchr(us.journal, '-'));
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

static bool saw_down(void *ctx)
{
    return strchr(((struct tnode *)ctx)->journal, '-') != NULL;
}

static void test_registry_silent_member_is_down_after_its_lease(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 8, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    run_for(40 * S); /* beyond any grace */
    publish(&eu, "a@w", "eu");
    run_for(S);
    assert_at(&us, "a@w", "eu/eu1=eu ");
    node_kill(&tw, &eu);
    assert_false(sim_run(8 * S, saw_down, &us)); /* at least lease - beat */
    assert_true(sim_run(12 * S, saw_down, &us)); /* at most lease + beat */
    assert_string_equal(us.journal, "connected +eu/eu1#101 -eu/eu1#101 ");
    assert_null(registry_find(us.r, STR("eu"), STR("eu1")));
    assert_null(registry_member(us.r, 0));
    assert_at(&us, "a@w", "");
    assert_int_equal(ask_how(&us, "a@w", true).n, 0); /* reads the stale row and sweeps it */
    run_for(S);
    assert_int_equal(reg_fake_rows(tw.w), 0);
    node_stop(&us);
    world_end(&tw);
}

static void test_registry_restarted_member(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 9, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    publish(&eu, "old@w", "eu");
    run_for(10 * S);
    assert_at(&us, "old@w", "eu/eu1=eu ");
    node_kill(&tw, &eu);
    node_start_wait(&tw, &eu, "eu1");
    publish(&eu, "new@w", "eu");
    run_for(S);
    assert_string_equal(us.journal, "connected +eu/eu1#101 -eu/eu1#101 +eu/eu1#103 ");
    assert_at(&us, "old@w", "");
    assert_at(&us, "new@w", "eu/eu1=eu ");
    assert_int_equal(registry_find(us.r, STR("eu"), STR("eu1"))->incarnation, 103);
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

static void test_registry_older_incarnation_is_fenced(void **state UNUSED)
{
    struct tworld tw;
    struct tnode old, young, us;
    world_begin(&tw, 10, 1, 20);
    node_start_wait(&tw, &old, "eu1");
    node_start_wait(&tw, &us, "us1");
    publish(&old, "a@w", "eu");
    run_for(2 * S);
    node_start_wait(&tw, &young, "eu1"); /* while the old one lives */
    publish(&old, "b@w", "eu");
    publish(&young, "a@w", "us");
    run_for(6 * S);
    assert_int_equal(old.fenced, 1);
    assert_false(registry_connected(old.r));
    assert_int_equal(young.fenced, 0);
    publish(&old, "c@w", "eu");
    withdraw(&old, "a@w");
    run_for(20 * S);
    assert_int_equal(old.fenced, 1);
    assert_at(&us, "a@w", "eu/eu1=us ");
    assert_at(&us, "b@w", "");
    assert_at(&us, "c@w", "");
    assert_string_equal(us.journal, "connected +eu/eu1#101 -eu/eu1#101 +eu/eu1#103 ");
    node_stop(&old); /* its leave does not take the young one's lease */
    run_for(10 * S);
    assert_at(&us, "a@w", "eu/eu1=us ");
    node_stop(&young);
    node_stop(&us);
    world_end(&tw);
}

static uint64_t cost_of(unsigned rows)
{
    struct tworld tw;
    struct tnode eu;
    char bare[32];
    world_begin(&tw, 11, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    for (unsigned i = 0; i < rows; i++) {
        snprintf(bare, sizeof bare, "u%u@w", i);
        publish(&eu, bare, "eu");
    }
    run_for(10 * S);
    assert_int_equal(reg_fake_rows(tw.w), rows);
    uint64_t before = reg_fake_requests(tw.w);
    run_for(600 * S);
    uint64_t cost = reg_fake_requests(tw.w) - before;
    node_stop(&eu);
    world_end(&tw);
    return cost;
}

static void test_registry_steady_cost_does_not_grow_with_rows(void **state UNUSED)
{
    uint64_t few = cost_of(1), many = cost_of(5000);
    assert_in_range(few, 118, 122); /* a beat each 5 s */
    assert_in_range(many, few - 1, few + 1);
}

static void on_never(void *ctx UNUSED, enum err e UNUSED, const struct reg_location *l UNUSED,
                     size_t n UNUSED)
{
    fail_msg("a cancelled question was answered");
}

static void test_registry_cancelled_locate_never_calls_back(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu;
    struct op_owner owner;
    struct reply a = {.done = false};
    world_begin(&tw, 12, 1, 20);
    op_owner_init(&owner);
    node_start_wait(&tw, &eu, "eu1");
    struct op *one = registry_locate(eu.r, &owner, STR("a@w"), false, on_never, NULL);
    registry_locate(eu.r, NULL, STR("a@w"), false, on_reply, &a); /* joins the same read */
    op_cancel(one);
    registry_locate(eu.r, &owner, STR("b@w"), true, on_never, NULL);
    registry_locate(eu.r, &owner, STR("c@w"), false, on_never, NULL);
    op_owner_cancel_all(&owner);
    run_for(S);
    assert_true(a.done);
    registry_locate(eu.r, &owner, STR("a@w"), false, on_never, NULL); /* from memory */
    op_owner_cancel_all(&owner);
    run_for(S);
    registry_locate(eu.r, &owner, STR("a@w"), true, on_never, NULL);
    registry_locate(eu.r, &owner, STR("a@w"), false, on_never, NULL);
    node_stop(&eu); /* closing answers nobody */
    assert_true(op_owner_idle(&owner));
    world_end(&tw);
}

static void test_registry_close(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us, ap;
    world_begin(&tw, 13, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    run_for(20 * S);
    uint64_t begin = sim_now_us();
    node_stop(&eu);
    assert_true(sim_now_us() - begin < 100 * MS);  /* confirmed, not timed out */
    assert_true(sim_run(500 * MS, saw_down, &us)); /* told, not found out */
    reg_fake_reachable(tw.w, "us1", false);
    begin = sim_now_us();
    node_stop(&us); /* nobody answers any more */
    assert_true(sim_now_us() - begin <= 1005 * MS);
    reg_fake_reachable(tw.w, "ap1", false);
    node_start(&tw, &ap, "ap1");
    run_for(S);
    node_stop(&ap); /* never was connected */
    world_end(&tw);
}

static void on_up_close(void *ctx, const struct reg_member *m UNUSED)
{
    struct tnode *t = ctx;
    registry_close(&t->r, on_closed, t);
}

static void test_registry_close_inside_a_callback(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    struct registry_events ev = node_events;
    struct registry_conf c = {.beat_ms = 5000, .lease_ms = 15000};
    world_begin(&tw, 14, 1, 20);
    ev.member_up = on_up_close;
    node_start_wait(&tw, &eu, "eu1");
    memset(&us, 0, sizeof us);
    c.self = (struct reg_member){.region = "us", .node = "us1", .incarnation = 7};
    us.loop = loop_new("us1/0", 0);
    struct reg_driver *d = reg_fake_new(tw.w);
    us.r = registry_open(us.loop, &c, &d, &ev, &us);
    registry_locate(us.r, NULL, STR("x@w"), true, on_reply, &(struct reply){0});
    registry_publish(us.r, STR("x@w"), STR("us"));
    assert_true(sim_run(5 * S, is_closed, &us));
    loop_free(&us.loop);
    node_stop(&eu);
    world_end(&tw);
}

static void test_registry_members_are_in_order(void **state UNUSED)
{
    struct tworld tw;
    static const char *const names[] = {"us2", "eu1", "us1", "ap9", "eu2"};
    static const char *const sorted[] = {"ap9", "eu1", "eu2", "us1"}; /* as us2 sees it */
    struct tnode t[5];
    world_begin(&tw, 15, 1, 20);
    for (int i = 0; i < 5; i++)
        node_start_wait(&tw, &t[i], names[i]);
    run_for(6 * S);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(registry_member(t[0].r, i)->node, sorted[i]);
    assert_null(registry_member(t[0].r, 4));
    assert_string_equal(registry_find(t[0].r, STR("ap"), STR("ap9"))->domain,
                        "ap9.regions.world.test");
    assert_null(registry_find(t[0].r, STR("us"), STR("us2"))); /* never self */
    for (int i = 0; i < 5; i++)
        node_stop(&t[i]);
    world_end(&tw);
}

/* The view is up to a beat old: a row of a member it does not have yet must not be dropped. */
static void test_registry_row_of_a_member_not_seen_yet(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct tworld tw;
        struct tnode eu, us;
        world_begin(&tw, seed, 1, 400);
        node_start_wait(&tw, &us, "us1");
        run_for(10 * S);
        node_start(&tw, &eu, "eu1");
        publish(&eu, "a@w", "eu");
        while (!reg_fake_rows(tw.w))
            run_for(MS);
        struct reply a = ask_how(&us, "a@w", true);
        assert_int_equal(a.e, ERR_OK);
        assert_string_equal(a.where, "eu/eu1=eu ");
        node_stop(&eu);
        node_stop(&us);
        world_end(&tw);
    }
}

/* A member stalls for longer than its lease without losing its link; readers sweep its rows
 * meanwhile. */
static void test_registry_lapsed_member_asserts_again(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 16, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    publish(&eu, "a@w", "eu");
    run_for(20 * S);
    reg_fake_delay_next(tw.w, "eu1", 25000);
    run_for(22 * S);
    assert_true(saw_down(&us));
    assert_int_equal(ask_how(&us, "a@w", true).n, 0);
    run_for(S);
    assert_int_equal(reg_fake_rows(tw.w), 0);
    run_for(20 * S);
    assert_string_equal(eu.journal, "connected +us/us1#102 ");
    assert_string_equal(us.journal, "connected +eu/eu1#101 -eu/eu1#101 +eu/eu1#101 ");
    assert_at(&us, "a@w", "eu/eu1=eu ");
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

/* A late stanza of a session that ended teaches nothing that outlives the next question. */
static void test_registry_learned_is_not_believed_while_connected(void **state UNUSED)
{
    struct tworld tw;
    struct tnode eu, us;
    world_begin(&tw, 17, 1, 20);
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &us, "us1");
    run_for(10 * S);
    assert_at(&us, "a@w", "");
    registry_learn(us.r, STR("a@w"), "eu", "eu1", eu.self.incarnation, "eu");
    assert_at(&us, "a@w", "");
    registry_learn(us.r, STR("b@w"), "eu", "eu1", eu.self.incarnation, "eu");
    assert_at(&us, "b@w", "");
    registry_learn(us.r, STR("b@w"), "us", "us1", us.self.incarnation,
                   "eu"); /* about ourselves: ignored */
    assert_at(&us, "b@w", "");
    node_stop(&eu);
    node_stop(&us);
    world_end(&tw);
}

int main(void)
{
    log_set_level(LOG_ERROR + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_publish_locate_withdraw),
        cmocka_unit_test(test_registry_republish_changes_home),
        cmocka_unit_test(test_registry_answers_from_memory_until_moved),
        cmocka_unit_test(test_registry_entries_expire),
        cmocka_unit_test(test_registry_late_refresh_is_refused),
        cmocka_unit_test(test_registry_naive_set_would_misroute),
        cmocka_unit_test(test_registry_flush_is_noticed_at_read_and_rebuilt),
        cmocka_unit_test(test_registry_out_of_reach),
        cmocka_unit_test(test_registry_killed_and_restarted_empty_under_load),
        cmocka_unit_test(test_registry_silent_member_is_down_after_its_lease),
        cmocka_unit_test(test_registry_restarted_member),
        cmocka_unit_test(test_registry_older_incarnation_is_fenced),
        cmocka_unit_test(test_registry_steady_cost_does_not_grow_with_rows),
        cmocka_unit_test(test_registry_cancelled_locate_never_calls_back),
        cmocka_unit_test(test_registry_close),
        cmocka_unit_test(test_registry_close_inside_a_callback),
        cmocka_unit_test(test_registry_members_are_in_order),
        cmocka_unit_test(test_registry_row_of_a_member_not_seen_yet),
        cmocka_unit_test(test_registry_lapsed_member_asserts_again),
        cmocka_unit_test(test_registry_learned_is_not_believed_while_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
