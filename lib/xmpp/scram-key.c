/* Salted SCRAM keys: derivation (RFC 5802 section 3) and their text form (RFC 5803). */
#include "lib/xmpp/scram-key.h"

#include "lib/base/encode.h"
#include "lib/base/rand.h"

enum { SALT_FRESH = 16, ITERATIONS_MIN = 4096, ITERATIONS_MAX = 1000000, TEXT_MAX = 512 };

static const struct {
    enum digest digest;
    const char *name;
} schemes[] = {
    {DIGEST_SHA1, "SCRAM-SHA-1"},
    {DIGEST_SHA256, "SCRAM-SHA-256"},
    {DIGEST_SHA512, "SCRAM-SHA-512"},
};

/* Fill both keys from digest, salt and iterations already in k. */
static void derive_keys(struct scram_key *k, struct str password)
{
    const size_t n = digest_size(k->digest);
    uint8_t salted[DIGEST_MAX], client_key[DIGEST_MAX];
    crypto_pbkdf2(k->digest, password, str_make((const char *)k->salt, k->salt_len), k->iterations,
                  salted);
    const struct str key = str_make((const char *)salted, n);
    crypto_hmac(k->digest, key, STR("Client Key"), client_key);
    crypto_hash(k->digest, str_make((const char *)client_key, n), k->stored_key);
    crypto_hmac(k->digest, key, STR("Server Key"), k->server_key);
    mem_wipe(salted, sizeof salted);
    mem_wipe(client_key, sizeof client_key);
}

void scram_key_derive(struct scram_key *k, enum digest d, struct str password, unsigned iterations)
{
    must(iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX);
    *k = (struct scram_key){.digest = d, .iterations = iterations, .salt_len = SALT_FRESH};
    rand_bytes(k->salt, k->salt_len);
    derive_keys(k, password);
}

bool scram_key_matches(const struct scram_key *k, struct str password)
{
    struct scram_key trial = *k;
    derive_keys(&trial, password);
    const size_t n = digest_size(k->digest);
    const bool stored = crypto_equal(trial.stored_key, k->stored_key, n);
    const bool server = crypto_equal(trial.server_key, k->server_key, n);
    mem_wipe(&trial, sizeof trial);
    return stored && server;
}

void scram_key_format(const struct scram_key *k, struct buf *out)
{
    const size_t n = digest_size(k->digest);
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (schemes[i].digest == k->digest)
            buf_cstr(out, schemes[i].name);
    buf_printf(out, "$%u:", k->iterations);
    base64_encode(out, k->salt, k->salt_len);
    buf_char(out, '$');
    base64_encode(out, k->stored_key, n);
    buf_char(out, ':');
    base64_encode(out, k->server_key, n);
}

static bool parse_scheme(struct str name, enum digest *out)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (str_eqc(name, schemes[i].name)) {
            *out = schemes[i].digest;
            return true;
        }
    }
    return false;
}

/* Decode base64 of min..max bytes into out. */
static bool parse_bytes(struct str text, uint8_t *out, size_t min, size_t max, size_t *len)
{
    struct buf b;
    buf_init(&b, max);
    const bool ok = text.p && base64_decode(&b, text) == ERR_OK && b.n >= min;
    if (ok) {
        memcpy(out, b.p, b.n);
        *len = b.n;
    }
    if (b.p)
        mem_wipe(b.p, b.n);
    buf_fini(&b);
    return ok;
}

enum err scram_key_parse(struct str text, struct scram_key *out)
{
    if (text.n > TEXT_MAX)
        return ERR_LIMIT;
    struct scram_key k = {0};
    struct str rest = text;
    if (!parse_scheme(str_cut(&rest, '$'), &k.digest) || !rest.p)
        return ERR_INVALID;
    uint64_t iterations = 0;
    if (!str_to_u64(str_cut(&rest, ':'), ITERATIONS_MAX, &iterations) || !rest.p ||
        iterations < ITERATIONS_MIN)
        return ERR_INVALID;
    k.iterations = (unsigned)iterations;
    const size_t n = digest_size(k.digest);
    size_t len;
    if (!parse_bytes(str_cut(&rest, '$'), k.salt, 1, sizeof k.salt, &k.salt_len) || !rest.p ||
        !parse_bytes(str_cut(&rest, ':'), k.stored_key, n, n, &len) || !rest.p ||
        !parse_bytes(rest, k.server_key, n, n, &len))
        return ERR_INVALID;
    *out = k;
    return ERR_OK;
}
