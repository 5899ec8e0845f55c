#ifndef LIB_XMPP_SCRAM_KEY_H
#define LIB_XMPP_SCRAM_KEY_H
/* Salted SCRAM keys (RFC 5802 section 3): what an account stores instead of a password. */
#include "lib/base/buf.h"
#include "lib/base/crypto.h"
struct scram_key {
    enum digest digest;
    unsigned iterations; /* 4,096 .. 1,000,000 */
    uint8_t salt[32];
    size_t salt_len;
    uint8_t stored_key[DIGEST_MAX], server_key[DIGEST_MAX];
};
#define SCRAM_ITERATIONS_DEFAULT 10000
/* Derive with a fresh 16-byte salt. Blocks for milliseconds: worker pool only. password is already
 * prepared. */
void scram_key_derive(struct scram_key *k, enum digest d, struct str password, unsigned iterations);
bool scram_key_matches(const struct scram_key *k, struct str password); /* blocks as derive does */
/* Text form "SCRAM-SHA-256$10000:base64salt$base64stored:base64server" (RFC 5803) and back. */
void scram_key_format(const struct scram_key *k, struct buf *out);
enum err scram_key_parse(struct str text, struct scram_key *out) MUST_USE;
#endif
