/* Tallies: limit, giving back, keys apart, many threads. */
#include "lib/base/tally.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

static void test_tally_limit(void **state)
{
    (void)state;
    struct tally *t = tally_new(2);
    assert_true(tally_take(t, 1) && tally_take(t, 1));
    assert_false(tally_take(t, 1));
    assert_true(tally_take(t, 2));
    tally_give_back(t, 1);
    assert_true(tally_take(t, 1));
    assert_false(tally_take(t, 1));
    tally_free(&t);
    assert_null(t);
    tally_free(&t);
}

/* A count that came down to nothing begins anew, and others are not touched by its going. */
static void test_tally_comes_and_goes(void **state)
{
    (void)state;
    struct tally *t = tally_new(1);
    for (int round = 0; round < 3; round++) {
        for (uint64_t k = 0; k < 1000; k++)
            assert_true(tally_take(t, k));
        for (uint64_t k = 0; k < 1000; k += 2)
            tally_give_back(t, k);
        for (uint64_t k = 1; k < 1000; k += 2)
            assert_false(tally_take(t, k));
        for (uint64_t k = 1; k < 1000; k += 2)
            tally_give_back(t, k);
    }
    tally_free(&t);
}

static void test_tally_off(void **state)
{
    (void)state;
    struct tally *t = tally_new(0);
    for (int i = 0; i < 1000; i++)
        assert_true(tally_take(t, 1));
    tally_give_back(t, 1);
    tally_free(&t);
}

enum { THREADS = 4, EACH = 2000, LIMIT = 1000 };

static void *taker(void *ctx)
{
    size_t n = 0;
    for (int i = 0; i < EACH; i++) {
        n += tally_take(ctx, 42);
        if (tally_take(ctx, (uint64_t)i))
            tally_give_back(ctx, (uint64_t)i);
    }
    return (void *)n;
}

static void test_tally_threads(void **state)
{
    (void)state;
    struct tally *t = tally_new(LIMIT);
    pthread_t threads[THREADS];
    size_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, taker, t), 0);
    for (int i = 0; i < THREADS; i++) {
        void *n;
        assert_int_equal(pthread_join(threads[i], &n), 0);
        sum += (size_t)n;
    }
    assert_in_range(sum, LIMIT - THREADS, LIMIT); /* key 42 is tried by the others, too */
    for (size_t i = 0; i < sum; i++)
        tally_give_back(t, 42);
    assert_true(tally_take(t, 42));
    tally_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally_limit), cmocka_unit_test(test_tally_comes_and_goes),
        cmocka_unit_test(test_tally_off), cmocka_unit_test(test_tally_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
