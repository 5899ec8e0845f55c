/* DOC: SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012). The process
 * secret is drawn at first use and then stays, as live maps depend on it; under a seeded generator
 * it is a constant, so that drawing it does not disturb the sequence of random numbers. */
#include "lib/base/siphash.h"

#include <endian.h>
#include <pthread.h>

#include "lib/base/rand.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t load64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return le64toh(x);
}

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    sip_round(s);
    s->v0 ^= m;
}

uint64_t siphash(const uint8_t key[16], const void *p, size_t n)
{
    const uint8_t *in = p;
    uint64_t k0 = load64(key), k1 = load64(key + 8), last = (uint64_t)n << 56;
    struct sip s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                    k1 ^ 0x7465646279746573u};
    size_t whole = n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(&s, load64(in + i));
    for (size_t i = whole; i < n; i++)
        last |= (uint64_t)in[i] << 8 * (i - whole);
    sip_word(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static const uint8_t fixed_key[16] = "Meridian stable";
static uint8_t secret[16];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void secret_draw(void)
{
    if (rand_is_seeded())
        memcpy(secret, fixed_key, sizeof secret);
    else
        rand_bytes(secret, sizeof secret);
}

const uint8_t *siphash_secret(void)
{
    must(pthread_once(&secret_once, secret_draw) == 0);
    return secret;
}

uint64_t hash_stable(struct str s)
{
    return siphash(fixed_key, s.p, s.n);
}
