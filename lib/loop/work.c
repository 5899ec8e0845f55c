/* The way of a job back to its loop. Cancelling is the loop's alone, so is_cancelled needs no lock:
 * the pool runs a cancelled job it has begun, and the loop then leaves out done. release always
 * comes by mail, or by the mail's drop when the loop is freed first. */
#include "lib/loop/work-int.h"

static void finish(struct work_task *t, bool is_dropped)
{
    bool call_done = !t->is_cancelled && !is_dropped && t->job.done;
    op_end(&t->op);
    if (call_done)
        t->job.done(t->job.ctx);
    if (t->job.release)
        t->job.release(t->job.ctx);
    work_pool_unref(t->pool);
    mem_free(t);
}

static void on_mail(struct mail *m)
{
    struct work_task *t = container_of(m, struct work_task, mail);
    finish(t, t->is_dropped);
}

static void on_drop(struct mail *m)
{
    finish(container_of(m, struct work_task, mail), true);
}

static void on_cancel(struct op *op)
{
    struct work_task *t = container_of(op, struct work_task, op);
    t->is_cancelled = true;
    work_withdraw(t->pool, t);
}

struct work_task *task_new(struct work_pool *p, struct loop *l, const struct work_job *job)
{
    struct work_task *t = mem_alloc(sizeof *t);
    list_init(&t->link);
    t->job = *job;
    t->pool = p;
    t->loop = l;
    t->mail.fn = on_mail;
    t->mail.drop = on_drop;
    return t;
}

void task_start_op(struct work_task *t, struct op_owner *o)
{
    op_start(&t->op, o, on_cancel);
}

void task_post(struct work_task *t)
{
    loop_post(t->loop, &t->mail);
}
