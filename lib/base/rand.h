#ifndef LIB_BASE_RAND_H
#define LIB_BASE_RAND_H
/* Random numbers. rand_bytes and rand_u64 are secure, except after rand_seed (simulation), when all
 * are deterministic. */
#include "lib/base/base.h"
void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);
uint64_t rand_name(void); /* for names in logs and traces: unguessable until the heap is read */
uint64_t rand_below(uint64_t bound); /* 0 <= result < bound, unbiased; bound > 0 */
void rand_seed(uint64_t seed);       /* simulation and tests only */
bool rand_is_seeded(void);
#define RAND_ID_LEN 22
/* URL-safe text of 128+ random bits, NUL-terminated: stream ids, stanza ids, resources. Returns
 * out. */
char *rand_id(char out[RAND_ID_LEN + 1]);
#endif
