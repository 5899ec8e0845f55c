/* DOC: The intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base.h"

struct item {
    int value;
    struct list node;
};

/* The list's values as text, and the same backwards, must agree with `want`. */
static void assert_list(struct list *l, const char *want)
{
    char text[32] = "", back[32] = "";
    size_t n = strlen(want), i = 0;
    list_each (l, at) {
        assert_true(i < n);
        text[i++] = (char)list_entry(at, struct item, node)->value;
    }
    assert_string_equal(text, want);
    for (struct list *at = l->prev; at != l; at = at->prev)
        back[--i] = (char)list_entry(at, struct item, node)->value;
    assert_int_equal(i, 0);
    assert_string_equal(back, want);
}

static void test_list_order_of_push_unshift_shift(void **state)
{
    (void)state;
    struct item a = {.value = 'a'}, b = {.value = 'b'}, c = {.value = 'c'};
    struct list l;
    list_init(&l);
    assert_true(list_empty(&l));
    assert_null(list_first(&l));
    assert_null(list_shift(&l));
    assert_false(list_linked(&a.node));
    list_push(&l, &b.node);
    list_push(&l, &c.node);
    list_unshift(&l, &a.node);
    assert_true(list_linked(&a.node));
    assert_list(&l, "abc");
    assert_ptr_equal(list_shift(&l), &a.node);
    assert_false(list_linked(&a.node));
    assert_list(&l, "bc");
}

static void test_list_del_is_idempotent_also_while_walking(void **state)
{
    (void)state;
    struct item items[] = {{.value = 'a'}, {.value = 'b'}, {.value = 'c'}, {.value = 'd'}};
    struct item loose = {0};
    struct list l;
    list_init(&l);
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        list_push(&l, &items[i].node);
    list_each (&l, at) {
        if (at == &items[1].node || at == &items[3].node) {
            list_del(at);
            list_del(at);
        }
    }
    list_del(&loose.node);
    assert_list(&l, "ac");
}

static void test_list_splice_moves_all(void **state)
{
    (void)state;
    struct item a = {.value = 'a'}, b = {.value = 'b'}, c = {.value = 'c'};
    struct list one, two;
    list_init(&one);
    list_init(&two);
    list_splice(&one, &two);
    assert_list(&one, "");
    list_push(&one, &a.node);
    list_push(&two, &b.node);
    list_push(&two, &c.node);
    list_splice(&one, &two);
    assert_list(&one, "abc");
    assert_true(list_empty(&two));
    list_splice(&two, &one);
    assert_list(&two, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_order_of_push_unshift_shift),
        cmocka_unit_test(test_list_del_is_idempotent_also_while_walking),
        cmocka_unit_test(test_list_splice_moves_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
