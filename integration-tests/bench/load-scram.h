#ifndef BENCH_LOAD_SCRAM_H
#define BENCH_LOAD_SCRAM_H
/* The client's half of SCRAM-SHA-1 and SCRAM-SHA-256, without channel binding, and a cache of what
 * the password becomes: deriving it anew for each login would cost more than the login. */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_SCRAM_TEXT = 512, /* a message of either side, decoded */
    LOAD_SCRAM_SALT = 128,
    LOAD_SCRAM_SHA_MAX = 32
};

/* What (account, salt, iterations, hash) has been derived to; one for each account. */
struct load_key {
    const EVP_MD *md;
    unsigned iterations;
    size_t salt_len;
    uint8_t salt[LOAD_SCRAM_SALT];
    uint8_t client[LOAD_SCRAM_SHA_MAX], stored[LOAD_SCRAM_SHA_MAX], server[LOAD_SCRAM_SHA_MAX];
};
struct load_keys {
    unsigned accounts;
    struct load_key key[];
};

struct load_keys *load_keys_new(unsigned accounts);
void load_keys_free(struct load_keys **k);

/* One exchange. */
struct load_scram {
    const EVP_MD *md;
    char bare[LOAD_SCRAM_TEXT]; /* client-first-message-bare */
    uint8_t server_signature[LOAD_SCRAM_SHA_MAX];
};

/* Base64 of a text: at most 4 * (n / 3 + 1) + 1 bytes. */
void load_base64(const char *p, size_t n, char *out);
/* Decode; the length, or -1 if it is not Base64 or does not fit. */
int load_base64_decode(const char *p, size_t n, uint8_t *out, size_t max);

/* The first message, in Base64. */
void load_scram_first(struct load_scram *s, const EVP_MD *md, const char *user,
                      char out[2 * LOAD_SCRAM_TEXT]);
/* The answer to the server's challenge (Base64). False if it is none of ours. */
bool load_scram_final(struct load_scram *s, struct load_key *key, const char *password,
                      const char *challenge, size_t len, char out[2 * LOAD_SCRAM_TEXT]);
/* Did the server prove that it knows us? p: Base64. */
bool load_scram_verify(const struct load_scram *s, const char *p, size_t len);
#endif
