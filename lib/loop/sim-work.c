/* Worker pools in virtual time. A pool has as many slots as it would have threads; a job taken into
 * a slot runs, all at once, at the virtual time drawn for its end. So one slot keeps the order of
 * submission, as one thread does. The event of a slot holds a reference to the pool and finds the
 * slot empty when the pool ended before. */
#include "lib/base/refs.h"
#include "lib/loop/sim-int.h"
#include "lib/loop/work-int.h"

enum { JOB_MIN_US = 200, JOB_MAX_US = 15000 };

struct slot {
    struct work_pool *pool;
    struct work_task *task; /* NULL = free */
};
struct work_pool {
    struct refs refs; /* work_pool_free's, one for each task not yet back, one for each event */
    struct list waiting;
    unsigned queued, max_queued;
    unsigned slots;
    struct slot slot[];
};

struct work_pool *work_pool_new(const char *name UNUSED, unsigned threads, unsigned max_queued)
{
    must(threads > 0);
    struct work_pool *p = mem_alloc(sizeof *p + threads * sizeof p->slot[0]);
    refs_init(&p->refs);
    list_init(&p->waiting);
    p->max_queued = max_queued;
    p->slots = threads;
    for (unsigned i = 0; i < threads; i++)
        p->slot[i].pool = p;
    sim_pool_count(1);
    return p;
}

void work_pool_unref(struct work_pool *p)
{
    if (!refs_put(&p->refs))
        return;
    sim_pool_count(-1);
    mem_free(p);
}

static void run_slot(struct slot *s)
{
    struct work_task *t = s->task;
    s->task = NULL;
    t->job.run(t->job.ctx);
    task_post(t);
}

static void fill_slots(struct work_pool *p);

static void on_end(void *ctx)
{
    struct slot *s = ctx;
    if (s->task) {
        run_slot(s);
        fill_slots(s->pool);
    }
    work_pool_unref(s->pool);
}

static void on_end_dropped(void *ctx)
{
    struct slot *s = ctx;
    work_pool_unref(s->pool);
}

static void fill_slots(struct work_pool *p)
{
    for (unsigned i = 0; i < p->slots && !list_empty(&p->waiting); i++) {
        if (p->slot[i].task)
            continue;
        struct work_task *t = list_entry(list_shift(&p->waiting), struct work_task, link);
        p->queued--;
        t->is_waiting = false;
        p->slot[i].task = t;
        refs_get(&p->refs);
        sim_after(JOB_MIN_US + sim_rand(JOB_MAX_US - JOB_MIN_US + 1), on_end, on_end_dropped,
                  &p->slot[i]);
    }
}

void work_pool_free(struct work_pool **pp)
{
    struct work_pool *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    for (unsigned i = 0; i < p->slots; i++)
        if (p->slot[i].task)
            run_slot(&p->slot[i]);
    for (struct list *n; (n = list_shift(&p->waiting));) {
        struct work_task *t = list_entry(n, struct work_task, link);
        t->is_waiting = false;
        t->is_dropped = true;
        task_post(t);
    }
    work_pool_unref(p);
}

enum err work_submit(struct work_pool *p, struct loop *l, struct op_owner *o,
                     const struct work_job *job)
{
    if (p->queued >= p->max_queued)
        return ERR_LIMIT;
    struct work_task *t = task_new(p, l, job);
    task_start_op(t, o);
    refs_get(&p->refs);
    t->is_waiting = true;
    list_push(&p->waiting, &t->link);
    p->queued++;
    fill_slots(p);
    return ERR_OK;
}

void work_withdraw(struct work_pool *p, struct work_task *t)
{
    if (!t->is_waiting)
        return;
    list_del(&t->link);
    t->is_waiting = false;
    p->queued--;
    task_post(t);
}
