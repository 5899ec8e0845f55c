/* DOC: what users may choose and how often they may try. A password has a least and a greatest
 * length and is not the name. Attempts are counted for a key (an address, an account) in a window
 * that begins with the first of them; the counts are on the shard of the key, bounded in number,
 * and a table full of others' fresh counts refuses. Standards: XEP-0077 section 11 (abuse). */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "node/auth/account.h"

enum { COUNTS_MAX = 20000 };

const char *account_password_wrong(const struct node_conf *c, struct str local, struct str password)
{
    struct str rest = password;
    size_t characters = 0;
    uint32_t cp;
    for (size_t n; (n = utf8_next(rest, &cp)) > 0; characters++)
        rest = str_make(rest.p + n, rest.n - n);
    if (!password.n)
        return "a password is needed";
    if (characters < c->password_min)
        return "the password is too short";
    if (password.n > c->password_max)
        return "the password is too long";
    if (str_ieq(password, local))
        return "the password is the name";
    return NULL;
}

struct account_tries {
    struct hmap counts; /* key -> struct count */
};
struct count {
    uint64_t since_us;
    unsigned n;
    size_t key_n;
    char key[];
};

struct account_tries *account_tries_new(void)
{
    return mem_alloc(sizeof(struct account_tries));
}

void account_tries_free(struct account_tries **pt)
{
    struct account_tries *t = *pt;
    struct count *k;
    *pt = NULL;
    if (!t)
        return;
    for (size_t it = 0; (k = hmap_next(&t->counts, &it, NULL));)
        mem_free(k);
    hmap_fini(&t->counts);
    mem_free(t);
}

static void forget_old(struct account_tries *t, uint64_t before_us)
{
    struct count *k;
    struct str key;
    for (size_t it = 0; (k = hmap_next(&t->counts, &it, &key));) {
        if (k->since_us >= before_us)
            continue;
        hmap_del(&t->counts, key);
        mem_free(k);
    }
}

bool account_may_try(struct account_tries *t, const struct node_conf *c, struct str key)
{
    uint64_t now = clock_mono_us(), window_us = c->register_window_ms * 1000;
    uint64_t oldest = now > window_us ? now - window_us : 0;
    struct count *k = hmap_get(&t->counts, key);
    if (!k && hmap_count(&t->counts) >= COUNTS_MAX)
        forget_old(t, oldest);
    if (!k && hmap_count(&t->counts) >= COUNTS_MAX)
        return false;
    if (!k) {
        k = mem_alloc(sizeof *k + key.n);
        memcpy(k->key, key.p, key.n);
        k->key_n = key.n;
        k->since_us = now;
        hmap_put(&t->counts, str_make(k->key, k->key_n), k);
    } else if (k->since_us < oldest) {
        k->since_us = now;
        k->n = 0;
    }
    return k->n++ < c->register_max;
}
