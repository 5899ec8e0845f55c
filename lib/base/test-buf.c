/* DOC: Buffers: ceiling, sticky overflow, consume. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static void test_buf_appends_up_to_its_ceiling(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    for (int i = 0; i < 100; i++)
        buf_char(&b, (char)i);
    assert_true(buf_ok(&b));
    assert_int_equal(b.n, 100);
    assert_true(b.cap <= 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(b.p[i], i);
    buf_char(&b, 'x');
    assert_false(buf_ok(&b));
    assert_int_equal(b.n, 100);
    buf_fini(&b);
}

static void test_buf_overflow_is_sticky_until_clear(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_cstr(&b, "12345");
    buf_str(&b, STR("6789"));
    assert_false(buf_ok(&b));
    buf_cstr(&b, "6");
    assert_true(str_eqc(buf_view(&b), "12345"));
    assert_null(buf_reserve(&b, 1));
    buf_consume(&b, 5);
    assert_false(buf_ok(&b));
    buf_clear(&b);
    assert_true(buf_ok(&b));
    buf_cstr(&b, "12345678");
    assert_true(buf_ok(&b));
    assert_true(str_eqc(buf_view(&b), "12345678"));
    buf_fini(&b);
}

static void test_buf_printf_fills_to_the_last_byte(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_printf(&b, "%s:%d", "abc", 123456);
    assert_true(buf_ok(&b));
    assert_true(str_eqc(buf_view(&b), "abc:123456"));
    buf_clear(&b);
    buf_printf(&b, "%s:%d", "abc", 1234567);
    assert_false(buf_ok(&b));
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

static void test_buf_reserve_then_commit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    char *room = buf_reserve(&b, 500);
    memset(room, 'r', 500);
    buf_commit(&b, 300);
    assert_int_equal(b.n, 300);
    assert_non_null(buf_reserve(&b, 700));
    assert_null(buf_reserve(&b, 701));
    assert_true(buf_ok(&b)); /* a refused reservation is no overflow */
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_fini(&b);
}

static void test_buf_consume_drops_from_the_front(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_cstr(&b, "hello world");
    buf_consume(&b, 0);
    buf_consume(&b, 6);
    assert_true(str_eqc(buf_view(&b), "world"));
    buf_consume(&b, 5);
    assert_true(str_eqc(buf_view(&b), ""));
    buf_cstr(&b, "again");
    assert_true(str_eqc(buf_view(&b), "again"));
    buf_fini(&b);
}

static void test_buf_release_frees_and_stays_usable(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_non_null(buf_view(&b).p);
    buf_cstr(&b, "12345");
    buf_release(&b);
    assert_int_equal(b.cap, 0);
    assert_true(buf_ok(&b));
    buf_cstr(&b, "1234");
    assert_true(buf_ok(&b));
    assert_true(str_eqc(buf_view(&b), "1234"));
    buf_fini(&b);
}

static void test_buf_without_room_takes_only_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    buf_str(&b, STR_NONE);
    assert_true(buf_ok(&b));
    buf_char(&b, 'x');
    assert_false(buf_ok(&b));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_appends_up_to_its_ceiling),
        cmocka_unit_test(test_buf_overflow_is_sticky_until_clear),
        cmocka_unit_test(test_buf_printf_fills_to_the_last_byte),
        cmocka_unit_test(test_buf_reserve_then_commit),
        cmocka_unit_test(test_buf_consume_drops_from_the_front),
        cmocka_unit_test(test_buf_release_frees_and_stays_usable),
        cmocka_unit_test(test_buf_without_room_takes_only_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
