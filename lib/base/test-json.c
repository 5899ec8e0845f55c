/* DOC: JSON: order, ownership, strictness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/json.h"
#include "lib/base/rand.h"

static void assert_json(const struct json *j, const char *want)
{
    struct buf b;
    buf_init(&b, 10000);
    json_write(&b, j, false);
    assert_true(buf_ok(&b));
    assert_int_equal(b.n, strlen(want));
    assert_memory_equal(b.p, want, b.n);
    buf_fini(&b);
}

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    char why[200] = "";
    enum err e = json_parse(str_of(text), 10000, &j, why, sizeof why);
    if (e)
        fail_msg("%s: %s", text, why);
    return j;
}

static void test_json_writes_in_insertion_order(void **state)
{
    (void)state;
    struct json *o = json_new_object(), *a = json_new_array(), *inner = json_new_object();
    json_set_str(o, "z", STR("1"));
    json_set_num(o, "a", INT64_MIN);
    json_set_bool(o, "m", true);
    json_push_str(a, STR("x"));
    json_push(a, &inner);
    assert_null(inner);
    json_set(o, "list", &a);
    assert_null(a);
    assert_json(o, "{\"z\":\"1\",\"a\":-9223372036854775808,\"m\":true,\"list\":[\"x\",{}]}");
    json_free(&o);
    assert_null(o);
    json_free(&o);
}

static void test_json_pretty_has_lines(void **state)
{
    (void)state;
    struct json *o = json_new_object();
    struct buf b;
    buf_init(&b, 100);
    json_set_num(o, "a", 1);
    json_write(&b, o, true);
    assert_true(str_eqc(buf_view(&b), "{\n  \"a\": 1\n}"));
    buf_fini(&b);
    json_free(&o);
}

static void test_json_strings_become_valid_utf8(void **state)
{
    (void)state;
    struct json *a = json_new_array();
    json_push_str(a, STR("a\xff\xc3z"));
    json_push_str(a, STR("n\0l"));
    json_push_str(a, STR("\xed\xa0\x80"));
    json_push_str(a, STR("J\xc3\xbc\"\n"));
    json_push_str(a, STR_NONE);
    assert_json(a, "[\"a\xef\xbf\xbd\xef\xbf\xbdz\",\"n\xef\xbf\xbdl\","
                   "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"J\xc3\xbc\\\"\\n\",\"\"]");
    json_free(&a);
}

static void test_json_getters_have_fallbacks(void **state)
{
    (void)state;
    struct json *o = parse("{\"s\":\"v\",\"n\":7,\"t\":true,\"f\":false,\"l\":[1,\"two\"]}");
    assert_string_equal(json_get_str(o, "s"), "v");
    assert_null(json_get_str(o, "n"));
    assert_null(json_get_str(o, "none"));
    assert_int_equal(json_get_num(o, "n", 1), 7);
    assert_int_equal(json_get_num(o, "s", 1), 1);
    assert_true(json_get_bool(o, "t", false));
    assert_false(json_get_bool(o, "f", true));
    assert_true(json_get_bool(o, "n", true));
    struct json *l = json_get(o, "l");
    assert_int_equal(json_len(l), 2);
    assert_string_equal(json_str(json_at(l, 1)), "two");
    assert_null(json_str(json_at(l, 0)));
    assert_null(json_at(l, 2));
    assert_null(json_get(o, "none"));
    assert_int_equal(json_len(NULL), 0);
    assert_null(json_str(NULL));
    json_free(&o);
}

static void test_json_parse_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"a\":1,\"a\":2}",
                                      "[1] x",
                                      "[\"\\u0000\"]",
                                      "[\"\xff\"]",
                                      "{\"a\":1,}",
                                      "[01]",
                                      "['a']",
                                      "[1e999]",
                                      "// c\n[]",
                                      "[NaN]",
                                      "[99999999999999999999]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json *j = NULL;
        char why[200] = "";
        if (json_parse(str_of(bad[i]), 1000, &j, why, sizeof why) != ERR_INVALID || j)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(why, "line "));
    }
    struct json *j = NULL;
    assert_int_equal(json_parse(STR_NONE, 1000, &j, NULL, 0), ERR_INVALID);
}

static void test_json_parse_has_limits(void **state)
{
    (void)state;
    char deep[400], why[8];
    struct json *j = NULL;
    assert_int_equal(json_parse(STR("[1,2,3]"), 6, &j, why, sizeof why), ERR_LIMIT);
    assert_string_equal(why, "too lon");
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    assert_int_equal(json_parse(str_make(deep, 130), 1000, &j, why, sizeof why), ERR_LIMIT);
    assert_null(j);
    assert_int_equal(json_parse(str_make(deep + 1, 128), 1000, &j, why, sizeof why), ERR_OK);
    json_free(&j);
    j = parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"]");
    json_free(&j);
}

static void test_json_write_respects_the_ceiling(void **state)
{
    (void)state;
    struct json *a = json_new_array();
    struct buf b;
    buf_init(&b, 20);
    for (int i = 0; i < 10; i++)
        json_push_str(a, STR("abc"));
    json_write(&b, a, false);
    assert_false(buf_ok(&b));
    assert_true(b.n <= 20);
    buf_fini(&b);
    json_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_writes_in_insertion_order),
        cmocka_unit_test(test_json_pretty_has_lines),
        cmocka_unit_test(test_json_strings_become_valid_utf8),
        cmocka_unit_test(test_json_getters_have_fallbacks),
        cmocka_unit_test(test_json_parse_refuses),
        cmocka_unit_test(test_json_parse_has_limits),
        cmocka_unit_test(test_json_write_respects_the_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
