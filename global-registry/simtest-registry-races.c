/* Races of the registry at exact times: every message takes 100 ms each way, and a second driver,
 * the injector, writes what other members would. */
#include "global-registry/tests-sim-int.h"

#define HOP 100 /* ms each way */

struct injector {
    struct loop *loop;
    struct reg_driver *d;
    bool up;
    char generation[REG_GENERATION_MAX]; /* as of the last beat: its members say that all their rows
                                            stand in it */
};

static void inj_up(void *ctx)
{
    ((struct injector *)ctx)->up = true;
}
static void inj_down(void *ctx UNUSED, const char *why UNUSED) {}
static void inj_moved(void *ctx UNUSED, struct str bare UNUSED) {}
static void inj_done(void *ctx UNUSED, enum err e)
{
    assert_int_equal(e, ERR_OK);
}
static void inj_beat_done(void *ctx, enum err e, const struct reg_lease_view *v)
{
    assert_int_equal(e, ERR_OK);
    memcpy(((struct injector *)ctx)->generation, v->generation, sizeof v->generation);
}
static bool inj_is_up(void *ctx)
{
    return ((struct injector *)ctx)->up;
}
static const struct reg_driver_events inj_events = {inj_up, inj_down, inj_moved};

static void injector_open(struct tworld *tw, struct injector *x)
{
    memset(x, 0, sizeof *x);
    x->loop = loop_new("injector/0", 0);
    x->d = reg_fake_new(tw->w);
    x->d->ops->start(x->d, x->loop, &inj_events, x);
    assert_true(sim_run(5 * S, inj_is_up, x));
}
static void injector_close(struct injector *x)
{
    x->d->ops->close(&x->d);
    loop_free(&x->loop);
}
static struct reg_member inj_member(const char *region, const char *node, uint64_t incarnation)
{
    struct reg_member m = {.incarnation = incarnation};
    str_put(m.region, sizeof m.region, region);
    str_put(m.node, sizeof m.node, node);
    return m;
}
/* Arrive one HOP from now. */
static void inj_beat(struct injector *x, const struct reg_member *m)
{
    x->d->ops->beat(x->d, m, 15000, x->generation, inj_beat_done, x);
}
static void inj_assert(struct injector *x, const struct reg_member *m, const char *bare,
                       uint64_t seq)
{
    struct str b = str_of(bare), h = STR("eu");
    struct reg_rows_batch batch = {.bares = &b, .homes = &h, .seqs = &seq, .n = 1};
    x->d->ops->assert_rows(x->d, m, &batch, inj_done, x);
}

static void races_begin(struct tworld *tw, struct tnode *us, struct injector *x)
{
    world_begin(tw, 1, HOP, HOP);
    node_start_wait(tw, us, "us1");
    injector_open(tw, x);
    run_for(7 * S); /* all quiet for some seconds around a beat */
}
static void races_end(struct tworld *tw, struct tnode *us, struct injector *x)
{
    node_stop(us);
    injector_close(x);
    world_end(tw);
}

/* A member starts between the view that judges a first stranger and the read after it. */
static void test_registry_stranger_after_the_look(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us;
    struct injector x;
    struct reg_member gone = inj_member("eu", "gone1", 50), fresh = inj_member("eu", "new1", 60);
    struct reply a = {.done = false};
    races_begin(&tw, &us, &x);
    inj_assert(&x, &gone, "a@w", 1); /* a row without lease */
    run_for(3 * HOP * MS);
    registry_locate(us.r, NULL, STR("a@w"), true, on_reply, &a);
    run_for((3 * HOP - 50) * MS); /* read at 100, answered at 200, view read at 300 */
    inj_beat(&x, &fresh);         /* leased at 350, row at 350, read again at 500 */
    inj_assert(&x, &fresh, "a@w", 1);
    assert_true(sim_run(5 * S, is_done, &a));
    assert_int_equal(a.e, ERR_OK);
    assert_string_equal(a.where, "eu/new1=eu ");
    run_for(S);
    assert_int_equal(reg_fake_rows(tw.w), 1); /* gone1's was swept, new1's was not */
    assert_string_equal(ask_how(&us, "a@w", true).where, "eu/new1=eu ");
    races_end(&tw, &us, &x);
}

/* The same at random times: whoever started is found in the end, and its row is never swept. */
static void test_registry_start_during_a_look(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct tworld tw;
        struct tnode us;
        struct injector x;
        struct reg_member gone = inj_member("eu", "gone1", 50),
                          fresh = inj_member("eu", "new1", 60);
        world_begin(&tw, seed, 1, 200);
        node_start_wait(&tw, &us, "us1");
        injector_open(&tw, &x);
        run_for(7 * S);
        inj_assert(&x, &gone, "a@w", 1);
        run_for(S);
        registry_locate(us.r, NULL, STR("a@w"), true, on_reply, &(struct reply){.done = false});
        run_for(sim_rand(700) * MS);
        inj_beat(&x, &fresh);
        inj_assert(&x, &fresh, "a@w", 1);
        run_for(8 * S);
        assert_string_equal(ask(&us, "a@w").where, "eu/new1=eu ");
        races_end(&tw, &us, &x);
    }
}

/* A dead member's row is about to be swept while the member comes back and asserts it again, which
 * is not announced because it stood all the time. */
static void test_registry_back_before_the_sweep(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us;
    struct injector x;
    struct reg_member eu = inj_member("eu", "eu1", 50);
    struct reply a = {.done = false};
    races_begin(&tw, &us, &x);
    inj_beat(&x, &eu);
    run_for(S);
    inj_beat(&x, &eu);
    inj_assert(&x, &eu, "a@w", 1);
    run_for(23 * S);
    assert_string_equal(us.journal, "connected +eu/eu1#50 -eu/eu1#50 ");
    registry_locate(us.r, NULL, STR("a@w"), true, on_reply, &a);
    run_for(5 * HOP * MS); /* read at 100, view at 300, read at 500, swept at 700 */
    inj_beat(&x, &eu);     /* back at 600 */
    inj_assert(&x, &eu, "a@w", 2);
    run_for(2 * S);
    assert_true(a.done);
    assert_string_equal(a.where, "");
    assert_string_equal(us.journal, "connected +eu/eu1#50 -eu/eu1#50 +eu/eu1#50 ");
    assert_int_equal(reg_fake_rows(tw.w), 1);
    assert_string_equal(ask(&us, "a@w").where, "eu/eu1=eu ");
    races_end(&tw, &us, &x);
}

static void test_registry_fresh_question_does_not_join_an_older_read(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us;
    struct injector x;
    struct reg_member eu = inj_member("eu", "eu1", 50);
    struct reply first = {.done = false}, fresh = {.done = false};
    races_begin(&tw, &us, &x);
    inj_beat(&x, &eu);
    run_for(6 * S);
    inj_beat(&x, &eu);
    run_for(S);
    registry_locate(us.r, NULL, STR("a@w"), false, on_reply,
                    &first); /* read at 100, answered at 200 */
    run_for(50 * MS);
    inj_assert(&x, &eu, "a@w", 1); /* stands at 150, announced at 250 */
    run_for(120 * MS);
    registry_locate(us.r, NULL, STR("a@w"), true, on_reply,
                    &fresh); /* at 170: later than it stood */
    assert_true(sim_run(5 * S, is_done, &first));
    assert_string_equal(first.where, "");
    assert_false(fresh.done);
    assert_true(sim_run(5 * S, is_done, &fresh));
    assert_string_equal(fresh.where, "eu/eu1=eu ");
    races_end(&tw, &us, &x);
}

/* The announcement overtakes the answer of the read. */
static void test_registry_moved_during_a_read(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct tworld tw;
        struct tnode us;
        struct injector x;
        struct reg_member eu = inj_member("eu", "eu1", 50);
        world_begin(&tw, seed, 1, 200);
        node_start_wait(&tw, &us, "us1");
        injector_open(&tw, &x);
        inj_beat(&x, &eu);
        run_for(S);
        inj_beat(&x, &eu);
        run_for(6 * S);
        inj_assert(&x, &eu, "a@w", 1);
        registry_locate(us.r, NULL, STR("a@w"), false, on_reply, &(struct reply){.done = false});
        run_for(2 * S);
        assert_string_equal(ask(&us, "a@w").where, "eu/eu1=eu ");
        races_end(&tw, &us, &x);
    }
}

/* After a wipe the older process of a name comes first: it is not believed, however long the
 * younger one is silent. */
static void test_registry_older_incarnation_is_never_believed(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us;
    struct injector x;
    struct reg_member old = inj_member("eu", "eu1", 50), young = inj_member("eu", "eu1", 60);
    races_begin(&tw, &us, &x);
    inj_beat(&x, &young);
    run_for(S);
    assert_string_equal(us.journal, "connected +eu/eu1#60 ");
    reg_fake_flush(tw.w);
    for (unsigned i = 0; i < 10; i++) {
        inj_beat(&x, &old);
        inj_assert(&x, &old, "a@w", i + 1);
        run_for(5 * S);
        if (i == 1)
            assert_int_equal(registry_find(us.r, STR("eu"), STR("eu1"))->incarnation,
                             60); /* in grace */
        assert_int_equal(ask_how(&us, "a@w", true).n, 0);
    }
    assert_string_equal(us.journal, "connected +eu/eu1#60 -eu/eu1#60 ");
    young.incarnation = 61;
    inj_beat(&x, &young);
    run_for(S);
    assert_string_equal(us.journal, "connected +eu/eu1#60 -eu/eu1#60 +eu/eu1#61 ");
    races_end(&tw, &us, &x);
}

/* Wiped, and the member that held the user cannot tell it again yet: what we remember of it counts.
 */
static void test_registry_remembers_members_that_did_not_finish(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us, eu, ap;
    world_begin(&tw, 1, 1, 20);
    node_start_wait(&tw, &us, "us1");
    node_start_wait(&tw, &eu, "eu1");
    node_start_wait(&tw, &ap, "ap1");
    publish(&eu, "a@w", "eu");
    publish(&ap, "a@w", "eu");
    run_for(40 * S);
    assert_at(&us, "a@w", "ap/ap1=eu eu/eu1=eu ");
    reg_fake_reachable(tw.w, "eu1", false);
    reg_fake_flush(tw.w);
    withdraw(&ap, "a@w");
    struct reply a = ask_how(&us, "a@w", true);
    assert_non_null(strstr(a.where, "eu/eu1=eu "));
    run_for(6 * S);
    assert_string_equal(ask_how(&us, "a@w", true).where,
                        "eu/eu1=eu "); /* ap1 has finished, and has it no more */
    assert_int_equal(ask_how(&us, "b@w", true).e, ERR_UNAVAILABLE); /* eu1 may have b */
    run_for(30 * S);
    assert_true(strstr(us.journal, "-eu/eu1") != NULL); /* the grace is over */
    assert_at(&us, "a@w", "");
    assert_at(&us, "b@w", "");
    node_stop(&us);
    node_stop(&eu);
    node_stop(&ap);
    world_end(&tw);
}

static void test_registry_home_changed_while_on_its_way(void **state UNUSED)
{
    struct tworld tw;
    struct tnode us;
    struct injector x;
    struct tnode eu;
    races_begin(&tw, &us, &x);
    node_start_wait(&tw, &eu, "eu1");
    run_for(S);
    publish(&eu, "a@w", "eu");
    run_for(50 * MS); /* sent, not answered */
    publish(&eu, "a@w", "us");
    run_for(S);
    assert_at(&us, "a@w", "eu/eu1=us ");
    node_stop(&eu);
    races_end(&tw, &us, &x);
}

/* The rows on their way when the wipe is noticed may have arrived before it. */
static void test_registry_wiped_with_rows_on_their_way(void **state UNUSED)
{
    for (unsigned at = 0; at < 5200; at += 100) {
        struct tworld tw;
        struct tnode us;
        struct injector x;
        races_begin(&tw, &us, &x);
        run_for(at * MS);
        publish(&us, "a@w", "us");
        run_for(150 * MS); /* it stands, and the answer is on its way */
        assert_int_equal(reg_fake_rows(tw.w), 1);
        reg_fake_flush(tw.w);
        run_for(6 * S);
        assert_int_equal(reg_fake_rows(tw.w), 1);
        races_end(&tw, &us, &x);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry_stranger_after_the_look),
        cmocka_unit_test(test_registry_start_during_a_look),
        cmocka_unit_test(test_registry_back_before_the_sweep),
        cmocka_unit_test(test_registry_fresh_question_does_not_join_an_older_read),
        cmocka_unit_test(test_registry_moved_during_a_read),
        cmocka_unit_test(test_registry_older_incarnation_is_never_believed),
        cmocka_unit_test(test_registry_remembers_members_that_did_not_finish),
        cmocka_unit_test(test_registry_home_changed_while_on_its_way),
        cmocka_unit_test(test_registry_wiped_with_rows_on_their_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
