/* DOC: Slices: comparison, cutting, numbers; absent is not empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base.h"

static void test_str_absent_is_not_empty(void **state)
{
    (void)state;
    assert_false(str_eq(STR_NONE, STR("")));
    assert_true(str_eq(STR_NONE, str_of(NULL)));
    assert_true(str_eq(STR(""), str_of("")));
    assert_true(str_eqc(STR_NONE, NULL));
    assert_false(str_eqc(STR_NONE, ""));
    assert_false(str_ieq(STR_NONE, STR("")));
    assert_null(str_dup(STR_NONE));
}

static void test_str_eq_counts_bytes_not_nul(void **state)
{
    (void)state;
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eqc(STR("ab"), "abc"));
    assert_true(str_ieq(STR("Example.ORG"), STR("eXAMPLE.org")));
    assert_false(str_ieq(STR("@"), STR("`")));
    assert_false(str_ieq(STR("\xc3\x84"), STR("\xc3\xa4")));
}

static void test_str_cmp_orders(void **state)
{
    (void)state;
    const struct str sorted[] = {STR_NONE,    STR(""),     STR("\0"),  STR("A"),
                                 STR("a"),    STR("a\0"),  STR("ab"),  STR("b"),
                                 STR("\x7f"), STR("\x80"), STR("\xff")};
    for (size_t a = 0; a < ARRAY_LEN(sorted); a++)
        for (size_t b = 0; b < ARRAY_LEN(sorted); b++)
            assert_int_equal(str_cmp(sorted[a], sorted[b]), (a > b) - (a < b));
}

static void test_str_starts_ends_find(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_true(str_starts(STR_NONE, STR_NONE));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("bc"), STR("abc")));
    assert_false(str_ends(STR("abc"), STR("ab")));
    assert_int_equal(str_find(STR("abca"), 'a'), 0);
    assert_int_equal(str_find(STR("abc"), 'c'), 2);
    assert_int_equal(str_find(str_make("abc", 2), 'c'), -1);
    assert_int_equal(str_find(STR_NONE, 'c'), -1);
}

static void test_str_cut_yields_every_part(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,");
    assert_true(str_eqc(str_cut(&rest, ','), "a"));
    assert_true(str_eqc(str_cut(&rest, ','), ""));
    assert_true(str_eqc(str_cut(&rest, ','), "b"));
    assert_non_null(rest.p);
    assert_true(str_eqc(str_cut(&rest, ','), ""));
    assert_null(rest.p);
    assert_true(str_eq(str_cut(&rest, ','), STR_NONE));
}

static void test_str_trim_takes_white_space_from_both_ends(void **state)
{
    (void)state;
    assert_true(str_eqc(str_trim(STR(" \t\r\n\v\fa b \n")), "a b"));
    assert_true(str_eqc(str_trim(STR("  ")), ""));
    assert_true(str_eqc(str_trim(STR("\xc2\xa0")), "\xc2\xa0"));
    assert_true(str_eq(str_trim(STR_NONE), STR_NONE));
}

static void test_str_dup_ends_with_nul(void **state)
{
    (void)state;
    char *p = str_dup(str_make("abcdef", 3));
    assert_string_equal(p, "abc");
    mem_free(p);
    p = str_dup(STR(""));
    assert_string_equal(p, "");
    mem_free(p);
}

static void test_str_put_cuts_and_ends(void **state)
{
    char field[5] = "xxxx", one[1] = {'x'};
    (void)state;
    str_put(field, sizeof field, "abcdefgh");
    assert_string_equal(field, "abcd");
    str_put(field, sizeof field, "ab");
    assert_string_equal(field, "ab");
    str_put(field, sizeof field, "");
    assert_string_equal(field, "");
    str_put(one, sizeof one, "ab");
    assert_string_equal(one, "");
}

static void test_str_to_u64_takes_digits_up_to_max(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        uint64_t max, value;
        bool ok;
    } rows[] = {{{"0", 1}, 0, 0, true},
                {{"42", 2}, 42, 42, true},
                {{"42", 2}, 41, 0, false},
                {{"0007", 4}, 10, 7, true},
                {{"18446744073709551615", 20}, UINT64_MAX, UINT64_MAX, true},
                {{"18446744073709551616", 20}, UINT64_MAX, 0, false},
                {{"99999999999999999999", 20}, UINT64_MAX, 0, false},
                {{"", 0}, 9, 0, false},
                {{NULL, 0}, 9, 0, false},
                {{"-1", 2}, 9, 0, false},
                {{"+1", 2}, 9, 0, false},
                {{" 1", 2}, 9, 0, false},
                {{"1x", 2}, 99, 0, false},
                {{"1\0", 2}, 99, 0, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t out = 77;
        assert_int_equal(str_to_u64(rows[i].text, rows[i].max, &out), rows[i].ok);
        assert_true(out == (rows[i].ok ? rows[i].value : 77));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str_absent_is_not_empty),
        cmocka_unit_test(test_str_eq_counts_bytes_not_nul),
        cmocka_unit_test(test_str_cmp_orders),
        cmocka_unit_test(test_str_starts_ends_find),
        cmocka_unit_test(test_str_cut_yields_every_part),
        cmocka_unit_test(test_str_trim_takes_white_space_from_both_ends),
        cmocka_unit_test(test_str_dup_ends_with_nul),
        cmocka_unit_test(test_str_put_cuts_and_ends),
        cmocka_unit_test(test_str_to_u64_takes_digits_up_to_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
