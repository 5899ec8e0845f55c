/* DOC: logins with tokens, and tokens for logins. The account's value is read, the rules of
 * account-token.c change it, and if it changed it is written in its revision; when somebody else
 * was faster all is done again from the start. So of two uses of one count, or of a use and a
 * change of the password, one comes second and sees the other. What is wrong costs the same
 * whatever is wrong at the account's home: two reads and two digests, whether there are tokens or
 * not. An account that is not in our store is asked for in the other regions (account-fast-ask.c),
 * which takes as long as with a password. Standards: XEP-0484. */
#include "node/auth/account-fast-int.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/xmpp/jid.h"
#include "lib/xmpp/xep.h"
#include "node/auth/account-removal.h"
#include "node/auth/account-token-int.h"
#include "node/auth/auth-int.h"

XEP("0484", "0.2.0", PARTIAL, "no TLS early data");

enum { TRIES = 4 }; /* changes of the same account in the same moment */

struct fast {
    struct op op;
    struct op_owner ops;
    struct node_shard *sh;
    struct account_tokens *set;
    uint64_t rev; /* of the value; 0: there is none */
    unsigned tries;
    bool is_login, is_asker; /* is_asker: other regions are asked, too */
    uint64_t since_us;       /* issue */
    enum sasl_mech mech;
    struct account_fast_try try; /* strings of arena */
    char agent[ACCOUNT_AGENT_HEX + 1];
    struct arena *arena;
    struct str bare;
    struct account_fast out; /* wiped */
    account_fast_cb *cb;
    void *ctx;
};

static void fast_free(struct fast *f)
{
    op_owner_cancel_all(&f->ops);
    mem_wipe(&f->out, sizeof f->out);
    mem_free(f->set);
    arena_free(&f->arena);
    mem_free(f);
}

static void fast_cancel(struct op *op)
{
    fast_free(container_of(op, struct fast, op));
}

static void fast_tell(struct fast *f, enum err e)
{
    account_fast_cb *cb = f->cb;
    void *ctx = f->ctx;
    struct account_fast out = f->out;
    op_end(&f->op);
    fast_free(f);
    cb(ctx, e, &out);
    mem_wipe(&out, sizeof out);
}

static void asked(void *ctx, enum err e, const struct account_fast *out)
{
    struct fast *f = ctx;
    f->out = *out;
    fast_tell(f, e == ERR_NOTFOUND && f->is_login ? ERR_AUTH : e);
}

static void fast_end(struct fast *f, enum err e)
{
    const struct account_fast_question q = {f->try, f->is_login, f->since_us};
    if (e == ERR_NOTFOUND && f->is_asker)
        account_fast_ask(f->sh, &f->ops, &q, asked, f);
    else
        fast_tell(f, e);
}

static struct fast *fast_new(struct node_shard *sh, struct op_owner *o,
                             const struct account_fast_question *q, account_fast_cb *cb, void *ctx)
{
    struct fast *f = mem_alloc(sizeof *f);
    *f = (struct fast){.sh = sh,
                       .cb = cb,
                       .ctx = ctx,
                       .is_login = q->is_login,
                       .since_us = q->since_us,
                       .mech = q->try.mech,
                       .try = q->try};
    f->set = mem_alloc(sizeof *f->set);
    f->arena = arena_new(0);
    f->bare = f->try.bare = arena_dup(f->arena, q->try.bare);
    f->try.agent = arena_dup(f->arena, q->try.agent);
    f->try.proof = arena_dup(f->arena, q->try.proof);
    f->try.binding = arena_dup(f->arena, q->try.binding);
    account_agent_digest(q->try.agent, f->agent);
    op_owner_init(&f->ops);
    op_start(&f->op, o, fast_cancel);
    return f;
}

static struct str secret(const struct fast *f)
{
    return str_of(f->sh->node->conf->dialback_secret);
}

static void fast_read(struct fast *f);

/* ---- writing */
static void written(void *ctx, enum err e)
{
    struct fast *f = ctx;
    if (e != ERR_CONFLICT)
        fast_end(f, e);
    else if (++f->tries < TRIES)
        fast_read(f);
    else
        fast_end(f, ERR_UNAVAILABLE);
}

/* created: of an account that has no tokens yet; written again, so that it is there still. */
static void fast_write(struct fast *f, const struct store_kv *created)
{
    struct buf text;
    buf_init(&text, ACCOUNT_TOKENS_TEXT);
    account_tokens_format(f->set, &text);
    must(buf_ok(&text));
    struct store_txn *t = store_txn_new(f->sh->store, f->bare);
    if (created)
        store_txn_kv_put(t, ACCOUNT_TABLE, STR("created"), created->value, created->rev);
    store_txn_kv_put(t, ACCOUNT_TABLE, STR(ACCOUNT_FAST_KEY), buf_view(&text), f->rev);
    buf_fini(&text);
    store_commit(&t, &f->ops, written, f);
}

/* ---- the rules */
static void give_token(struct fast *f, enum sasl_mech mech)
{
    const uint64_t valid_us = f->sh->node->conf->fast_validity_ms * 1000;
    const struct account_token *t =
        account_tokens_add(f->set, f->agent, mech, clock_wall_us() + valid_us);
    account_token_text(t, secret(f), f->bare, f->out.token);
    f->out.expires_us = t->expires_us;
    f->out.has_token = true;
}

/* The token that made the proof. Both are looked at, also when there are none. */
static struct account_token *proven(struct fast *f)
{
    struct account_token *found = NULL;
    for (int is_new = 1; is_new >= 0; is_new--) {
        char text[ACCOUNT_TOKEN_TEXT + 1];
        uint8_t response[SASL_HT_BYTES];
        struct account_token none = {.mech = f->try.mech};
        struct account_token *t = account_tokens_find(f->set, f->agent, is_new);
        account_token_text(t ? t : &none, secret(f), f->bare, text);
        const bool is_right = sasl_ht_check(str_of(text), f->try.binding, f->try.proof, response);
        if (t && is_right && t->mech == f->try.mech) {
            found = t;
            memcpy(f->out.response, response, sizeof response);
        }
        mem_wipe(text, sizeof text);
    }
    return found;
}

/* Section 3.5: due when what is left of its life is short. */
static bool is_due(const struct fast *f, const struct account_token *t)
{
    return t->expires_us < clock_wall_us() + f->sh->node->conf->fast_rotate_ms * 1000;
}

/* The use of a token that was right. True: the set changed. */
static bool use(struct fast *f, struct account_token *t)
{
    const struct account_fast_try *try = &f->try;
    const bool gives = try->wants_token || (!try->is_last && is_due(f, t));
    const bool changes = account_tokens_used(f->set, t, try->count);
    for (int is_new = 0; is_new <= 1 && try->is_last; is_new++) /* the client logs out */
        account_tokens_drop(f->set, account_tokens_find(f->set, f->agent, is_new));
    if (gives)
        give_token(f, try->wants_token ? try->wanted : try->mech);
    return changes || gives || try->is_last;
}

/* Nothing was right: is the account here? */
static void created_looked(void *ctx, enum err e, const struct store_kv *v)
{
    struct fast *f = ctx;
    if (e == ERR_OK)
        e = account_is_removing(v) ? ERR_NOTFOUND : ERR_AUTH;
    if (e == ERR_NOTFOUND && !f->sh->node->conf->region_name)
        e = ERR_AUTH;
    fast_end(f, e);
}

static void login_decide(struct fast *f)
{
    struct account_token *t = proven(f);
    if (!t || (f->try.count > 0 && f->try.count <= t->count))
        store_kv_get(f->sh->store, &f->ops, ACCOUNT_TABLE, f->bare, STR("created"), created_looked,
                     f);
    else if (t->expires_us <= clock_wall_us())
        fast_end(f, ERR_EOF);
    else if (use(f, t))
        fast_write(f, NULL);
    else
        fast_end(f, ERR_OK);
}

/* ---- a token for another login */
static void created_read(void *ctx, enum err e, const struct store_kv *v)
{
    struct fast *f = ctx;
    if (e == ERR_OK && account_is_removing(v))
        e = ERR_NOTFOUND;
    if (e != ERR_OK) {
        fast_end(f, e);
        return;
    }
    give_token(f, f->mech);
    fast_write(f, v);
}

static void issue_decide(struct fast *f)
{
    if (f->set->since_us >= f->since_us) {
        fast_end(f, ERR_AUTH);
    } else if (!f->rev) {
        store_kv_get(f->sh->store, &f->ops, ACCOUNT_TABLE, f->bare, STR("created"), created_read,
                     f);
    } else {
        give_token(f, f->mech);
        fast_write(f, NULL);
    }
}

/* ---- reading */
static void value_read(void *ctx, enum err e, const struct store_kv *v)
{
    struct fast *f = ctx;
    *f->set = (struct account_tokens){0};
    f->out = (struct account_fast){0};
    f->rev = e == ERR_OK ? v->rev : 0;
    if (e == ERR_OK)
        e = account_tokens_parse(v->value, f->set) == ERR_OK ? ERR_OK : ERR_IO;
    if (e == ERR_IO)
        log_error(NULL, "account.tokens.unreadable", "user", LOG_STR(f->bare));
    if (e != ERR_OK && e != ERR_NOTFOUND)
        fast_end(f, e);
    else if (f->is_login)
        login_decide(f);
    else
        issue_decide(f);
}

static void fast_read(struct fast *f)
{
    store_kv_get(f->sh->store, &f->ops, ACCOUNT_TABLE, f->bare, STR(ACCOUNT_FAST_KEY), value_read,
                 f);
}

/* ---- face */
static struct op *begin(struct node_shard *sh, struct op_owner *o,
                        const struct account_fast_question *q, bool is_asker, account_fast_cb *cb,
                        void *ctx)
{
    struct fast *f = fast_new(sh, o, q, cb, ctx);
    f->is_asker = is_asker && sh->node->conf->region_name;
    fast_read(f);
    return &f->op;
}

struct op *account_fast_here(struct node_shard *sh, struct op_owner *o,
                             const struct account_fast_question *q, account_fast_cb *cb, void *ctx)
{
    return begin(sh, o, q, false, cb, ctx);
}

struct op *account_fast_login(struct node_shard *sh, struct op_owner *o,
                              const struct account_fast_try *try, account_fast_cb *cb, void *ctx)
{
    const struct account_fast_question q = {.try = *try, .is_login = true};
    return begin(sh, o, &q, true, cb, ctx);
}

struct op *account_fast_issue(struct node_shard *sh, struct op_owner *o, struct str bare,
                              struct str agent, enum sasl_mech mech, uint64_t since_us,
                              account_fast_cb *cb, void *ctx)
{
    const struct account_fast_question q = {.try = {.bare = bare, .agent = agent, .mech = mech},
                                            .since_us = since_us};
    return begin(sh, o, &q, true, cb, ctx);
}
