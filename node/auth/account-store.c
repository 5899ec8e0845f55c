/* DOC: accounts in our own store: table "accounts", owner = bare JID, one value per digest (the
 * text form of the salted keys) and "created" (an XEP-0082 time). All are written in one
 * transaction that requires them to be absent. Later keys are written with the same "created" again
 * in its revision, so that they never bring back an account that was removed meanwhile. Standards:
 * RFC 5803 (text form). Tokens (account-token.c) are one more value, "fast". */
#include "lib/base/clock.h"
#include "lib/base/encode.h"
#include "lib/base/log.h"
#include "node/auth/account-removal.h"
#include "node/auth/account-token-int.h"
#include "node/auth/auth-int.h"

enum { KEY_TEXT_MAX = 1024 };

static const struct {
    enum digest digest;
    const char *name;
} key_names[] = {{DIGEST_SHA256, "scram-sha-256"},
                 {DIGEST_SHA1, "scram-sha-1"},
                 {DIGEST_SHA512, "scram-sha-512"}};

const char *account_key_name(enum digest d)
{
    for (size_t i = 0; i < ARRAY_LEN(key_names); i++)
        if (key_names[i].digest == d)
            return key_names[i].name;
    return NULL;
}

bool account_key_find(struct str name, enum digest *out)
{
    for (size_t i = 0; i < ARRAY_LEN(key_names); i++) {
        if (str_eqc(name, key_names[i].name)) {
            *out = key_names[i].digest;
            return true;
        }
    }
    return false;
}

/* ---- reading */
struct here {
    struct op op;
    struct op_owner ops;
    struct node_shard *sh;
    bool with_keys, is_anonymous;
    enum digest digest;
    account_cb *cb;
    void *ctx;
};

static void here_cancel(struct op *op)
{
    struct here *h = container_of(op, struct here, op);
    op_owner_cancel_all(&h->ops);
    mem_free(h);
}

static enum err here_read(const struct here *h, enum err e, const struct store_kv *v,
                          struct account_info *a)
{
    const char *region = h->sh->node->conf->region_name;
    if (e != ERR_OK && !(e == ERR_NOTFOUND && h->is_anonymous && !h->with_keys))
        return e == ERR_NOTFOUND ? ERR_OK : e;
    if (e == ERR_OK && !h->with_keys && account_is_removing(v)) /* keys are gone by then */
        return ERR_OK;
    a->exists = true;
    str_put(a->home, sizeof a->home, region ? region : "");
    if (!h->with_keys)
        return ERR_OK;
    a->has_keys = true;
    a->rev = v->rev;
    e = scram_key_parse(v->value, &a->keys);
    return e == ERR_OK && a->keys.digest == h->digest ? ERR_OK : ERR_IO;
}

static void here_done(void *ctx, enum err e, const struct store_kv *v)
{
    struct here *h = ctx;
    struct account_info a = {0};
    e = here_read(h, e, v, &a);
    if (e != ERR_OK)
        log_error(NULL, "account.read.failed", "why", err_text(e));
    account_cb *cb = h->cb;
    void *cb_ctx = h->ctx;
    op_end(&h->op);
    mem_free(h);
    cb(cb_ctx, e, &a);
    mem_wipe(&a, sizeof a);
}

struct op *account_lookup_here(struct node_shard *sh, struct op_owner *o, struct str bare,
                               bool with_keys, enum digest digest, account_cb *cb, void *ctx)
{
    struct here *h = mem_alloc(sizeof *h);
    *h = (struct here){.sh = sh, .with_keys = with_keys, .digest = digest, .cb = cb, .ctx = ctx};
    struct str rest = bare;
    h->is_anonymous = account_is_anonymous(sh->node->conf, str_cut(&rest, '@'));
    op_owner_init(&h->ops);
    op_start(&h->op, o, here_cancel);
    const char *key = with_keys ? account_key_name(digest) : "created";
    store_kv_get(sh->store, &h->ops, ACCOUNT_TABLE, bare, str_of(key ? key : "none"), here_done, h);
    return &h->op;
}

/* ---- writing */
struct put {
    struct op op;
    struct op_owner ops;
    account_done_cb *cb;
    void *ctx;
};

static void put_cancel(struct op *op)
{
    struct put *p = container_of(op, struct put, op);
    op_owner_cancel_all(&p->ops);
    mem_free(p);
}

static void put_done(void *ctx, enum err e)
{
    struct put *p = ctx;
    account_done_cb *cb = p->cb;
    void *cb_ctx = p->ctx;
    op_end(&p->op);
    mem_free(p);
    cb(cb_ctx, e == ERR_CONFLICT ? ERR_EXISTS : e);
}

static struct put *put_new(struct op_owner *o, account_done_cb *cb, void *ctx)
{
    struct put *p = mem_alloc(sizeof *p);
    *p = (struct put){.cb = cb, .ctx = ctx};
    op_owner_init(&p->ops);
    op_start(&p->op, o, put_cancel);
    return p;
}

static void txn_keys(struct store_txn *t, const struct scram_key *keys, size_t n, uint64_t rev)
{
    struct buf text;
    buf_init(&text, KEY_TEXT_MAX);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&text);
        scram_key_format(&keys[i], &text);
        store_txn_kv_put(t, ACCOUNT_TABLE, str_of(account_key_name(keys[i].digest)),
                         buf_view(&text), rev);
    }
    mem_wipe(text.p, text.cap);
    buf_fini(&text);
}

struct op *account_store_add(struct node_shard *sh, struct op_owner *o, struct str bare,
                             const struct account_info *known, const struct scram_key *keys,
                             size_t n, account_done_cb *cb, void *ctx)
{
    struct put *p = put_new(o, cb, ctx);
    struct store_txn *t = store_txn_new(sh->store, bare);
    txn_keys(t, &known->keys, 1, known->rev);
    txn_keys(t, keys, n, 0);
    store_commit(&t, &p->ops, put_done, p);
    return &p->op;
}

struct op *account_store_put(struct node_shard *sh, struct op_owner *o, struct str bare,
                             const struct scram_key *keys, size_t n, account_done_cb *cb, void *ctx)
{
    struct put *p = put_new(o, cb, ctx);
    struct store_txn *t = store_txn_new(sh->store, bare);
    txn_keys(t, keys, n, 0);
    char now[DATEFMT_LEN + 1];
    store_txn_kv_put(t, ACCOUNT_TABLE, STR("created"), str_of(datefmt_utc(now, clock_wall_us())),
                     0);
    store_commit(&t, &p->ops, put_done, p);
    return &p->op;
}

/* ---- changing and removing */
struct replace {
    struct put put; /* what ends it */
    struct node_shard *sh;
    struct scram_key keys[ACCOUNT_KEYS_MAX];
    size_t n;
    struct str bare;
    char text[];
};

static void replace_cancel(struct op *op)
{
    struct replace *r = container_of(op, struct replace, put.op);
    op_owner_cancel_all(&r->put.ops);
    mem_wipe(r->keys, sizeof r->keys);
    mem_free(r);
}

static void replace_done(void *ctx, enum err e)
{
    struct replace *r = ctx;
    account_done_cb *cb = r->put.cb;
    void *cb_ctx = r->put.ctx;
    op_end(&r->put.op);
    mem_wipe(r->keys, sizeof r->keys);
    mem_free(r);
    cb(cb_ctx, e);
}

static bool has_digest(const struct replace *r, enum digest d)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->keys[i].digest == d)
            return true;
    return false;
}

/* Nor do tokens that it gave, nor may a login that began with it get one. */
static void txn_end_tokens(struct store_txn *t)
{
    const struct account_tokens none = {.since_us = clock_wall_us()};
    struct buf text;
    buf_init(&text, ACCOUNT_TOKENS_TEXT);
    account_tokens_format(&none, &text);
    store_txn_kv_put(t, ACCOUNT_TABLE, STR(ACCOUNT_FAST_KEY), buf_view(&text), STORE_REV_ANY);
    buf_fini(&text);
}

static void replace_read(void *ctx, enum err e, const struct store_kv *created)
{
    struct replace *r = ctx;
    if (e == ERR_OK && account_is_removing(created))
        e = ERR_NOTFOUND;
    if (e != ERR_OK) {
        replace_done(r, e);
        return;
    }
    struct store_txn *t = store_txn_new(r->sh->store, r->bare);
    store_txn_kv_put(t, ACCOUNT_TABLE, STR("created"), created->value, created->rev);
    for (size_t i = 0; i < ARRAY_LEN(key_names); i++) /* none of the old password stays */
        if (!has_digest(r, key_names[i].digest))
            store_txn_kv_del(t, ACCOUNT_TABLE, str_of(key_names[i].name), STORE_REV_ANY);
    txn_keys(t, r->keys, r->n, STORE_REV_ANY);
    txn_end_tokens(t);
    store_commit(&t, &r->put.ops, replace_done, r);
}

struct op *account_store_replace(struct node_shard *sh, struct op_owner *o, struct str bare,
                                 const struct scram_key *keys, size_t n, account_done_cb *cb,
                                 void *ctx)
{
    struct replace *r = mem_alloc(sizeof *r + bare.n + 1);
    *r = (struct replace){.put = {.cb = cb, .ctx = ctx}, .sh = sh, .n = n};
    memcpy(r->keys, keys, n * sizeof *keys);
    memcpy(r->text, bare.p, bare.n);
    r->bare = str_make(r->text, bare.n);
    op_owner_init(&r->put.ops);
    op_start(&r->put.op, o, replace_cancel);
    store_kv_get(sh->store, &r->put.ops, ACCOUNT_TABLE, r->bare, STR("created"), replace_read, r);
    return &r->put.op;
}

void account_secrets_del(struct store_txn *t)
{
    store_txn_kv_del(t, ACCOUNT_TABLE, STR(ACCOUNT_FAST_KEY), STORE_REV_ANY);
    for (size_t i = 0; i < ARRAY_LEN(key_names); i++)
        store_txn_kv_del(t, ACCOUNT_TABLE, str_of(key_names[i].name), STORE_REV_ANY);
}

struct op *account_list(struct node_shard *sh, struct op_owner *o, struct str after, size_t limit,
                        store_owners_cb *cb, void *ctx)
{
    return store_owners(sh->store, o, ACCOUNT_TABLE, after, limit, cb, ctx);
}
