/* SCRAM, client side. User names and passwords of the generator need no SASLprep and no escapes.
 * Source: RFC 5802 sections 3, 5, 7; RFC 7677. */
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integration-tests/bench/load-loop.h"
#include "integration-tests/bench/load-scram.h"

enum { NONCE = 18, ITERATIONS_MAX = 10000000 };

struct load_keys *load_keys_new(unsigned accounts)
{
    struct load_keys *k = calloc(1, sizeof *k + accounts * sizeof k->key[0]);
    if (!k)
        load_die("no memory for the keys of %u accounts", accounts);
    k->accounts = accounts;
    return k;
}

void load_keys_free(struct load_keys **k)
{
    free(*k);
    *k = NULL;
}

void load_base64(const char *p, size_t n, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)p, (int)n);
}

int load_base64_decode(const char *p, size_t n, uint8_t *out, size_t max)
{
    uint8_t block[LOAD_SCRAM_TEXT + 4];
    if (n % 4 != 0 || n / 4 * 3 > LOAD_SCRAM_TEXT || n == 0)
        return -1;
    int len = EVP_DecodeBlock(block, (const unsigned char *)p, (int)n);
    if (len < 0)
        return -1;
    len -= (p[n - 1] == '=') + (p[n - 2] == '=');
    if ((size_t)len > max)
        return -1;
    memcpy(out, block, (size_t)len);
    return len;
}

void load_scram_first(struct load_scram *s, const EVP_MD *md, const char *user,
                      char out[2 * LOAD_SCRAM_TEXT])
{
    unsigned char raw[NONCE];
    char nonce[NONCE / 3 * 4 + 1], text[LOAD_SCRAM_TEXT];
    if (RAND_bytes(raw, sizeof raw) != 1)
        load_die("no random numbers");
    load_base64((const char *)raw, sizeof raw, nonce);
    s->md = md;
    snprintf(s->bare, sizeof s->bare, "n=%.100s,r=%s", user, nonce);
    int n = snprintf(text, sizeof text, "n,,%.200s", s->bare);
    load_base64(text, (size_t)n, out);
}

/* The value of attribute `letter` of a message "a=..,b=.."; NULL if it has none. */
static const char *attribute(const char *text, char letter, size_t *len)
{
    for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (p[0] == letter && p[1] == '=') {
            *len = strcspn(p + 2, ",");
            return p + 2;
        }
    }
    return NULL;
}

static void hmac(const EVP_MD *md, const uint8_t *key, const char *text, size_t n, uint8_t *out)
{
    if (!HMAC(md, key, EVP_MD_get_size(md), (const unsigned char *)text, n, out, NULL))
        load_die("HMAC failed");
}

static void derive(struct load_key *k, const char *password)
{
    uint8_t salted[LOAD_SCRAM_SHA_MAX];
    int size = EVP_MD_get_size(k->md);
    if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), k->salt, (int)k->salt_len,
                          (int)k->iterations, k->md, size, salted) != 1)
        load_die("PBKDF2 failed");
    hmac(k->md, salted, "Client Key", 10, k->client);
    hmac(k->md, salted, "Server Key", 10, k->server);
    if (EVP_Digest(k->client, (size_t)size, k->stored, NULL, k->md, NULL) != 1)
        load_die("digest failed");
}

/* Fill the account's key unless it is the right one already. */
static bool find_key(struct load_key *k, const EVP_MD *md, const char *password,
                     const char *server_first)
{
    size_t salt_len, count_len;
    const char *salt = attribute(server_first, 's', &salt_len),
               *count = attribute(server_first, 'i', &count_len);
    uint8_t raw[LOAD_SCRAM_SALT];
    int n = salt ? load_base64_decode(salt, salt_len, raw, sizeof raw) : -1;
    unsigned long iterations = count ? strtoul(count, NULL, 10) : 0;
    if (n <= 0 || iterations == 0 || iterations > ITERATIONS_MAX)
        return false;
    if (k->md == md && k->iterations == iterations && k->salt_len == (size_t)n &&
        memcmp(k->salt, raw, (size_t)n) == 0)
        return true;
    k->md = md;
    k->iterations = (unsigned)iterations;
    k->salt_len = (size_t)n;
    memcpy(k->salt, raw, (size_t)n);
    derive(k, password);
    return true;
}

/* The nonce must begin with ours. */
static bool is_our_nonce(const struct load_scram *s, const char *nonce, size_t len)
{
    size_t ours;
    const char *r = attribute(s->bare, 'r', &ours);
    return nonce && len > ours && memcmp(nonce, r, ours) == 0;
}

bool load_scram_final(struct load_scram *s, struct load_key *key, const char *password,
                      const char *challenge, size_t len, char out[2 * LOAD_SCRAM_TEXT])
{
    char first[LOAD_SCRAM_TEXT + 1], bare[LOAD_SCRAM_TEXT], auth[3 * LOAD_SCRAM_TEXT];
    int n = load_base64_decode(challenge, len, (uint8_t *)first, LOAD_SCRAM_TEXT);
    if (n < 0)
        return false;
    first[n] = 0;
    size_t nonce_len;
    const char *nonce = attribute(first, 'r', &nonce_len);
    if (!is_our_nonce(s, nonce, nonce_len) || nonce_len > LOAD_SCRAM_TEXT / 4 ||
        !find_key(key, s->md, password, first))
        return false;
    snprintf(bare, sizeof bare, "c=biws,r=%.*s", (int)nonce_len, nonce);
    int auth_len = snprintf(auth, sizeof auth, "%s,%s,%s", s->bare, first, bare);
    uint8_t proof[LOAD_SCRAM_SHA_MAX];
    hmac(s->md, key->stored, auth, (size_t)auth_len, proof);
    hmac(s->md, key->server, auth, (size_t)auth_len, s->server_signature);
    int size = EVP_MD_get_size(s->md);
    for (int i = 0; i < size; i++)
        proof[i] ^= key->client[i];
    char coded[2 * LOAD_SCRAM_SHA_MAX], text[2 * LOAD_SCRAM_TEXT];
    load_base64((const char *)proof, (size_t)size, coded);
    int text_len = snprintf(text, LOAD_SCRAM_TEXT, "%.300s,p=%s", bare, coded);
    load_base64(text, (size_t)text_len, out);
    return true;
}

bool load_scram_verify(const struct load_scram *s, const char *p, size_t len)
{
    char text[LOAD_SCRAM_TEXT + 1];
    uint8_t signature[LOAD_SCRAM_SHA_MAX];
    int n = load_base64_decode(p, len, (uint8_t *)text, LOAD_SCRAM_TEXT);
    if (n < 0)
        return false;
    text[n] = 0;
    size_t v_len;
    const char *v = attribute(text, 'v', &v_len);
    int size = EVP_MD_get_size(s->md);
    return v && load_base64_decode(v, v_len, signature, sizeof signature) == size &&
           memcmp(signature, s->server_signature, (size_t)size) == 0;
}
