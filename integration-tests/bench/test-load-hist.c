/* Test of the histogram against exact ranks of a sorted list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "integration-tests/bench/load-hist.h"

enum { VALUES = 20000 };

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_load_hist_ranks(void **state)
{
    (void)state;
    static const double shares[] = {0.001, 0.5, 0.9, 0.99, 0.999, 1};
    static const uint64_t ranks[] = {20, 10000, 18000, 19800, 19980, 20000};
    static uint64_t values[VALUES];
    struct load_hist *h = calloc(1, sizeof *h);
    uint64_t seed = 1;
    assert_non_null(h);
    for (unsigned i = 0; i < VALUES; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        values[i] = seed >> (20 + seed % 40);
        load_hist_add(h, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], by_value);
    for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        uint64_t exact = values[ranks[i] - 1], got = load_hist_at(h, shares[i]);
        assert_true(got >= exact && got - exact <= exact / LOAD_HIST_SUB);
    }
    assert_int_equal(load_hist_at(h, 1), values[VALUES - 1]);
    free(h);
}

static void test_load_hist_small_values_are_exact(void **state)
{
    (void)state;
    struct load_hist *h = calloc(1, sizeof *h);
    assert_non_null(h);
    assert_int_equal(load_hist_at(h, 0.5), 0);
    for (uint64_t v = 0; v < 100; v++)
        load_hist_add(h, v);
    assert_int_equal(load_hist_at(h, 0.5), 49);
    assert_int_equal(load_hist_at(h, 0.01), 0);
    assert_int_equal(load_hist_at(h, 1), 99);
    free(h);
}

static void test_load_hist_huge_values(void **state)
{
    (void)state;
    struct load_hist *h = calloc(1, sizeof *h);
    assert_non_null(h);
    load_hist_add(h, UINT64_MAX);
    load_hist_add(h, 1ull << 46);
    assert_int_equal(load_hist_at(h, 1), UINT64_MAX);
    assert_int_equal(load_hist_at(h, 0.5), UINT64_MAX);
    free(h);
}

static void test_load_hist_merge(void **state)
{
    (void)state;
    struct load_hist *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    assert_non_null(a);
    assert_non_null(b);
    for (uint64_t v = 0; v < 50; v++) {
        load_hist_add(a, v);
        load_hist_add(b, 1000);
    }
    load_hist_merge(a, b);
    assert_int_equal(a->n, 100);
    assert_int_equal(a->max, 1000);
    assert_int_equal(load_hist_at(a, 0.5), 49);
    assert_int_equal(load_hist_at(a, 0.51), 1000);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_hist_ranks),
        cmocka_unit_test(test_load_hist_small_values_are_exact),
        cmocka_unit_test(test_load_hist_huge_values),
        cmocka_unit_test(test_load_hist_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
