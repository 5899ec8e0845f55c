/* store-thread, real platform: runs a worker's loop on the one thread of a pool of its own. */
#include "lib/loop/work.h"
#include "lib/store/store-int.h"

struct store_thread {
    struct work_pool *pool;
};

static void thread_run(void *ctx)
{
    loop_run(ctx);
}

static void thread_nothing(void *ctx)
{
    (void)ctx;
}

struct store_thread *store_thread_start(struct loop *l)
{
    struct store_thread *t = mem_alloc(sizeof *t);
    t->pool = work_pool_new("store", 1, 1);
    struct work_job job = {thread_run, thread_nothing, thread_nothing, l};
    enum err e = work_submit(t->pool, l, NULL,
                             &job); /* its end is mail to a loop that no longer runs: dropped */
    must(!e);
    return t;
}

void store_thread_join(struct store_thread **pt)
{
    work_pool_free(&(*pt)->pool);
    mem_free(*pt);
    *pt = NULL;
}

bool store_thread_is_inline(void)
{
    return false;
}

uint64_t store_thread_delay_ms(void)
{
    return 0;
}
