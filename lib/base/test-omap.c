/* DOC: The ordered map against a sorted walk; seeking, stepping, removal on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/omap.h"
#include "lib/base/rand.h"

static void test_omap_zeroed_is_empty(void **state)
{
    (void)state;
    struct omap m = {0};
    struct omap_it it = {STR("kept"), NULL};
    assert_null(omap_get(&m, STR("a")));
    assert_null(omap_del(&m, STR("a")));
    assert_false(omap_first_ge(&m, STR_NONE, &it));
    assert_false(omap_last_lt(&m, STR("z"), &it));
    assert_false(omap_last(&m, &it));
    assert_true(str_eqc(it.key, "kept"));
    omap_fini(&m);
}

static void test_omap_copies_keys_and_replaces_values(void **state)
{
    (void)state;
    struct omap m;
    char key[] = "key";
    int a, b;
    omap_init(&m);
    assert_null(omap_put(&m, str_of(key), &a));
    key[0] = 'x';
    assert_ptr_equal(omap_get(&m, STR("key")), &a);
    assert_ptr_equal(omap_put(&m, STR("key"), &b), &a);
    assert_int_equal(omap_count(&m), 1);
    assert_ptr_equal(omap_del(&m, STR("key")), &b);
    assert_int_equal(omap_count(&m), 0);
    omap_fini(&m);
}

static void fill(struct omap *m, const char *keys)
{
    struct str rest = str_of(keys);
    while (rest.p) {
        struct str key = str_cut(&rest, ' ');
        omap_put(m, key, (void *)(uintptr_t)key.p);
    }
}

static void test_omap_seeks_in_byte_order(void **state)
{
    (void)state;
    static const struct {
        const char *key, *first_ge, *last_lt;
    } rows[] = {{"", "a", NULL},    {"a", "a", NULL},       {"aa", "ab", "a"}, {"ab", "ab", "a"},
                {"b", "b/1", "ab"}, {"b/15", "b/2", "b/1"}, {"zz", NULL, "z"}};
    struct omap m = {0};
    struct omap_it it;
    fill(&m, "b/2 z a ab b/1");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool found = omap_first_ge(&m, str_of(rows[i].key), &it);
        assert_int_equal(found, rows[i].first_ge != NULL);
        assert_true(!found || str_eqc(it.key, rows[i].first_ge));
        found = omap_last_lt(&m, str_of(rows[i].key), &it);
        assert_int_equal(found, rows[i].last_lt != NULL);
        assert_true(!found || str_eqc(it.key, rows[i].last_lt));
    }
    assert_true(omap_last(&m, &it));
    assert_true(str_eqc(it.key, "z"));
    omap_fini(&m);
}

static void test_omap_empty_key_is_a_key(void **state)
{
    (void)state;
    struct omap m = {0};
    struct omap_it it;
    fill(&m, "a");
    omap_put(&m, STR(""), &m);
    assert_true(omap_first_ge(&m, STR_NONE, &it));
    assert_true(str_eq(it.key, STR("")));
    assert_ptr_equal(it.value, &m);
    assert_true(omap_next(&m, &it));
    assert_true(str_eqc(it.key, "a"));
    omap_fini(&m);
}

static void test_omap_prefix_can_be_removed_on_the_way(void **state)
{
    (void)state;
    struct omap m = {0};
    struct omap_it it;
    fill(&m, "a/9 b/1 b/2 b/3 c/0");
    while (omap_first_ge(&m, STR("b/"), &it) && str_starts(it.key, STR("b/")))
        assert_non_null(omap_del(&m, it.key));
    assert_int_equal(omap_count(&m), 2);
    assert_non_null(omap_get(&m, STR("a/9")));
    assert_non_null(omap_get(&m, STR("c/0")));
    omap_fini(&m);
}

enum { KEYS = 1000 };

/* Walk both ways: exactly the present keys, in order. */
static void check_walk(const struct omap *m, const bool *present)
{
    struct omap_it it;
    char key[16];
    bool more = omap_first_ge(m, STR_NONE, &it);
    for (int i = 0; i < KEYS; i++) {
        if (!present[i])
            continue;
        snprintf(key, sizeof key, "%04d", i);
        assert_true(more && str_eqc(it.key, key));
        assert_int_equal((intptr_t)it.value, i + 1);
        more = omap_next(m, &it);
    }
    assert_false(more);
    more = omap_last(m, &it);
    for (int i = KEYS - 1; i >= 0; i--) {
        if (!present[i])
            continue;
        assert_true(more && (intptr_t)it.value == i + 1);
        more = omap_prev(m, &it);
    }
    assert_false(more);
}

static void test_omap_agrees_with_a_model(void **state)
{
    (void)state;
    struct omap m = {0};
    bool present[KEYS] = {false};
    char key[16];
    for (int step = 0; step < 20000; step++) {
        int i = (int)rand_below(KEYS);
        snprintf(key, sizeof key, "%04d", i);
        void *was = present[i] ? (void *)(intptr_t)(i + 1) : NULL;
        present[i] = rand_below(2);
        if (present[i])
            assert_ptr_equal(omap_put(&m, str_of(key), (void *)(intptr_t)(i + 1)), was);
        else
            assert_ptr_equal(omap_del(&m, str_of(key)), was);
        if (step % 2000 == 0)
            check_walk(&m, present);
    }
    check_walk(&m, present);
    omap_fini(&m);
}

/* A hundred thousand keys in ascending order would be a list without balance, and take minutes. */
static void test_omap_stays_shallow_under_sorted_keys(void **state)
{
    (void)state;
    struct omap m = {0};
    char key[16];
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "%08d", i);
        omap_put(&m, str_of(key), &m);
    }
    assert_int_equal(omap_count(&m), 100000);
    assert_ptr_equal(omap_get(&m, STR("00099999")), &m);
    omap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_omap_zeroed_is_empty),
        cmocka_unit_test(test_omap_copies_keys_and_replaces_values),
        cmocka_unit_test(test_omap_seeks_in_byte_order),
        cmocka_unit_test(test_omap_empty_key_is_a_key),
        cmocka_unit_test(test_omap_prefix_can_be_removed_on_the_way),
        cmocka_unit_test(test_omap_agrees_with_a_model),
        cmocka_unit_test(test_omap_stays_shallow_under_sorted_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
