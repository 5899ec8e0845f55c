#ifndef LIB_LOOP_SIM_LOOP_H
#define LIB_LOOP_SIM_LOOP_H
/* The simulator's clockwork. sim_begin takes over clock and randomness of the process; every loop
 * made afterwards belongs to the simulation. One seed = one run: order of ready loops, of mail
 * between senders and of equal timers is drawn from it. */
#include "lib/loop/loop.h"

void sim_begin(uint64_t seed);
/* Hand the clock back. Dies when a loop, a timer, a work pool or an event without on_drop is left
 * over: a leak in the code under test. */
void sim_end(void);
uint64_t sim_now_us(void);
uint64_t sim_rand(uint64_t bound); /* the simulation's own stream of numbers, apart from rand.h's */
/* Run until pred is true (returns true) or virtual time passes (false). pred may be NULL: run that
 * long. Between callbacks only; pred is asked before each. Dies after 10 million turns without time
 * moving. */
bool sim_run(uint64_t for_us, bool (*pred)(void *ctx), void *ctx);
/* Schedule fn after delay_us on the simulation itself (network deliveries, faults). on_drop may be
 * NULL. Events of one moment run in drawn order: who needs an order keeps a queue of his own. */
void sim_after(uint64_t delay_us, void (*fn)(void *ctx), void (*on_drop)(void *ctx), void *ctx);
/* The same as I/O of loop l: fn may do what l's own callbacks may, and mail it posts is l's.
 * Dropped when l is freed or has stopped. */
void sim_after_on(struct loop *l, uint64_t delay_us, void (*fn)(void *ctx),
                  void (*on_drop)(void *ctx), void *ctx);
/* Let around call each turn of a loop, for programs that measure: it calls turn(l) exactly once.
 * NULL: no more. */
void sim_around(void (*around)(struct loop *l, void (*turn)(struct loop *l)));
void sim_set_wall(uint64_t wall_us); /* jump; it starts at 2026-01-01T00:00:00Z */
#endif
