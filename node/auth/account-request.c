/* DOC: what requests of node/auth that carry a name or a password have in common: read and prepared
 * once, on the caller's owner, answered never inside the call, wiped. Standards: RFC 7622, RFC 8265
 * (names and passwords). */
#include "node/auth/auth-int.h"

static void request_free(struct account_request *r)
{
    defer_cancel(&r->later);
    op_owner_cancel_all(&r->ops);
    mem_wipe((char *)(uintptr_t)r->password.p, r->password.n);
    mem_wipe(r->keys, sizeof r->keys);
    mem_wipe(&r->known, sizeof r->known);
    arena_free(&r->arena);
    mem_free(r);
}

static void request_cancel(struct op *op)
{
    request_free(container_of(op, struct account_request, op));
}

void account_request_end(struct account_request *r, enum err e)
{
    account_done_cb *cb = r->cb;
    void *cb_ctx = r->ctx;
    op_end(&r->op);
    request_free(r);
    cb(cb_ctx, e);
}

static void request_late(void *ctx)
{
    struct account_request *r = ctx;
    account_request_end(r, r->outcome);
}

void account_request_end_later(struct account_request *r, enum err e)
{
    r->outcome = e;
    loop_defer(r->sh->loop, &r->later);
}

enum err account_request_name(struct account_request *r, struct str bare)
{
    struct str name;
    if (jid_parse(r->arena, bare, &r->jid, NULL) != ERR_OK || !r->jid.local.p ||
        jid_is_full(&r->jid) || !node_serves(r->sh->node, r->jid.domain))
        return ERR_INVALID;
    if (jid_prep_username(r->arena, r->jid.local, &name) != ERR_OK || !str_eq(name, r->jid.local))
        return ERR_INVALID;
    return ERR_OK;
}

enum err account_request_read(struct account_request *r, struct str bare, struct str password)
{
    if (account_request_name(r, bare) != ERR_OK)
        return ERR_INVALID;
    if (jid_prep_password(r->arena, password, &r->password) != ERR_OK)
        return ERR_INVALID;
    if (r->password.p == password.p) /* prepared in place: ours is the one to be wiped */
        r->password = arena_dup(r->arena, password);
    return r->password.n ? ERR_OK : ERR_INVALID;
}

struct account_request *account_request_new(struct node_shard *sh, struct op_owner *o,
                                            account_done_cb *cb, void *ctx)
{
    struct account_request *r = mem_alloc(sizeof *r);
    *r = (struct account_request){.sh = sh, .arena = arena_new(0), .cb = cb, .ctx = ctx};
    op_owner_init(&r->ops);
    defer_init(&r->later, request_late, r);
    op_start(&r->op, o, request_cancel);
    return r;
}
