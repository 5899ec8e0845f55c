/* Throttles: limit, draining, keys apart, bounded memory, many threads. */
#include "lib/base/throttle.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

#include "lib/base/clock.h"

static uint64_t time_us;

static uint64_t test_time(void)
{
    return time_us;
}

static int begin(void **state)
{
    static const struct clock_source source = {test_time, test_time};
    (void)state;
    time_us = 0;
    clock_set_source(&source);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_set_source(NULL);
    return 0;
}

static void test_throttle_limit_and_drain(void **state)
{
    (void)state;
    struct throttle *t = throttle_new(5, 10000, 64);
    for (int i = 0; i < 5; i++)
        assert_true(throttle_take(t, 1));
    assert_false(throttle_allows(t, 1));
    assert_false(throttle_take(t, 1));
    assert_true(throttle_take(t, 2));
    time_us += 1999000;
    assert_false(throttle_take(t, 1));
    time_us += 1000; /* a fifth of the window */
    assert_true(throttle_allows(t, 1));
    assert_true(throttle_take(t, 1));
    assert_false(throttle_take(t, 1));
    time_us += 60000000;
    for (int i = 0; i < 5; i++)
        assert_true(throttle_take(t, 1));
    assert_false(throttle_take(t, 1));
    throttle_free(&t);
    assert_null(t);
    throttle_free(&t);
}

static void test_throttle_give_back(void **state)
{
    (void)state;
    struct throttle *t = throttle_new(2, 10000, 64);
    throttle_give_back(t, 7); /* nothing was taken */
    assert_true(throttle_take(t, 7) && throttle_take(t, 7));
    throttle_give_back(t, 7);
    assert_true(throttle_take(t, 7));
    assert_false(throttle_take(t, 7));
    time_us += 60000000;
    throttle_give_back(t, 7); /* drained long ago: is no credit */
    assert_true(throttle_take(t, 7) && throttle_take(t, 7));
    assert_false(throttle_take(t, 7));
    throttle_free(&t);
}

static void test_throttle_charge_is_bounded(void **state)
{
    (void)state;
    struct throttle *t = throttle_new(3, 9000, 64);
    for (int i = 0; i < 1000; i++)
        throttle_charge(t, 3);
    assert_false(throttle_allows(t, 3));
    time_us += 11999000; /* two windows were full; one step must drain below one */
    assert_false(throttle_allows(t, 3));
    time_us += 1000;
    assert_true(throttle_allows(t, 3));
    throttle_free(&t);
}

static void test_throttle_off(void **state)
{
    (void)state;
    struct throttle *t = throttle_new(0, 10000, 64);
    for (int i = 0; i < 1000; i++)
        assert_true(throttle_take(t, 1) && throttle_allows(t, 1));
    throttle_free(&t);
}

/* A flood of other keys does not clear the record of the worst. */
static void test_throttle_flood(void **state)
{
    (void)state;
    struct throttle *t = throttle_new(10, 10000, 64);
    for (int i = 0; i < 10; i++)
        assert_true(throttle_take(t, 1));
    for (uint64_t k = 2; k < 100000; k++)
        assert_true(throttle_take(t, k));
    assert_false(throttle_take(t, 1));
    throttle_free(&t);
}

enum { THREADS = 4, EACH = 2000, LIMIT = 1000 };

static void *taker(void *ctx)
{
    size_t n = 0;
    for (int i = 0; i < EACH; i++)
        n += throttle_take(ctx, 42);
    return (void *)n;
}

static void test_throttle_threads(void **state)
{
    (void)state;
    struct throttle *t = throttle_new(LIMIT, 1000000, 64);
    pthread_t threads[THREADS];
    size_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, taker, t), 0);
    for (int i = 0; i < THREADS; i++) {
        void *n;
        assert_int_equal(pthread_join(threads[i], &n), 0);
        sum += (size_t)n;
    }
    assert_int_equal(sum, LIMIT);
    throttle_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_throttle_limit_and_drain, begin, end),
        cmocka_unit_test_setup_teardown(test_throttle_give_back, begin, end),
        cmocka_unit_test_setup_teardown(test_throttle_charge_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_throttle_off, begin, end),
        cmocka_unit_test_setup_teardown(test_throttle_flood, begin, end),
        cmocka_unit_test_setup_teardown(test_throttle_threads, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
