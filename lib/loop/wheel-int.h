#ifndef LIB_LOOP_WHEEL_INT_H
#define LIB_LOOP_WHEEL_INT_H
/* The timer wheel below timer.h. Words: slot = list of timers of one time span; level = 64 slots,
 * each level's span 64 times the one below (1 ms, 64 ms, 4 s, ...); due = expired timers that wait
 * for the loop to fire them. */
#include "lib/loop/timer.h"

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 7 };

struct wheel {
    uint64_t now_ms;             /* everything up to here has expired */
    uint64_t used[WHEEL_LEVELS]; /* bit per slot; may be stale (set, but empty) */
    struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
    struct list due;
    size_t count; /* running timers */
    uint64_t (*shuffle)(
        uint64_t bound); /* draws the order of equal timers; NULL = first started, first fired */
};

void wheel_init(struct wheel *w, uint64_t now_ms, uint64_t (*shuffle)(uint64_t bound));
/* Forget all timers; they count as stopped and have no loop. Returns how many there were. */
size_t wheel_fini(struct wheel *w);
/* When wheel_advance has something to do next (it may be a mere move to a lower level). False: no
 * timer runs. */
bool wheel_next(struct wheel *w, uint64_t *at_ms);
void wheel_advance(struct wheel *w, uint64_t now_ms); /* collect what expired, in due order */
void wheel_fire(
    struct wheel *w); /* run what was collected; timers started meanwhile wait for the next turn */
#endif
