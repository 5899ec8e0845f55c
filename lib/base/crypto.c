/* DOC: Digests, HMAC (RFC 2104) and PBKDF2 (RFC 8018 section 5.2) of libcrypto. Digests are fetched
 * once: an implicit fetch costs four times the hash of a short input. A failure of libcrypto here
 * is no input's fault, so it kills. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "lib/base/crypto.h"
#include "lib/base/thread-end.h"

static const struct {
    const char *name;
    size_t size;
} digests[] = {[DIGEST_SHA1] = {"SHA1", 20},
               [DIGEST_SHA256] = {"SHA256", 32},
               [DIGEST_SHA512] = {"SHA512", 64}};

static EVP_MD *fetched[ARRAY_LEN(digests)]; /* for the life of the process */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    for (size_t i = 0; i < ARRAY_LEN(digests); i++)
        must((fetched[i] = EVP_MD_fetch(NULL, digests[i].name, NULL)));
}

static const EVP_MD *md_of(enum digest d)
{
    must(pthread_once(&fetch_once, fetch) == 0);
    must((unsigned)d < ARRAY_LEN(digests));
    return fetched[d];
}

/* libcrypto takes NULL for "as before" in places; an empty slice is not that. */
static const char *bytes(struct str s)
{
    return s.p ? s.p : "";
}

static int length(struct str s)
{
    must(s.n <= INT32_MAX);
    return (int)s.n;
}

size_t digest_size(enum digest d)
{
    must((unsigned)d < ARRAY_LEN(digests));
    return digests[d].size;
}

void crypto_hash(enum digest d, struct str in, uint8_t *out)
{
    must(EVP_Digest(bytes(in), in.n, out, NULL, md_of(d), NULL) == 1);
}

/* One context for each digest and thread: to make one costs more than to use it. A new key replaces
 * the old one in it, so what stays behind is the last key used. */
static _Thread_local EVP_MAC_CTX *hmacs[ARRAY_LEN(digests)];
static _Thread_local struct thread_end hmacs_end;

static void free_hmacs(void)
{
    for (size_t i = 0; i < ARRAY_LEN(digests); i++)
        EVP_MAC_CTX_free(hmacs[i]);
}

static EVP_MAC_CTX *hmac_new(enum digest d)
{
    char name[8];
    snprintf(name, sizeof name, "%s", digests[d].name);
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                 OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *c = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    must(c && EVP_MAC_CTX_set_params(c, params) == 1);
    thread_end_add(&hmacs_end, free_hmacs);
    return c;
}

void crypto_hmac(enum digest d, struct str key, struct str in, uint8_t *out)
{
    size_t size = 0;
    must((unsigned)d < ARRAY_LEN(digests));
    EVP_MAC_CTX *c = hmacs[d] ? hmacs[d] : (hmacs[d] = hmac_new(d));
    must(EVP_MAC_init(c, (const uint8_t *)bytes(key), key.n, NULL) == 1 &&
         EVP_MAC_update(c, (const uint8_t *)bytes(in), in.n) == 1 &&
         EVP_MAC_final(c, out, &size, digests[d].size) == 1);
    must(size == digests[d].size);
}

void crypto_pbkdf2(enum digest d, struct str password, struct str salt, unsigned iterations,
                   uint8_t *out)
{
    must(iterations > 0 && iterations <= INT32_MAX);
    must(PKCS5_PBKDF2_HMAC(bytes(password), length(password), (const uint8_t *)bytes(salt),
                           length(salt), (int)iterations, md_of(d), (int)digest_size(d), out) == 1);
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
