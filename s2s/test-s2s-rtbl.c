/* Lists of blocked domains: how ids are read, what a list names, what is spared, what a rule of the
 * operator says beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/encode.h"
#include "lib/base/mem.h"
#include "s2s/s2s-policy.h"
#include "s2s/s2s-rtbl.h"

/* printf spam.example | sha256sum */
#define SPAM_HASH "8bb6634ad532175e1c706063fd69b452bf51917f61150b14da6500c018cf8df4"

static void hash_text(const char *domain, char out[65])
{
    struct s2s_rtbl_key k;
    struct buf b;
    buf_init(&b, 64);
    s2s_rtbl_key_of(str_of(domain), &k);
    hex_encode(&b, k.b, sizeof k.b);
    memcpy(out, b.p, 64);
    out[64] = 0;
    buf_fini(&b);
}

static void test_read_id(void **state UNUSED)
{
    static const struct {
        const char *id, *domain; /* domain: whose key it has */
        enum s2s_rtbl_id what;
    } cases[] = {
        {"spam.example", "spam.example", S2S_RTBL_DOMAIN},
        {"SPAM.Example", "spam.example", S2S_RTBL_DOMAIN},
        {"xn--strae-oqa.example", "stra\303\237e.example", S2S_RTBL_DOMAIN},
        {SPAM_HASH, "spam.example", S2S_RTBL_DOMAIN},
        {"eve@spam.example", NULL, S2S_RTBL_ADDRESS},
        {"spam.example/x", NULL, S2S_RTBL_ADDRESS},
        {"*.spam.example", NULL, S2S_RTBL_MALFORMED},
        {"", NULL, S2S_RTBL_MALFORMED},
        {"a b", NULL, S2S_RTBL_MALFORMED},
        {"@", NULL, S2S_RTBL_MALFORMED},
        {"8bb6634ad532175e1c706063fd69b452bf51917f61150b14da6500c018cf8dfg", NULL,
         S2S_RTBL_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s2s_rtbl_key got = {{0}}, wanted = {{0}};
        assert_int_equal(s2s_rtbl_read(str_of(cases[i].id), &got), cases[i].what);
        if (cases[i].domain)
            s2s_rtbl_key_of(str_of(cases[i].domain), &wanted);
        assert_memory_equal(&got, &wanted, sizeof got);
    }
    char long_id[S2S_RTBL_ID_MAX + 2];
    struct s2s_rtbl_key k;
    memset(long_id, 'a', sizeof long_id);
    assert_int_equal(s2s_rtbl_read(str_make(long_id, sizeof long_id - 1), &k), S2S_RTBL_MALFORMED);
}

static bool is_denied(const struct s2s_rtbl_set *s, const char *domain)
{
    struct s2s_terms t = {0};
    s2s_rtbl_apply(s, str_of(domain), &t);
    assert_int_equal(t.is_denied, t.is_listed);
    assert_int_equal(t.is_denied, t.why[0] != 0);
    return t.is_denied;
}

static struct s2s_rtbl *list_of(const char *node, size_t from, size_t to)
{
    struct s2s_rtbl *l = s2s_rtbl_new(STR("rtbl.example"), str_of(node), to - from);
    for (size_t i = from; i < to; i++) {
        char name[40];
        struct s2s_rtbl_key k;
        snprintf(name, sizeof name, "d%zu.example", i);
        s2s_rtbl_key_of(str_of(name), &k);
        s2s_rtbl_add(l, &k);
        s2s_rtbl_add(l, &k); /* named twice: still once there */
    }
    return l;
}

/* Each of many is found, none else; of two lists the one that names it is named. */
static void test_lists(void **state UNUSED)
{
    struct s2s_rtbl_set *s = s2s_rtbl_set_new();
    struct s2s_rtbl *a = list_of("first", 0, 1000), *b = list_of("second", 1000, 1500);
    s2s_rtbl_set_add(s, &a);
    s2s_rtbl_set_add(s, &b);
    for (size_t i = 0; i < 2000; i++) {
        char name[40];
        snprintf(name, sizeof name, "d%zu.example", i);
        assert_int_equal(is_denied(s, name), i < 1500);
    }
    assert_false(is_denied(s, "sub.d1.example"));
    struct s2s_terms t = {0};
    s2s_rtbl_apply(s, STR("d1200.example"), &t);
    assert_string_equal(t.why, "the list 'second' of rtbl.example names it");
    assert_false(is_denied(NULL, "d1.example"));
    s2s_rtbl_set_unref(&s);
}

/* Those that are spared go, whatever stands beside them in the table; all others stay. */
static void test_spare(void **state UNUSED)
{
    struct s2s_rtbl_set *s = s2s_rtbl_set_new();
    struct s2s_rtbl *l = list_of("n", 0, 64);
    char name[40];
    for (size_t i = 0; i < 64; i += 2) {
        snprintf(name, sizeof name, "d%zu.example", i);
        s2s_rtbl_spare(l, str_of(name));
    }
    s2s_rtbl_spare(l, STR("nobody.example"));
    s2s_rtbl_set_add(s, &l);
    for (size_t i = 0; i < 64; i++) {
        snprintf(name, sizeof name, "d%zu.example", i);
        assert_int_equal(is_denied(s, name), i & 1);
    }
    s2s_rtbl_set_unref(&s);
}

/* A rule for the very domain frees it; what is denied already keeps its reason. */
static void test_rules_first(void **state UNUSED)
{
    struct s2s_rtbl_set *s = s2s_rtbl_set_new();
    struct s2s_rtbl *l = list_of("n", 0, 10);
    s2s_rtbl_set_add(s, &l);
    struct s2s_terms named = {.is_named = true}, denied = {.is_denied = true, .why = "the file"};
    struct s2s_terms proof = {.needs_cert = true, .why = "host_policy"};
    s2s_rtbl_apply(s, STR("d1.example"), &named);
    assert_false(named.is_denied);
    s2s_rtbl_apply(s, STR("d1.example"), &denied);
    assert_false(denied.is_listed);
    assert_string_equal(denied.why, "the file");
    s2s_rtbl_apply(s, STR("d1.example"), &proof);
    assert_true(proof.is_denied && proof.is_listed);
    s2s_rtbl_set_unref(&s);
}

/* An owner of a list who chooses the free place's mark as a digest blocks nobody and breaks
 * nothing. */
static void test_zero_digest(void **state UNUSED)
{
    struct s2s_rtbl_set *s = s2s_rtbl_set_new();
    struct s2s_rtbl *l = list_of("n", 0, 3);
    struct s2s_rtbl_key zero;
    assert_int_equal(
        s2s_rtbl_read(STR("0000000000000000000000000000000000000000000000000000000000000000"),
                      &zero),
        S2S_RTBL_DOMAIN);
    s2s_rtbl_add(l, &zero);
    s2s_rtbl_set_add(s, &l);
    assert_true(is_denied(s, "d1.example"));
    assert_false(is_denied(s, "other.example"));
    s2s_rtbl_set_unref(&s);
}

static void test_hash_is_sha256(void **state UNUSED)
{
    char text[65];
    hash_text("spam.example", text);
    assert_string_equal(text, SPAM_HASH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_sha256), cmocka_unit_test(test_read_id),
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_spare),
        cmocka_unit_test(test_rules_first),    cmocka_unit_test(test_zero_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
