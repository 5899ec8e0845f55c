/* DOC: removals of accounts that were interrupted, by a store that failed or a node that died:
 * found in the store at the start and every minute, and gone on with at the account's anchor. In a
 * region the first look waits until its members are known, so that one of them acts. */
#include "lib/base/log.h"
#include "lib/loop/timer.h"
#include "node/auth/account-removal.h"
#include "node/cluster/anchor.h"
#include "node/mod/mods.h"
#include "node/session/user.h"

enum { PAGE = 100, START_MS = 1000, START_REGION_MS = 30000, PERIOD_MS = 60000 };

struct removals {
    struct node_shard *shard;
    struct timer look;
    char *after; /* heap; the last of the page before; NULL: from the first */
};

static void go_on_with(struct removals *r, struct str owner)
{
    struct node_shard *sh = r->shard;
    struct arena *a = arena_new(0);
    struct jid j;
    if (node_shard_of(sh->node, owner) == sh && anchor_is_ours(sh, owner) &&
        jid_parse(a, owner, &j, NULL) == ERR_OK && node_serves(sh->node, j.domain))
        user_erase_on(sh, &j);
    arena_free(&a);
}

static void on_page(void *ctx, enum err e, const struct str *owners, size_t n)
{
    struct removals *r = ctx;
    const bool has_more = e == ERR_OK && n == PAGE;
    if (e != ERR_OK)
        log_warn(NULL, "account.removals.unread", "why", err_text(e));
    for (size_t i = 0; e == ERR_OK && i < n; i++)
        go_on_with(r, owners[i]);
    mem_free(r->after);
    r->after = has_more ? str_dup(owners[n - 1]) : NULL;
    timer_start(&r->look, has_more ? START_MS : PERIOD_MS);
}

static void on_look(void *ctx)
{
    struct removals *r = ctx;
    account_removals(r->shard, &r->shard->ops, str_of(r->after ? r->after : ""), PAGE, on_page, r);
}

static enum err init(struct node_shard *sh, void *state)
{
    struct removals *r = state;
    r->shard = sh;
    timer_init(&r->look, sh->loop, on_look, r);
    timer_start(&r->look, sh->node->conf->region_name ? START_REGION_MS : START_MS);
    return ERR_OK;
}

static void fini(struct node_shard *sh, void *state)
{
    struct removals *r = state;
    (void)sh;
    timer_stop(&r->look);
    mem_free(r->after);
}

const struct module mod_removals = {
    .name = "removals",
    .xep = "0077",
    .shard_size = sizeof(struct removals),
    .init = init,
    .fini = fini,
};
