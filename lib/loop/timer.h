#ifndef LIB_LOOP_TIMER_H
#define LIB_LOOP_TIMER_H
/* Timers on one hierarchical wheel per loop, millisecond granularity, never early. Embedded in
 * their object. */
#include "lib/loop/loop.h"

struct timer {
    struct list link;
    struct loop *loop;
    uint64_t due_ms;
    void (*fn)(void *ctx);
    void *ctx;
};
void timer_init(struct timer *t, struct loop *l, void (*fn)(void *ctx), void *ctx);
void timer_start(struct timer *t,
                 uint64_t delay_ms); /* restarts when running; 0 = next turn; max 2^32 ms */
void timer_stop(struct timer *t);    /* idempotent; a stopped timer never fires */
bool timer_running(const struct timer *t);
#endif
