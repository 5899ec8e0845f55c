#ifndef LIB_BASE_CRYPTO_H
#define LIB_BASE_CRYPTO_H
/* Digests and key derivation; the one owner of libcrypto. */
#include "lib/base/base.h"

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };
#define DIGEST_MAX 64
size_t digest_size(enum digest d); /* 20, 32, 64 */
void crypto_hash(enum digest d, struct str in, uint8_t *out);
void crypto_hmac(enum digest d, struct str key, struct str in, uint8_t *out);
void crypto_pbkdf2(enum digest d, struct str password, struct str salt, unsigned iterations,
                   uint8_t *out); /* digest_size bytes; blocks for milliseconds: worker pool only */
bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */
#endif
