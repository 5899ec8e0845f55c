/* DOC: how often a login may be tried: by address and by account, over all shards. An account is
 * charged when a try begins and gets it back when it succeeds, so parallel tries count at once. An
 * address, behind which there may be many, is charged only for what failed: a try that was refused,
 * or begun and given up. A refused try is told temporary-auth-failure, for accounts that exist and
 * for others alike. Standards: RFC 6120 section 13.12 (limits), RFC 4422 section 6.1. */
#include "lib/base/log.h"
#include "lib/base/siphash.h"
#include "lib/base/throttle.h"
#include "node/c2s/c2s-int.h"

static uint64_t address_key(const struct conn *c)
{
    const struct transport *t = stream_in_transport(c->stream);
    return t ? addr_network_key(&t->peer) : 0;
}

static bool refuse(struct conn *c, struct str account, const char *why)
{
    char ip[ADDR_TEXT_MAX] = "";
    const struct transport *t = stream_in_transport(c->stream);
    if (t)
        addr_format(ip, &t->peer);
    c->sh->stats.c2s_auth_throttled++;
    log_info(NULL, "c2s.auth.throttled", "ip", ip, "jid", LOG_STR(account), "why", why);
    return false;
}

bool conn_try_begin(struct conn *c, struct str account)
{
    const struct node *n = c->sh->node;
    conn_try_failed(c);
    const uint64_t address = address_key(c);
    if (!throttle_allows(n->tries_address, address))
        return refuse(c, account, "too many failed tries from the address");
    const uint64_t account_key = siphash(siphash_secret(), account.p, account.n);
    if (!throttle_take(n->tries_account, account_key))
        return refuse(c, account, "too many tries for the account");
    c->try_address = address; /* the connection may be gone when it fails */
    c->try_account = account_key;
    c->is_trying = true;
    return true;
}

void conn_try_failed(struct conn *c)
{
    if (!c->is_trying)
        return;
    c->is_trying = false;
    c->sh->stats.c2s_auth_failed++;
    throttle_charge(c->sh->node->tries_address, c->try_address);
}

void conn_try_void(struct conn *c)
{
    if (c->is_trying)
        throttle_give_back(c->sh->node->tries_account, c->try_account);
    c->is_trying = false;
}
