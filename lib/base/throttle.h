#ifndef LIB_BASE_THROTTLE_H
#define LIB_BASE_THROTTLE_H
/* How often something may happen per key, over all threads, in bounded memory. Words: level = what
 * was taken and has not drained yet; it drains evenly, `limit` in a window. Keys are hashes: two
 * that collide share a level. */
#include "lib/base/base.h"

struct throttle;
/* limit 0: nothing is ever refused. slots: keys remembered, 16 bytes each; past it the lowest level
 * of a few is forgotten. */
struct throttle *throttle_new(unsigned limit, uint64_t window_ms, size_t slots);
void throttle_free(struct throttle **pt);
/* May it happen now? Takes nothing. Any thread, as the others. */
bool throttle_allows(struct throttle *t, uint64_t key);
/* Take one; false: refused, nothing was taken. */
bool throttle_take(struct throttle *t, uint64_t key);
/* Take one even past the limit, up to twice of it. */
void throttle_charge(struct throttle *t, uint64_t key);
void throttle_give_back(struct throttle *t, uint64_t key); /* one that was taken */
#endif
