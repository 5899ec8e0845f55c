/* The items of a block list: what is taken, bounds, removal in any order, and that two lists are
 * the same whatever their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/mod/rtbl-items.h"
#include "s2s/s2s-policy.h"

static struct str name_of(size_t i, char out[40])
{
    snprintf(out, 40, "d%zu.example", i);
    return str_of(out);
}

static bool is_listed(const struct rtbl_items *items, struct str domain)
{
    struct s2s_rtbl_set *set = s2s_rtbl_set_new();
    struct s2s_rtbl *l = rtbl_items_list(items, STR("s"), STR("n"));
    struct s2s_terms t = {0};
    s2s_rtbl_set_add(set, &l);
    s2s_rtbl_apply(set, domain, &t);
    s2s_rtbl_set_unref(&set);
    return t.is_listed;
}

static void test_rtbl_items_taken(void **state UNUSED)
{
    struct rtbl_items items;
    rtbl_items_init(&items, 2);
    assert_int_equal(rtbl_items_add(&items, STR("a.example")), ERR_OK);
    assert_int_equal(rtbl_items_add(&items, STR("a.example")), ERR_EXISTS);
    assert_int_equal(rtbl_items_add(&items, STR("eve@a.example")), ERR_UNSUPPORTED);
    assert_int_equal(rtbl_items_add(&items, STR("*.a.example")), ERR_INVALID);
    assert_int_equal(rtbl_items_add(&items, STR("b.example")), ERR_OK);
    assert_int_equal(rtbl_items_add(&items, STR("c.example")), ERR_LIMIT);
    assert_int_equal(rtbl_items_count(&items), 2);
    assert_true(rtbl_items_del(&items, STR("b.example")));
    assert_false(rtbl_items_del(&items, STR("b.example")));
    assert_int_equal(rtbl_items_add(&items, STR("c.example")), ERR_OK);
    rtbl_items_fini(&items);
}

/* One domain under two ids: it is free when both are gone. */
static void test_rtbl_items_two_ids(void **state UNUSED)
{
    struct rtbl_items items;
    rtbl_items_init(&items, 3);
    assert_int_equal(rtbl_items_add(&items, STR("a.example")), ERR_OK);
    assert_int_equal(rtbl_items_add(&items, STR("A.example")), ERR_OK);
    assert_true(rtbl_items_del(&items, STR("a.example")));
    assert_true(is_listed(&items, STR("a.example")));
    assert_true(rtbl_items_del(&items, STR("A.example")));
    assert_false(is_listed(&items, STR("a.example")));
    rtbl_items_fini(&items);
}

static void test_rtbl_items_equal(void **state UNUSED)
{
    struct rtbl_items a, b;
    char name[40];
    rtbl_items_init(&a, 100);
    rtbl_items_init(&b, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(rtbl_items_add(&a, name_of(i, name)), ERR_OK);
        assert_int_equal(rtbl_items_add(&b, name_of(99 - i, name)), ERR_OK);
    }
    assert_true(rtbl_items_equal(&a, &b));
    assert_true(rtbl_items_del(&a, STR("d7.example")));
    assert_false(rtbl_items_equal(&a, &b));
    assert_int_equal(rtbl_items_add(&a, STR("other.example")), ERR_OK);
    assert_false(rtbl_items_equal(&a, &b));
    for (size_t i = 0; i < 100; i += 3) /* from the middle and both ends */
        assert_int_equal(rtbl_items_del(&a, name_of(i, name)), i != 7);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(is_listed(&a, name_of(i, name)), i % 3 != 0 && i != 7);
    rtbl_items_fini(&a);
    rtbl_items_fini(&b);
    assert_true(rtbl_items_equal(&a, &b));
}

static void test_rtbl_items_max(void **state UNUSED)
{
    struct rtbl_items items;
    char name[40];
    rtbl_items_init(&items, S2S_RTBL_ITEMS_MAX);
    for (size_t i = 0; i < S2S_RTBL_ITEMS_MAX; i++)
        assert_int_equal(rtbl_items_add(&items, name_of(i, name)), ERR_OK);
    assert_int_equal(rtbl_items_add(&items, name_of(S2S_RTBL_ITEMS_MAX, name)), ERR_LIMIT);
    assert_true(is_listed(&items, name_of(S2S_RTBL_ITEMS_MAX - 1, name)));
    assert_false(is_listed(&items, name_of(S2S_RTBL_ITEMS_MAX, name)));
    rtbl_items_fini(&items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtbl_items_taken),
        cmocka_unit_test(test_rtbl_items_two_ids),
        cmocka_unit_test(test_rtbl_items_equal),
        cmocka_unit_test(test_rtbl_items_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
