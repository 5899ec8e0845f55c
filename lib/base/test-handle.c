/* DOC: Handles: stale and foreign ones find nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/handle.h"

static void test_handle_finds_its_object_until_freed(void **state)
{
    (void)state;
    struct handle_table *t = handle_table_new(3);
    int a, b;
    handle ha = handle_new(t, &a), hb = handle_new(t, &b);
    assert_true(ha != 0 && hb != 0 && ha != hb);
    assert_int_equal(handle_shard(ha), 3);
    assert_ptr_equal(handle_get(t, ha), &a);
    assert_ptr_equal(handle_get(t, hb), &b);
    handle_free(t, ha);
    assert_null(handle_get(t, ha));
    assert_ptr_equal(handle_get(t, hb), &b);
    handle_table_free(&t);
    assert_null(t);
    handle_table_free(&t);
}

static void test_handle_of_a_reused_slot_is_new(void **state)
{
    (void)state;
    struct handle_table *t = handle_table_new(0);
    int a, b;
    handle old = handle_new(t, &a);
    for (int i = 0; i < 1000; i++) {
        handle_free(t, old);
        handle h = handle_new(t, &b);
        assert_int_equal(h >> 32, old >> 32); /* the same slot */
        assert_null(handle_get(t, old));
        assert_ptr_equal(handle_get(t, h), &b);
        handle_free(t, old); /* stale: must not free the new tenant */
        assert_ptr_equal(handle_get(t, h), &b);
        old = h;
    }
    handle_table_free(&t);
}

static void test_handle_garbage_and_foreign_find_nothing(void **state)
{
    (void)state;
    struct handle_table *one = handle_table_new(1), *two = handle_table_new(2);
    int a;
    handle h = handle_new(one, &a);
    handle_new(two, &a);
    assert_null(handle_get(two, h));
    handle_free(two, h);
    assert_ptr_equal(handle_get(one, h), &a);
    assert_null(handle_get(one, 0));
    assert_null(handle_get(one, UINT64_MAX));
    assert_null(handle_get(one, h + (UINT64_C(1) << 32)));
    assert_null(handle_get(one, h ^ 1));
    handle_free(one, h);
    handle_free(one, h + 1); /* the slot's next tenant, not there yet */
    assert_true(handle_new(one, &a) >> 32 != handle_new(one, &a) >> 32);
    handle_table_free(&one);
    handle_table_free(&two);
}

static void test_handle_many_stay_distinct(void **state)
{
    (void)state;
    enum { N = 5000 };
    static int objects[N];
    static handle handles[N];
    struct handle_table *t = handle_table_new(255);
    for (int i = 0; i < N; i++)
        handles[i] = handle_new(t, &objects[i]);
    for (int i = 0; i < N; i += 2)
        handle_free(t, handles[i]);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(handle_get(t, handles[i]), i % 2 ? &objects[i] : NULL);
    handle_table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handle_finds_its_object_until_freed),
        cmocka_unit_test(test_handle_of_a_reused_slot_is_new),
        cmocka_unit_test(test_handle_garbage_and_foreign_find_nothing),
        cmocka_unit_test(test_handle_many_stay_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
