#ifndef LIB_BASE_SIPHASH_H
#define LIB_BASE_SIPHASH_H
/* SipHash-2-4. siphash_secret() is drawn once per process (fixed under simulation). */
#include "lib/base/base.h"
uint64_t siphash(const uint8_t key[16], const void *p, size_t n);
const uint8_t *siphash_secret(void);
uint64_t hash_stable(struct str s); /* same value in every process: shard and ring choices */
#endif
