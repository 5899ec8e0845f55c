/* Memory of expat: counted, from a slot as far as it reaches, given back as a whole. */
#include "lib/xmpp/xml-parse-int.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

enum { MANY = 200 }; /* more than are kept warm, and than are mapped at once */

static void test_xml_mem_counts(void **state UNUSED)
{
    struct xml_mem m = {0};
    xml_mem_use(&m);
    char *a = xml_mem_alloc(100), *b = xml_mem_alloc(50);
    assert_int_equal(m.bytes, 150);
    memset(a, 'a', 100);
    memset(b, 'b', 50);
    a = xml_mem_realloc(a, 300);
    assert_int_equal(m.bytes, 350);
    assert_true(a[0] == 'a' && a[99] == 'a' && b[49] == 'b');
    xml_mem_free(a);
    xml_mem_free(NULL);
    xml_mem_free(b);
    assert_int_equal(m.bytes, 0);
    xml_mem_end(&m);
    assert_null(m.slot);
}

/* What does not fit comes from the heap, also while the slot has room for less. */
static void test_xml_mem_past_slot(void **state UNUSED)
{
    struct xml_mem m = {0};
    char *p[64];
    xml_mem_use(&m);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = xml_mem_alloc(1000);
        memset(p[i], (int)i, 1000);
    }
    char *large = xml_mem_alloc(1 << 20);
    memset(large, 1, 1 << 20);
    assert_int_equal(m.bytes, ARRAY_LEN(p) * 1000 + (1 << 20));
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        assert_true(p[i][0] == (char)i && p[i][999] == (char)i);
        xml_mem_free(p[i]);
    }
    xml_mem_free(large);
    xml_mem_end(&m);
}

/* Many at once, ended in another order; those that come after find what they write. */
static void test_xml_mem_many(void **state UNUSED)
{
    static struct xml_mem m[MANY];
    static char *p[MANY];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            xml_mem_use(&m[i]);
            p[i] = xml_mem_alloc(9000);
            memset(p[i], i, 9000);
        }
        for (int k = 0; k < MANY; k++) {
            int i = k * 7 % MANY;
            xml_mem_use(&m[i]);
            assert_true(p[i][0] == (char)i && p[i][8999] == (char)i);
            xml_mem_free(p[i]);
            xml_mem_end(&m[i]);
        }
    }
}

static void *end_there(void *ctx)
{
    xml_mem_end(ctx);
    return NULL;
}

/* A parser moves with its stream: its slot ends on another thread. */
static void test_xml_mem_moves(void **state UNUSED)
{
    struct xml_mem m = {0};
    pthread_t t;
    xml_mem_use(&m);
    xml_mem_free(xml_mem_alloc(10));
    assert_non_null(m.slot);
    assert_int_equal(pthread_create(&t, NULL, end_there, &m), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_null(m.slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_mem_counts),
        cmocka_unit_test(test_xml_mem_past_slot),
        cmocka_unit_test(test_xml_mem_many),
        cmocka_unit_test(test_xml_mem_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
