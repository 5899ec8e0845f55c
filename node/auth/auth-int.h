#ifndef NODE_AUTH_AUTH_INT_H
#define NODE_AUTH_AUTH_INT_H
/* Shared inside node/auth: hashing on the pool (hash-work.c), the store's rows (account-store.c),
 * the question to other regions (account-ask.c). All on the caller's shard, none calls back inside
 * the call. */
#include "node/auth/account.h"

/* ---- hash-work.c. The password is copied and wiped. ERR_LIMIT when the pool is full: nothing is
 * called. */
typedef void hash_keys_cb(void *ctx, const struct scram_key *keys, size_t n); /* wiped after it */
/* set: bits (1 << enum digest) of the keys to make. */
enum err hash_derive(struct node_shard *sh, struct op_owner *o, struct str password, unsigned set,
                     hash_keys_cb *cb, void *ctx) MUST_USE;
typedef void hash_match_cb(void *ctx, bool matches);
/* key NULL: the same work with a made-up key, never a match. */
enum err hash_verify(struct node_shard *sh, struct op_owner *o, const struct scram_key *key_or_null,
                     struct str password, hash_match_cb *cb, void *ctx) MUST_USE;

/* ---- account-request.c: a name and a password from outside, until the answer. */
struct account_request {
    struct op op;
    struct op_owner ops;
    struct node_shard *sh;
    struct arena *arena;
    struct jid jid;                          /* in arena */
    struct str password;                     /* in arena, prepared, wiped */
    struct scram_key keys[ACCOUNT_KEYS_MAX]; /* import; wiped */
    size_t n_keys;
    unsigned at;               /* verify: index of the digest looked up now */
    unsigned lacks;            /* verify: bit set of digests without keys */
    struct account_info known; /* verify: keys found first; wiped */
    bool is_here;              /* set password: the account is in our own store */
    enum err outcome;          /* of what is known at once */
    struct defer later;
    account_done_cb *cb;
    void *ctx;
};
struct account_request *account_request_new(struct node_shard *sh, struct op_owner *o,
                                            account_done_cb *cb, void *ctx);
/* Fill jid. ERR_INVALID: not an account of ours by its form. */
enum err account_request_name(struct account_request *r, struct str bare) MUST_USE;
/* The same and the password. ERR_INVALID also: no password, or one that cannot be prepared. */
enum err account_request_read(struct account_request *r, struct str bare,
                              struct str password) MUST_USE;
void account_request_end(struct account_request *r, enum err e);       /* calls back, frees */
void account_request_end_later(struct account_request *r, enum err e); /* from the loop */

/* ---- account-store.c */
#define ACCOUNT_TABLE "accounts"
const char *account_key_name(enum digest d); /* "scram-sha-256", ... */
bool account_key_find(struct str name, enum digest *out);
/* Write a new account: ERR_EXISTS, ERR_IO. */
struct op *account_store_put(struct node_shard *sh, struct op_owner *o, struct str bare,
                             const struct scram_key *keys, size_t n, account_done_cb *cb,
                             void *ctx);

/* Other keys for an account that exists: ERR_NOTFOUND, ERR_CONFLICT (changed or removed meanwhile),
 * ERR_IO. */
struct op *account_store_replace(struct node_shard *sh, struct op_owner *o, struct str bare,
                                 const struct scram_key *keys, size_t n, account_done_cb *cb,
                                 void *ctx);

/* For who removes an account: keys and tokens in this transaction. */
void account_secrets_del(struct store_txn *t);

/* Add keys to an account whose known keys are still what they were. ERR_EXISTS: they are not, or
 * one that is to be added is there already. */
struct op *account_store_add(struct node_shard *sh, struct op_owner *o, struct str bare,
                             const struct account_info *known, const struct scram_key *keys,
                             size_t n, account_done_cb *cb, void *ctx);

/* ---- account-upgrade.c: an account of this region that has just shown its password gets the keys
 * of set (bits as in hash_derive). Lives on the shard, answers nobody. */
void account_upgrade(struct node_shard *sh, struct str bare, const struct account_info *known,
                     struct str password, unsigned set);

/* ---- account-ask.c: the other regions only. ERR_OK with exists false: all answered no.
 * ERR_UNAVAILABLE: one did not answer. */
struct op *account_ask(struct node_shard *sh, struct op_owner *o, struct str bare, bool with_keys,
                       enum digest digest, account_cb *cb, void *ctx);
/* An IQ to the account, which names the shard there; its <account/>. */
struct xml *account_question_build(struct stanza_build *b, const struct node *n,
                                   enum stanza_type type, struct str bare);
/* Put other keys where the account is; as account_ask, exists says that they are in force. */
struct op *account_ask_replace(struct node_shard *sh, struct op_owner *o, struct str bare,
                               const struct scram_key *keys, size_t n, account_cb *cb, void *ctx);
/* Remove the account at this node, its anchor; as account_ask, exists says that it was there. */
struct op *account_ask_remove(struct node_shard *sh, struct op_owner *o, const char *peer,
                              struct str bare, account_cb *cb, void *ctx);
#endif
