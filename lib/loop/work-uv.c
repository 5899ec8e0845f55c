/* Worker pools on threads: one mutex, one condition, one bounded queue in order of submission.
 * A task belongs to the queue, then to the thread that runs it, then to its mail. After task_post
 * the pool never touches it again: the loop may have freed it. */
#include "lib/base/refs.h"
#include "lib/loop/thread-int.h"
#include "lib/loop/work-int.h"

struct work_pool {
    struct refs refs; /* work_pool_free's and one for each task not yet back */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list waiting; /* under lock, as all below */
    unsigned queued, max_queued;
    bool is_stopping;
    unsigned threads;
    pthread_t thread[];
};

/* Wait for a task. NULL: the pool ends. */
static struct work_task *next_task(struct work_pool *p)
{
    struct work_task *t = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->is_stopping && list_empty(&p->waiting))
        pthread_cond_wait(&p->changed, &p->lock);
    if (!p->is_stopping) {
        t = list_entry(list_shift(&p->waiting), struct work_task, link);
        t->is_waiting = false;
        p->queued--;
    }
    pthread_mutex_unlock(&p->lock);
    return t;
}

static void *worker(void *arg)
{
    struct work_pool *p = arg;
    for (struct work_task *t; (t = next_task(p));) {
        t->job.run(t->job.ctx);
        task_post(t);
    }
    return NULL;
}

struct work_pool *work_pool_new(const char *name, unsigned threads, unsigned max_queued)
{
    must(threads > 0);
    struct work_pool *p = mem_alloc(sizeof *p + threads * sizeof p->thread[0]);
    must(pthread_mutex_init(&p->lock, NULL) == 0);
    must(pthread_cond_init(&p->changed, NULL) == 0);
    list_init(&p->waiting);
    refs_init(&p->refs);
    p->max_queued = max_queued;
    p->threads = threads;
    for (unsigned i = 0; i < threads; i++) {
        char text[64];
        snprintf(text, sizeof text, "%.12s-%u", name, i);
        thread_start(&p->thread[i], text, worker, p);
    }
    return p;
}

void work_pool_unref(struct work_pool *p)
{
    if (!refs_put(&p->refs))
        return;
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static void stop_threads(struct work_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_stopping = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        must(pthread_join(p->thread[i], NULL) == 0);
}

void work_pool_free(struct work_pool **pp)
{
    struct work_pool *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    stop_threads(p);
    pthread_mutex_lock(&p->lock);
    for (struct list *n; (n = list_shift(&p->waiting));) {
        struct work_task *t = list_entry(n, struct work_task, link);
        t->is_waiting = false;
        t->is_dropped = true;
        task_post(t);
    }
    pthread_mutex_unlock(&p->lock);
    work_pool_unref(p);
}

enum err work_submit(struct work_pool *p, struct loop *l, struct op_owner *o,
                     const struct work_job *job)
{
    enum err e = ERR_LIMIT;
    struct work_task *t = task_new(p, l, job);
    pthread_mutex_lock(&p->lock);
    if (p->queued < p->max_queued) {
        task_start_op(t, o);
        refs_get(&p->refs);
        t->is_waiting = true;
        list_push(&p->waiting, &t->link);
        p->queued++;
        pthread_cond_signal(&p->changed);
        t = NULL;
        e = ERR_OK;
    }
    pthread_mutex_unlock(&p->lock);
    mem_free(t);
    return e;
}

void work_withdraw(struct work_pool *p, struct work_task *t)
{
    pthread_mutex_lock(&p->lock);
    bool was_waiting = t->is_waiting;
    if (was_waiting) {
        list_del(&t->link);
        p->queued--;
        t->is_waiting = false;
    }
    pthread_mutex_unlock(&p->lock);
    if (was_waiting)
        task_post(t);
}
