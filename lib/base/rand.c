/* DOC: Random numbers straight from getrandom(2): no state of ours to leak, to fork or to seed
 * badly. Only rand_name, for what need not be secret, keeps some of its bytes per thread, because
 * the call costs a third of a microsecond. After rand_seed everything comes from one xoshiro256**
 * (Blackman, Vigna) whose state is spread from the seed by splitmix64; the lock keeps several
 * threads apart, though only one gives a reproducible order. */
#include "lib/base/rand.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

enum { NAMES_KEPT = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t state[4];
static bool seeded;

static uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t xoshiro(void)
{
    uint64_t result = rotl(state[1] * 5, 7) * 9, t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotl(state[3], 45);
    return result;
}

void rand_seed(uint64_t seed)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ARRAY_LEN(state); i++)
        state[i] = splitmix(&seed);
    __atomic_store_n(&seeded, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
}

bool rand_is_seeded(void)
{
    return __atomic_load_n(&seeded, __ATOMIC_ACQUIRE);
}

static void seeded_bytes(uint8_t *p, size_t n)
{
    pthread_mutex_lock(&lock);
    while (n) {
        uint64_t x = xoshiro();
        size_t part = n < sizeof x ? n : sizeof x;
        memcpy(p, &x, part);
        p += part;
        n -= part;
    }
    pthread_mutex_unlock(&lock);
}

static void system_bytes(uint8_t *p, size_t n)
{
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            must(errno == EINTR);
            continue;
        }
        p += got;
        n -= (size_t)got;
    }
}

void rand_bytes(void *p, size_t n)
{
    if (rand_is_seeded())
        seeded_bytes(p, n);
    else
        system_bytes(p, n);
}

uint64_t rand_u64(void)
{
    uint64_t x;
    rand_bytes(&x, sizeof x);
    return x;
}

uint64_t rand_name(void)
{
    static _Thread_local uint64_t kept[NAMES_KEPT];
    static _Thread_local size_t left;
    if (rand_is_seeded())
        return rand_u64();
    if (left == 0) {
        system_bytes((uint8_t *)kept, sizeof kept);
        left = NAMES_KEPT;
    }
    return kept[--left];
}

uint64_t rand_below(uint64_t bound)
{
    must(bound > 0);
    uint64_t reject = (0 - bound) % bound; /* 2^64 mod bound: the incomplete first round */
    uint64_t x;
    do {
        x = rand_u64();
    } while (x < reject);
    return x % bound;
}

char *rand_id(char out[RAND_ID_LEN + 1])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[RAND_ID_LEN];
    rand_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < RAND_ID_LEN; i++)
        out[i] = alphabet[bytes[i] & 63];
    out[RAND_ID_LEN] = '\0';
    return out;
}
