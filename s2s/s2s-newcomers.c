/* DOC: the throttle of new domains, from two of lib/base: one holds who was seen (a key is there
 * for a day after it was charged), one how many became so lately (a single key). What is spent is
 * spent by domains that proved themselves, so that forged names use nothing up. */
#include "s2s/s2s-newcomers.h"

#include "lib/base/siphash.h"
#include "lib/base/throttle.h"

struct s2s_newcomers {
    struct throttle *seen, *rate;
};

struct s2s_newcomers *s2s_newcomers_new(unsigned per_minute)
{
    if (!per_minute)
        return NULL;
    struct s2s_newcomers *n = mem_alloc(sizeof *n);
    n->seen = throttle_new(1, S2S_NEWCOMERS_DAY_MS, S2S_NEWCOMERS_SEEN);
    n->rate = throttle_new(per_minute, S2S_NEWCOMERS_MINUTE_MS, 1);
    return n;
}

void s2s_newcomers_free(struct s2s_newcomers **pn)
{
    struct s2s_newcomers *n = *pn;
    *pn = NULL;
    if (!n)
        return;
    throttle_free(&n->seen);
    throttle_free(&n->rate);
    mem_free(n);
}

static uint64_t key_of(struct str remote)
{
    return siphash(siphash_secret(), remote.p, remote.n);
}

bool s2s_newcomers_allows(struct s2s_newcomers *n, struct str remote)
{
    return !n || !throttle_allows(n->seen, key_of(remote)) || throttle_allows(n->rate, 0);
}

bool s2s_newcomers_take(struct s2s_newcomers *n, struct str remote)
{
    if (!n)
        return true;
    uint64_t key = key_of(remote);
    bool ok = !throttle_allows(n->seen, key) || throttle_take(n->rate, 0);
    if (ok)
        throttle_charge(n->seen, key);
    return ok;
}

void s2s_newcomers_know(struct s2s_newcomers *n, struct str remote)
{
    if (n)
        throttle_charge(n->seen, key_of(remote));
}
