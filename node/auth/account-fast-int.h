#ifndef NODE_AUTH_ACCOUNT_FAST_INT_H
#define NODE_AUTH_ACCOUNT_FAST_INT_H
/* Shared by account-fast.c (tokens in our own store) and account-fast-ask.c (of other regions). */
#include "lib/xmpp/xml.h"
#include "node/auth/account-fast.h"

struct account_fast_question {   /* strings are borrowed for the call */
    struct account_fast_try try; /* issue: bare, agent and mech only */
    bool is_login;
    uint64_t since_us; /* issue */
};
/* As account_fast_login and account_fast_issue, in our own store only. ERR_NOTFOUND: no such
 * account is here. */
struct op *account_fast_here(struct node_shard *sh, struct op_owner *o,
                             const struct account_fast_question *q, account_fast_cb *cb, void *ctx);
/* The same in the other regions. ERR_NOTFOUND: all say no; ERR_UNAVAILABLE: one did not answer. */
struct op *account_fast_ask(struct node_shard *sh, struct op_owner *o,
                            const struct account_fast_question *q, account_fast_cb *cb, void *ctx);
/* Another region's question; el is its <fast/>. False: it makes no sense, nothing is called. */
bool account_fast_answer(struct node_shard *sh, struct op_owner *o, struct str bare,
                         const struct xml *el, account_fast_cb *cb, void *ctx);
/* Into the answer's <account/>; e as account_fast_here has it, but for ERR_NOTFOUND. */
void account_fast_answer_add(struct arena *a, struct xml *el, enum err e,
                             const struct account_fast *f);
#endif
