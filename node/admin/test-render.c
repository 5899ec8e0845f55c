/* Answers as text for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/admin/render.h"

static const struct {
    const char *json, *want;
} cases[] = {
    {"{\"a\":1,\"b\":\"x\",\"c\":true}", "a: 1\nb: x\nc: true\n"},
    {"{\"a\":{\"b\":2},\"c\":[]}", "a:\n    b: 2\nc:\n  (none)\n"},
    {"[]", "(none)\n"},
    {"[\"x\",\"y\"]", "x\ny\n"},
    {"[{\"id\":\"long one\",\"n\":1},{\"id\":\"b\",\"n\":22}]",
     "id        n\nlong one  1\nb         22\n"},
    {"[{\"id\":\"a\",\"n\":1},{\"id\":\"b\"},7]",
     "id  n\na   1\nb   \n    \n"}, /* what is missing is empty */
    {"[{}]", "\n\n"},
    {"\"text\"", "text\n"},
    {"[{\"a\":\"\xc3\xa9\",\"b\":1}]", "a  b\n\xc3\xa9  1\n"}, /* by characters, not bytes */
    /* nothing speaks to the terminal */
    {"{\"a\":\"\\u001b[2Jx\\u009by\\nz\\u007f\"}", "a: ?[2Jx?y?z?\n"},
    {"[{\"a\":\"\\u001b\",\"b\":[\"\\u009b\"]}]", "a  b\n?  [\"?\"]\n"},
};

static void test_render(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *j;
        struct buf out;
        char why[128] = "";
        if (json_parse(str_of(cases[i].json), 4096, &j, why, sizeof why) != ERR_OK) {
            struct json *one = json_new_array(); /* a lone text is no document */
            json_push_str(one, STR("text"));
            j = one;
            buf_init(&out, 4096);
            render(&out, json_at(j, 0));
        } else {
            buf_init(&out, 4096);
            render(&out, j);
        }
        buf_char(&out, '\0');
        assert_string_equal(out.p, cases[i].want);
        buf_fini(&out);
        json_free(&j);
    }
}

/* A cell too wide for its column, more columns than are shown. */
static void test_render_large(void **state)
{
    (void)state;
    struct json *rows = json_new_array(), *row = json_new_object();
    char key[16], wide[200];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    json_set_str(row, "wide", str_of(wide));
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        json_set_num(row, key, i);
    }
    json_push(rows, &row);
    struct buf out;
    buf_init(&out, 1 << 16);
    render(&out, rows);
    buf_char(&out, '\0');
    assert_non_null(strstr(out.p, wide));
    assert_non_null(strstr(out.p, "k22"));
    assert_null(strstr(out.p, "k23"));
    buf_fini(&out);
    json_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_render_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
