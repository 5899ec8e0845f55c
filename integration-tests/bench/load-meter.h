#ifndef BENCH_LOAD_METER_H
#define BENCH_LOAD_METER_H
/* CPU time between two moments, for scenarios on one thread. */
#include "integration-tests/bench/load-loop.h"

struct load_meter {
    struct load_usage from, until;
};

/* Begin and end. A process of --pid that is gone is a fatal error. */
void load_meter_start(struct load_meter *m, struct load_loop *l);
void load_meter_stop(struct load_meter *m, struct load_loop *l);
double load_meter_seconds(const struct load_meter *m);
double load_meter_cpu_us(const struct load_meter *m);
/* seconds, rate, cpu_us_per_<what>, cpu_percent, generator_cpu_percent for n things done. */
void load_meter_report(const struct load_meter *m, struct load_report *r, const char *what,
                       double n);
#endif
