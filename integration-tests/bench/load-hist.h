#ifndef BENCH_LOAD_HIST_H
#define BENCH_LOAD_HIST_H
/* A histogram of times with a relative error below 1.6 %, of fixed size: adding costs no memory.
 * Words: slot = a range of values counted together; each power of two has LOAD_HIST_SUB of them. */
#include <stdint.h>

enum {
    LOAD_HIST_SUB_BITS = 6,
    LOAD_HIST_SUB = 1 << LOAD_HIST_SUB_BITS,
    LOAD_HIST_POWERS = 40,
    LOAD_HIST_SLOTS = (LOAD_HIST_POWERS + 1) * LOAD_HIST_SUB
};

struct load_hist {
    uint64_t n;
    uint64_t max;
    uint64_t slot[LOAD_HIST_SLOTS];
};

/* Count a value. Values of 2^46 and more fall into the last slot; max keeps the true one. */
void load_hist_add(struct load_hist *h, uint64_t value);
/* Add all of another one. */
void load_hist_merge(struct load_hist *h, const struct load_hist *other);
/* The value below or at which the share of all values lies (0 < share <= 1): the upper end of its
 * slot, never more than max. 0 if empty. */
uint64_t load_hist_at(const struct load_hist *h, double share);
#endif
