#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H
/* Time through a replaceable source. Wall time is microseconds since 1970 UTC; monotonic has an
 * arbitrary start. */
#include "lib/base/base.h"
uint64_t clock_mono_us(void);
uint64_t clock_wall_us(void);
uint64_t clock_cpu_us(void); /* what this process has used, all threads; never simulated */
struct clock_source {
    uint64_t (*mono_us)(void);
    uint64_t (*wall_us)(void);
};
void clock_set_source(const struct clock_source *s); /* NULL = the system's; simulation only */
#endif
