/* DOC: one number for a key: the time at which its level will have drained to nothing (the generic
 * cell rate algorithm). It is refused when one more would not have drained within a window. A
 * bucket of a few slots is searched; when all are taken, that which drains first is given up, so a
 * flood of keys forgets the least guilty. One mutex: a login takes it twice, for nanoseconds.
 * Invariant: a slot whose time has passed is free. */
#include "lib/base/throttle.h"

#include <pthread.h>

#include "lib/base/clock.h"

enum { WAYS = 8 };

struct slot {
    uint64_t key, empty_ms; /* clock_mono; in the past: free */
};
struct throttle {
    pthread_mutex_t lock;
    uint64_t window_ms, step_ms;
    size_t buckets;
    struct slot slots[];
};

struct throttle *throttle_new(unsigned limit, uint64_t window_ms, size_t slots)
{
    const size_t buckets = slots / WAYS + 1;
    struct throttle *t = mem_alloc(sizeof *t + buckets * WAYS * sizeof t->slots[0]);
    must(pthread_mutex_init(&t->lock, NULL) == 0);
    t->buckets = buckets;
    t->step_ms = limit ? window_ms / limit : 0;
    if (limit && t->step_ms == 0)
        t->step_ms = 1;
    t->window_ms = t->step_ms * limit;
    return t;
}

void throttle_free(struct throttle **pt)
{
    struct throttle *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

static uint64_t now_ms(void)
{
    return clock_mono_us() / 1000 + 1; /* never 0, which is in the past at any time */
}

/* The key's slot, or the one it may have: the first to drain. */
static struct slot *find(struct throttle *t, uint64_t key)
{
    struct slot *bucket = &t->slots[key % t->buckets * WAYS], *best = bucket;
    for (int i = 0; i < WAYS; i++) {
        if (bucket[i].key == key)
            return &bucket[i];
        if (bucket[i].empty_ms < best->empty_ms)
            best = &bucket[i];
    }
    return best;
}

/* Time for which the key's level is not empty. */
static uint64_t level(const struct slot *s, uint64_t key, uint64_t now)
{
    return s->key == key && s->empty_ms > now ? s->empty_ms - now : 0;
}

/* Add one if the level stays within max_ms. */
static bool add(struct throttle *t, uint64_t key, uint64_t max_ms, bool take)
{
    if (!t->step_ms)
        return true;
    must(pthread_mutex_lock(&t->lock) == 0);
    const uint64_t now = now_ms();
    struct slot *s = find(t, key);
    const uint64_t after = level(s, key, now) + t->step_ms;
    const bool ok = after <= max_ms;
    if (ok && take)
        *s = (struct slot){key, now + after};
    must(pthread_mutex_unlock(&t->lock) == 0);
    return ok;
}

bool throttle_allows(struct throttle *t, uint64_t key)
{
    return add(t, key, t->window_ms, false);
}

bool throttle_take(struct throttle *t, uint64_t key)
{
    return add(t, key, t->window_ms, true);
}

void throttle_charge(struct throttle *t, uint64_t key)
{
    (void)add(t, key, 2 * t->window_ms, true);
}

void throttle_give_back(struct throttle *t, uint64_t key)
{
    must(pthread_mutex_lock(&t->lock) == 0);
    struct slot *s = find(t, key);
    if (s->key == key)
        s->empty_ms -= s->empty_ms < t->step_ms ? s->empty_ms : t->step_ms;
    must(pthread_mutex_unlock(&t->lock) == 0);
}
