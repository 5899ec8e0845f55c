/* The driver's contract held by the fake, at once and with delays; and what is the fake's alone. */
#include "global-registry/reg-fake-int.h"
#include "global-registry/tests-suite-int.h"
#include "lib/base/log.h"
#include "lib/loop/sim-loop.h"

static struct reg_fake_world *world;
static struct loop *loop;
static uint64_t latency_ms;

static void suite_wait(struct suite *s UNUSED, bool (*until)(void *ctx), void *ctx)
{
    assert_true(until(ctx) || sim_run(10000000, until, ctx));
}

static void suite_flush(struct suite *s UNUSED)
{
    reg_fake_flush(world);
}

static bool is_up(void *ctx)
{
    return ((struct suite *)ctx)->up;
}

static int begin(void **state)
{
    struct suite *s = mem_alloc(sizeof *s);
    sim_begin(5);
    world = reg_fake_world_new();
    reg_fake_latency(world, latency_ms, latency_ms * 10);
    loop = loop_new("eu1/0", 0);
    s->d = reg_fake_new(world);
    s->d->ops->start(s->d, loop, &suite_events, s);
    suite_wait(s, is_up, s);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct suite *s = *state;
    s->d->ops->close(&s->d);
    assert_null(s->d);
    mem_free(s);
    loop_free(&loop);
    reg_fake_world_free(&world);
    sim_end();
    return 0;
}

static bool is_down(void *ctx)
{
    return !is_up(ctx);
}

static void test_fake_unreachable(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "u1", 1);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    reg_fake_reachable(world, "us1", false); /* another host */
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    reg_fake_reachable(world, "eu1", false);
    assert_int_equal(suite_beat(s, &m, ""), ERR_CLOSED); /* not noticed yet */
    suite_wait(s, is_down, s);
    assert_int_equal(suite_beat(s, &m, ""), ERR_UNAVAILABLE);
    assert_string_equal(suite_read(s, "x@w"), "UNAVAILABLE");
    reg_fake_reachable(world, "eu1", true);
    suite_wait(s, is_up, s);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(s->downs, 1);
    reg_fake_reachable(world, NULL, false);
    suite_wait(s, is_down, s);
    reg_fake_reachable(world, NULL, true);
    suite_wait(s, is_up, s);
}

static void test_fake_withdrawals_are_forgotten_in_time(void **state)
{
    struct suite *s = *state;
    struct reg_member m = suite_member("eu", "t1", 1);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "t@w", "eu", 1), ERR_OK);
    assert_int_equal(suite_withdraw(s, &m, "t@w", 3), ERR_OK);
    sim_run(599ull * 1000000, NULL, NULL);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "t@w", "eu", 2), ERR_CONFLICT);
    sim_run(2ull * 1000000, NULL, NULL);
    assert_int_equal(suite_beat(s, &m, ""), ERR_OK);
    assert_int_equal(suite_assert(s, &m, "t@w", "eu", 2),
                     ERR_OK); /* nothing left to compare with */
    assert_string_equal(suite_read(s, "t@w"), "eu/t1:1:2:eu ");
}

int main(void)
{
    int failed = 0;
    log_set_level(LOG_ERROR + 1);
    const struct CMUnitTest tests[] = {
        SUITE_TESTS,
        cmocka_unit_test(test_fake_unreachable),
        cmocka_unit_test(test_fake_withdrawals_are_forgotten_in_time),
    };
    for (latency_ms = 0; latency_ms <= 3; latency_ms += 3)
        failed += cmocka_run_group_tests(tests, begin, end);
    return failed;
}
