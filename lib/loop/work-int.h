#ifndef LIB_LOOP_WORK_INT_H
#define LIB_LOOP_WORK_INT_H
/* A job inside a pool, and its way back to the loop; the same on both platforms. */
#include "lib/loop/work.h"

struct work_task {
    struct list link;  /* in the pool's queue while waiting */
    bool is_waiting;   /* under the pool's lock: in the queue, nobody took it */
    bool is_dropped;   /* the pool ended before the job ran: no done */
    bool is_cancelled; /* the loop's: no done */
    struct work_job job;
    struct work_pool *pool;
    struct loop *loop;
    struct op op;
    struct mail mail;
};
struct work_task *task_new(struct work_pool *p, struct loop *l, const struct work_job *job);
void task_start_op(struct work_task *t,
                   struct op_owner *o); /* on the loop, before the pool gets it */
void task_post(struct work_task *t);    /* to its loop, which calls done and release */

/* The platform's. A pool's memory outlives work_pool_free until its last task has come back. */
void work_pool_unref(struct work_pool *p);
/* Take a waiting task out of the queue and post it; nothing if it runs or ran. On
 * the loop. */
void work_withdraw(struct work_pool *p, struct work_task *t);
#endif
