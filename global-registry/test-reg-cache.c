/* The registry's memory: bound, currency, learned rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "global-registry/reg-cache-int.h"

static struct reg_row row_of(const char *node, uint64_t incarnation)
{
    struct reg_row r = {.incarnation = incarnation, .seq = 1, .region = "eu", .home = "eu"};
    str_put(r.node, sizeof r.node, node);
    return r;
}

static void test_reg_cache_is_bounded_by_use(void **state UNUSED)
{
    struct reg_cache c;
    char bare[32];
    reg_cache_init(&c, 3, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        struct reg_row r = row_of("eu1", 1);
        snprintf(bare, sizeof bare, "u%u@w", i);
        if (i % 2)
            reg_cache_put(&c, str_of(bare), &r, i % 4 == 1, 0);
        else
            reg_cache_learn(&c, str_of(bare), &r);
        assert_true(hmap_count(&c.map) <= 3);
        if (i)
            assert_non_null(reg_cache_get(&c, STR("u0@w"))); /* used all the time: stays */
    }
    assert_non_null(reg_cache_get(&c, STR("u999@w")));
    assert_null(reg_cache_get(&c, STR("u997@w")));
    reg_cache_fini(&c);
}

static void test_reg_cache_current(void **state UNUSED)
{
    struct reg_cache c;
    struct reg_row r = row_of("eu1", 1);
    reg_cache_init(&c, 10, 1000);
    assert_false(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 0));
    reg_cache_put(&c, STR("a"), &r, 1, 5000);
    reg_cache_put(&c, STR("b"), NULL, 0, 5000);
    assert_true(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 1004999));
    assert_false(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 1005000));
    assert_true(reg_cache_current(&c, reg_cache_get(&c, STR("b")), 104999));
    assert_false(reg_cache_current(&c, reg_cache_get(&c, STR("b")), 105000));
    reg_cache_moved(&c, STR("a"));
    reg_cache_moved(&c, STR("unknown"));
    assert_false(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 5000));
    assert_int_equal(reg_cache_get(&c, STR("a"))->n, 1); /* kept as memory */
    reg_cache_put(&c, STR("a"), &r, 1, 5000);
    assert_true(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 5000));
    reg_cache_stale(&c);
    assert_false(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 5000));
    reg_cache_put(&c, STR("a"), &r, 1, 5000);
    assert_true(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 5000));
    reg_cache_fini(&c);
}

static void test_reg_cache_learn(void **state UNUSED)
{
    struct reg_cache c;
    struct reg_row one = row_of("eu1", 5), older = row_of("eu1", 4), younger = row_of("eu1", 6);
    struct reg_row two = row_of("eu2", 1);
    char node[16];
    reg_cache_init(&c, 10, 1000);
    reg_cache_put(&c, STR("a"), &one, 1, 0);
    reg_cache_learn(&c, STR("a"), &one); /* as known */
    reg_cache_learn(&c, STR("a"), &older);
    assert_true(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 0));
    assert_int_equal(reg_cache_get(&c, STR("a"))->rows[0].incarnation, 5);
    reg_cache_learn(&c, STR("a"), &younger);
    assert_false(reg_cache_current(&c, reg_cache_get(&c, STR("a")), 0));
    reg_cache_learn(&c, STR("a"), &two);
    assert_int_equal(reg_cache_get(&c, STR("a"))->n, 2);
    assert_int_equal(reg_cache_get(&c, STR("a"))->rows[0].incarnation, 6);
    for (unsigned i = 0; i < 2 * REG_ROWS_MAX; i++) {
        snprintf(node, sizeof node, "n%u", i);
        struct reg_row r = row_of(node, 1);
        reg_cache_learn(&c, STR("a"), &r);
    }
    assert_int_equal(reg_cache_get(&c, STR("a"))->n, REG_ROWS_MAX);
    reg_cache_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reg_cache_is_bounded_by_use),
        cmocka_unit_test(test_reg_cache_current),
        cmocka_unit_test(test_reg_cache_learn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
