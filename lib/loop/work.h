#ifndef LIB_LOOP_WORK_H
#define LIB_LOOP_WORK_H
/* Bounded worker pools for blocking work (hashing, SQLite, directories). Not libuv's pool. */
#include "lib/loop/loop.h"
#include "lib/loop/op.h"

struct work_pool;
struct work_pool *work_pool_new(const char *name, unsigned threads, unsigned max_queued);
/* Wait for what runs, drop what waits (release is still called, by its loop). The end goes in this
 * order: pool, then loops: a job that ends needs its loop. Jobs that come back to a loop which does
 * not run any more are released by loop_free. */
void work_pool_free(struct work_pool **pp);

struct work_job {
    void (*run)(void *ctx);  /* on a worker thread; touches ctx only */
    void (*done)(void *ctx); /* on the loop, exactly once unless cancelled */
    /* On the loop, always, last: frees ctx; also after cancel or drop. Never inside work_submit or
     * op_cancel. done and release may be NULL. */
    void (*release)(void *ctx);
    void *ctx;
};
/* On loop l. o may be NULL. Cancelled while it waits, a job never runs; while it runs, it runs to
 * its end; either way done is not called.
 * Errors: ERR_LIMIT when max_queued jobs wait: nothing is called and ctx stays the caller's. */
enum err work_submit(struct work_pool *p, struct loop *l, struct op_owner *o,
                     const struct work_job *job) MUST_USE;
#endif
