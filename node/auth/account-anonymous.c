/* DOC: who logged in with ANONYMOUS. The name says it: "anon-", what names the region, and a random
 * number that nobody guesses; so every part of the node, and every node of the region, knows such a
 * user without asking, nothing about one is stored, and no account can take the name. XEP-0175
 * recommends a UUID; a bare one could be an account's. Standards: XEP-0175 section 3. */
#include "lib/base/encode.h"
#include "lib/base/rand.h"
#include "node/auth/auth-int.h"

#define PREFIX "anon-"
enum { REGION_BYTES = 3, RANDOM_BYTES = 16 };

static void add_region(struct buf *out, const struct node_conf *c)
{
    uint8_t sum[DIGEST_MAX];
    crypto_hash(DIGEST_SHA256, str_of(c->region_name ? c->region_name : ""), sum);
    buf_cstr(out, PREFIX);
    hex_encode(out, sum, REGION_BYTES);
}

bool account_is_anonymous(const struct node_conf *c, struct str local)
{
    struct buf prefix;
    if (!c->anonymous || local.n != ACCOUNT_ANONYMOUS_LEN)
        return false;
    buf_init(&prefix, ACCOUNT_ANONYMOUS_LEN);
    add_region(&prefix, c);
    bool is_so = str_starts(local, buf_view(&prefix));
    for (size_t i = prefix.n; i < local.n; i++)
        is_so = is_so && local.p[i] && strchr("0123456789abcdef", local.p[i]);
    buf_fini(&prefix);
    return is_so;
}

void account_anonymous_name(const struct node_conf *c, char out[ACCOUNT_ANONYMOUS_LEN + 1])
{
    uint8_t random[RANDOM_BYTES];
    struct buf name;
    buf_init(&name, ACCOUNT_ANONYMOUS_LEN);
    add_region(&name, c);
    rand_bytes(random, sizeof random);
    hex_encode(&name, random, sizeof random);
    must(name.n == ACCOUNT_ANONYMOUS_LEN);
    memcpy(out, name.p, name.n);
    out[name.n] = 0;
    buf_fini(&name);
}
