#ifndef NODE_AUTH_ACCOUNT_TOKEN_INT_H
#define NODE_AUTH_ACCOUNT_TOKEN_INT_H
/* The tokens of one account as the store has them, and the rules of their life: pure, without clock
 * or store. What is kept does not give a token: that takes the node's secret. */
#include "lib/base/buf.h"
#include "lib/xmpp/sasl.h"
#include "node/auth/account-fast.h"

#define ACCOUNT_FAST_KEY "fast" /* in the table of accounts */
enum {
    ACCOUNT_TOKENS_MAX = 32, /* of an account: sixteen agents */
    ACCOUNT_AGENT_HEX = 32,
    ACCOUNT_NONCE_HEX = 32,
    ACCOUNT_TOKENS_TEXT = 8192, /* bytes of all of them */
};
struct account_token {
    char agent[ACCOUNT_AGENT_HEX + 1]; /* digest of its id */
    enum sasl_mech mech;
    bool is_new; /* given out, not used yet */
    char nonce[ACCOUNT_NONCE_HEX + 1];
    uint64_t expires_us; /* wall */
    uint64_t count;      /* highest that came with it */
};
struct account_tokens {
    uint64_t since_us; /* logins that began before get none: the password was changed */
    size_t n;
    struct account_token t[ACCOUNT_TOKENS_MAX];
};
/* ERR_INVALID: not ours. */
enum err account_tokens_parse(struct str text, struct account_tokens *out) MUST_USE;
void account_tokens_format(const struct account_tokens *set, struct buf *out);
void account_agent_digest(struct str id, char out[ACCOUNT_AGENT_HEX + 1]);
/* Its text. */
void account_token_text(const struct account_token *t, struct str secret, struct str bare,
                        char out[ACCOUNT_TOKEN_TEXT + 1]);

/* Rules of XEP-0484 section 5.1. NULL: it has none. */
struct account_token *account_tokens_find(struct account_tokens *set, const char *agent,
                                          bool is_new);
/* It was used: a new one takes the place of the one before, and one that expires earlier goes.
 * False: that changed nothing. Pointers into the set are void. */
bool account_tokens_used(struct account_tokens *set, struct account_token *t, uint64_t count);
void account_tokens_drop(struct account_tokens *set, struct account_token *t);
/* A new one, instead of one that was not used; when there are too many, that which expires first
 * goes. Valid until the set changes. */
struct account_token *account_tokens_add(struct account_tokens *set, const char *agent,
                                         enum sasl_mech mech, uint64_t expires_us);
#endif
