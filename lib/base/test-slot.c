/* DOC: A slot under readers and a writer: nobody sees a freed object, and all of them go. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/refs.h"
#include "lib/base/slot.h"

enum { ROUNDS = 20000, READERS = 3, ALIVE = 0x51a7 };

struct thing {
    struct refs refs, *living;
    unsigned mark;
};

static void thing_ref(void *object)
{
    refs_get(&((struct thing *)object)->refs);
}

static void thing_unref(void *object)
{
    struct thing *t = object;
    if (!refs_put(&t->refs))
        return;
    t->mark = 0;
    assert_false(refs_put(t->living));
    mem_free(t);
}
static const struct slot_ops ops = {thing_ref, thing_unref};

static struct thing *thing_new(struct refs *living)
{
    struct thing *t = mem_alloc(sizeof *t);
    refs_init(&t->refs);
    refs_get(living);
    t->living = living;
    t->mark = ALIVE;
    return t;
}

static void *read_many(void *slot)
{
    size_t bad = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct thing *t = slot_get(slot);
        bad += t->mark != ALIVE;
        thing_unref(t);
    }
    return (void *)bad;
}

static void test_slot_replaced_under_readers(void **state)
{
    struct refs living;
    pthread_t reader[READERS];
    (void)state;
    refs_init(&living);
    struct slot *s = slot_new(&ops, thing_new(&living));
    struct thing *kept = slot_get(s);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, read_many, s), 0);
    for (int i = 0; i < ROUNDS; i++)
        slot_set(s, thing_new(&living));
    for (int i = 0; i < READERS; i++) {
        void *bad = NULL;
        pthread_join(reader[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(living.n, 3); /* ours, the slot's, the first one */
    assert_int_equal(kept->mark, ALIVE);
    thing_unref(kept);
    slot_free(&s);
    assert_null(s);
    assert_int_equal(living.n, 1);
    slot_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slot_replaced_under_readers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
