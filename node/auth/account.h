#ifndef NODE_AUTH_ACCOUNT_H
#define NODE_AUTH_ACCOUNT_H
/* Accounts of this region in the kv store (table "accounts": keys "scram-sha-1", "scram-sha-256",
 * "scram-sha-512", "created"), and the question to other regions for accounts that live there
 * (REGION_ASK). Only salted keys are stored. */
#include "lib/loop/op.h"
#include "lib/xmpp/scram-key.h"
#include "node/node.h"

struct account_info {
    bool exists;
    char home[64];         /* home region; our own for local accounts; "" in a world of one */
    struct scram_key keys; /* of the digest asked for */
    bool has_keys;
    uint64_t rev; /* of the keys, in our own store */
};
typedef void account_cb(
    void *ctx, enum err e,
    const struct account_info *a); /* ERR_UNAVAILABLE: a region that may own it did not answer */
/* Here first, then the other regions. digest for the keys; with_keys false = existence only. */
struct op *account_lookup(struct node_shard *sh, struct op_owner *o, struct str bare,
                          bool with_keys, enum digest digest, account_cb *cb, void *ctx);
/* Only our own store. */
struct op *account_lookup_here(struct node_shard *sh, struct op_owner *o, struct str bare,
                               bool with_keys, enum digest digest, account_cb *cb, void *ctx);
typedef void account_done_cb(void *ctx,
                             enum err e); /* ERR_EXISTS, ERR_INVALID (name or password), ERR_IO */
struct op *account_create(struct node_shard *sh, struct op_owner *o, struct str bare,
                          struct str password, account_done_cb *cb, void *ctx);
#define ACCOUNT_KEYS_MAX 3 /* digests */
/* As create, with ready keys instead of a password: one for each digest, at least one. */
struct op *account_import(struct node_shard *sh, struct op_owner *o, struct str bare,
                          const struct scram_key *keys, size_t n, account_done_cb *cb, void *ctx);
/* Another password for an account, wherever its home is. ERR_NOTFOUND, ERR_INVALID, ERR_CONFLICT
 * (somebody else changed it meanwhile), ERR_UNAVAILABLE (its region does not answer). */
struct op *account_set_password(struct node_shard *sh, struct op_owner *o, struct str bare,
                                struct str password, account_done_cb *cb, void *ctx);
/* Remove an account and all that is kept of it; its sessions are closed, its subscriptions end. On
 * the home shard of the bare JID. Called back when the store has it; if the store fails on the way,
 * with ERR_OK when the account is gone and what is left of its data goes later. ERR_NOTFOUND,
 * ERR_INVALID, ERR_UNAVAILABLE. */
struct op *account_delete(struct node_shard *sh, struct op_owner *o, struct str bare,
                          account_done_cb *cb, void *ctx);
/* account-rules.c: why this password is not taken; NULL: it is. */
const char *account_password_wrong(const struct node_conf *c, struct str local,
                                   struct str password);
/* account-anonymous.c: one that logged in with ANONYMOUS (XEP-0175), by its name. */
#define ACCOUNT_ANONYMOUS_LEN 43
bool account_is_anonymous(const struct node_conf *c, struct str local);
void account_anonymous_name(const struct node_conf *c, char out[ACCOUNT_ANONYMOUS_LEN + 1]);
/* Accounts in our own store, in byte order after a given one ("" = from the first). */
struct op *account_list(struct node_shard *sh, struct op_owner *o, struct str after, size_t limit,
                        store_owners_cb *cb, void *ctx);
/* Check a password against the stored keys on the hashing pool (PLAIN). ERR_AUTH when wrong or no
 * such account, ERR_LIMIT busy. */
struct op *account_verify(struct node_shard *sh, struct op_owner *o, struct str bare,
                          struct str password, account_done_cb *cb, void *ctx);
/* A REGION_ASK arrived, on the home shard of its `to`: the answer to send back (one reference), or
 * NULL when it makes no sense. Async through cb. */
typedef void account_answer_cb(void *ctx, struct stanza *answer_or_null);
void account_answer(struct node_shard *sh, struct stanza *ask, account_answer_cb *cb, void *ctx);
#endif
