/* Commands about accounts, one at a time. Passwords are arguments: they are never logged and never
 * part of an answer. */
#include "node/admin/admin-int.h"
#include "node/auth/account.h"

bool control_account_jid(struct control_request *r, struct arena *a, struct jid *j)
{
    const char *text = control_arg(r, 0), *why = "";
    if (jid_parse(a, str_of(text), j, &why) != ERR_OK)
        control_fail(r, "\"%s\" is no address: %s", text, why);
    else if (!j->local.p || jid_is_full(j))
        control_fail(r, "\"%s\" is no account address: user@domain is", text);
    else if (!node_serves(r->node, j->domain))
        control_fail(r, "%s is not a domain of this node", j->domain.p);
    else
        return true;
    return false;
}

/* Go on at the account's home shard. */
static void at_home(struct control_request *r, void (*then)(struct control_request *r))
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (control_account_jid(r, a, &j))
        control_move(r, node_shard_of(r->node, j.bare), then);
    arena_free(&a);
}

static void account_done(struct control_request *r, enum err e, const char *verb)
{
    const char *jid = control_arg(r, 0);
    if (e == ERR_OK)
        control_done(r);
    else if (e == ERR_EXISTS)
        control_fail(r, "%s exists already", jid);
    else if (e == ERR_NOTFOUND)
        control_fail(r, "there is no account %s", jid);
    else
        control_fail(r, "cannot %s %s: %s", verb, jid, err_text(e));
}

/* ---- adduser */
static void added(void *ctx, enum err e)
{
    account_done(ctx, e, "add");
}

static void adduser_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (control_account_jid(r, a, &j))
        account_create(r->shard, &r->ops, j.bare, str_of(control_arg(r, 1)), added, r);
    arena_free(&a);
}

void control_run_adduser(struct control_request *r)
{
    at_home(r, adduser_there);
}

/* ---- passwd, deluser */
static void password_set(void *ctx, enum err e)
{
    account_done(ctx, e, "change");
}

static void passwd_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (control_account_jid(r, a, &j))
        account_set_password(r->shard, &r->ops, j.bare, str_of(control_arg(r, 1)), password_set, r);
    arena_free(&a);
}

void control_run_passwd(struct control_request *r)
{
    at_home(r, passwd_there);
}

static void deleted(void *ctx, enum err e)
{
    account_done(ctx, e, "remove");
}

static void deluser_there(struct control_request *r)
{
    struct arena *a = arena_new(0);
    struct jid j;
    if (control_account_jid(r, a, &j))
        account_delete(r->shard, &r->ops, j.bare, deleted, r);
    arena_free(&a);
}

void control_run_deluser(struct control_request *r)
{
    at_home(r, deluser_there);
}

/* ---- users */
static void users_page(void *ctx, enum err e, const struct str *owners, size_t n)
{
    struct control_request *r = ctx;
    if (e != ERR_OK) {
        control_fail(r, "cannot read the accounts: %s", err_text(e));
        return;
    }
    r->out = json_new_array();
    for (size_t i = 0; i < n; i++)
        json_push_str(r->out, owners[i]);
    control_done(r);
}

void control_run_users(struct control_request *r)
{
    account_list(r->shard, &r->ops, str_of(control_arg(r, 0)), USERS_PAGE, users_page, r);
}
