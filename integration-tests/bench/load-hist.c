/* Log-linear histogram: values below LOAD_HIST_SUB have a slot each, above that each power of two
 * is cut into LOAD_HIST_SUB equal slots. The top bits of a value are its slot. */
#include "integration-tests/bench/load-hist.h"

static unsigned slot_of(uint64_t value)
{
    if (value < LOAD_HIST_SUB)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value) - LOAD_HIST_SUB_BITS;
    if (power >= LOAD_HIST_POWERS)
        return LOAD_HIST_SLOTS - 1;
    return (power + 1) * LOAD_HIST_SUB + (unsigned)((value >> power) - LOAD_HIST_SUB);
}

static uint64_t top_of(unsigned slot)
{
    if (slot < LOAD_HIST_SUB)
        return slot;
    unsigned power = slot / LOAD_HIST_SUB - 1;
    return (((uint64_t)LOAD_HIST_SUB + slot % LOAD_HIST_SUB + 1) << power) - 1;
}

void load_hist_add(struct load_hist *h, uint64_t value)
{
    h->n++;
    h->slot[slot_of(value)]++;
    if (value > h->max)
        h->max = value;
}

void load_hist_merge(struct load_hist *h, const struct load_hist *other)
{
    h->n += other->n;
    if (other->max > h->max)
        h->max = other->max;
    for (unsigned i = 0; i < LOAD_HIST_SLOTS; i++)
        h->slot[i] += other->slot[i];
}

uint64_t load_hist_at(const struct load_hist *h, double share)
{
    double exact = share * (double)h->n;
    uint64_t rank = (uint64_t)exact, seen = 0;
    if ((double)rank < exact || rank == 0)
        rank++;
    for (unsigned i = 0; i < LOAD_HIST_SLOTS - 1; i++) {
        seen += h->slot[i];
        if (seen >= rank)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return h->max;
}
