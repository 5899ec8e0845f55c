/* DOC: Allocation: zeroed, never NULL, try_alloc bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base.h"
#include "lib/base/vec.h"

static void test_mem_alloc_is_zeroed_and_never_null(void **state)
{
    (void)state;
    uint8_t *p = mem_alloc(1000), *none = mem_alloc(0);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    assert_non_null(none);
    mem_free(p);
    mem_free(none);
    mem_free(NULL);
}

static void test_mem_try_alloc_refuses_the_impossible(void **state)
{
    (void)state;
    volatile size_t size = SIZE_MAX;
    assert_null(mem_try_alloc(size));
    assert_null(mem_try_alloc((size_t)PTRDIFF_MAX + size * 0 + 1));
    void *p = mem_try_alloc(16);
    assert_non_null(p);
    mem_free(p);
}

static void test_mem_dup_copies(void **state)
{
    (void)state;
    char *a = mem_dup("ab\0cd", 5), *b = mem_strdup("hello"), *none = mem_dup(NULL, 0);
    assert_memory_equal(a, "ab\0cd", 5);
    assert_string_equal(b, "hello");
    assert_non_null(none);
    mem_free(a);
    mem_free(b);
    mem_free(none);
}

static void test_mem_realloc_keeps_content(void **state)
{
    (void)state;
    char *p = mem_realloc(NULL, 3);
    memcpy(p, "abc", 3);
    p = mem_realloc(p, 100000);
    assert_memory_equal(p, "abc", 3);
    p = mem_realloc(p, 0);
    assert_non_null(p);
    mem_free(p);
}

static void test_mem_wipe_overwrites(void **state)
{
    (void)state;
    char secret[8] = "secret!";
    mem_wipe(secret + 1, 3);
    assert_memory_equal(secret, "s\0\0\0et!", 8);
    mem_wipe(NULL, 0);
}

static void test_mem_vec_grows_and_removes(void **state)
{
    (void)state;
    VEC(int) v = {0};
    for (int i = 0; i < 100; i++)
        vec_push(&v, i);
    assert_int_equal(v.n, 100);
    vec_remove(&v, 0);
    vec_remove(&v, 98);
    vec_remove(&v, 49);
    assert_int_equal(v.n, 97);
    assert_int_equal(v.p[0], 1);
    assert_int_equal(v.p[48], 49);
    assert_int_equal(v.p[49], 51);
    assert_int_equal(v.p[96], 98);
    vec_fini(&v);
    assert_null(v.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_alloc_is_zeroed_and_never_null),
        cmocka_unit_test(test_mem_try_alloc_refuses_the_impossible),
        cmocka_unit_test(test_mem_dup_copies),
        cmocka_unit_test(test_mem_realloc_keeps_content),
        cmocka_unit_test(test_mem_wipe_overwrites),
        cmocka_unit_test(test_mem_vec_grows_and_removes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
