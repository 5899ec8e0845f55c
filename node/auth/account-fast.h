#ifndef NODE_AUTH_ACCOUNT_FAST_H
#define NODE_AUTH_ACCOUNT_FAST_H
/* Tokens for the next login (XEP-0484), kept and judged in the account's home region. Words: agent
 * = one installation of a client, by the id it says it has; token = a secret text, for one account,
 * agent and mechanism, until it expires. At most two of an agent: the one in use, and a new one
 * that was not used yet. */
#include "lib/loop/op.h"
#include "lib/xmpp/sasl.h"
#include "node/node.h"

#define ACCOUNT_AGENT_MAX 128 /* bytes of an agent's id */
#define ACCOUNT_TOKEN_TEXT 44 /* bytes of a token */
struct account_fast {
    bool has_token; /* a new one is to be told: */
    char token[ACCOUNT_TOKEN_TEXT + 1];
    uint64_t expires_us;             /* wall */
    uint8_t response[SASL_HT_BYTES]; /* login: the server's proof */
};
/* f: wiped after it. */
typedef void account_fast_cb(void *ctx, enum err e, const struct account_fast *f);

struct account_fast_try { /* strings are borrowed for the call */
    struct str bare, agent, proof, binding;
    enum sasl_mech mech;
    uint64_t count; /* 0: none was sent */
    bool is_last;   /* the token ends with this use */
    bool wants_token;
    enum sasl_mech wanted;
};
/* Log in with a token. ERR_AUTH: there is no such account, token, or use of it; ERR_EOF: it was
 * right, and has expired; else the store does not answer. A new token comes when it is wanted, or
 * due. */
struct op *account_fast_login(struct node_shard *sh, struct op_owner *o,
                              const struct account_fast_try *try, account_fast_cb *cb, void *ctx);
/* A token for who has logged in by other means in a login that began at since_us (wall).
 * ERR_NOTFOUND: there is no such account; ERR_AUTH: its password was changed since;
 * ERR_UNAVAILABLE: a region that may have it does not answer. */
struct op *account_fast_issue(struct node_shard *sh, struct op_owner *o, struct str bare,
                              struct str agent, enum sasl_mech mech, uint64_t since_us,
                              account_fast_cb *cb, void *ctx);
#endif
