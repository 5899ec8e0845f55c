/* DOC: Blobs: bytes stay, counts hold from several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/blob.h"
#include "lib/base/refs.h"

static void test_blob_holds_a_copy(void **state)
{
    (void)state;
    char source[] = "a\0b";
    struct blob *b = blob_new(source, 3);
    source[0] = 'x';
    assert_true(str_eq(blob_str(b), STR("a\0b")));
    struct blob *other = blob_ref(b);
    assert_ptr_equal(other, b);
    blob_unref(&b);
    assert_null(b);
    assert_true(str_eq(blob_str(other), STR("a\0b")));
    blob_unref(&other);
    blob_unref(&other);
    b = blob_new(NULL, 0);
    assert_true(str_eq(blob_str(b), STR("")));
    blob_unref(&b);
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *ref_and_unref(void *shared)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct blob *mine = blob_ref(shared);
        blob_unref(&mine);
    }
    struct blob *last = shared;
    blob_unref(&last); /* the reference made for this thread */
    return NULL;
}

static void test_blob_count_holds_across_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct blob *b = blob_new("shared", 6);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ref_and_unref, blob_ref(b)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(str_eqc(blob_str(b), "shared"));
    blob_unref(&b); /* the leak checker says if it was not the last */
}

static void test_blob_refs_tell_the_last(void **state)
{
    (void)state;
    struct refs r;
    refs_init(&r);
    refs_get(&r);
    assert_false(refs_put(&r));
    assert_true(refs_put(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blob_holds_a_copy),
        cmocka_unit_test(test_blob_count_holds_across_threads),
        cmocka_unit_test(test_blob_refs_tell_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
