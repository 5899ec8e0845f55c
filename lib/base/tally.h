#ifndef LIB_BASE_TALLY_H
#define LIB_BASE_TALLY_H
/* How many of something each key has at the moment, over all threads. Keys are hashes: two that
 * collide share a count. Memory grows with what was taken and shrinks when it is given back. */
#include "lib/base/base.h"

struct tally;
struct tally *tally_new(unsigned limit); /* of each key; 0: nothing is ever refused */
void tally_free(struct tally **pt);
/* One more; false: it has its limit, nothing was taken. Any thread, as the next. */
bool tally_take(struct tally *t, uint64_t key);
void tally_give_back(struct tally *t, uint64_t key); /* one that was taken */
#endif
