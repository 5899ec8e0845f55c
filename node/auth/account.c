/* DOC: accounts as the rest of the node sees them: found here or in another region, created,
 * checked against a password. Every request is one object on the caller's owner; what it asks hangs
 * on its own, so a cancelled request takes all of it along. A name belongs to one region: before an
 * account is made, the other regions are asked, and one that does not answer is reason enough not
 * to make it. Standards: RFC 7622, RFC 8265 (names and passwords), RFC 4616. */
#include "lib/base/log.h"
#include "node/auth/auth-int.h"
#include "node/cluster/anchor.h"

/* ---- look-up: here, then the others */
struct lookup {
    struct op op;
    struct op_owner ops;
    struct node_shard *sh;
    bool with_keys;
    enum digest digest;
    account_cb *cb;
    void *ctx;
    struct str bare;
    char text[];
};

static void lookup_cancel(struct op *op)
{
    struct lookup *l = container_of(op, struct lookup, op);
    op_owner_cancel_all(&l->ops);
    mem_free(l);
}

static void lookup_end(void *ctx, enum err e, const struct account_info *a)
{
    struct lookup *l = ctx;
    account_cb *cb = l->cb;
    void *cb_ctx = l->ctx;
    op_end(&l->op);
    mem_free(l);
    cb(cb_ctx, e, a);
}

static void lookup_here_done(void *ctx, enum err e, const struct account_info *a)
{
    struct lookup *l = ctx;
    if (e != ERR_OK || a->exists || !l->sh->node->conf->region_name)
        lookup_end(l, e, a);
    else
        account_ask(l->sh, &l->ops, l->bare, l->with_keys, l->digest, lookup_end, l);
}

struct op *account_lookup(struct node_shard *sh, struct op_owner *o, struct str bare,
                          bool with_keys, enum digest digest, account_cb *cb, void *ctx)
{
    struct lookup *l = mem_alloc(sizeof *l + bare.n + 1);
    *l = (struct lookup){.sh = sh, .with_keys = with_keys, .digest = digest, .cb = cb, .ctx = ctx};
    memcpy(l->text, bare.p, bare.n);
    l->bare = str_make(l->text, bare.n);
    op_owner_init(&l->ops);
    op_start(&l->op, o, lookup_cancel);
    account_lookup_here(sh, &l->ops, l->bare, with_keys, digest, lookup_here_done, l);
    return &l->op;
}

/* ---- create */
struct learn { /* to the home shard: forget that there was no such account */
    struct str bare;
    char text[];
};

static void learn_run(struct node_shard *sh, void *ctx)
{
    struct learn *l = ctx;
    anchor_learn(sh, l->bare, NULL);
    mem_free(l);
}

static void forget_absence(struct node *n, struct str bare)
{
    struct learn *l = mem_alloc(sizeof *l + bare.n + 1);
    memcpy(l->text, bare.p, bare.n);
    l->bare = str_make(l->text, bare.n);
    node_post(node_shard_of(n, l->bare), learn_run, mem_free, l);
}

static void create_stored(void *ctx, enum err e)
{
    struct account_request *r = ctx;
    if (e == ERR_OK) {
        log_info(NULL, "account.created", "user", LOG_STR(r->jid.full));
        forget_absence(r->sh->node, r->jid.bare);
    }
    account_request_end(r, e);
}

static void create_derived(void *ctx, const struct scram_key *keys, size_t n)
{
    struct account_request *r = ctx;
    account_store_put(r->sh, &r->ops, r->jid.bare, keys, n, create_stored, r);
}

static void create_looked(void *ctx, enum err e, const struct account_info *a)
{
    struct account_request *r = ctx;
    if (e == ERR_OK && a->exists)
        e = ERR_EXISTS;
    if (e == ERR_OK)
        e = hash_derive(r->sh, &r->ops, r->password, r->sh->node->conf->scram_digests,
                        create_derived, r);
    if (e != ERR_OK)
        account_request_end(r, e);
}

struct op *account_create(struct node_shard *sh, struct op_owner *o, struct str bare,
                          struct str password, account_done_cb *cb, void *ctx)
{
    struct account_request *r = account_request_new(sh, o, cb, ctx);
    enum err e = account_request_read(r, bare, password);
    if (e != ERR_OK)
        account_request_end_later(r, e);
    else
        account_lookup(sh, &r->ops, r->jid.bare, false, DIGEST_SHA256, create_looked, r);
    return &r->op;
}

/* ---- import: create with keys that were derived elsewhere */
static void import_looked(void *ctx, enum err e, const struct account_info *a)
{
    struct account_request *r = ctx;
    if (e == ERR_OK && a->exists)
        e = ERR_EXISTS;
    if (e == ERR_OK)
        account_store_put(r->sh, &r->ops, r->jid.bare, r->keys, r->n_keys, create_stored, r);
    else
        account_request_end(r, e);
}

/* ERR_INVALID: none, too many, two of one digest, or one of a digest that accounts do not keep. */
static enum err import_read_keys(struct account_request *r, const struct scram_key *keys, size_t n)
{
    if (n == 0 || n > ACCOUNT_KEYS_MAX)
        return ERR_INVALID;
    for (size_t i = 0; i < n; i++) {
        if (!account_key_name(keys[i].digest))
            return ERR_INVALID;
        for (size_t k = 0; k < i; k++)
            if (keys[k].digest == keys[i].digest)
                return ERR_INVALID;
        r->keys[i] = keys[i];
    }
    r->n_keys = n;
    return ERR_OK;
}

struct op *account_import(struct node_shard *sh, struct op_owner *o, struct str bare,
                          const struct scram_key *keys, size_t n, account_done_cb *cb, void *ctx)
{
    struct account_request *r = account_request_new(sh, o, cb, ctx);
    enum err e = account_request_name(r, bare);
    if (e == ERR_OK)
        e = import_read_keys(r, keys, n);
    if (e != ERR_OK)
        account_request_end_later(r, e);
    else
        account_lookup(sh, &r->ops, r->jid.bare, false, DIGEST_SHA256, import_looked, r);
    return &r->op;
}

/* ---- verify: all digests are asked for, whatever is found, so that an account that is not there
 * takes as long as one that is, and what an account lacks is known */
static const enum digest verify_order[] = {DIGEST_SHA256, DIGEST_SHA512, DIGEST_SHA1};

static void verify_look(struct account_request *r);

static bool is_of_this_region(const struct account_request *r)
{
    const char *region = r->sh->node->conf->region_name;
    return strcmp(r->known.home, region ? region : "") == 0;
}

static void verify_matched(void *ctx, bool matches)
{
    struct account_request *r = ctx;
    const unsigned set = r->lacks & r->sh->node->conf->scram_digests;
    if (matches && set && is_of_this_region(r))
        account_upgrade(r->sh, r->jid.bare, &r->known, r->password, set);
    account_request_end(r, matches ? ERR_OK : ERR_AUTH);
}

static void verify_hash(struct account_request *r)
{
    const struct scram_key *key = r->known.has_keys ? &r->known.keys : NULL;
    enum err e = hash_verify(r->sh, &r->ops, key, r->password, verify_matched, r);
    if (e != ERR_OK)
        account_request_end(r, e);
}

static void verify_looked(void *ctx, enum err e, const struct account_info *a)
{
    struct account_request *r = ctx;
    if (e != ERR_OK) {
        account_request_end(r, e);
        return;
    }
    if (!a->exists || !a->has_keys)
        r->lacks |= 1U << verify_order[r->at];
    else if (!r->known.has_keys)
        r->known = *a;
    if (++r->at < ARRAY_LEN(verify_order))
        verify_look(r);
    else
        verify_hash(r);
}

static void verify_look(struct account_request *r)
{
    account_lookup(r->sh, &r->ops, r->jid.bare, true, verify_order[r->at], verify_looked, r);
}

struct op *account_verify(struct node_shard *sh, struct op_owner *o, struct str bare,
                          struct str password, account_done_cb *cb, void *ctx)
{
    struct account_request *r = account_request_new(sh, o, cb, ctx);
    if (account_request_read(r, bare, password) != ERR_OK)
        account_request_end_later(r, ERR_AUTH);
    else
        verify_look(r);
    return &r->op;
}
