/* Seeds of a simulator case, for tests only.
 *
 *     EACH_SEED(200)
 *         case_of(seed_now);
 *
 * runs it 200 times. SEEDS=n in the environment says how many times instead, SEED=n runs that one
 * alone. With `say_repeat` as the test's teardown a seed that failed is named with what repeats it.
 */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/str.h"

static uint64_t seed_first = 1, seed_last, seed_now; /* seed_now: under way, 0: none */

static inline void seeds_begin(uint64_t n)
{
    const char *only = getenv("SEED"), *many = getenv("SEEDS");
    seed_first = 1;
    seed_last = n;
    if (many)
        (void)str_to_u64(str_of(many), UINT32_MAX, &seed_last);
    if (only && str_to_u64(str_of(only), UINT32_MAX, &seed_first))
        seed_last = seed_first;
}

static inline int say_repeat(void **state UNUSED)
{
    if (seed_now)
        fprintf(stderr, "repeat it with: SEED=%" PRIu64 " %s\n", seed_now, program_invocation_name);
    seed_now = 0;
    return 0;
}

#define EACH_SEED(n)                                                                               \
    for (seeds_begin(n), seed_now = seed_first; seed_now <= seed_last || (seed_now = 0); seed_now++)
