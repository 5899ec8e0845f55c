/* DOC: SipHash-2-4 against the vectors of its reference implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/siphash.h"

static void test_siphash_reference_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint64_t hash;
    } rows[] = {{0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
                {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u}, {16, 0x3f2acc7f57c29bdbu},
                {63, 0x958a324ceb064572u}};
    uint8_t key[16], in[64];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(siphash(key, in, rows[i].n) == rows[i].hash);
}

static void test_siphash_secret_stays(void **state)
{
    (void)state;
    uint8_t first[16];
    static const uint8_t zero[16];
    memcpy(first, siphash_secret(), sizeof first);
    assert_memory_equal(siphash_secret(), first, sizeof first);
    assert_memory_not_equal(first, zero, sizeof first);
}

/* These values place users on shards and nodes of different versions: they may never change. */
static void test_siphash_hash_stable_is_the_same_everywhere(void **state)
{
    (void)state;
    assert_true(hash_stable(STR("")) == hash_stable(STR_NONE));
    assert_true(hash_stable(STR("")) == UINT64_C(0x620b0713691b0eb1));
    assert_true(hash_stable(STR("juliet@capulet.lit")) == UINT64_C(0x41670bca923eb26c));
}

static void test_siphash_hash_stable_spreads(void **state)
{
    (void)state;
    unsigned count[8] = {0};
    char name[32];
    for (int i = 0; i < 8000; i++) {
        snprintf(name, sizeof name, "user%d@example.org", i);
        count[hash_stable(str_of(name)) % 8]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(count); i++)
        assert_in_range(count[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_reference_vectors),
        cmocka_unit_test(test_siphash_secret_stays),
        cmocka_unit_test(test_siphash_hash_stable_is_the_same_everywhere),
        cmocka_unit_test(test_siphash_hash_stable_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
