/* Calls at the end of a thread: in order, in that thread, and not for another one. */
#include "lib/base/thread-end.h"

#include <pthread.h>
#include <setjmp.h>

#include <cmocka.h>

static char order[8];
static unsigned calls;

static void first(void)
{
    order[calls++] = '1';
}

static void second(void)
{
    order[calls++] = '2';
}

static void *run(void *twice)
{
    static _Thread_local struct thread_end a, b;
    thread_end_add(&a, first);
    thread_end_add(&b, second);
    if (twice)
        thread_end_add(&a, first);
    return NULL;
}

static void end_one(void *twice)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, run, twice), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
}

static void test_thread_end_order(void **state UNUSED)
{
    end_one(NULL);
    assert_memory_equal(order, "21", 3);
    end_one(order);
    assert_memory_equal(order, "2121", 5);
}

static void test_thread_end_main(void **state UNUSED)
{
    unsigned before = calls;
    run(NULL);
    end_one(NULL);
    assert_int_equal(calls, before + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread_end_order),
        cmocka_unit_test(test_thread_end_main),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
