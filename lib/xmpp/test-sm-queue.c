/* Stream management counters against a plain model, around 2^32, with completions in any order
 * (XEP-0198). */
#include "lib/xmpp/sm-queue.h"

#include "lib/base/rand.h"

#include <setjmp.h>

#include <cmocka.h>

struct record {
    struct sm_item item;
    unsigned id;
};

static struct record *record_of(struct list *n)
{
    return list_entry(list_entry(n, struct sm_item, link), struct record, item);
}

static void push(struct sm_out *q, unsigned id, size_t bytes)
{
    struct record *r = mem_alloc(sizeof *r);
    r->id = id;
    r->item.bytes = bytes;
    sm_out_push(q, &r->item);
}

/* Free what was acknowledged; ids must follow each other from *next. */
static unsigned drain(struct list *done, unsigned *next)
{
    unsigned n = 0;
    struct list *node;
    while ((node = list_shift(done))) {
        struct record *r = record_of(node);
        assert_int_equal(r->id, *next);
        ++*next;
        n++;
        mem_free(r);
    }
    return n;
}

static void test_sm_queue_ack_in_order(void **state)
{
    (void)state;
    struct sm_out q;
    struct list done;
    unsigned next = 0;
    sm_out_init(&q);
    list_init(&done);
    assert_int_equal(sm_out_ack(&q, 0, &done), ERR_OK);
    assert_int_equal(sm_out_ack(&q, 1, &done), ERR_PROTOCOL);
    for (unsigned i = 0; i < 5; i++)
        push(&q, i, 10 + i);
    assert_int_equal(sm_out_pending(&q), 5);
    assert_int_equal(q.bytes, 60);
    assert_int_equal(sm_out_ack(&q, 6, &done), ERR_PROTOCOL);
    assert_true(list_empty(&done));
    assert_int_equal(sm_out_ack(&q, 3, &done), ERR_OK);
    assert_int_equal(drain(&done, &next), 3);
    assert_int_equal(q.bytes, 27);
    assert_int_equal(sm_out_ack(&q, 2, &done), ERR_PROTOCOL); /* backwards */
    assert_int_equal(sm_out_ack(&q, 3, &done), ERR_OK);
    assert_true(list_empty(&done));
    assert_int_equal(sm_out_ack(&q, 5, &done), ERR_OK);
    assert_int_equal(drain(&done, &next), 2);
    assert_int_equal(q.bytes, 0);
    assert_int_equal(sm_out_pending(&q), 0);
    assert_true(list_empty(&q.items));
}

static void test_sm_queue_ack_wraps(void **state)
{
    (void)state;
    struct sm_out q;
    struct list done;
    unsigned next = 0;
    sm_out_init(&q);
    list_init(&done);
    q.acked = q.sent = UINT32_MAX - 2;
    for (unsigned i = 0; i < 6; i++)
        push(&q, i, 1);
    assert_int_equal(q.sent, 3);
    assert_int_equal(sm_out_pending(&q), 6);
    assert_int_equal(sm_out_ack(&q, UINT32_MAX - 3, &done), ERR_PROTOCOL);
    assert_int_equal(sm_out_ack(&q, 4, &done), ERR_PROTOCOL);
    assert_int_equal(sm_out_ack(&q, UINT32_MAX, &done), ERR_OK);
    assert_int_equal(drain(&done, &next), 2);
    assert_int_equal(sm_out_ack(&q, 1, &done), ERR_OK);
    assert_int_equal(drain(&done, &next), 2);
    assert_int_equal(sm_out_ack(&q, UINT32_MAX, &done), ERR_PROTOCOL);
    assert_int_equal(sm_out_ack(&q, 3, &done), ERR_OK);
    assert_int_equal(drain(&done, &next), 2);
}

static void test_sm_queue_out_random(void **state)
{
    (void)state;
    rand_seed(11);
    struct sm_out q;
    struct list done;
    uint64_t sent = UINT32_MAX - 5000, acked = sent; /* the model does not wrap */
    unsigned first = 0, id = 0;
    sm_out_init(&q);
    list_init(&done);
    q.acked = q.sent = (uint32_t)sent;
    for (int step = 0; step < 20000; step++) {
        if (rand_below(3)) {
            push(&q, id++, 1);
            sent++;
            continue;
        }
        const uint64_t h = acked - 3 + rand_below(sent - acked + 6);
        const bool fits = h >= acked && h <= sent;
        assert_int_equal(sm_out_ack(&q, (uint32_t)h, &done), fits ? ERR_OK : ERR_PROTOCOL);
        assert_int_equal(drain(&done, &first), fits ? h - acked : 0);
        acked = fits ? h : acked;
        assert_int_equal(sm_out_pending(&q), sent - acked);
        assert_int_equal(q.bytes, sent - acked);
    }
    assert_true(sent > UINT32_MAX);
    assert_int_equal(sm_out_ack(&q, (uint32_t)sent, &done), ERR_OK);
    drain(&done, &first);
    assert_int_equal(first, id);
}

static void test_sm_queue_custody_in_order_needs_no_ring(void **state)
{
    (void)state;
    struct sm_in q;
    sm_in_init(&q);
    for (uint32_t i = 1; i <= 1000; i++) {
        assert_int_equal(sm_in_receive(&q), i);
        assert_true(sm_in_complete(&q, i));
        assert_int_equal(q.h, i);
    }
    assert_null(q.done);
    sm_in_fini(&q);
}

static void test_sm_queue_custody_out_of_order(void **state)
{
    (void)state;
    struct sm_in q;
    sm_in_init(&q);
    assert_false(sm_in_complete(&q, 0));
    assert_false(sm_in_complete(&q, 1)); /* never received */
    for (int i = 0; i < 4; i++)
        sm_in_receive(&q);
    assert_false(sm_in_complete(&q, 3));
    assert_false(sm_in_complete(&q, 2));
    assert_false(sm_in_complete(&q, 2)); /* twice */
    assert_false(sm_in_complete(&q, 5)); /* never received */
    assert_int_equal(q.h, 0);
    assert_true(sm_in_complete(&q, 1));
    assert_int_equal(q.h, 3);
    assert_false(sm_in_complete(&q, 1)); /* long done */
    assert_true(sm_in_complete(&q, 4));
    assert_int_equal(q.h, 4);
    sm_in_fini(&q);
}

static void test_sm_queue_custody_grows_to_full(void **state)
{
    (void)state;
    struct sm_in q;
    sm_in_init(&q);
    q.h = q.received = UINT32_MAX - SM_WINDOW_MAX / 2;
    const uint32_t first = q.h + 1;
    for (unsigned i = 0; i < SM_WINDOW_MAX; i++) {
        assert_false(sm_in_full(&q));
        const uint32_t n = sm_in_receive(&q);
        if (n != first)
            assert_false(sm_in_complete(&q, n));
    }
    assert_true(sm_in_full(&q));
    assert_int_equal(q.window, SM_WINDOW_MAX);
    const uint32_t beyond = sm_in_receive(&q); /* what the reader held when it was paused */
    assert_false(sm_in_complete(&q, beyond));
    assert_true(sm_in_complete(&q, first));
    assert_int_equal(q.h, beyond);
    assert_false(sm_in_full(&q));
    assert_null(q.done); /* given back */
    assert_int_equal(sm_in_receive(&q), beyond + 1);
    assert_true(sm_in_complete(&q, beyond + 1));
    sm_in_fini(&q);
}

/* Against an array of booleans, from shortly before the wrap. */
static void test_sm_queue_custody_random(void **state)
{
    (void)state;
    enum { TOTAL = 40000 };
    bool *complete = mem_calloc(TOTAL + 1, sizeof *complete);
    for (unsigned seed = 1; seed <= 4; seed++) {
        rand_seed(seed);
        struct sm_in q;
        const uint32_t base = UINT32_MAX - TOTAL / 2;
        unsigned received = 0, h = 0;
        memset(complete, 0, (TOTAL + 1) * sizeof *complete);
        sm_in_init(&q);
        q.h = q.received = base;
        while (h < TOTAL) {
            const unsigned ahead = received - h, window = 1u << (3 + received % 9);
            if (received < TOTAL && ahead < window && rand_below(2)) {
                assert_int_equal(sm_in_receive(&q), base + ++received);
                continue;
            }
            const unsigned n = h + (unsigned)rand_below(ahead + 2); /* h and received + 1 too */
            const bool fits = n > h && n <= received;
            const unsigned before = h;
            if (fits)
                complete[n] = true;
            while (h < received && complete[h + 1])
                h++;
            assert_int_equal(sm_in_complete(&q, base + n), h > before);
            assert_int_equal(q.h, base + h);
            assert_int_equal(q.received, base + received);
        }
        sm_in_fini(&q);
    }
    mem_free(complete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sm_queue_ack_in_order),
        cmocka_unit_test(test_sm_queue_ack_wraps),
        cmocka_unit_test(test_sm_queue_out_random),
        cmocka_unit_test(test_sm_queue_custody_in_order_needs_no_ring),
        cmocka_unit_test(test_sm_queue_custody_out_of_order),
        cmocka_unit_test(test_sm_queue_custody_grows_to_full),
        cmocka_unit_test(test_sm_queue_custody_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
