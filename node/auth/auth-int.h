#ifndef NODE_AUTH_AUTH_INT_H
#define NODE_AUTH_AUTH_INT_H
/* Shared inside node/auth: hashing on the pool (hash-work.c), the store's rows (account-store.c),
 * the question to other regions (account-ask.c). All on the caller's shard, none calls back inside
 * the call. */
#include "node/auth/account.h"

/* ---- hash-work.c. The password is copied and wiped. ERR_LIMIT when the pool is full: nothing is
 * called. */
typedef void hash_keys_cb(void *ctx, const struct scram_key *keys, size_t n); /* wiped after it */
enum err hash_derive(struct node_shard *sh, struct op_owner *o, struct str password,
                     hash_keys_cb *cb, void *ctx) MUST_USE;
typedef void hash_match_cb(void *ctx, bool matches);
/* key NULL: the same work with a made-up key, never a match. */
enum err hash_verify(struct node_shard *sh, struct op_owner *o, const struct scram_key *key_or_null,
                     struct str password, hash_match_cb *cb, void *ctx) MUST_USE;

/* ---- account-store.c */
#define ACCOUNT_TABLE "accounts"
const char *account_key_name(enum digest d); /* "scram-sha-256", "scram-sha-1"; NULL for others */
bool account_key_find(struct str name, enum digest *out);
/* Write a new account: ERR_EXISTS, ERR_IO. */
struct op *account_store_put(struct node_shard *sh, struct op_owner *o, struct str bare,
                             const struct scram_key *keys, size_t n, account_done_cb *cb,
                             void *ctx);

/* ---- account-ask.c: the other regions only. ERR_OK with exists false: all answered no.
 * ERR_UNAVAILABLE: one did not answer. */
struct op *account_ask(struct node_shard *sh, struct op_owner *o, struct str bare, bool with_keys,
                       enum digest digest, account_cb *cb, void *ctx);
#endif
