#ifndef LIB_LOOP_TESTS_COMMON_INT_H
#define LIB_LOOP_TESTS_COMMON_INT_H
/* Tests that hold on both platforms. The includer (test-loop.c, simtest-loop.c) defines the two
 * functions declared here; COMMON_TESTS lists the tests for its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/loop/op.h"
#include "lib/loop/shard.h"
#include "lib/loop/timer.h"
#include "lib/loop/work.h"

/* Run l until somebody called finished, or fail after 20 s. */
static void drive(struct loop *l);
static void finished(struct loop *l);

/* A trace of small numbers. */
struct trace {
    struct loop *loop;
    unsigned n, want; /* finished when n reaches want */
    unsigned v[64];
};

static void note(struct trace *t, unsigned v)
{
    assert_true(t->n < ARRAY_LEN(t->v));
    t->v[t->n++] = v;
    if (t->n == t->want)
        finished(t->loop);
}

struct thing { /* one of everything, noting id when called */
    struct trace *trace;
    unsigned id;
    struct timer timer;
    struct defer defer;
    struct mail mail;
    uint64_t at_us, not_before_us;
    unsigned again;
    struct thing *other;
};

static void thing_init(struct thing *x, struct trace *t, unsigned id, void (*fn)(void *ctx))
{
    memset(x, 0, sizeof *x);
    x->trace = t;
    x->id = id;
    timer_init(&x->timer, t->loop, fn, x);
    defer_init(&x->defer, fn, x);
}

static void on_thing(void *ctx)
{
    struct thing *x = ctx;
    x->at_us = clock_mono_us();
    note(x->trace, x->id);
}

static void check_trace(const struct trace *t, const unsigned *want, unsigned n)
{
    assert_int_equal(t->n, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(t->v[i], want[i]);
}
#define CHECK_TRACE(t, ...)                                                                        \
    check_trace(t, (const unsigned[]){__VA_ARGS__}, ARRAY_LEN(((const unsigned[]){__VA_ARGS__})))

static void check_due_order(const struct trace *t, const struct thing *x, unsigned n)
{
    uint64_t last_ms = 0;
    assert_int_equal(t->n, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned k = 0;
        while (x[k].id != t->v[i])
            k++;
        assert_true(x[k].timer.due_ms >= last_ms);
        last_ms = x[k].timer.due_ms;
    }
}

static void test_timer_order_and_never_early(void **state UNUSED)
{
    static const unsigned delays[] = {70, 3, 129, 1, 64, 65, 20, 0, 130, 63};
    struct trace t = {.loop = loop_new("t/0", 0), .want = ARRAY_LEN(delays)};
    struct thing x[ARRAY_LEN(delays)];
    for (unsigned i = 0; i < ARRAY_LEN(delays); i++) {
        thing_init(&x[i], &t, delays[i], on_thing);
        x[i].not_before_us = clock_mono_us() + delays[i] * 1000;
        timer_start(&x[i].timer, delays[i]);
        assert_true(timer_running(&x[i].timer));
    }
    assert_int_equal(t.n, 0);
    drive(t.loop);
    check_due_order(&t, x, ARRAY_LEN(delays));
    for (unsigned i = 0; i < ARRAY_LEN(delays); i++) {
        assert_true(x[i].at_us >= x[i].not_before_us);
        assert_false(timer_running(&x[i].timer));
    }
    loop_free(&t.loop);
}

static void on_stop_other(void *ctx)
{
    struct thing *x = ctx;
    note(x->trace, x->id);
    timer_stop(&x->other->timer);
    timer_stop(&x->other->timer);
}

/* Two timers of the same moment, each stopping the other: one fires, whichever. */
static void test_timer_stop_in_callback(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 2};
    struct thing a, b, last;
    thing_init(&a, &t, 1, on_stop_other);
    thing_init(&b, &t, 1, on_stop_other);
    thing_init(&last, &t, 2, on_thing);
    a.other = &b;
    b.other = &a;
    timer_start(&a.timer, 5);
    timer_start(&b.timer, 5);
    b.timer.due_ms =
        a.timer.due_ms; /* the clock may have ticked between; both are on the lowest levels */
    timer_start(&last.timer, 40);
    drive(t.loop);
    CHECK_TRACE(&t, 1, 2);
    assert_false(timer_running(&a.timer) || timer_running(&b.timer));
    loop_free(&t.loop);
}

static void on_restart(void *ctx)
{
    struct thing *x = ctx;
    x->at_us = clock_mono_us();
    assert_true(x->at_us >= x->not_before_us);
    unsigned delay_ms = x->again % 2 ? 3 : 0;
    x->not_before_us = x->at_us + delay_ms * 1000;
    if (x->again-- > 0)
        timer_start(&x->timer, delay_ms);
    note(x->trace, x->id);
}

static void test_timer_restart(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 6};
    struct thing x, moved;
    thing_init(&x, &t, 1, on_restart);
    x.again = 4;
    timer_start(&x.timer, 1);
    thing_init(&moved, &t, 2, on_thing);
    timer_start(&moved.timer, 2); /* would be early */
    timer_start(&moved.timer, UINT64_C(1) << 32);
    moved.not_before_us = clock_mono_us() + 90000;
    timer_start(&moved.timer, 90);
    drive(t.loop);
    unsigned fired = 0;
    for (unsigned i = 0; i < t.n; i++)
        fired += t.v[i] == 1;
    assert_int_equal(fired, 5); /* and the moved one once */
    assert_true(moved.at_us >= moved.not_before_us);
    loop_free(&t.loop);
}

static void on_defer_mail(struct mail *m)
{
    struct thing *x = container_of(m, struct thing, mail);
    note(x->trace, x->id);
    loop_defer(x->trace->loop, &x->other->defer);
}

static void on_defer_other(void *ctx)
{
    struct thing *x = ctx;
    note(x->trace, x->id);
    loop_defer(x->trace->loop, &x->other->defer);
    loop_defer(x->trace->loop, &x->other->defer);
}

static void on_late(void *ctx UNUSED)
{
    fail_msg("the loop slept although a call was deferred");
}

/* Calls deferred by a timer, by mail and by a deferred call all run before the loop would sleep
 * till the late timer. */
static void test_defer_from_everywhere(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 6};
    struct thing timer, mail, d1, d2, d3, d4, late;
    thing_init(&timer, &t, 1, on_defer_other);
    thing_init(&d1, &t, 2, on_defer_other);
    thing_init(&d2, &t, 3, on_thing);
    thing_init(&mail, &t, 4, NULL);
    thing_init(&d3, &t, 5, on_defer_other);
    thing_init(&d4, &t, 6, on_thing);
    thing_init(&late, &t, 9, on_late);
    timer.other = &d1;
    d1.other = &d2;
    mail.other = &d3;
    d3.other = &d4;
    mail.mail.fn = on_defer_mail;
    timer_start(&timer.timer, 0);
    loop_post(t.loop, &mail.mail);
    timer_start(&late.timer, 30000);
    drive(t.loop);
    unsigned at[7] = {0};
    for (unsigned i = 0; i < t.n; i++)
        at[t.v[i]] = i + 1;
    assert_true(at[1] < at[2] && at[2] < at[3] && at[4] < at[5] && at[5] < at[6]);
    timer_stop(&late.timer);
    loop_free(&t.loop);
}

static void on_defer_self(void *ctx)
{
    struct thing *x = ctx;
    if (x->again > 0 && --x->again > 0)
        loop_defer(x->trace->loop, &x->defer);
    else
        fail_msg("a call that defers itself kept the loop from its timers");
}

static void on_cancel_self(void *ctx)
{
    struct thing *x = ctx;
    defer_cancel(&x->other->defer);
    note(x->trace, x->id);
}

static void test_defer_again_lets_timers_run(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 1};
    struct thing self, timer;
    thing_init(&self, &t, 1, on_defer_self);
    self.again = 5000000;
    thing_init(&timer, &t, 2, on_cancel_self);
    timer.other = &self;
    loop_defer(t.loop, &self.defer);
    timer_start(&timer.timer, 0);
    drive(t.loop);
    CHECK_TRACE(&t, 2);
    loop_free(&t.loop);
}

static void test_defer_cancel(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 1};
    struct thing gone, last;
    thing_init(&gone, &t, 1, on_thing);
    thing_init(&last, &t, 2, on_thing);
    loop_defer(t.loop, &gone.defer);
    loop_defer(t.loop, &last.defer);
    defer_cancel(&gone.defer);
    defer_cancel(&gone.defer);
    drive(t.loop);
    CHECK_TRACE(&t, 2);
    loop_free(&t.loop);
}

static void on_drop_count(struct mail *m)
{
    struct thing *x = container_of(m, struct thing, mail);
    note(x->trace, x->id);
}

static void on_never(struct mail *m UNUSED)
{
    fail_msg("mail ran although its loop never did");
}

static void test_mail_dropped_with_loop(void **state UNUSED)
{
    struct trace t = {.want = 99};
    struct loop *l = loop_new("t/0", 0);
    t.loop = l;
    struct thing x[3];
    for (unsigned i = 0; i < 3; i++) {
        thing_init(&x[i], &t, i, on_thing);
        x[i].mail.fn = on_never;
        x[i].mail.drop = i == 1 ? NULL : on_drop_count;
        loop_post(l, &x[i].mail);
    }
    loop_free(&l);
    assert_null(l);
    CHECK_TRACE(&t, 0, 2);
}

/* More mail to itself than one turn takes: in order, and a timer gets its turn in between. */
struct many {
    struct loop *loop;
    unsigned got, total, at_timer;
    struct timer timer;
    struct mail mail[3 * 4096];
};

static void on_many(struct mail *m)
{
    static struct many *all;
    if (!m->drop) { /* the first one carries the address */
        all = container_of(m, struct many, mail[0]);
        timer_start(&all->timer, 0);
    }
    assert_ptr_equal(m, &all->mail[all->got]);
    if (++all->got == all->total)
        finished(all->loop);
}

static void on_many_timer(void *ctx)
{
    struct many *all = ctx;
    all->at_timer = all->got;
}

static void on_many_start(void *ctx)
{
    struct many *all = ctx;
    for (unsigned i = 0; i < all->total; i++) {
        all->mail[i].fn = on_many;
        all->mail[i].drop = i ? on_never : NULL;
        loop_post(all->loop, &all->mail[i]);
    }
}

static void test_mail_flood_in_order(void **state UNUSED)
{
    struct many *all = mem_alloc(sizeof *all);
    struct defer start;
    all->loop = loop_new("t/0", 0);
    all->total = ARRAY_LEN(all->mail);
    timer_init(&all->timer, all->loop, on_many_timer, all);
    defer_init(&start, on_many_start, all);
    loop_defer(all->loop, &start);
    drive(all->loop);
    assert_int_equal(all->got, all->total);
    assert_true(all->at_timer > 0 && all->at_timer < all->total);
    loop_free(&all->loop);
    mem_free(all);
}

struct request {
    struct op op;
    struct op_owner *owner;
    unsigned cancelled;
    struct request *next;
};

static void on_request_cancel(struct op *op)
{
    struct request *r = container_of(op, struct request, op);
    r->cancelled++;
    if (r->next)
        op_cancel(&r->next->op);
}

static void test_op_owner(void **state UNUSED)
{
    struct op_owner o;
    struct request a = {0}, b = {0}, c = {0}, free_one = {0};
    op_owner_init(&o);
    assert_true(op_owner_idle(&o));
    op_start(&a.op, &o, on_request_cancel);
    op_start(&b.op, &o, on_request_cancel);
    op_start(&c.op, &o, on_request_cancel);
    op_start(&free_one.op, NULL, on_request_cancel);
    a.next = &c; /* cancelling one cancels another */
    assert_false(op_owner_idle(&o));
    op_end(&b.op);
    op_cancel(&b.op);
    op_owner_cancel_all(&o);
    assert_true(op_owner_idle(&o));
    assert_int_equal(a.cancelled + b.cancelled * 10 + c.cancelled * 100, 101);
    op_cancel(&free_one.op);
    op_cancel(&free_one.op);
    assert_int_equal(free_one.cancelled, 1);
}

/* Work: a job notes on its loop; ran is written by the worker and read after release came. */
struct job {
    struct trace *trace;
    unsigned id;
    bool ran, done, released;
};

static void on_job_run(void *ctx)
{
    struct job *j = ctx;
    j->ran = true;
}

static void on_job_done(void *ctx)
{
    struct job *j = ctx;
    assert_true(j->ran && !j->released);
    j->done = true;
}

static void on_job_release(void *ctx)
{
    struct job *j = ctx;
    assert_false(j->released);
    j->released = true;
    note(j->trace, j->id);
}

static struct work_job job_of(struct job *j, struct trace *t, unsigned id)
{
    *j = (struct job){.trace = t, .id = id};
    return (struct work_job){on_job_run, on_job_done, on_job_release, j};
}

static void test_work_order_of_one_thread(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 5};
    struct work_pool *p = work_pool_new("test", 1, 10);
    struct op_owner o;
    struct job j[5];
    op_owner_init(&o);
    for (unsigned i = 0; i < 5; i++) {
        struct work_job job = job_of(&j[i], &t, i);
        assert_int_equal(work_submit(p, t.loop, &o, &job), ERR_OK);
    }
    assert_int_equal(t.n, 0);
    drive(t.loop);
    CHECK_TRACE(&t, 0, 1, 2, 3, 4);
    for (unsigned i = 0; i < 5; i++)
        assert_true(j[i].done);
    assert_true(op_owner_idle(&o));
    work_pool_free(&p);
    assert_null(p);
    loop_free(&t.loop);
}

static void test_work_cancel(void **state UNUSED)
{
    struct trace t = {.loop = loop_new("t/0", 0), .want = 4};
    struct work_pool *p = work_pool_new("test", 1, 10);
    struct op_owner o, kept;
    struct job j[4];
    op_owner_init(&o);
    op_owner_init(&kept);
    for (unsigned i = 0; i < 4; i++) {
        struct work_job job = job_of(&j[i], &t, i);
        assert_int_equal(work_submit(p, t.loop, i == 3 ? &kept : &o, &job), ERR_OK);
    }
    op_owner_cancel_all(&o);
    assert_int_equal(t.n, 0); /* never inside the call */
    drive(t.loop);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(j[i].released);
        assert_int_equal(j[i].done, i == 3);
    }
    work_pool_free(&p);
    loop_free(&t.loop);
}

/* The order of an end: the pool, then the loop; what never ran is released by the loop's end. */
static void test_work_pool_freed_first(void **state UNUSED)
{
    struct trace t = {.want = 99};
    struct loop *l = loop_new("t/0", 0);
    t.loop = l;
    struct work_pool *p = work_pool_new("test", 2, 20);
    struct op_owner o;
    struct job j[20];
    op_owner_init(&o);
    for (unsigned i = 0; i < 20; i++) {
        struct work_job job = job_of(&j[i], &t, i);
        assert_int_equal(work_submit(p, l, &o, &job), ERR_OK);
    }
    work_pool_free(&p);
    op_owner_cancel_all(&o); /* after the pool is gone */
    assert_int_equal(t.n, 0);
    loop_free(&l);
    assert_int_equal(t.n, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_true(j[i].released && !j[i].done);
}

static void test_shard_of_is_stable(void **state UNUSED)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < 64; i++) {
        char key[32];
        snprintf(key, sizeof key, "user%u@example.org", i);
        unsigned s = shard_of(str_of(key), 4);
        assert_true(s < 4);
        assert_int_equal(s, shard_of(str_of(key), 4));
        assert_int_equal(shard_of(str_of(key), 1), 0);
        seen |= 1u << s;
    }
    assert_int_equal(seen, 15);
}

#define COMMON_TESTS                                                                               \
    cmocka_unit_test(test_timer_order_and_never_early),                                            \
        cmocka_unit_test(test_timer_stop_in_callback), cmocka_unit_test(test_timer_restart),       \
        cmocka_unit_test(test_defer_from_everywhere),                                              \
        cmocka_unit_test(test_defer_again_lets_timers_run), cmocka_unit_test(test_defer_cancel),   \
        cmocka_unit_test(test_mail_dropped_with_loop), cmocka_unit_test(test_mail_flood_in_order), \
        cmocka_unit_test(test_op_owner), cmocka_unit_test(test_work_order_of_one_thread),          \
        cmocka_unit_test(test_work_cancel), cmocka_unit_test(test_work_pool_freed_first),          \
        cmocka_unit_test(test_shard_of_is_stable)
#endif
