#ifndef BENCH_LOAD_SCHEDULE_H
#define BENCH_LOAD_SCHEDULE_H
/* When messages of an open loop fall due: by a schedule that knows nothing of the server.
 * Words: window = the time in which is measured. */
#include "integration-tests/bench/load-opts.h"

struct load_window {
    uint64_t from_ns, until_ns;
};

struct load_schedule {
    double due_ns; /* of the next message */
    double gap_ns; /* on the average; 0: there is no schedule */
    uint64_t seed;
    enum load_schedule_kind kind;
};

/* share: of --rate. number: schedules of different ones differ. The first message is due soon. */
void load_schedule_start(struct load_schedule *s, const struct load_opts *o, double share,
                         unsigned number);
/* On to the next message. */
void load_schedule_step(struct load_schedule *s);
/* A random number, the same ones in every run. */
uint64_t load_schedule_draw(struct load_schedule *s);
/* When to wake: at the next message, not after until_ns. */
uint64_t load_schedule_wake(const struct load_schedule *s, uint64_t until_ns);
bool load_is_in(const struct load_window *w, uint64_t ns);
#endif
