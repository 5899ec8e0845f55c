#ifndef BENCH_LOAD_PROC_H
#define BENCH_LOAD_PROC_H
/* What the server's processes have used: CPU time and resident memory. */
#include <stdbool.h>
#include <stdint.h>

#include "integration-tests/bench/load-opts.h"

struct load_usage {
    uint64_t wall_ns, cpu_ns, own_cpu_ns; /* own: of this program */
};

/* CLOCK_MONOTONIC. */
uint64_t load_now_ns(void);
/* Read the clocks. False if a process is gone; *u holds the rest. */
bool load_proc_usage(const struct load_opts *o, struct load_usage *u);
/* Resident bytes in all, 0 if none can be read. */
uint64_t load_proc_rss(const struct load_opts *o);
#endif
