/* Work pools on threads: the limit, cancelling what runs, and many jobs from several shards with
 * cancels in between. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/loop/shard.h"
#include "lib/loop/timer.h"
#include "lib/loop/work.h"

struct gate { /* a job that waits inside run */
    struct loop *loop;
    sem_t began, open;
    unsigned done, released, want;
};

static void on_gate_run(void *ctx)
{
    struct gate *g = ctx;
    sem_post(&g->began);
    while (sem_wait(&g->open) != 0)
        ;
}

static void on_gate_done(void *ctx)
{
    struct gate *g = ctx;
    g->done++;
}

static void on_gate_release(void *ctx)
{
    struct gate *g = ctx;
    if (++g->released == g->want)
        loop_stop(g->loop);
}

static void gate_init(struct gate *g, unsigned want)
{
    memset(g, 0, sizeof *g);
    g->loop = loop_new("t/0", 0);
    g->want = want;
    sem_init(&g->began, 0, 0);
    sem_init(&g->open, 0, 0);
}

static void gate_fini(struct gate *g)
{
    loop_free(&g->loop);
    sem_destroy(&g->began);
    sem_destroy(&g->open);
}

static void test_work_limit_and_cancel(void **state UNUSED)
{
    struct gate g;
    struct op_owner running, waiting, kept;
    gate_init(&g, 3);
    op_owner_init(&running);
    op_owner_init(&waiting);
    op_owner_init(&kept);
    const struct work_job job = {on_gate_run, on_gate_done, on_gate_release, &g};
    struct work_pool *p = work_pool_new("test", 1, 2);
    assert_int_equal(work_submit(p, g.loop, &running, &job), ERR_OK);
    sem_wait(&g.began);
    assert_int_equal(work_submit(p, g.loop, &waiting, &job), ERR_OK);
    assert_int_equal(work_submit(p, g.loop, &kept, &job), ERR_OK);
    struct op_owner refused;
    op_owner_init(&refused);
    assert_int_equal(work_submit(p, g.loop, &refused, &job), ERR_LIMIT);
    assert_true(op_owner_idle(&refused));
    op_owner_cancel_all(&waiting); /* makes room, at once */
    op_owner_cancel_all(&running);
    g.want = 4;
    assert_int_equal(work_submit(p, g.loop, NULL, &job), ERR_OK);
    assert_int_equal(work_submit(p, g.loop, &refused, &job), ERR_LIMIT);
    for (int i = 0; i < 3; i++)
        sem_post(&g.open);
    loop_run(g.loop);
    assert_int_equal(g.done, 2);
    assert_int_equal(g.released, 4);
    assert_true(op_owner_idle(&kept));
    work_pool_free(&p);
    gate_fini(&g);
}

/* The pool ends while one job runs and one waits: the running one is finished, the other dropped,
 * both released. */
static void test_work_pool_free_waits(void **state UNUSED)
{
    struct gate g;
    gate_init(&g, 2);
    const struct work_job job = {on_gate_run, on_gate_done, on_gate_release, &g};
    struct work_pool *p = work_pool_new("a name longer than fifteen bytes", 1, 2);
    assert_int_equal(work_submit(p, g.loop, NULL, &job), ERR_OK);
    sem_wait(&g.began);
    assert_int_equal(work_submit(p, g.loop, NULL, &job), ERR_OK);
    sem_post(&g.open);
    sem_post(&g.open); /* the second may have begun before the pool's end, too */
    work_pool_free(&p);
    loop_run(g.loop);
    assert_int_equal(g.released, 2);
    assert_true(g.done == 1 || g.done == 2);
    gate_fini(&g);
}

enum { SHARDS = 3, JOBS = 3000, IN_FLIGHT = 40 };

struct maker { /* one per shard: keeps jobs in flight, cancels each third batch */
    struct shards *shards;
    struct loop *loop;
    struct work_pool *pool;
    struct op_owner owner;
    struct defer again;
    unsigned submitted, in_flight, done, released, cancels;
    struct mail ready;
    struct maker *first;
    unsigned ready_count; /* first */
};
struct sum {
    struct maker *maker;
    unsigned n, result;
};

static void on_sum_run(void *ctx)
{
    struct sum *s = ctx;
    for (unsigned i = 0; i <= s->n; i++)
        s->result += i;
}

static void on_sum_done(void *ctx)
{
    struct sum *s = ctx;
    if (s->result != s->n * (s->n + 1) / 2)
        panic_at(__FILE__, __LINE__, "wrong sum");
    s->maker->done++;
}

static void on_sum_release(void *ctx)
{
    struct sum *s = ctx;
    struct maker *k = s->maker;
    mem_free(s);
    k->released++;
    if (--k->in_flight == 0 && k->submitted >= JOBS)
        loop_post(k->first->loop, &k->ready);
    else
        loop_defer(k->loop, &k->again);
}

static void on_again(void *ctx)
{
    struct maker *k = ctx;
    while (k->in_flight < IN_FLIGHT && k->submitted < JOBS) {
        struct sum *s = mem_alloc(sizeof *s);
        *s = (struct sum){k, k->submitted % 100, 0};
        const struct work_job job = {on_sum_run, on_sum_done, on_sum_release, s};
        if (work_submit(k->pool, k->loop, &k->owner, &job) != ERR_OK) {
            mem_free(s);
            loop_defer(k->loop, &k->again);
            break;
        }
        k->submitted++;
        k->in_flight++;
    }
    if (k->submitted % 3 == 0) {
        k->cancels++;
        op_owner_cancel_all(&k->owner);
    }
}

static void on_maker_ready(struct mail *m)
{
    struct maker *k = container_of(m, struct maker, ready);
    if (++k->first->ready_count == SHARDS)
        shards_stop(k->shards);
}

static void test_work_from_shards(void **state UNUSED)
{
    struct shards *s = shards_new("t", SHARDS);
    struct work_pool *p = work_pool_new("sum", 3, SHARDS * IN_FLIGHT / 2);
    struct maker k[SHARDS] = {{0}};
    for (unsigned i = 0; i < SHARDS; i++) {
        k[i] = (struct maker){.shards = s, .loop = shards_loop(s, i), .pool = p, .first = &k[0]};
        k[i].ready.fn = on_maker_ready;
        op_owner_init(&k[i].owner);
        defer_init(&k[i].again, on_again, &k[i]);
        loop_defer(k[i].loop, &k[i].again);
    }
    shards_run(s);
    for (unsigned i = 0; i < SHARDS; i++) {
        assert_int_equal(k[i].released, JOBS);
        assert_true(k[i].done <= JOBS && k[i].cancels > 0);
        assert_true(op_owner_idle(&k[i].owner));
        defer_cancel(&k[i].again);
    }
    work_pool_free(&p);
    shards_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_limit_and_cancel),
        cmocka_unit_test(test_work_pool_free_waits),
        cmocka_unit_test(test_work_from_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
