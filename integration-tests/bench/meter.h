#ifndef INTEGRATION_TESTS_BENCH_METER_H
#define INTEGRATION_TESTS_BENCH_METER_H
/* What the server costs inside a simulation in which everybody shares one process and one thread.
 * Time: the processor time of the turns of the server's loops, nobody else's. Memory: the heap of
 * the whole process; who asks subtracts what is not the server's. */
#include "lib/loop/loop.h"

struct meter {
    uint64_t turns, cpu_ns;
};
struct meter_memory {
    size_t heap_bytes; /* in use, with the allocator's own words */
    size_t rss_bytes;
};
void meter_begin(const char *host); /* loops of this host are the server; after sim_begin */
/* Count turns from here to the other. Between runs of the simulation. */
void meter_start(void);
struct meter meter_stop(void);
struct meter_memory meter_memory(void);
size_t meter_chunk(size_t size); /* bytes of the heap that an allocation of this size takes */
#endif
