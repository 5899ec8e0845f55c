/* DOC: Every error has a name and a text of its own; errno and libuv codes translate. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base.h"

static void test_err_names_and_texts_are_distinct(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_OK), "OK");
    assert_string_equal(err_name(ERR_TIMEOUT), "TIMEOUT");
    assert_string_equal(err_text(ERR_TIMEOUT), "timed out");
    for (int a = 0; a < ERR_COUNT; a++)
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
            assert_string_not_equal(err_text((enum err)a), err_text((enum err)b));
        }
}

static void test_err_out_of_range_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(err_name((enum err)ERR_COUNT), "UNKNOWN");
    assert_string_equal(err_text((enum err)1000000), "unknown error");
}

static void test_err_from_errno_takes_both_signs(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum err err;
    } rows[] = {{0, ERR_OK},
                {ECONNREFUSED, ERR_REFUSED},
                {-ECONNREFUSED, ERR_REFUSED},
                {ETIMEDOUT, ERR_TIMEOUT},
                {-ECONNRESET, ERR_RESET},
                {-ECANCELED, ERR_CANCELLED},
                {-EHOSTUNREACH, ERR_UNREACHABLE},
                {ENOENT, ERR_NOTFOUND},
                {ENOMEM, ERR_NOMEM},
                {-4095, ERR_EOF},
                {123456, ERR_IO},
                {INT_MIN, ERR_IO}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(err_from_errno(rows[i].code), rows[i].err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_names_and_texts_are_distinct),
        cmocka_unit_test(test_err_out_of_range_has_a_name),
        cmocka_unit_test(test_err_from_errno_takes_both_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
