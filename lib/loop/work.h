#ifndef LIB_LOOP_WORK_H
#define LIB_LOOP_WORK_H
/* Bounded worker pools for blocking work (hashing, SQLite, directories). Not libuv's pool. */
#include "lib/loop/loop.h"
#include "lib/loop/op.h"

struct work_pool;
struct work_pool *work_pool_new(const char *name, unsigned threads, unsigned max_queued);
void work_pool_free(
    struct work_pool **pp); /* finishes what runs, drops what waits (release is still called) */

struct work_job {
    void (*run)(void *ctx);  /* on a worker thread; touches ctx only */
    void (*done)(void *ctx); /* on the loop, exactly once unless cancelled */
    void (*release)(
        void *ctx); /* on the loop, always, last: frees ctx; also after cancel or drop */
    void *ctx;
};
/* ERR_LIMIT when the queue is full: nothing is called and ctx stays the caller's. */
enum err work_submit(struct work_pool *p, struct loop *l, struct op_owner *o,
                     const struct work_job *job) MUST_USE;
#endif
