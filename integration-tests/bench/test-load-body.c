/* Test of bodies: what is written is read again; any byte that changes is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration-tests/bench/load-body.h"
#include "integration-tests/bench/load-opts.h"

static const struct load_mark mark = {
    .pair = 0x4321, .direction = 1, .seq = 0xfedcba98, .time_ns = 0x123456789abcdefu};

static void test_load_body_round_trip(void **state)
{
    (void)state;
    for (unsigned size = LOAD_SIZE_MIN; size < 200; size++) {
        struct load_text t;
        struct load_mark m = {0};
        char body[200];
        load_text_init(&t, size);
        load_body_write(&t, &mark, body);
        assert_null(load_body_read(&t, (struct load_span){body, size}, &m));
        assert_int_equal(m.pair, mark.pair);
        assert_int_equal(m.direction, mark.direction);
        assert_int_equal(m.seq, mark.seq);
        assert_int_equal(m.run, t.run);
        assert_int_equal(load_body_age(&m, mark.time_ns + 77), 77);
        load_text_fini(&t);
    }
}

static void test_load_body_changes(void **state)
{
    (void)state;
    enum { SIZE = 131 };
    struct load_text t;
    struct load_mark m;
    char body[SIZE];
    load_text_init(&t, SIZE);
    load_body_write(&t, &mark, body);
    for (unsigned at = 0; at < SIZE; at++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            body[at] = (char)(body[at] ^ (char)flip);
            assert_non_null(load_body_read(&t, (struct load_span){body, SIZE}, &m));
            body[at] = (char)(body[at] ^ (char)flip);
        }
    }
    assert_non_null(load_body_read(&t, (struct load_span){body, SIZE - 1}, &m));
    assert_null(load_body_read(&t, (struct load_span){body, SIZE}, &m));
    load_text_fini(&t);
}

static void test_load_body_ids_differ(void **state)
{
    (void)state;
    struct load_text t;
    char first[LOAD_SIZE_MIN], second[LOAD_SIZE_MIN];
    struct load_mark next = mark, other = mark, back = mark;
    next.seq++;
    other.pair++;
    back.direction = 0;
    load_text_init(&t, LOAD_SIZE_MIN);
    load_body_write(&t, &mark, first);
    const struct load_mark *others[] = {&next, &other, &back};
    for (unsigned i = 0; i < 3; i++) {
        load_body_write(&t, others[i], second);
        assert_memory_not_equal(first, second, LOAD_BODY_ID);
    }
    load_text_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_body_round_trip),
        cmocka_unit_test(test_load_body_changes),
        cmocka_unit_test(test_load_body_ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
