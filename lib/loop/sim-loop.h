#ifndef LIB_LOOP_SIM_LOOP_H
#define LIB_LOOP_SIM_LOOP_H
/* The simulator's clockwork. sim_begin takes over clock and randomness of the process; every loop
 * made afterwards belongs to the simulation. One seed = one run: order of ready loops, of mail
 * between senders and of equal timers is drawn from it. */
#include "lib/loop/loop.h"

void sim_begin(uint64_t seed);
void sim_end(
    void); /* dies when a loop, timer or event is left over: a leak in the code under test */
uint64_t sim_now_us(void);
uint64_t sim_rand(uint64_t bound); /* the simulation's own stream of numbers, apart from rand.h's */
/* Run until pred is true (returns true) or virtual time passes (false). pred may be NULL: run that
 * long. */
bool sim_run(uint64_t for_us, bool (*pred)(void *ctx), void *ctx);
/* Schedule fn after delay_us on the simulation itself (network deliveries, faults). on_drop may be
 * NULL. */
void sim_after(uint64_t delay_us, void (*fn)(void *ctx), void (*on_drop)(void *ctx), void *ctx);
void sim_set_wall(uint64_t wall_us);
#endif
