/* DOC: Regions: alignment, budget, clean-ups, large requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/arena.h"

static void test_arena_memory_is_zeroed_aligned_and_distinct(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    uint8_t *last = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        uint8_t *p = arena_alloc(a, size);
        assert_int_equal((uintptr_t)p % 8, 0);
        assert_ptr_not_equal(p, last);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
        last = p;
    }
    arena_free(&a);
    assert_null(a);
    arena_free(&a);
}

static void test_arena_large_requests_leave_the_small_block_in_use(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    char *big = arena_alloc(a, 1 << 20);
    memset(big, 1, 1 << 20);
    char *x = arena_alloc(a, 8);
    memset(arena_alloc(a, 200000), 1, 200000);
    char *y = arena_alloc(a, 8);
    assert_in_range(y - x, 8, 32);
    assert_true(arena_used(a) >= (1 << 20) + 200016);
    arena_free(&a);
}

static void test_arena_budget_bounds_what_is_handed_out(void **state)
{
    (void)state;
    struct arena *a = arena_new(100);
    size_t n = 0;
    assert_null(arena_try_alloc(a, 105));
    while (arena_try_alloc(a, 10))
        n++;
    assert_int_equal(n, 6); /* of 16 bytes each */
    assert_int_equal(arena_used(a), 96);
    assert_null(arena_try_alloc(a, 5));
    assert_int_equal(arena_used(a), 96);
    arena_free(&a);
}

static void test_arena_refuses_sizes_that_would_wrap(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    volatile size_t huge = SIZE_MAX;
    assert_null(arena_try_alloc(a, huge));
    assert_null(arena_try_alloc(a, huge - 7));
    assert_null(arena_try_alloc(a, huge / 2));
    arena_free(&a);
}

static void test_arena_text_helpers(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct str s = arena_dup(a, str_make("abcdef", 3));
    assert_true(str_eqc(s, "abc"));
    assert_string_equal(s.p, "abc");
    assert_null(arena_dup(a, STR_NONE).p);
    assert_non_null(arena_dup(a, STR("")).p);
    assert_string_equal(arena_cstr(a, STR("xyz")), "xyz");
    assert_null(arena_cstr(a, STR_NONE));
    s = arena_printf(a, "%s-%d-%0*d", "n", 42, 600, 1);
    assert_int_equal(s.n, 605);
    assert_int_equal(strlen(s.p), 605);
    assert_true(str_starts(s, STR("n-42-000")));
    arena_free(&a);
}

static char order[8];

static void note_a(void *ctx)
{
    strncat(ctx, "a", 2);
}

static void note_b(void *ctx)
{
    strncat(ctx, "b", 2);
}

static void test_arena_cleanups_run_newest_first_and_are_not_on_the_budget(void **state)
{
    (void)state;
    struct arena *a = arena_new(8);
    arena_on_free(a, note_a, order);
    arena_on_free(a, note_b, order);
    arena_on_free(a, note_a, order);
    assert_non_null(arena_try_alloc(a, 8));
    assert_int_equal(arena_used(a), 8);
    arena_free(&a);
    assert_string_equal(order, "aba");
}

/* First blocks are kept by the thread: the next arena must not see what was in them. Not under
 * AddressSanitizer, where none is kept. */
static void test_arena_used_again_is_zeroed(void **state)
{
    enum { MANY = 300, SIZE = 200 };
    static const char zero[SIZE];
    struct arena *all[MANY];
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            all[i] = arena_new(0);
            for (int k = 0; k < 1 + i % 9; k++) {
                char *p = arena_alloc(all[i], SIZE);
                assert_memory_equal(p, zero, SIZE);
                memset(p, 0xa5, SIZE);
            }
        }
        for (int i = 0; i < MANY; i++)
            arena_free(&all[i * 7 % MANY]);
    }
}

static void test_arena_new_for_grows_too(void **state)
{
    (void)state;
    for (size_t room = 1; room < 200; room += 13) {
        struct arena *a = arena_new_for(room);
        memset(arena_alloc(a, room), 1, room);
        memset(arena_alloc(a, 5000), 2, 5000);
        assert_true(arena_used(a) >= room + 5000);
        arena_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_memory_is_zeroed_aligned_and_distinct),
        cmocka_unit_test(test_arena_large_requests_leave_the_small_block_in_use),
        cmocka_unit_test(test_arena_budget_bounds_what_is_handed_out),
        cmocka_unit_test(test_arena_refuses_sizes_that_would_wrap),
        cmocka_unit_test(test_arena_text_helpers),
        cmocka_unit_test(test_arena_used_again_is_zeroed),
        cmocka_unit_test(test_arena_new_for_grows_too),
        cmocka_unit_test(test_arena_cleanups_run_newest_first_and_are_not_on_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
