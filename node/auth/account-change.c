/* DOC: an account gets another password, or is removed, wherever its home is. A password is hashed
 * here and its keys go to the region that has the account; a removal goes to the account's anchor,
 * which knows its sessions. Standards: RFC 8265 (passwords), XEP-0077 section 3.2 (what a removal
 * means). */
#include "lib/base/log.h"
#include "node/auth/auth-int.h"
#include "node/cluster/anchor.h"
#include "node/session/user.h"

static void changed(struct account_request *r, enum err e)
{
    if (e == ERR_OK)
        log_info(NULL, "account.password.set", "user", LOG_STR(r->jid.full));
    account_request_end(r, e);
}

/* ---- password */
static void set_there(void *ctx, enum err e, const struct account_info *a)
{
    changed(ctx, e == ERR_OK && !a->exists ? ERR_NOTFOUND : e);
}

static void set_here(void *ctx, enum err e)
{
    changed(ctx, e);
}

static void set_derived(void *ctx, const struct scram_key *keys, size_t n)
{
    struct account_request *r = ctx;
    if (r->is_here)
        account_store_replace(r->sh, &r->ops, r->jid.bare, keys, n, set_here, r);
    else
        account_ask_replace(r->sh, &r->ops, r->jid.bare, keys, n, set_there, r);
}

static void set_looked(void *ctx, enum err e, const struct account_info *a)
{
    struct account_request *r = ctx;
    r->is_here = e == ERR_OK && a->exists;
    if (e == ERR_OK && !r->is_here && !r->sh->node->conf->region_name)
        e = ERR_NOTFOUND;
    if (e == ERR_OK)
        e = hash_derive(r->sh, &r->ops, r->password, r->sh->node->conf->scram_digests, set_derived,
                        r);
    if (e != ERR_OK)
        account_request_end(r, e);
}

struct op *account_set_password(struct node_shard *sh, struct op_owner *o, struct str bare,
                                struct str password, account_done_cb *cb, void *ctx)
{
    struct account_request *r = account_request_new(sh, o, cb, ctx);
    enum err e = account_request_read(r, bare, password);
    if (e != ERR_OK)
        account_request_end_later(r, e);
    else
        account_lookup_here(sh, &r->ops, r->jid.bare, false, DIGEST_SHA256, set_looked, r);
    return &r->op;
}

/* ---- removal */
static void removed_here(void *ctx, enum err e)
{
    account_request_end(ctx, e);
}

static void removed_there(void *ctx, enum err e, const struct account_info *a)
{
    struct account_request *r = ctx;
    if (e == ERR_OK)
        anchor_learn(r->sh, r->jid.bare, NULL);
    account_request_end(r, e == ERR_OK && !a->exists ? ERR_NOTFOUND : e);
}

static void remove_at(void *ctx, const struct anchor *a)
{
    struct account_request *r = ctx;
    switch (a->what) {
    case ANCHOR_HERE:
        user_erase(r->sh, &r->ops, &r->jid, removed_here, r);
        break;
    case ANCHOR_PEER:
        account_ask_remove(r->sh, &r->ops, a->peer, r->jid.bare, removed_there, r);
        break;
    case ANCHOR_NO_ACCOUNT:
        account_request_end(r, ERR_NOTFOUND);
        break;
    case ANCHOR_UNKNOWN:
        account_request_end(r, ERR_UNAVAILABLE);
        break;
    }
}

struct op *account_delete(struct node_shard *sh, struct op_owner *o, struct str bare,
                          account_done_cb *cb, void *ctx)
{
    struct account_request *r = account_request_new(sh, o, cb, ctx);
    enum err e = account_request_name(r, bare);
    if (e != ERR_OK)
        account_request_end_later(r, e);
    else
        anchor_ask(sh, &r->ops, r->jid.bare, remove_at, NULL, r);
    return &r->op;
}
