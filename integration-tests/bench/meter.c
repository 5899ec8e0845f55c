/* DOC: the meter. A turn of the server that is counted runs inside meter_server_turn, which is a
 * function of its own so that callgrind can be told to collect there and nowhere else
 * (--toggle-collect). The thread's processor time leaves out what other processes take; what
 * reading the clock costs is measured at the beginning and taken off. */
#include "integration-tests/bench/meter.h"

#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include "lib/loop/sim-loop.h"

enum { CALIBRATIONS = 10000 };

void meter_server_turn(struct loop *l, void (*turn)(struct loop *l));

static struct {
    const char *host;
    bool is_counting;
    uint64_t clock_ns; /* between two readings with nothing in between */
    struct meter sum;
} meter;

static uint64_t cpu_ns(void)
{
    struct timespec t;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((noinline, used)) void meter_server_turn(struct loop *l, void (*turn)(struct loop *l))
{
    turn(l);
    meter.sum.turns++; /* after it: not a tail call, whose return nobody would see */
}

static bool is_server(const struct loop *l)
{
    struct str name = str_of(loop_name(l));
    return str_eqc(str_cut(&name, '/'), meter.host);
}

static void around(struct loop *l, void (*turn)(struct loop *l))
{
    if (!meter.is_counting || !is_server(l)) {
        turn(l);
        return;
    }
    uint64_t before_ns = cpu_ns();
    meter_server_turn(l, turn);
    meter.sum.cpu_ns += cpu_ns() - before_ns;
}

void meter_begin(const char *host)
{
    uint64_t start_ns = cpu_ns();
    for (int i = 0; i < CALIBRATIONS; i++)
        (void)cpu_ns();
    meter.clock_ns = (cpu_ns() - start_ns) / CALIBRATIONS;
    meter.host = host;
    sim_around(around);
}

void meter_start(void)
{
    meter.sum = (struct meter){0};
    meter.is_counting = true;
}

__attribute__((noinline, used)) struct meter meter_stop(void)
{
    struct meter m = meter.sum;
    uint64_t clocks_ns = m.turns * meter.clock_ns;
    meter.is_counting = false;
    m.cpu_ns -= m.cpu_ns < clocks_ns ? m.cpu_ns : clocks_ns;
    return m;
}

struct meter_memory meter_memory(void)
{
    struct mallinfo2 heap = mallinfo2();
    unsigned long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    must(f && fscanf(f, "%lu %lu", &total, &resident) == 2);
    fclose(f);
    return (struct meter_memory){.heap_bytes = heap.uordblks + heap.hblkhd,
                                 .rss_bytes = resident * (size_t)sysconf(_SC_PAGESIZE)};
}

size_t meter_chunk(size_t size)
{
    void *p = mem_alloc(size);
    size_t n = malloc_usable_size(p) + sizeof(size_t);
    mem_free(p);
    return n;
}
