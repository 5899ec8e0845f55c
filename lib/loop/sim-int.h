#ifndef LIB_LOOP_SIM_INT_H
#define LIB_LOOP_SIM_INT_H
/* Inside the simulator. Words: event = something at a virtual time; key = (time, tie), ties drawn
 * from the seed; events with equal keys keep the order in which they were queued. */
#include "lib/loop/loop-int.h"
#include "lib/loop/sim-loop.h"

struct sim_key {
    uint64_t at_us, tie;
};
struct sim_event {
    struct sim_key key;
    uint64_t seq;      /* the queue's */
    struct loop *loop; /* whom it concerns: goes when that loop is freed. NULL: the simulation */
    void (*fn)(void *ctx);
    void (*on_drop)(void *ctx);
    void *ctx;
    struct mail *mail; /* instead of fn: arrival of mail at loop */
};
struct sim_queue { /* binary heap */
    struct sim_event *p;
    size_t n, cap;
    uint64_t seq;
};

int sim_key_cmp(struct sim_key a, struct sim_key b);
void sim_queue_push(struct sim_queue *q, struct sim_event e);
const struct sim_event *
sim_queue_peek(const struct sim_queue *q); /* NULL = empty; valid until the next change */
struct sim_event sim_queue_pop(struct sim_queue *q);
/* Move the events of a loop to another queue; their order stays. */
void sim_queue_take(struct sim_queue *q, const struct loop *l, struct sim_queue *out);
void sim_queue_fini(struct sim_queue *q);

void sim_pool_count(int change); /* pools, each with its jobs, that must be gone at sim_end */
#endif
