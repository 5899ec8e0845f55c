#ifndef LIB_LOOP_LOOP_H
#define LIB_LOOP_LOOP_H
/* One event loop: deferred calls, mail from other loops, timers. Two implementations behind the
 * same symbols, chosen at link time: libuv (loop-uv.c and friends) and the simulator (sim-loop.c:
 * virtual time, seeded order, one thread). Everything here is for the loop's own thread, except
 * loop_post and loop_stop. Callbacks never run inside the call that asked for them (law 4). */
#include "lib/base/metric.h"

struct loop;

/* name is "host/shard" ("eu1/0"); the simulator takes the part before '/' as the network host.
 * index is the shard. */
struct loop *loop_new(const char *name, unsigned index);
/* When loop_run has returned, or never ran. Pending mail is dropped through its drop function;
 * timers and deferred calls must be stopped by their owners before (under simulation it dies when
 * one is left), and so must I/O handles (it dies, naming the kind). */
void loop_free(struct loop **pl);
/* Until loop_stop, then to the end of the turn. A stop that came before makes it return after one
 * turn. May be called again. Not under simulation (see sim-loop.h). */
void loop_run(struct loop *l);
/* Thread-safe. Mail that the last turn did not take stays for the next loop_run or loop_free. Under
 * simulation the loop takes no turn any more. */
void loop_stop(struct loop *l);
const char *loop_name(const struct loop *l);
unsigned loop_index(const struct loop *l);
uint64_t loop_now_us(const struct loop *l); /* monotonic, as of this turn */

/* What a loop has done so far; added to by its own thread, read there. */
struct loop_stats {
    uint64_t turns, hogs;         /* hogs: turns above the watchdog's limit */
    struct metric_hist turn;      /* how long the work of a turn took, without the wait before it */
    uint64_t bytes_in, bytes_out; /* over the network (lib/net counts) */
};
struct loop_stats *loop_stats(struct loop *l);

/* Deferred call: runs in this turn after I/O callbacks, before the loop sleeps; one that is queued
 * by a deferred call, in the next turn, which follows without sleep. Embedded in its object. */
struct defer {
    struct list link;
    void (*fn)(void *ctx);
    void *ctx;
};
void defer_init(struct defer *d, void (*fn)(void *ctx), void *ctx);
void loop_defer(struct loop *l, struct defer *d); /* queued once, however often asked */
void defer_cancel(struct defer *d);

/* Mail: intrusive message to another loop (or the same). FIFO per sender; at most 4,096 are run in
 * a turn. fn runs on the receiving loop and owns m. drop (may be NULL) runs instead when the loop
 * is freed first. */
struct mail {
    struct mail *next;
    void (*fn)(struct mail *m);
    void (*drop)(struct mail *m);
};
void loop_post(struct loop *to, struct mail *m); /* thread-safe, lock-free */
/* Drop all mail that waits, through its drop functions; how many. Only while no thread runs or
 * posts to the loop. */
size_t loop_drop_mail(struct loop *l);
#endif
