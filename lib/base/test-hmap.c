/* DOC: The map against a plain array as model, with growth, tombstones and removal while iterating.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/hmap.h"
#include "lib/base/rand.h"

struct user {
    char name[16];
    int value;
};

static struct str name_of(struct user *u, unsigned i)
{
    snprintf(u->name, sizeof u->name, "user%u", i);
    return str_of(u->name);
}

static void test_hmap_zeroed_is_empty(void **state)
{
    (void)state;
    struct hmap m = {0};
    size_t it = 0;
    assert_null(hmap_get(&m, STR("a")));
    assert_null(hmap_del(&m, STR("a")));
    assert_null(hmap_next(&m, &it, NULL));
    hmap_fini(&m);
}

static void test_hmap_put_replaces_value_and_key(void **state)
{
    (void)state;
    struct hmap m;
    struct user *a = mem_alloc(sizeof *a), *b = mem_alloc(sizeof *b);
    hmap_init(&m);
    assert_null(hmap_put(&m, name_of(a, 1), a));
    assert_ptr_equal(hmap_put(&m, name_of(b, 1), b), a);
    memset(a, 'x', sizeof *a);
    mem_free(a); /* its name was the first key */
    assert_ptr_equal(hmap_get(&m, STR("user1")), b);
    assert_int_equal(hmap_count(&m), 1);
    assert_ptr_equal(hmap_del(&m, STR("user1")), b);
    assert_int_equal(hmap_count(&m), 0);
    hmap_fini(&m);
    mem_free(b);
}

static void test_hmap_keys_are_bytes(void **state)
{
    (void)state;
    struct hmap m = {0};
    int a, b, c;
    hmap_put(&m, STR("a\0x"), &a);
    hmap_put(&m, STR("a\0y"), &b);
    hmap_put(&m, STR(""), &c);
    assert_ptr_equal(hmap_get(&m, STR("a\0x")), &a);
    assert_ptr_equal(hmap_get(&m, STR("a\0y")), &b);
    assert_ptr_equal(hmap_get(&m, STR("")), &c);
    assert_null(hmap_get(&m, STR("a")));
    hmap_fini(&m);
}

enum { USERS = 500 };

static void check_against(const struct hmap *m, const struct user *users, const bool *present)
{
    size_t n = 0;
    for (unsigned i = 0; i < USERS; i++) {
        assert_ptr_equal(hmap_get(m, str_of(users[i].name)), present[i] ? &users[i] : NULL);
        n += present[i];
    }
    assert_int_equal(hmap_count(m), n);
}

static void test_hmap_agrees_with_a_model(void **state)
{
    (void)state;
    static struct user users[USERS];
    bool present[USERS] = {false};
    struct hmap m = {0};
    for (unsigned i = 0; i < USERS; i++)
        name_of(&users[i], i);
    for (int step = 0; step < 40000; step++) {
        unsigned span = step / 4000 % 2 ? USERS : 20; /* grow and shrink in turns */
        unsigned i = (unsigned)rand_below(span);
        struct str key = str_of(users[i].name);
        void *was = present[i] ? &users[i] : NULL;
        if (rand_below(2))
            assert_ptr_equal(hmap_put(&m, key, &users[i]), was);
        else
            assert_ptr_equal(hmap_del(&m, key), was);
        present[i] = hmap_get(&m, key) != NULL;
        if (step % 1000 == 0)
            check_against(&m, users, present);
        assert_true(m.n + m.tombs < m.cap || m.cap == 0);
    }
    check_against(&m, users, present);
    for (unsigned i = 0; i < USERS; i++)
        hmap_del(&m, str_of(users[i].name));
    assert_int_equal(m.n, 0);
    assert_int_equal(m.tombs, 0); /* a tombstone stands only before something */
    hmap_fini(&m);
}

static void test_hmap_iterates_each_once_and_allows_removal(void **state)
{
    (void)state;
    static struct user users[USERS];
    struct hmap m = {0};
    struct str key;
    struct user *u;
    size_t it = 0, seen = 0;
    for (unsigned i = 0; i < USERS; i++)
        hmap_put(&m, name_of(&users[i], i), &users[i]);
    while ((u = hmap_next(&m, &it, &key))) {
        assert_string_equal(u->name, key.p);
        assert_int_equal(u->value++, 0);
        if (seen++ % 3)
            assert_ptr_equal(hmap_del(&m, key), u);
    }
    assert_int_equal(seen, USERS);
    assert_int_equal(hmap_count(&m), (USERS + 2) / 3);
    for (it = 0; (u = hmap_next(&m, &it, &key));)
        hmap_del(&m, key);
    assert_int_equal(hmap_count(&m), 0);
    hmap_fini(&m);
}

static void test_hmap_gives_memory_back_after_a_peak(void **state)
{
    (void)state;
    static struct user users[USERS];
    struct hmap m = {0};
    for (unsigned i = 0; i < USERS; i++)
        hmap_put(&m, name_of(&users[i], i), &users[i]);
    size_t peak = m.cap;
    for (unsigned i = 1; i < USERS; i++)
        hmap_del(&m, str_of(users[i].name));
    hmap_put(&m, str_of(users[1].name), &users[1]);
    assert_true(m.cap < peak / 8);
    assert_ptr_equal(hmap_get(&m, str_of(users[0].name)), &users[0]);
    hmap_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmap_zeroed_is_empty),
        cmocka_unit_test(test_hmap_put_replaces_value_and_key),
        cmocka_unit_test(test_hmap_keys_are_bytes),
        cmocka_unit_test(test_hmap_agrees_with_a_model),
        cmocka_unit_test(test_hmap_iterates_each_once_and_allows_removal),
        cmocka_unit_test(test_hmap_gives_memory_back_after_a_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
