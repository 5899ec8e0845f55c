/* DOC: The two clocks. The simulator puts its virtual ones in their place for the whole process. */
#include "lib/base/clock.h"

#include <time.h>

static const struct clock_source *source;

static uint64_t system_us(clockid_t id)
{
    struct timespec ts;
    must(clock_gettime(id, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t clock_mono_us(void)
{
    const struct clock_source *s = __atomic_load_n(&source, __ATOMIC_ACQUIRE);
    return s ? s->mono_us() : system_us(CLOCK_MONOTONIC);
}

uint64_t clock_wall_us(void)
{
    const struct clock_source *s = __atomic_load_n(&source, __ATOMIC_ACQUIRE);
    return s ? s->wall_us() : system_us(CLOCK_REALTIME);
}

void clock_set_source(const struct clock_source *s)
{
    __atomic_store_n(&source, s, __ATOMIC_RELEASE);
}

uint64_t clock_cpu_us(void)
{
    return system_us(CLOCK_PROCESS_CPUTIME_ID);
}
