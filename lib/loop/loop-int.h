#ifndef LIB_LOOP_LOOP_INT_H
#define LIB_LOOP_LOOP_INT_H
/* What both platforms' loops have in common. struct loop begins with a struct loop_core; a turn is
 * I/O (the platform's) -> loop_run_timers -> loop_run_mail -> loop_run_defers, then the platform
 * waits unless loop_busy. */
#include "lib/loop/loop.h"
#include "lib/loop/wheel-int.h"

enum { LOOP_MAILS_PER_TURN = 4096 };

struct loop_core {
    char *name;
    unsigned index;
    bool has_now; /* now_us was read in this turn */
    uint64_t now_us;
    struct wheel wheel;
    struct list defers;
    struct loop_stats stats;
    struct mail *mail_first, *mail_last; /* arrived, in order; the loop's own thread only */
};

/* The core is never const memory; readers of the clock keep its reading here. */
static inline struct loop_core *loop_core(const struct loop *l)
{
    return (struct loop_core *)(uintptr_t)l;
}

void loop_core_init(struct loop_core *c, const char *name, unsigned index,
                    uint64_t (*shuffle)(uint64_t bound));
/* Stops what is still queued. Returns the number of timers and deferred calls that were. */
size_t loop_core_fini(struct loop_core *c);
void loop_run_timers(struct loop_core *c);
void loop_run_mail(struct loop_core *c);   /* at most LOOP_MAILS_PER_TURN */
void loop_run_defers(struct loop_core *c); /* those queued before the call */
bool loop_busy(const struct loop_core *c); /* the next turn has work without waiting */
void loop_queue_mail(struct loop_core *c, struct mail *m);
size_t loop_drop_queued(struct loop_core *c); /* drop arrived mail; how many */

/* Each platform has its own. */
bool loop_is_mine(const struct loop *l); /* may this thread touch l's objects now? */
NORETURN void loop_die(const struct loop *l, const char *what);
#endif
