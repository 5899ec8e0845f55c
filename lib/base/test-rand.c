/* DOC: Random numbers: unbiased, unpredictable by default, reproducible after a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/rand.h"
#include "lib/base/siphash.h"

static void test_rand_system_numbers_differ(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    assert_false(rand_is_seeded());
    rand_bytes(a, sizeof a);
    rand_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 500, b + 500, 500);
    assert_true(rand_u64() != rand_u64());
    rand_bytes(a, 0);
}

static void test_rand_names_differ(void **state)
{
    uint64_t seen[200]; /* more than are drawn at once */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        seen[i] = rand_name();
        for (size_t k = 0; k < i; k++)
            assert_true(seen[k] != seen[i]);
    }
}

static void test_rand_below_covers_its_range(void **state)
{
    (void)state;
    unsigned count[7] = {0};
    for (int i = 0; i < 7000; i++)
        count[rand_below(7)]++;
    for (size_t i = 0; i < ARRAY_LEN(count); i++)
        assert_in_range(count[i], 800, 1200);
    assert_int_equal(rand_below(1), 0);
}

/* A bound of three quarters of the range: a plain modulo would hit the first third half of the
 * time. */
static void test_rand_below_is_unbiased(void **state)
{
    unsigned low = 0;
    (void)state;
    for (int i = 0; i < 3000; i++) {
        uint64_t x = rand_below(UINT64_C(3) << 62);
        assert_true(x < UINT64_C(3) << 62);
        low += x < UINT64_C(1) << 62;
    }
    assert_in_range(low, 850, 1150);
}

static void test_rand_id_is_url_safe_and_new_each_time(void **state)
{
    (void)state;
    char a[RAND_ID_LEN + 1], b[RAND_ID_LEN + 1];
    assert_ptr_equal(rand_id(a), a);
    rand_id(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), RAND_ID_LEN);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                     RAND_ID_LEN);
}

/* Last: the seed holds for the rest of the process. */
static void test_rand_seed_makes_all_reproducible(void **state)
{
    (void)state;
    char id[RAND_ID_LEN + 1], again[RAND_ID_LEN + 1];
    uint8_t secret[16];
    rand_seed(42);
    assert_true(rand_is_seeded());
    uint64_t x = rand_u64(), y = rand_below(1000);
    rand_id(id);
    rand_seed(42);
    memcpy(secret, siphash_secret(),
           sizeof secret); /* drawing it takes nothing from the sequence */
    assert_true(rand_u64() == x);
    assert_true(rand_below(1000) == y);
    assert_string_equal(rand_id(again), id);
    rand_seed(43);
    assert_true(rand_u64() != x);
    assert_memory_equal(siphash_secret(), secret, sizeof secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rand_system_numbers_differ),
        cmocka_unit_test(test_rand_names_differ),
        cmocka_unit_test(test_rand_below_covers_its_range),
        cmocka_unit_test(test_rand_below_is_unbiased),
        cmocka_unit_test(test_rand_id_is_url_safe_and_new_each_time),
        cmocka_unit_test(test_rand_seed_makes_all_reproducible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
